# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No input and no crash locks the owner out, and nobody else gets in: the roles that prepare a server, seen from outside."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from gates.unchanged import PINS, inputs

from lab import net
from lab.config import CHECKOUT, Lab
from lab.process import until
from lab.shell import run
from lab.solo import ROLES, Solo

HOST = [f"roles/{role}" for role in ROLES]
pytestmark = [pytest.mark.lab, inputs(*HOST, "plugins", "tests/lab", "tests/integration/conftest.py", "tests/integration/test_lockout.py", *PINS)]
SEED = int(os.environ.get("TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
SSH_AND_FIREWALL = ("ssh_hardening", "host_firewall")
GUARD = 12
# the burst, because each look of these tests is a new connection from one address
GUARDS = {"ssh_hardening_guard_seconds": GUARD, "host_firewall_guard_seconds": GUARD, "host_firewall_ssh_burst": 300}
LOCKED_OUT = {"ssh_hardening_admin_users": ["nobody"]}
WRONG_KEY = {"ssh_hardening_key_algorithms": "-*ed25519*"}
WALLED_OUT = {"host_firewall_ssh_cidrs": ["192.0.2.0/24"]}
WRONG_PORT = {"host_firewall_ssh_port": 2222}
# settings that lock the owner out, the role, and the guard that undoes them
SSH, FIREWALL = (LOCKED_OUT, "ssh_hardening", "ssh"), (WALLED_OUT, "host_firewall", "firewall")


def start(solo: Solo, variables: Mapping[str, Any], *roles: str) -> subprocess.Popen[bytes]:
    """A run in the background, in a process group of its own."""
    argv = solo.command(GUARDS | dict(variables), roles)
    with solo.lab.path("log", "lockout.txt").open("ab") as log:
        return subprocess.Popen(argv, cwd=CHECKOUT, env=solo.environment, stdout=log, stderr=log, start_new_session=True)


def kill(child: subprocess.Popen[Any], solo: Solo) -> None:
    """The controller dies: the run, and the connections it kept."""
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for master in (solo.lab.folder("ansible") / "cp").glob("*"):
        subprocess.run(["ssh", "-o", f"ControlPath={master}", "-O", "exit", "app"], capture_output=True, check=False)


def waits(solo: Solo, guard: str) -> bool:
    """Whether a guarded change is armed on the server."""
    return solo.root(f"test -e /var/lib/platform-host/guard/{guard}/restore && echo yes || true").strip() == "yes"


def armed_and_dead(solo: Solo, variables: Mapping[str, Any], role: str, guard: str) -> None:
    """A run that dies between a change that locks the owner out and its undoing."""
    child = start(solo, variables, role)
    try:
        assert until(lambda: waits(solo, guard), 60, step=0.1), "the change was never guarded"
    finally:
        kill(child, solo)


def stopping_at_every_task(solo: Solo, variables: Mapping[str, Any]) -> int:
    """Plays all roles; before each task the run stands still as a dead one would, while the owner logs in again. Returns how often."""
    argv = solo.command(GUARDS | dict(variables), ROLES)
    child = subprocess.Popen(argv, cwd=CHECKOUT, env=solo.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    stops, said = 0, []
    try:
        for line in child.stdout or ():
            said.append(line)
            if line.startswith(("TASK [", "RUNNING HANDLER [")):
                os.killpg(child.pid, signal.SIGSTOP)
                assert solo.reachable(5), f"locked out before {line}"
                os.killpg(child.pid, signal.SIGCONT)
                stops += 1
        assert child.wait(60) == 0, "".join(said[-60:])
    finally:
        if child.poll() is None:
            kill(child, solo)
    return stops


@contextlib.contextmanager
def fresh(lab: Lab, *, prepared: bool = False) -> Iterator[Solo]:
    """A server straight from the vendor, or one that has the host's packages."""
    solo = Solo(lab, prepared=prepared)
    try:
        solo.up()
        yield solo
    finally:
        solo.down()


@pytest.fixture(scope="module")
def solo(absent_lab: Callable[[str], Lab]) -> Iterator[Solo]:
    """A server that was prepared while its owner logged in before every task."""
    with fresh(absent_lab("out"), prepared=True) as made:
        assert stopping_at_every_task(made, {}) > 15
        again = made.play(GUARDS)
        assert (again.code, again.count("changed")) == (0, 0), again.output[-3000:]
        yield made


@pytest.fixture
def probe(solo: Solo) -> None:
    """A container `probe` answers on a published port of the server."""
    publish(solo)


@pytest.mark.long
def test_random_kills(absent_lab: Callable[[str], Lab]) -> None:
    """Runs of all roles that are killed at moments nobody chose, on a server straight from the vendor."""
    dice = random.Random(SEED)
    with fresh(absent_lab("kil")) as made:
        for moment in [dice.uniform(2.0, 30.0) for _attempt in range(3)]:
            child = start(made, {}, *ROLES)
            if not until(lambda child=child: child.poll() is not None, moment, step=0.2):  # type: ignore[misc]
                kill(child, made)
            assert made.reachable(GUARD + 15), f"locked out by a run killed after {moment:.1f} s (seed {SEED})"
        done, again = made.play(GUARDS), made.play(GUARDS)
        assert (done.code, again.code, again.count("changed")) == (0, 0, 0), done.output[-3000:] + again.output[-3000:]


@pytest.mark.long
def test_other_preset(solo: Solo) -> None:
    """From `standard` to `strict`: the settings of SSH server and firewall really change."""
    presets = dict.fromkeys(("host_baseline_preset", "ssh_hardening_preset", "host_firewall_preset"), "strict")
    assert stopping_at_every_task(solo, presets) > 15
    assert "group=sugroup" in solo.root("cat /etc/pam.d/su")
    back = solo.play(GUARDS)
    assert back.code == 0, back.output[-3000:]
    assert "group=sugroup" not in solo.root("cat /etc/pam.d/su")
    assert "pam_faillock" not in solo.root("cat /etc/pam.d/common-auth")


def test_stopped_at_every_task(solo: Solo) -> None:
    """Killed between any two tasks ends in the same place."""
    assert solo.reachable(5)
    assert solo.root("systemctl is-system-running || true").strip() in ("running", "degraded")


def test_only_the_owners_key_opens(solo: Solo) -> None:
    assert solo.ssh("true", key=solo.stranger_key).returncode == 255
    assert solo.ssh("true", user="root").returncode == 255
    assert solo.ssh("true", user="deploy").returncode == 255
    assert solo.ssh("true").returncode == 0


def test_lockout_reverted(solo: Solo) -> None:
    """Settings that lock out fail and return."""
    others_key = {"ssh_hardening_admin_public_keys": [solo.stranger_key.with_suffix(".pub").read_text().strip()]}
    wrong: tuple[tuple[Mapping[str, Any], str], ...] = (
        (LOCKED_OUT, "ssh_hardening"),
        (WRONG_KEY, "ssh_hardening"),
        (others_key, "ssh_hardening"),
        (WALLED_OUT, "host_firewall"),
        (WRONG_PORT, "host_firewall"),
    )
    for variables, role in wrong:
        tried = solo.play(GUARDS | dict(variables), [role])
        assert tried.code != 0
        assert "nobody is locked out" in tried.output
        assert solo.reachable(3), role


@pytest.mark.parametrize(("variables", "role", "guard"), [SSH, pytest.param(*FIREWALL, marks=pytest.mark.long)])
def test_dead_controller(solo: Solo, variables: Mapping[str, Any], role: str, guard: str) -> None:
    """The server undoes what a dead controller left."""
    armed_and_dead(solo, variables, role, guard)
    assert until(lambda: not waits(solo, guard), GUARD + 15, step=0.5)
    assert solo.reachable(5)


@pytest.mark.parametrize(("variables", "role", "guard"), [pytest.param(*SSH, marks=pytest.mark.long), FIREWALL])
def test_power_cut(solo: Solo, variables: Mapping[str, Any], role: str, guard: str) -> None:
    """A power cut before the proof returns to the old settings."""
    armed_and_dead(solo, dict(variables) | {"ssh_hardening_guard_seconds": 600, "host_firewall_guard_seconds": 600}, role, guard)
    solo.reboot()
    assert solo.reachable(30)
    assert not waits(solo, guard)
    assert solo.root("ls /etc/systemd/system/ | grep guard || true").strip() == ""


@pytest.mark.long
@pytest.mark.parametrize(
    ("place", "role", "change"),
    [
        ("/etc/ssh/sshd_config.d", "ssh_hardening", {"ssh_hardening_max_auth_tries": 5}),
        ("/etc/platform", "host_firewall", {"host_firewall_extra_rules": ["tcp dport 9999 accept"]}),
        ("/var/lib/platform-host", "ssh_hardening", {"ssh_hardening_max_auth_tries": 5}),
    ],
)
def test_a_full_disk_changes_nothing(solo: Solo, place: str, role: str, change: Mapping[str, Any]) -> None:
    """The folder that is written has no free byte: what is changed, or where its old state is kept."""
    look = "sshd -T | sort; cat /etc/platform/firewall.nft"
    before = solo.root(look)
    solo.root(f"mkdir -p /full; mount -t tmpfs -o size=256k tmpfs /full; cp -a {place}/. /full/; mount --bind /full {place}")
    try:
        solo.root("dd if=/dev/zero of=/full/zzz bs=1k count=1000 2>/dev/null || true")
        tried = solo.play(GUARDS | dict(change), [role])
        assert tried.code != 0
        assert solo.reachable(5)
        assert solo.root(look) == before
        assert until(lambda: not waits(solo, "ssh") and not waits(solo, "firewall"), GUARD + 15, step=0.5), "the server does not come to rest"
        assert solo.root(look) == before
    finally:
        solo.root(f"umount {place}; umount /full")
    assert solo.reachable(5)
    healed = solo.play(GUARDS, [role])
    assert healed.code == 0, healed.output[-2000:]


def open_ports(solo: Solo, space: str, *ports: int, families: Sequence[int] = (4, 6)) -> list[set[int]]:
    """Ports that answer a stranger, over IPv4 and over IPv6."""
    found = []
    for family in families:
        words = ["nmap", f"-{family}" if family == 6 else "-n", "-Pn", "-n", "-T4", "--max-retries", "1", "--host-timeout", "60s", "-oG", "-"]
        text = run("nsenter", f"--net=/run/netns/{space}", "--", *words, "-p", ",".join(map(str, ports)), solo.ipv6 if family == 6 else solo.ipv4)
        found.append({port for port in ports if f"{port}/open/" in text})
    return found


def publish(solo: Solo) -> None:
    """A container that answers on a published port, made from the server's own shell (there is no registry here)."""
    solo.root(
        "docker image inspect probe >/dev/null 2>&1 || tar -c -C / usr/bin/python3.13 usr/lib usr/lib64 lib lib64 bin 2>/dev/null "
        "--exclude=usr/lib/modules --exclude=usr/lib/gcc | docker import - probe >/dev/null;"
        "docker container inspect probe >/dev/null 2>&1 || docker run -d --restart always --name probe -p 8080:8080 "
        "probe /usr/bin/python3.13 -m http.server 8080 --bind :: >/dev/null"
    )
    assert until(lambda: "200" in solo.root("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/ || true"), 20, step=0.5), (
        "the container does not answer"
    )


@pytest.mark.long
def test_what_docker_publishes_stays_inside(solo: Solo, probe: None) -> None:
    watched = (22, 80, 443, 2375, 6379, 8080)
    with net.visitor(solo.lab, "scan", 7) as space:
        assert open_ports(solo, space, *watched) == [{22}, {22}]
        solo.root("nft delete table inet platform")
        assert 8080 in open_ports(solo, space, *watched)[0], "without the firewall nothing answers either: the look proves nothing"
        solo.root("systemctl restart platform-firewall.service")
        restart = subprocess.Popen(["nsenter", f"--target={solo.machines.init_pid(1)}", "--mount", "--pid", "--net", "--", "systemctl", "restart", "docker"])
        seen = set()
        while restart.poll() is None:
            seen |= set().union(*open_ports(solo, space, 8080, 22))
        assert seen <= {22}
        solo.reboot()
        ends = time.monotonic() + 12
        while time.monotonic() < ends:
            seen |= set().union(*open_ports(solo, space, 8080, 6379))
        assert seen <= {22}
        assert solo.reachable(20)
        assert open_ports(solo, space, *watched) == [{22}, {22}]


def test_ssh_rate(solo: Solo) -> None:
    """New SSH connections have a rate for each sender."""
    assert solo.play(GUARDS | {"host_firewall_ssh_burst": 10, "host_firewall_ssh_rate": "6/minute"}, ["host_firewall"]).code == 0
    knock = (
        "import socket,select,sys\n"
        "many=[socket.socket() for _ in range(40)]\n"
        "for one in many: one.setblocking(False); one.connect_ex((sys.argv[1], 22))\n"
        "import time; end=time.monotonic()+2; done=set()\n"
        "while time.monotonic()<end:\n"
        "  done|=set(select.select([], many, [], 0.2)[1])\n"
        "print(sum(one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)==0 for one in done))\n"
    )
    with net.visitor(solo.lab, "knock", 8) as space:
        answered = int(run("nsenter", f"--net=/run/netns/{space}", "--", sys.executable, "-c", knock, solo.ipv4))
    assert 5 <= answered <= 12
    assert solo.reachable(3), "one sender's rate must not count for another"
    assert solo.play(GUARDS, ["host_firewall"]).code == 0


METADATA = {"four": "http://169.254.169.254/hetzner/v1/userdata", "six": "http://[fe80::a9fe:a9fe%25eth0]/hetzner/v1/userdata"}


def test_metadata_service(solo: Solo, probe: None) -> None:
    """Only root of the server reaches it, over either family: what it gives holds the server's private host key."""

    def answered(way: str) -> list[str]:
        """For root, another user, and a container."""
        look = f"curl -g -s -f -o /dev/null -m 1 '{METADATA[way]}' && echo yes || echo no"
        inside = f"import urllib.request; urllib.request.urlopen('{METADATA[way].replace('%25', '%')}', timeout=1)"
        words = f'{look}; setpriv --reuid=65534 --regid=65534 --clear-groups sh -c "{look}"'
        return solo.root(f'{words}; docker exec probe /usr/bin/python3.13 -c "{inside}" 2>/dev/null && echo yes || echo no').split()

    assert [answered(way) for way in METADATA] == [["yes", "no", "no"]] * 2
    solo.root("nft delete table inet platform")
    try:
        # an address of the link is not one of the container's link
        assert [answered(way) for way in METADATA] == [["yes", "yes", "yes"], ["yes", "yes", "no"]], "without the firewall nothing answers either"
    finally:
        solo.root("systemctl restart platform-firewall.service")


@pytest.mark.long
def test_engine_upgrade(solo: Solo, probe: None) -> None:
    """The packages' own scripts stop and start engine and containerd, while somebody asks a container without pause."""
    before = solo.root("docker inspect -f '{{.State.Pid}}' probe; systemctl show -p MainPID docker containerd")
    # at the container's own address, as nginx asks the application
    ask = "curl -s -o /dev/null -m 2 -w '%{http_code}\\n' http://$address:8080/ >>/run/asked || true"
    asker = (
        "address=$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' probe); rm -f /run/asked /run/enough; "
        f"(while [ ! -e /run/enough ]; do {ask}; done) & pid=$!; apt-get -q update >/dev/null; "
        "DEBIAN_FRONTEND=noninteractive apt-get -q install -y --reinstall docker.io containerd runc >/run/upgrade 2>&1; "
        "docker version >/dev/null; touch /run/enough; wait $pid; sort /run/asked | uniq -c"
    )
    counts = {line.split()[1]: int(line.split()[0]) for line in solo.root(asker).strip().splitlines()}
    after = solo.root("docker inspect -f '{{.State.Pid}}' probe; systemctl show -p MainPID docker containerd")
    assert set(counts) == {"200"}, counts
    assert counts["200"] > 50
    assert before.splitlines()[0] == after.splitlines()[0], "the container was restarted"
    assert not set(before.splitlines()[1:]) & {line for line in after.splitlines()[1:] if line}, "the engine was not restarted"


@pytest.mark.parametrize("source", ["docker", pytest.param("distribution", marks=pytest.mark.long)])
def test_a_working_engine_is_never_exchanged(solo: Solo, probe: None, source: str) -> None:
    """Whatever source the settings name, with a repository that does not even answer."""
    pid = solo.root("docker inspect -f '{{.State.Pid}}' probe")
    settings = {"docker_engine_source": source, "docker_engine_repository_url": "http://192.0.2.1/linux"}
    again = solo.play(GUARDS | settings, ["docker_engine"])
    assert (again.code, again.count("changed")) == (0, 0), again.output[-2000:]
    assert solo.root("docker inspect -f '{{.State.Pid}}' probe") == pid


# the other two of the four pairs: pipelining without injection is what every other test runs with
@pytest.mark.long
@pytest.mark.parametrize(("pipelining", "injection"), [("0", "0"), ("1", "1")])
def test_pipelining_and_injected_facts(solo: Solo, pipelining: str, injection: str) -> None:
    """Runs the same with and without pipelining and injected facts."""
    ways = {"ANSIBLE_PIPELINING": pipelining, "ANSIBLE_INJECT_FACT_VARS": injection}
    again = solo.play(GUARDS, environment=ways)
    assert (again.code, again.count("changed")) == (0, 0), again.output[-2000:]


@pytest.mark.long
def test_what_is_not_wanted_any_more_goes(solo: Solo) -> None:
    registries = {"docker_engine_registry_certificates": {"old.example.com": "-----BEGIN CERTIFICATE-----\n"}}
    wanted = registries | {"host_baseline_deploy_user": "olddeploy", "host_firewall_extra_rules": ["tcp dport 9999 accept"]}
    assert solo.play(GUARDS | wanted).code == 0
    assert solo.play(GUARDS).code == 0
    assert solo.root("ls /etc/docker/certs.d/old.example.com/ca.crt /etc/ssh/authorized_keys.d/olddeploy 2>/dev/null || true").strip() == ""
    assert "9999" not in solo.root("nft list table inet platform")
