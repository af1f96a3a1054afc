# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every secret gets another value while visitors are served, and the old one opens nothing afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lab import mortal, net, offsite, registry
from lab.platform import Platform, Run
from lab.shell import run
from lab.supabase import service
from lab.visitors import visited

from .conftest import NewLab

pytestmark = [pytest.mark.lab, pytest.mark.long]
APIS = {"hetzner": "/servers", "cloudflare": "/zones", "supabase": "/v1/projects", "monitors": "/api/v2/monitors"}


class Inventory(Platform):
    """A platform whose owner changes her inventory: `given` is read last, `lab.json` is what the lab's own inventory reads."""

    @property
    def file(self) -> Path:
        return self.lab.path("rotation.json")

    def command(self, playbook: str, *args: str) -> list[str]:
        return [*super().command(playbook, *args), "-e", f"@{self.file}"]

    def give(self, **settings: Any) -> None:
        """Puts values into the inventory."""
        before = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.file.write_text(json.dumps({**before, **settings}))

    @contextmanager
    def lab_facts(self) -> Iterator[dict[str, Any]]:
        """`lab.json`, to be changed."""
        facts = self.facts
        yield facts
        self.lab.path("lab.json").write_text(json.dumps(facts))

    def done(self, playbook: str, *args: str) -> Run:
        """A run that has to work."""
        ended = self.play(playbook, *args)
        assert ended.code == 0, ended.explain()
        return ended

    def answer(self, api: str, token: str) -> int:
        """What an API answers to a token."""
        return self.ask(self.facts["apis"][api]["url"] + APIS[api], Authorization=f"Bearer {token}")

    def console(self, api: str, told: dict[str, str]) -> None:
        """What the owner does with tokens on a vendor's own pages."""
        place = urlsplit(self.facts["apis"][api]["url"])
        assert self.ask(f"{place.scheme}://{place.netloc}/_lab/tokens", told) == 200

    @staticmethod
    def ask(url: str, body: Any = None, **headers: str) -> int:
        request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as found:
                return int(found.status)
        except urllib.error.HTTPError as error:
            return error.code

    def new_api_key(self, kind: str, token: str) -> str:
        """Another key of the database's project, as its owner makes one in the dashboard."""
        url = f"{self.facts['apis']['supabase']['url']}/v1/projects/{self.facts['supabase']['ref']}/api-keys?reveal=true"
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(url, json.dumps({"type": kind, "name": "second"}).encode(), headers)
        with urllib.request.urlopen(request, timeout=20) as made:
            return str(json.load(made)["api_key"])

    def logs_in(self, key: Path, user: str = "ops", command: str = "true") -> bool:
        """Whether a key opens the server, in a connection of its own."""
        options = [
            word for option in ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null") for word in ("-o", option)
        ]
        argv = ["ssh", "-F", "/dev/null", "-i", str(key), *options, f"{user}@{self.server_ipv4}", command]
        return subprocess.run(argv, capture_output=True, check=False, timeout=60).returncode == 0

    def new_key(self, name: str) -> tuple[Path, str]:
        """A key pair: private file and public text."""
        path = self.lab.path("controller", name)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path)
        return path, path.with_suffix(".pub").read_text().strip()

    def application(self, name: str) -> str:
        """What the application that serves reads in a variable."""
        colour = json.loads(self.on_server("quetrex-release --json status"))["current"]["colour"]
        lines = json.loads(self.on_server(f"docker inspect platform-web-{colour}"))[0]["Config"]["Env"]
        return str(dict(line.split("=", 1) for line in lines)[name])

    def secret_of(self, *parts: str) -> str:
        return self.lab.path("controller", *parts).read_text().strip()


@pytest.fixture(scope="module")
def platform(new_lab: NewLab) -> Iterator[Inventory]:
    """A platform with everything that has a secret, in a lab of its own; its folder on this machine begins with ~ as the example's does."""
    with new_lab("rot") as lab, contextlib.ExitStack() as stack:
        home = Path.home() / f".quetrex-{lab.name}"
        made = Inventory(lab)
        home.unlink(missing_ok=True)
        stack.callback(home.unlink, missing_ok=True)
        home.symlink_to(made.facts["state_dir"])
        made.give(
            platform_state_dir=f"~/{home.name}",
            platform_backup=offsite.up(lab),
            platform_app_secrets={"STRIPE_SECRET_KEY": "sk_first"},
            app_stack_runner_token="runner-first",
        )
        made.done("site")
        yield made


