# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform grows, shrinks and rehearses: a golden image without secrets, another size under load, a recovery beside production."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from lab.config import CHECKOUT
from lab.growing import KINDS, Growing, crowd
from lab.machine import Machines
from lab.mortal import faults
from lab.platform import Platform
from lab.process import until

from .conftest import NewLab

pytestmark = [pytest.mark.lab, pytest.mark.long]


@pytest.fixture(scope="module")
def growing(new_lab: NewLab) -> Iterator[Growing]:
    """A lab of its own."""
    with new_lab("grow") as lab:
        yield Growing(lab)


@pytest.fixture
def image(growing: Growing) -> int:
    """The vendor's id of the golden image, which is made when there is none."""
    if not growing.api.images.get_all(type=["snapshot"]):
        built = growing.play("image_build")
        assert built.code == 0, built.explain()
    (found,) = growing.api.images.get_all(type=["snapshot"])
    return int(str(found.id))


@pytest.fixture(scope="module")
def serving(growing: Growing) -> Growing:
    """A platform that serves the old release."""
    built = growing.play("site")
    assert built.code == 0, built.explain()
    growing.leave_words()
    return growing


@pytest.fixture
def big(serving: Growing) -> Growing:
    """The same on a server of the tier `scale`."""
    if serving.type != "cpx41":
        done = serving.play("scale", "-e", "platform_tier=scale", "-e", "platform_scale_mode=in_place")
        assert done.code == 0, done.explain()
    return serving


def secrets(platform: Platform) -> set[str]:
    """Everything that must not be in an image: tokens, passwords, and a line of each private key."""
    facts = platform.facts
    found = {api["token"] for api in facts["apis"].values()} | {facts["registry"]["password"], facts["supabase"]["password"]}
    found |= {facts["supabase"][key] for key in ("anon_key", "service_role_key")}
    keys = [path.read_text().splitlines() for path in Path(facts["state_dir"]).iterdir() if path.is_file() and "PRIVATE KEY" in path.read_text()]
    assert len(keys) >= 2  # the owner's, and that of the server the image was made on
    return found | {lines[2] for lines in keys}


def writes(platform: Platform, since: int) -> list[dict[str, object]]:
    """What changed something at Hetzner, or was to, after so many requests."""
    return [one for one in platform.exchanges("hetzner")[since:] if one["method"] != "GET"]


def test_image_failed(growing: Growing) -> None:
    """A failed image leaves nothing and costs nothing."""
    looked = growing.play("image_build", "--check")
    assert looked.code == 0, looked.explain()
    assert "A throw-away server would be prepared" in " ".join(looked.output.split())
    assert writes(growing, 0) == []
    failed = growing.play("image_build", "-e", '{"host_baseline_packages": ["no-such-package"]}')
    assert failed.code != 0
    assert "No image was made" in " ".join(failed.output.split()), failed.explain()
    assert {kind: list(rows) for kind, rows in growing.account().items()} == {kind: [] for kind in KINDS[:4]}
    assert growing.api.images.get_all(type=["snapshot"]) == []


def test_image_has_no_secret(growing: Growing) -> None:
    """The golden image has no secret and no identity."""
    built = growing.play("image_build")
    assert built.code == 0, built.explain()
    (image,) = growing.api.images.get_all(type=["snapshot"])
    assert image.labels is not None
    assert {key: image.labels[key] for key in ("platform", "environment", "role", "base")} == {
        "platform": "quetrex", "environment": "lab", "role": "image", "base": "debian-13",
    }  # fmt: skip
    assert growing.told("golden_image")["image"]["id"] == image.id
    assert {kind: list(rows) for kind, rows in growing.account().items()} == {kind: [] for kind in KINDS[:4]}
    disk = growing.lab.root / "images" / str(image.id)
    with tempfile.NamedTemporaryFile("w") as patterns:
        patterns.write("\n".join(sorted(secrets(growing))) + "\n")
        patterns.flush()
        found = subprocess.run(["grep", "-rlaF", "-f", patterns.name, str(disk)], capture_output=True, text=True, check=False)
    assert (found.stdout, found.returncode) == ("", 1)
    upper = disk / "upper"
    assert list(upper.glob("etc/ssh/ssh_host_*")) == []
    assert [path for path in upper.glob("home/*/.ssh/*") if path.is_file()] == []
    assert (upper / "etc/machine-id").read_text() == ""
    assert [path for path in (upper / "var/lib/cloud").rglob("*") if path.is_file()] == []
    assert [path for path in (upper / "var/log").rglob("*") if path.is_file()] == []
    assert [path.name for path in (upper / "srv").rglob("*")] == []


