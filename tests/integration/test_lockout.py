# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No input and no crash locks the owner out, and nobody else gets in: the roles that prepare a server, seen from outside."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from lab import net, slots
from lab.config import CHECKOUT
from lab.process import until
from lab.shell import run
from lab.solo import Solo

pytestmark = [pytest.mark.lab]
SEED = int(os.environ.get("TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
SSH_AND_FIREWALL = ("ssh_hardening", "host_firewall")
GUARD = 12
GUARDS = {"ssh_hardening_guard_seconds": GUARD, "host_firewall_guard_seconds": GUARD}
LOCKED_OUT = {"ssh_hardening_admin_users": ["nobody"]}
WALLED_OUT = {"host_firewall_ssh_cidrs": ["192.0.2.0/24"]}


def start(solo: Solo, variables: Mapping[str, Any], *roles: str) -> subprocess.Popen[bytes]:
    """A run in the background, in a process group of its own."""
    argv = solo.command(GUARDS | dict(variables), roles)
    with solo.lab.path("log", "lockout.txt").open("ab") as log:
        return subprocess.Popen(argv, cwd=CHECKOUT, env=solo.environment, stdout=log, stderr=log, start_new_session=True)


def kill(child: subprocess.Popen[bytes], solo: Solo) -> None:
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


@pytest.fixture(scope="module")
def fresh(slot: slots.Slot) -> Iterator[Solo]:
    """A server straight from the vendor."""
    solo = Solo(slot.lab(3, "out"))
    solo.down()
    try:
        solo.up()
        yield solo
    finally:
        solo.down()


@pytest.fixture(scope="module")
def solo(fresh: Solo) -> Solo:
    """A prepared server, after runs that were killed at moments nobody chose."""
    dice = random.Random(SEED)
    for moment in [dice.uniform(2.0, 30.0) for _attempt in range(6)]:
        child = start(fresh, {}, "host_baseline", *SSH_AND_FIREWALL, "docker_engine")
        with_time = until(lambda child=child: child.poll() is not None, moment, step=0.2)  # type: ignore[misc]
        if not with_time:
            kill(child, fresh)
        assert fresh.reachable(GUARD + 15), f"locked out by a run killed after {moment:.1f} s (seed {SEED})"
    final = fresh.play(GUARDS)
    assert final.code == 0, final.output[-3000:]
    again = fresh.play(GUARDS)
    assert (again.code, again.count("changed")) == (0, 0), again.output[-3000:]
    return fresh


def test_killed_between_any_two_tasks_ends_in_the_same_place(solo: Solo) -> None:
    assert solo.reachable(5)
    assert solo.root("systemctl is-system-running || true").strip() in ("running", "degraded")


def test_only_the_owners_key_opens(solo: Solo) -> None:
    assert solo.ssh("true", key=solo.stranger_key).returncode == 255
    assert solo.ssh("true", user="root").returncode == 255
    assert solo.ssh("true", user="deploy").returncode == 255
    assert solo.ssh("true").returncode == 0


def test_settings_that_lock_out_fail_and_return(solo: Solo) -> None:
    for variables, role in ((LOCKED_OUT, "ssh_hardening"), (WALLED_OUT, "host_firewall")):
        tried = solo.play(GUARDS | variables, [role])
        assert tried.code != 0
        assert "nobody is locked out" in tried.output
        assert solo.reachable(3), role


@pytest.mark.parametrize(("variables", "role", "guard"), [(LOCKED_OUT, "ssh_hardening", "ssh"), (WALLED_OUT, "host_firewall", "firewall")])
def test_the_server_undoes_what_a_dead_controller_left(solo: Solo, variables: Mapping[str, Any], role: str, guard: str) -> None:
    armed_and_dead(solo, variables, role, guard)
    assert until(lambda: not waits(solo, guard), GUARD + 15, step=0.5)
    assert solo.reachable(5)


@pytest.mark.parametrize(("variables", "role", "guard"), [(LOCKED_OUT, "ssh_hardening", "ssh"), (WALLED_OUT, "host_firewall", "firewall")])
def test_a_power_cut_before_the_proof_returns_to_the_old_settings(solo: Solo, variables: Mapping[str, Any], role: str, guard: str) -> None:
    armed_and_dead(solo, dict(variables) | {"ssh_hardening_guard_seconds": 600, "host_firewall_guard_seconds": 600}, role, guard)
    solo.reboot()
    assert solo.reachable(30)
    assert not waits(solo, guard)
    assert solo.root("ls /etc/systemd/system/ | grep guard || true").strip() == ""


def test_a_full_disk_changes_nothing(solo: Solo) -> None:
    """The files of the SSH server and of the firewall are on a disk without a free byte."""
    before = solo.root("cat /etc/ssh/sshd_config.d/*.conf")
    solo.root("mkdir -p /full; mount -t tmpfs -o size=64k tmpfs /full; cp -a /etc/ssh/sshd_config.d/. /full/; mount --bind /full /etc/ssh/sshd_config.d")
    try:
        solo.root("dd if=/dev/zero of=/full/zzz bs=1k count=1000 2>/dev/null || true")
        tried = solo.play(GUARDS | {"ssh_hardening_max_auth_tries": 5}, ["ssh_hardening"])
        assert tried.code != 0
        assert solo.reachable(5)
        assert solo.root("cat /full/*.conf") == before
    finally:
        solo.root("umount /etc/ssh/sshd_config.d; umount /full")
    assert solo.reachable(GUARD + 10)
    healed = solo.play(GUARDS, ["ssh_hardening"])
    assert healed.code == 0, healed.output[-2000:]


def open_ports(solo: Solo, space: str, *ports: int) -> set[int]:
    """Ports that answer a stranger, over IPv4 and IPv6."""
    found = set()
    for address, family in ((solo.ipv4, []), (solo.ipv6, ["-6"])):
        words = ["nmap", *family, "-Pn", "-n", "-T4", "--max-retries", "1", "--host-timeout", "60s", "-oG", "-", "-p", ",".join(map(str, ports)), address]
        text = run("nsenter", f"--net=/run/netns/{space}", "--", *words)
        found |= {port for port in ports if f"{port}/open/" in text}
    return found


def publish(solo: Solo) -> None:
    """A container that answers on a published port, made from the server's own shell (there is no registry here)."""
    solo.root(
        "docker image inspect probe >/dev/null 2>&1 || tar -c -C / usr/bin/python3.13 usr/lib usr/lib64 lib lib64 bin 2>/dev/null "
        "--exclude=usr/lib/modules --exclude=usr/lib/gcc | docker import - probe >/dev/null;"
        "docker run -d --restart always --name probe -p 8080:8080 probe /usr/bin/python3.13 -m http.server 8080 --bind :: >/dev/null"
    )
    assert until(lambda: "200" in solo.root("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/ || true"), 20, step=0.5), (
        "the container does not answer"
    )


def test_what_docker_publishes_stays_inside(solo: Solo) -> None:
    publish(solo)
    watched = (22, 80, 443, 2375, 6379, 8080)
    with net.visitor(solo.lab, "scan", 7) as space:
        assert open_ports(solo, space, *watched) == {22}
        restart = subprocess.Popen(["nsenter", f"--target={solo.machines.init_pid(1)}", "--mount", "--pid", "--net", "--", "systemctl", "restart", "docker"])
        seen = set()
        while restart.poll() is None:
            seen |= open_ports(solo, space, 8080, 22)
        assert seen <= {22}
        solo.reboot()
        ends = time.monotonic() + 20
        while time.monotonic() < ends:
            seen |= open_ports(solo, space, 8080, 6379)
        assert seen <= {22}
        assert solo.reachable(20)
        assert open_ports(solo, space, *watched) == {22}


def test_containers_do_not_reach_the_metadata_service(solo: Solo) -> None:
    rules = solo.root("nft list table inet platform")
    assert "chain from_containers" in rules
    assert "169.254.169.254" in rules


def test_what_is_not_wanted_any_more_goes(solo: Solo) -> None:
    registries = {"docker_engine_registry_certificates": {"old.example.com": "-----BEGIN CERTIFICATE-----\n"}}
    wanted = registries | {"host_baseline_deploy_user": "olddeploy", "host_firewall_extra_rules": ["tcp dport 9999 accept"]}
    assert solo.play(GUARDS | wanted).code == 0
    assert solo.play(GUARDS).code == 0
    assert solo.root("ls /etc/docker/certs.d/old.example.com/ca.crt /etc/ssh/authorized_keys.d/olddeploy 2>/dev/null || true").strip() == ""
    assert "9999" not in solo.root("nft list table inet platform")