def test_what_others_give_out(platform: Inventory) -> None:
    facts = platform.facts
    first = {api: facts["apis"][api]["token"] for api in APIS}
    # as long and of the same letters as the first one, which is what the vendors' own forms ask for
    other = {api: token[:5] + token[5:][::-1] for api, token in first.items()}
    with visited(platform.lab, platform.server_ipv4):
        for api in APIS:
            platform.console(api, {"make": other[api], "like": first[api]})
        users = platform.lab.folder("registry") / "htpasswd"
        users.write_text(users.read_text() + f"second:{registry.bcrypt('registry-second')}\n")
        with platform.lab_facts() as changed:
            for api in APIS:
                changed["apis"][api]["token"] = other[api]
            changed["registry"] |= {"username": "second", "password": "registry-second"}
        public, secret = (platform.new_api_key(kind, first["supabase"]) for kind in ("publishable", "secret"))
        platform.give(platform_supabase_anon_key=public, platform_supabase_service_role_key=secret, platform_app_secrets={"STRIPE_SECRET_KEY": "sk_second"})
        platform.done("site")
        for api in APIS:
            platform.console(api, {"delete": first[api]})
        users.write_text("".join(line for line in users.read_text().splitlines(keepends=True) if line.startswith("second:")))
        again = platform.done("site")
        assert again.changed == 0, again.explain()
    for api in APIS:
        assert (platform.answer(api, first[api]) in (401, 403), platform.answer(api, other[api])) == (True, 200), api
    keys = ("SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY", "STRIPE_SECRET_KEY")
    assert [platform.application(name) for name in keys] == [public, secret, "sk_second"]
    platform.on_server(f"docker --config /opt/platform/docker pull --quiet {facts['registry']['images']['web']['1.0.0']}")


def test_the_owners_own(platform: Inventory) -> None:
    facts = platform.facts
    old, old_public = Path(facts["ssh_key"]), Path(facts["ssh_key"] + ".pub").read_text().strip()
    (new, new_public), (ci, ci_public) = platform.new_key("id_second"), platform.new_key("id_ci_second")
    backup = json.loads(platform.file.read_text())["platform_backup"]

    def door(token: str) -> int:
        return platform.status("/runner/jobs", "--header", f"Authorization: Bearer {token}")

    with visited(platform.lab, platform.server_ipv4):
        platform.give(
            platform_admin_ssh_public_keys=[old_public, new_public],
            host_baseline_deploy_ssh_public_keys=[old_public, ci_public],
            platform_backup={**backup, "password": "backup-second"},
            app_stack_runner_token="runner-second",
            app_stack_runner_former_token="runner-first",
        )
        platform.done("site")
        assert [door(token) for token in ("runner-first", "runner-second", "runner-none")] != [401, 401, 401]
        assert door("runner-first") == door("runner-second") != 401
        assert platform.logs_in(old)
        assert platform.logs_in(new)
        platform.give(
            platform_admin_ssh_public_keys=[new_public],
            platform_admin_ssh_private_key_file=str(new),
            host_baseline_deploy_ssh_public_keys=[ci_public],
            app_stack_runner_former_token="",
        )
        platform.done("site")
    assert [platform.logs_in(key) for key in (old, new)] == [False, True]
    assert [platform.logs_in(key, "deploy", "status") for key in (old, ci)] == [False, True]
    assert (door("runner-first"), door("runner-second") != 401) == (401, True)
    restic = "restic --quiet --repository-file /etc/platform-backup/repository --cacert /etc/platform-backup/ca.pem cat config >/dev/null 2>&1"
    opens = [platform.on_server(f"RESTIC_PASSWORD={word} {restic} && echo yes || echo no").strip() for word in (backup["password"], "backup-second")]
    assert opens == ["no", "yes"]
    platform.on_server("systemctl start platform-backup.service")


def test_the_password_of_redis(platform: Inventory) -> None:
    def knows(password: str) -> bool:
        # whoever is nobody may ask whether it lives, and nothing else
        said = platform.on_server(f"docker exec --env REDISCLI_AUTH={password} platform-redis redis-cli --user web exists session:none 2>&1 || true")
        return "WRONGPASS" not in said and "NOPERM" not in said

    old = platform.secret_of("redis-password")
    with visited(platform.lab, platform.server_ipv4):
        platform.done("secret_rotate", "-e", "secret_rotate=redis")
        again = platform.done("site")
        assert again.changed == 0, again.explain()
    new = platform.secret_of("redis-password")
    assert (old != new, knows(old), knows(new)) == (True, False, True)
    assert not platform.lab.path("controller", "redis-password.former").exists()


def test_the_certificate_and_its_key(platform: Inventory) -> None:
    look = "sha256sum </opt/platform/nginx/tls/origin.key; openssl x509 -in /opt/platform/nginx/tls/origin.pem -noout -pubkey | sha256sum"
    before = platform.on_server(look).split()
    with visited(platform.lab, platform.server_ipv4):
        platform.done("secret_rotate", "-e", "secret_rotate=certificate")
        # as after each renewal, the stack loads nginx's files once more
        again = platform.done("site")
        assert set(again.changed_tasks) <= {"quetrex.platform.app_stack : Write, validate and start the stack"}, again.explain()
    after = platform.on_server(look).split()
    assert before[0] != after[0]
    assert before[2] != after[2]
    certificates = json.loads(platform.lab.path("api", "cloudflare.json").read_text())["certificates"].values()
    assert sum(not one.get("revoked_at") for one in certificates) == 1
    assert platform.on_server("ls /opt/platform/nginx/tls").split() == ["origin.key", "origin.pem"]