def test_image_not_kept(growing: Growing, image: int) -> None:
    """An image that cannot be kept costs nothing and leaves the previous one."""
    told = growing.told("golden_image")
    faults(growing, "hetzner", {"effect": {"domain": "action", "command": "create_image", "code": "action_failed"}})
    try:
        failed = growing.play("image_build")
    finally:
        faults(growing, "hetzner")
    assert failed.code != 0
    assert "make a snapshot of quetrex-lab-image" in " ".join(failed.output.split()), failed.explain()
    assert {kind: list(rows) for kind, rows in growing.account().items()} == {kind: [] for kind in KINDS[:4]}
    assert [one.id for one in growing.api.images.get_all(type=["snapshot"]) if one.status == "available"] == [image]
    assert growing.told("golden_image") == told


def test_server_from_image(growing: Growing, image: int) -> None:
    """A new server starts from it and is as the roles want it."""
    built = growing.play("site")
    assert built.code == 0, built.explain()
    used = growing.api.servers.get_by_id(growing.server).image
    assert used is not None
    assert used.id == image
    assert [name for name in built.changed_tasks if "Install" in name and "docker" in name] == []
    again = growing.play("site")
    assert (again.code, again.changed) == (0, 0), again.explain()


def test_scale_check_mode(serving: Growing) -> None:
    """A look beforehand says the way and touches nothing."""
    before, asked = serving.account(), len(serving.exchanges("hetzner"))
    looked = serving.play("scale", "--check", "-e", "platform_tier=scale", "-e", "platform_scale_mode=replace")
    assert looked.code == 0, looked.explain()
    assert "SCALE to scale (cpx41): replace" in " ".join(looked.output.split())
    assert serving.account() == before
    assert writes(serving, asked) == []


def test_up_in_place_under_load(serving: Growing) -> None:
    server, address = serving.server, serving.address
    with crowd(serving) as seen:
        done = serving.play("scale", "-e", "platform_tier=scale", "-e", "platform_scale_mode=in_place")
        assert done.code == 0, done.explain()
        assert until(lambda: serving.status("/api/health") == 200, 60, step=0.5)
    print(f"in place: {seen.gap:.1f} s without an answer, {len(seen.lost)} lost of {len(seen.lost) + len(seen.answers)}")
    assert (serving.server, serving.type) == (server, "cpx41")
    assert serving.address == address
    assert serving.kept_words() == ("kept", "kept")
    assert seen.gap < 120
    again = serving.play("site", "-e", "platform_tier=scale")
    assert (again.code, again.changed) == (0, 0), again.explain()


def test_switchover_failed(big: Growing) -> None:
    """A hand over that fails leaves everything with the old server."""
    server, records = big.server, big.records()
    no = {"status": 422, "body": {"error": {"code": "invalid_input", "message": "injected"}}}
    faults(big, "hetzner", {"match": {"method": "POST", "path": "/volumes/[0-9]+/actions/attach"}, "effect": no, "times": 1})
    failed = big.play("scale", "-e", "platform_tier=starter", "-e", "platform_scale_mode=replace")
    assert failed.code != 0
    assert "The former server serves again, with everything as it was" in " ".join(failed.output.split()), failed.explain()
    assert (big.status("/api/health"), big.server, big.type, big.records()) == (200, server, "cpx41", records)
    assert big.kept_words() == ("kept", "kept")


