# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases under load: good and bad ones, ways back, exchanges of everything else, and whatever can be killed in the middle. Nothing is lost."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gates import kit

from lab.config import CHECKOUT
from lab.machine import Machines
from lab.mortal import Mortal
from lab.platform import Platform
from lab.visitors import Visitors

pytestmark = [pytest.mark.lab]
SEED = int(os.environ.get("TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
OLD, NEW = "1.0.0", "1.1.0"
# The two roles of this page alone, with their own settings: a socket may stay open for fifteen seconds after a release instead of
# sixty. Less would cut requests that a busy machine is slow to answer, which is what that time is for.
STACK = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - quetrex.platform.cloudflare_ips_info:
        api_url: "{{ platform_cloudflare_api_url }}"
      register: __edge
- hosts: platform_servers
  become: true
  vars:
    platform_edge_cidrs: "{{ hostvars.localhost.__edge.ipv4_cidrs + hostvars.localhost.__edge.ipv6_cidrs }}"
  roles: [quetrex.platform.app_stack, quetrex.platform.app_release]
"""
SHORT = ("-e", "app_stack_worker_shutdown_timeout=15s")


def stack(platform: Platform, folder: Path, *words: str, code: int = 0) -> str:
    """Both roles alone; what they said."""
    play = folder / "stack.yml"
    play.write_text(STACK)
    command = [platform.command("site")[0], str(play), "-i", "inventories/lab", *words]
    done = subprocess.run(command, cwd=CHECKOUT, env=platform.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == code, done.stdout[-4000:]
    return done.stdout


@pytest.fixture
def visitors(platform: Platform, pace: float) -> Iterator[Visitors]:
    """Visitors of every kind."""
    made = Visitors(platform.lab, platform.server_ipv4, pace=pace)
    yield made
    made.kill()


@pytest.fixture
def short(platform: Platform, tmp_path: Path) -> Iterator[None]:
    """Short waits for open sockets; afterwards the inventory's stack and release again."""
    stack(platform, tmp_path, *SHORT)
    yield
    stack(platform, tmp_path)


@pytest.fixture(scope="module", autouse=True)
def inventory_again(mortal_lab: Mortal) -> Iterator[None]:
    """Whatever was released here, the inventory's images serve afterwards."""
    yield
    mortal_lab.play("deploy", "-e", "app_release_what=both")


@pytest.fixture
def platform(mortal: Mortal) -> Platform:
    """The old release of both images serves, whatever was released before."""
    now, wanted = engine(mortal, "status"), (images(mortal)[OLD], images(mortal, "runner")[OLD])
    if (now["current"]["image"], now["runner"]["current"]) != wanted:
        done = engine(mortal, "deploy", wanted[0], "--runner", wanted[1])
        assert done["current"]["version"] == OLD, done
    return mortal


def engine(platform: Platform, *words: str) -> dict[str, Any]:
    """The release program on the server, past SSH."""
    text = platform.on_server(f"quetrex-release --json {' '.join(words)} || true")
    found: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return found


def images(platform: Platform, name: str = "web") -> dict[str, str]:
    """Version -> image."""
    found: dict[str, str] = platform.facts["registry"]["images"]["tags"][name]
    return found


@contextmanager
def serving(visitors: Visitors, version: str) -> Iterator[None]:
    """In this time nothing but `version` answers, and it answers some hundred times."""
    with visitors.serving(version):
        yield
        assert visitors.wait_for(150)


def proved(visitors: Visitors, at_least: int) -> None:
    """Enough was asked, nothing was lost, and nothing but what served has answered."""
    assert visitors.wait_for(max(0, at_least - visitors.answered()))
    visitors.end()
    print(f"{len(visitors.answers)} answers, {len(visitors.lost)} lost, {len(visitors.wrong)} wrong")
    assert visitors.lost == []
    assert visitors.wrong == []


def exchange(platform: Platform, service: str, image: str) -> dict[str, Any]:
    """Another image in the compose file, and what the platform makes of it."""
    platform.on_server(f"sed -i 's#image: .*quetrex/{service}@.*#image: {image}#' /opt/platform/compose.yml")
    return engine(platform, "services")


def test_nothing_is_lost_whatever_is_released(platform: Platform, short: None, visitors: Visitors) -> None:
    web = images(platform)
    with serving(visitors, OLD):
        for bad, code in (("crash", "exited"), ("broken-behind-proxy", "broken_through_nginx")):
            refused = engine(platform, "deploy", web[bad])
            assert refused["failure"]["code"] == code, refused
            assert ("APP_FAULT=crash" in refused["failure"]["logs"]) is (bad == "crash")
        missing = engine(platform, "deploy", web[NEW].partition("@")[0] + "@sha256:" + "0" * 64)
        assert missing["failure"]["code"] == "docker_failed", missing

    done = platform.play("deploy", "-e", f"app_release_image={web[NEW]}")
    assert done.code == 0, done.explain()
    with serving(visitors, NEW):
        # a page of the release that went asks for its files
        assert platform.status(f"/_next/static/release/{OLD}.js") == 200
        assert platform.status("/_next/static/release/none.js") == 404
        here = platform.on_server("docker image ls --digests --format '{{.Repository}}@{{.Digest}}'").split()
        assert web[OLD] in here, "a way back was pruned"
        assert web["crash"] not in here, "a failed release left its image"
    with serving(visitors, NEW):
        for tag in ("8", "7"):
            exchanged = exchange(platform, "redis", images(platform, "redis")[tag])
            assert exchanged["redis_keys"][1] >= exchanged["redis_keys"][0] > 0, exchanged
    with serving(visitors, NEW):
        assert "nginx" in exchange(platform, "nginx", images(platform, "nginx")["next"])["seconds"]
        assert not engine(platform, "services")["changed"]
    with serving(visitors, NEW):
        renewed = platform.play("certificate_renew", "-e", "origin_certificate_renew_before=6000")
        assert (renewed.code, renewed.changed > 0) == (0, True), renewed.explain()
        platform.on_server("systemctl restart docker")
    back = platform.play("rollback")
    assert back.code == 0, back.explain()
    with serving(visitors, OLD):
        assert engine(platform, "status")["current"]["version"] == OLD
    proved(visitors, 1000)

    assert min(len(result["answers"]) for result in visitors.results) > 100, "both crowds were there"
    sockets, streams = visitors.seen("sockets"), visitors.seen("streams")
    assert any(socket["how"].startswith("cut") for socket in sockets), "a release cuts an open websocket when its time is over"
    assert all(socket["how"].startswith("cut") or socket["how"] == "by the client" for socket in sockets), sockets
    assert {socket["version"] for socket in sockets} == {OLD, NEW}, "and the client has got another one at once"
    assert streams


def test_sick_service(platform: Platform) -> None:
    """A sick service gives way to what ran before."""
    visitors = Visitors(platform.lab, platform.server_ipv4, through={"session": 3})
    try:
        with serving(visitors, OLD):
            refused = exchange(platform, "redis", images(platform, "nginx")["stable"])  # no Redis at all
            assert refused["failure"]["code"] in ("exited", "docker_failed", "never_healthy"), refused
            assert not engine(platform, "services")["changed"]
        with serving(visitors, OLD):
            sick = engine(platform, "deploy", "--runner", images(platform, "runner")["crash"])
            assert sick["failure"]["code"] == "exited", sick
            assert "APP_FAULT=crash" in sick["failure"]["logs"]
            assert platform.status("/runner/health") == 200
        proved(visitors, 200)
    finally:
        visitors.kill()


def test_later_release_kept(platform: Platform, tmp_path: Path) -> None:
    """A new server and the inventory know what was released elsewhere."""
    web = images(platform)
    runner = images(platform, "runner")[NEW]
    assert engine(platform, "deploy", web[NEW], "--runner", runner)["kept_off_server"] is True
    platform.on_server("rm /srv/platform/releases.json /opt/platform/nginx/upstream/web.conf /opt/platform/.env")
    kept = stack(platform, tmp_path)
    assert kept.count("a later release is kept; the inventory") == 2, kept[-3000:]
    status = engine(platform, "status")
    assert (status["current"]["version"], status["previous"]["version"], status["runner"]["current"]) == (NEW, OLD, runner)
    assert platform.status("/api/health") == 200


@pytest.mark.parametrize(("setting", "code"), [("least_memory_mb", "not_enough_memory"), ("least_disk_mb", "not_enough_disk")])
def test_not_enough_room(platform: Platform, setting: str, code: str) -> None:
    """What does not fit is refused before anything is touched."""
    before = engine(platform, "status")
    platform.on_server(f"""cp /opt/platform/release.json /tmp/release.json; sed -i 's/"{setting}": [0-9]*/"{setting}": 99999999/' /opt/platform/release.json""")
    try:
        image = images(platform)[OLD if before["current"]["version"] == NEW else NEW]
        assert "99999999 MB" in engine(platform, "deploy", "--check", image)["refused"]
        assert engine(platform, "deploy", image)["failure"]["code"] == code
    finally:
        platform.on_server("cp /tmp/release.json /opt/platform/release.json")
    assert engine(platform, "status") == before


def test_limits_beyond_machine(platform: Platform, tmp_path: Path) -> None:
    """Limits that do not add up to the machine are refused."""
    limits = {name: {"memory_mb": 999_999 if name == "runner" else 512, "cpus": 1} for name in ("web", "redis", "runner", "nginx")}
    before = platform.on_server("cat /opt/platform/compose.yml")
    refused = stack(platform, tmp_path, "-e", json.dumps({"app_stack_limits": limits}), code=2)
    assert "Choose a larger tier" in refused, refused[-2000:]
    assert platform.on_server("cat /opt/platform/compose.yml") == before


@pytest.mark.long
def test_migrations(platform: Platform, tmp_path: Path) -> None:
    """The application's migrations run before the switch or nothing does."""
    web, file = images(platform), "/opt/platform/release.json"
    serving = engine(platform, "status")["current"]["version"]
    other = NEW if serving == OLD else OLD
    program = "console.log('migrating', process.env.NEXT_PUBLIC_SUPABASE_URL); process.exit(3)"
    stack(platform, tmp_path, "-e", json.dumps({"app_release_migrate": ["node", "-e", program]}))
    try:
        refused = engine(platform, "deploy", web[other])
        assert refused["failure"]["code"] == "migration_failed", refused
        assert "migrating" in refused["failure"]["logs"], refused
        assert (engine(platform, "status")["current"]["version"], platform.status("/api/health")) == (serving, 200)
        platform.on_server(f"sed -i 's/exit(3)/exit(0)/' {file}")
        done = engine(platform, "deploy", web[other])
        assert (done["current"]["version"], done["seconds"]["migrate"] > 0) == (other, True), done
        assert platform.on_server("docker ps --all --quiet --filter name=migrat") == ""
    finally:
        stack(platform, tmp_path)


@pytest.mark.long
def test_logs_of_every_service(platform: Platform) -> None:
    platform.status("/api/health")
    for service, words in (("nginx", "request_id"), ("web", "Ready"), ("redis", "Ready to accept connections")):
        seen = platform.play("logs", "-e", f"logs_service={service}", "-e", "logs_lines=2000")
        assert (seen.code, seen.changed) == (0, 0), seen.explain()
        assert words in seen.output, service
        assert "platform-runner" in seen.output
    assert "choose one of web, redis, runner, nginx" in platform.play("logs", "-e", "logs_service=nothing").output


def test_killed_engine(platform: Platform, pace: float) -> None:
    """Killed in the engine the next release works."""
    dice, web = random.Random(SEED), images(platform)
    visitors = Visitors(platform.lab, platform.server_ipv4, through=dict.fromkeys(("get", "post", "slow"), 2), pace=pace)
    try:
        platform.on_server(f"timeout --signal=KILL {dice.uniform(1, 5):.2f} quetrex-release deploy {web[NEW]} >/dev/null 2>&1 || true")
        assert platform.eventually(lambda: platform.status("/api/health") == 200), f"seed {SEED}"
        done = engine(platform, "deploy", web[NEW])
        assert done["current"]["version"] == NEW, f"seed {SEED}: {done}"
        visitors.end()
        assert visitors.lost == [], f"seed {SEED}"
    finally:
        visitors.kill()


@pytest.mark.long
def test_killed_anywhere(platform: Platform) -> None:
    """Killed anywhere it goes on serving and the next one works."""
    dice, web, at = random.Random(SEED), images(platform), f"seed {SEED}"
    visitors = Visitors(platform.lab, platform.server_ipv4, through=dict.fromkeys(("get", "post", "slow"), 2))
    try:
        for attempt, what in enumerate(("engine", "docker", "engine", "controller")):
            image = web[NEW if attempt % 2 else OLD]
            moment = dice.uniform(0.2, 6)
            if what == "engine":
                platform.on_server(f"timeout --signal=KILL {moment:.2f} quetrex-release deploy {image} >/dev/null 2>&1 || true")
            elif what == "docker":
                kill = f"(sleep {moment:.2f}; systemctl kill --signal=KILL docker)"
                platform.on_server(f"{kill} & quetrex-release deploy {image} >/dev/null 2>&1 || true; wait; systemctl start docker")
            else:
                with subprocess.Popen(
                    [*ssh(platform), f"deploy {image}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
                ) as child:
                    try:
                        child.wait(timeout=moment)
                    except subprocess.TimeoutExpired:
                        child.kill()
            assert platform.eventually(lambda: platform.status("/api/health") == 200), f"{at}: {what}"
        assert platform.eventually(lambda: "changed" in engine(platform, "deploy", web[NEW]), 60), at
        visitors.end()
        assert visitors.lost == [], at
    finally:
        visitors.kill()

    child = subprocess.Popen([*ssh(platform), f"deploy {web[OLD]}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    child.poll()
    platform.on_server(f"sleep {dice.uniform(0.5, 4):.2f}")
    Machines(platform.lab).reset(platform.server)
    child.kill()
    child.wait()
    assert platform.eventually(lambda: platform.status("/api/health") == 200, 90), at
    for version in (NEW, OLD):
        done = engine(platform, "deploy", web[version])
        assert done.get("current", {}).get("version") == version, f"{at}: {done}"


@pytest.mark.long
@pytest.mark.usefixtures("short")
def test_killed_before_record(platform: Platform) -> None:
    """The next one undoes it, and makes the very colour again that visitors are at. The server is busy, so that nginx hears of it late."""
    web = images(platform)
    assert engine(platform, "deploy", web[NEW])["current"]["version"] == NEW
    killed = f"quetrex-release deploy {web[OLD]} >/run/killed.log 2>&1 & until grep -q ^verify /run/killed.log; do sleep 0.02; done; kill -9 $!"
    busy = "for one in 1 2 3 4 5 6; do timeout 20 sh -c 'while :; do :; done' >/dev/null 2>&1 & done"
    visitors = Visitors(platform.lab, platform.server_ipv4, through=dict.fromkeys(("get", "post", "slow"), 2))
    try:
        for _time in range(3):
            platform.on_server(f"timeout 60 bash -c '{killed}'; {busy}")
            done = engine(platform, "deploy", web[NEW])
            assert (done.get("reason"), done["current"]["version"]) == ("an interrupted release is undone first", NEW), done
        visitors.end()
        assert visitors.lost == []
    finally:
        visitors.kill()
        platform.on_server("rm -f /run/killed.log")
    assert engine(platform, "deploy", web[OLD])["current"]["version"] == OLD


def ssh(platform: Platform) -> list[str]:
    """How continuous integration reaches the server."""
    facts = platform.facts
    known = ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={Path(facts['state_dir'], 'known_hosts')}"]
    return ["ssh", "-i", facts["ssh_key"], "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", *known, f"deploy@{platform.server_ipv4}"]


def test_the_deploy_key_can_do_nothing_else(platform: Platform) -> None:
    def ask(words: str) -> str:
        return platform.on_server(f"su -s /bin/sh deploy -c \"SSH_ORIGINAL_COMMAND='{words}' /usr/local/sbin/platform-deploy\" || echo refused=$?")

    assert json.loads(ask("status"))["current"]
    assert json.loads(ask(f"deploy --check {images(platform)[NEW]}"))["steps"]
    for words in ("id", "sh -c id", "", "status; id", "services", "deploy example.com/web@sha256:" + "0" * 64, "deploy --inventory x"):
        assert ask(words).strip().endswith("refused=64"), words
    assert "refused" in platform.on_server("su -s /bin/sh deploy -c 'sudo -n id' 2>/dev/null || echo refused")


@pytest.mark.long
def test_workflow_build(platform: Platform) -> None:
    """Its steps `Build` and `Push` as they are, with the server's Docker and the lab's registry; only checking out and scanning need GitHub."""
    build, push = (text for text in kit.scripts(CHECKOUT / "examples/github/release.yml") if "docker build" in text or "docker push" in text)
    registry = f"{platform.facts['registry']['host']}/ci"
    base = {"web": images(platform)[OLD], "runner": images(platform, "runner")[OLD]}
    files = "".join(f"printf 'FROM {image}\\nARG NEXT_PUBLIC_APP_URL\\nENV SEEN=$NEXT_PUBLIC_APP_URL\\n' > Dockerfile.{name}\n" for name, image in base.items())
    environment = (
        f"export DOCKER_CONFIG=/opt/platform/docker REGISTRY={registry} GITHUB_SHA=0123abc GITHUB_OUTPUT=/tmp/ci/output NEXT_PUBLIC_APP_URL=https://x.test"
    )

    def step(script: str, more: str = "") -> str:
        written = f"mkdir -p /tmp/ci && cd /tmp/ci\n{files}cat > step <<'END'\n{script}\nEND\n"
        return platform.on_server(f"{written}{environment}\n{more}\nbash -eo pipefail step 2>&1 || echo failed=$?")

    try:
        assert "the variable NEXT_PUBLIC_EMPTY is empty" in step(build, "export NEXT_PUBLIC_EMPTY=")
        assert "failed=" not in (said := step(build)), said
        assert "failed=" not in (said := step(push)), said
        output = dict(line.split("=", 1) for line in platform.on_server("cat /tmp/ci/output").splitlines())
        assert sorted(output) == ["runner", "web"]
        assert all(image.startswith(f"{registry}/{name}@sha256:") for name, image in output.items()), output
        assert "SEEN=https://x.test" in platform.on_server(f"docker image inspect --format '{{{{.Config.Env}}}}' {output['web']}")
    finally:
        platform.on_server(f"rm -rf /tmp/ci; docker image ls -q '{registry}/*' | xargs -r docker image rm --force >/dev/null")


@pytest.mark.long
def test_workflow_release(platform: Platform, tmp_path: Path) -> None:
    """The very step of the example workflow, with the key, the host key and the forced command of the platform."""
    for action in ("deploy", "rollback", "rollback-runner", "status"):
        folder = tmp_path / action
        folder.mkdir()
        workflow_step(platform, folder, action)


def workflow_step(platform: Platform, tmp_path: Path, action: str) -> None:
    """One of its actions, and what it has to leave."""
    (script,) = (text for text in kit.scripts(CHECKOUT / "examples/github/release.yml") if "ssh -i" in text)
    facts, summary = platform.facts, tmp_path / "summary.md"
    before = engine(platform, "status")
    environment = {
        "PATH": os.environ["PATH"],
        "KEY": Path(facts["ssh_key"]).read_text(),
        "KNOWN_HOSTS": Path(facts["state_dir"], "known_hosts").read_text(),
        "HOST": platform.server_ipv4,
        "ACTION": action,
        "WEB": images(platform)[NEW],
        "SERVICE": "",
        "RUNNER": images(platform, "runner")[NEW],
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", script], env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"### {action}: exit 0" in summary.read_text()
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    after = engine(platform, "status")
    if action == "deploy":
        assert (after["current"]["version"], after["runner"]["current"]) == (NEW, images(platform, "runner")[NEW])
    elif action == "rollback":
        assert after["current"]["image"] == before["previous"]["image"]
    elif action == "rollback-runner":
        assert after["runner"]["current"] == before["runner"]["previous"]
    else:
        assert after == before