def test_the_address_the_server_reports_to(platform: Inventory) -> None:
    def address() -> str:
        (found,) = json.loads(platform.secret_of("heartbeats.json"))["heartbeats"].values()
        return str(found)

    old = address()
    with visited(platform.lab, platform.server_ipv4):
        platform.done("secret_rotate", "-e", "secret_rotate=heartbeat")
    assert old != address()
    assert [platform.ask(url) for url in (old, address())] == [404, 200]
    platform.on_server("systemctl start platform-heartbeat.service")
    (beat,) = json.loads(platform.lab.path("api", "monitors.json").read_text())["beats"].values()
    assert beat["said"]["text"] or beat["said"]["ok"]


def test_a_reset_that_does_not_take_effect(platform: Inventory) -> None:
    """Supabase reports success: the former password stays where releases read it, nothing is exchanged, and nobody is shut out."""

    def serving() -> Any:
        return json.loads(platform.on_server("quetrex-release --json status"))["current"]

    first, last = platform.facts["supabase"]["password"], serving()
    mortal.faults(platform, "supabase", {"effect": {"domain": "password_ignored"}})
    with visited(platform.lab, platform.server_ipv4):
        with platform.lab_facts() as changed:
            changed["supabase"]["password"] = "database-lost"
        refused = platform.play("secret_rotate", "-e", "secret_rotate=database")
        said = " ".join(refused.output.split())
        assert refused.code == 2, refused.explain()
        assert "The former password still works" in said
        assert "Put the former one back into the inventory" in said
        mortal.faults(platform, "supabase")
        with platform.lab_facts() as changed:
            changed["supabase"]["password"] = first
        again = platform.done("site")
        assert again.changed == 0, again.explain()
    assert serving() == last
    assert [opens(platform, word) for word in (first, "database-lost")] == [True, False]
    assert (platform.application("DATABASE_URL").count(first), service.banned(platform.lab)) == (1, [])


def test_the_password_of_the_database(platform: Inventory) -> None:
    """PostgreSQL knows one for a user: open connections go on, new ones are refused to what serves for the seconds of the exchange."""
    health: list[int] = []
    opened: list[tuple[float, bool]] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.3):
            health.append(platform.status("/api/health"))

    def connect() -> None:
        while not over.wait(0.2):
            opened.append((time.monotonic(), opens(platform, urlsplit(platform.application("DATABASE_URL")).password or "")))

    first = platform.facts["supabase"]["password"]
    watchers = [threading.Thread(target=each) for each in (look, connect)]
    for watcher in watchers:
        watcher.start()
    try:
        with visited(platform.lab, platform.server_ipv4):
            with platform.lab_facts() as changed:
                changed["supabase"]["password"] = "database-second"
            platform.done("secret_rotate", "-e", "secret_rotate=database")
            assert platform.eventually(lambda: opened[-1][1])
    finally:
        over.set()
        for watcher in watchers:
            watcher.join()
    shut = [moment for moment, good in opened if not good]
    # from the first refused to the first that was let in again
    seconds = min(moment for moment, _good in opened if moment > max(shut)) - min(shut) if shut else 0.0
    print(f"{len(health)} looks through open connections, {len(health) - health.count(200)} refused; no new connections for {seconds:.1f} s")
    assert set(health) == {200}
    assert seconds < 60
    assert [opens(platform, word) for word in (first, "database-second")] == [False, True]
    assert platform.application("DATABASE_URL").count("database-second") == 1
    again = platform.done("secret_rotate", "-e", "secret_rotate=database")
    assert "Set the inventory's password" not in " ".join(again.changed_tasks), again.explain()


def opens(platform: Platform, password: str) -> bool:
    """Whether the database takes a password; asked on its own machine, where wrong ones have no consequences."""
    space = f"--net=/run/netns/{net.netns_name(platform.lab, service.NODE)}"
    words = ["psql", "--no-psqlrc", "--no-password", "--quiet", "host=127.0.0.1 user=postgres dbname=postgres connect_timeout=10", "--command", "SELECT"]
    done = subprocess.run(["nsenter", space, "--", *words], env={**os.environ, "PGPASSWORD": password}, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "password authentication failed" in done.stderr, done.stderr
    return done.returncode == 0


def test_another_secret_is_refused_with_what_there_is(platform: Inventory) -> None:
    refused = platform.play("secret_rotate", "-e", "secret_rotate=hetzner")
    assert refused.code == 2
    assert "choose redis, heartbeat, certificate or database" in refused.output