def test_replace_killed(big: Growing) -> None:
    """Down by a second server killed half way and repeated."""
    first, key = big.server, big.on_server("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    words = ["-e", "platform_tier=starter", "-e", "platform_scale_mode=replace"]
    asked = len(big.exchanges("hetzner"))
    with crowd(big) as seen:
        with big.lab.path("log", "scale-killed.txt").open("ab") as log:
            child = subprocess.Popen(big.command("scale", *words), cwd=CHECKOUT, env=big.environment, stdout=log, stderr=log, start_new_session=True)
            moved = until(lambda: any("/detach" in str(one["path"]) for one in big.exchanges("hetzner")[asked:]), 600, step=0.3)
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        assert moved
        done = big.play("scale", *words)
        assert done.code == 0, done.explain()
        assert until(lambda: big.status("/api/health") == 200, 60, step=0.5)
    print(f"replaced, killed half-way and repeated: {seen.gap:.1f} s without an answer, {len(seen.lost)} lost of {len(seen.lost) + len(seen.answers)}")
    assert big.server != first
    assert big.type == "cpx31"
    assert big.kept_words() == ("kept", "kept")
    assert big.on_server("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[1] == key
    assert big.eventually(lambda: not Machines(big.lab).running(first), 30)
    again = big.play("scale", "-e", "platform_scale_release=true")
    assert again.code == 0, again.explain()
    assert {kind: len(rows) for kind, rows in big.account().items()} == {"servers": 1, "volumes": 1, "primary_ips": 2, "firewalls": 1}
    same = big.play("site")
    assert (same.code, same.changed) == (0, 0), same.explain()


def production(growing: Growing) -> dict[str, Any]:
    """Everything that a rehearsal could touch: account, zone, database and its restrictions, state on the controller and on the server."""
    facts, state = growing.facts, Path(growing.facts["state_dir"])
    supabase = facts["supabase"]
    api, token = (facts["apis"]["supabase"][name] for name in ("url", "token"))
    asked = urllib.request.Request(f"{api}/v1/projects/{supabase['ref']}/network-restrictions", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asked) as answer:
        restrictions = json.load(answer)["config"]
    place = {"host": supabase["host"], "hostaddr": supabase["address"], "port": supabase["port"], "dbname": supabase["database"]}
    login = {"user": supabase["user"], "password": supabase["password"], "sslmode": "require"}
    with contextlib.closing(psycopg2.connect(**login, **place)) as database, database.cursor() as cursor:
        cursor.execute("SELECT platform, environment, record, updated_at FROM quetrex_platform.releases ORDER BY 1, 2")
        rows = cursor.fetchall()
        cursor.execute("SELECT count(*) FROM supabase_migrations.schema_migrations")
        rows += cursor.fetchall()
    files = {str(path.relative_to(state)): path.read_bytes() for path in state.rglob("*") if path.is_file()}
    return {
        "account": growing.account(),
        "records": growing.records(),
        "restrictions": {family: sorted(found) for family, found in restrictions.items()},
        "database": rows,
        # its report, and the lock that keeps two rehearsals apart
        "state": {name: found for name, found in files.items() if name != "rehearsal.json" and not name.endswith("-rehearsal.lock")},
        "server": growing.on_server("sha256sum /srv/platform/releases.json; docker ps --format '{{.ID}} {{.Image}}' | sort"),
        "words": growing.kept_words(),
    }


def changed_at(growing: Growing, api: str, since: int) -> set[str]:
    """What was written at a vendor, as paths without numbers."""
    paths = (str(one["path"]) for one in growing.exchanges(api)[since:] if one["method"] != "GET")
    return {re.sub(r"/[0-9a-f]{32}|/[0-9]{5,}|/[a-z]{20}(?=/)", "/*", path) for path in paths}


def test_rehearsal_twice(serving: Growing) -> None:
    """Nothing of production is touched or left. The second time the inventory was raised to what nobody deployed, with migrations that would fail."""
    growing, tags = serving, serving.facts["registry"]["images"]["tags"]
    before, asked = production(growing), {api: len(growing.exchanges(api)) for api in ("hetzner", "cloudflare", "supabase")}
    looked = growing.play("recover_rehearse", "--check")
    assert looked.code == 0, looked.explain()
    assert "A rehearsal would make quetrex-lab-rehearsal for rehearsal.quetrex.test" in " ".join(looked.output.split())
    assert writes(growing, asked["hetzner"]) == []
    raised = {"platform_web_image": tags["web"]["1.1.0"], "platform_runner_image": tags["runner"]["1.1.0"]}
    migrations = {"app_release_migrate": ["node", "-e", "process.exit(3)"]}
    with crowd(growing) as seen:
        for words in ([], ["-e", json.dumps(raised | migrations)]):
            done = growing.play("recover_rehearse", *words)
            assert done.code == 0, done.explain()
            assert "REHEARSED in" in done.output
            assert ("what was released last goes on serving" in " ".join(done.output.split())) is bool(words)
            assert production(growing) == before
    assert seen.lost == []
    assert changed_at(growing, "supabase", asked["supabase"]) == {"/v1/projects/*/network-restrictions/apply"}
    told = growing.told("rehearsal")
    assert told["ok"] is True
    assert 0 < told["seconds"] <= told["budget"] == 600


def test_rehearsal_killed_and_failed(serving: Growing) -> None:
    """A rehearsal that was killed and one that fails leave nothing either."""
    growing, asked = serving, len(serving.exchanges("supabase"))
    before = production(growing)
    assert growing.killed("recover_rehearse", when=lambda _said: bool(changed_at(growing, "supabase", asked)))
    left = production(growing)
    assert {part for part in before if left[part] != before[part]} == {"account", "restrictions", "state"}
    failed = growing.play("recover_rehearse", "-e", '{"host_baseline_packages": ["no-such-package"]}')
    assert failed.code != 0
    said = " ".join(failed.output.split())
    assert "REHEARSAL FAILED" in said, failed.explain()
    assert "Production was not touched" in said, failed.explain()
    told = growing.told("rehearsal")
    assert (told["ok"], "no-such-package" in told["problem"]) == (False, True), told
    assert production(growing) == before
    assert growing.status("/api/health") == 200
