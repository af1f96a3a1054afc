# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as a guest on the machine: two side by side, up twice, down after a crash, and nothing left."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hcloud
import psycopg2
import pytest

from lab import cloud, process
from lab.config import CHECKOUT, Lab
from lab.platform import Platform
from lab.shell import run
from lab.supabase import service

pytestmark = [pytest.mark.lab]


@pytest.fixture
def second(absent_lab: Callable[[str], Lab]) -> Lab:
    """A lab beside the one of the session, not brought up."""
    return absent_lab("twin")


def traces(lab: Lab) -> dict[str, list[str]]:
    """Everything on the machine that bears the lab's name."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return {
        "namespaces": [name for name in run("ip", "netns", "list").splitlines() if name.startswith(f"q-{lab.name}-")],
        "interfaces": [line for line in run("ip", "-brief", "link").splitlines() if line.startswith(f"q{lab.name}-")],
        "tables": [line for line in run("nft", "list", "tables").splitlines() if line.endswith(f" quetrex_{lab.name}")],
        "mounts": [place for place in mounts if place.startswith(f"{lab.root}/")],
        "loop devices": [line for line in run("losetup", "--list", "--noheadings", "--output", "BACK-FILE").splitlines() if str(lab.root) in line],
        "groups": [
            str(root / process.group_name(lab)) for root in [process.unified_root(), *process.legacy_roots()] if (root / process.group_name(lab)).exists()
        ],
        "processes": [str(pid) for pid in process.members(process.group(lab))],
        "folder": [str(lab.root)] if lab.root.exists() else [],
    }


def make_server(lab: Lab) -> str:
    """A server with a volume, made with the vendor's own SDK; its address when SSH answers."""
    facts = Platform(lab).facts
    client: Any = hcloud.Client(token=facts["apis"]["hetzner"]["token"], api_endpoint=facts["apis"]["hetzner"]["url"])
    volume = client.volumes.create(size=10, name="data", location=client.locations.get_by_name("fsn1")).volume
    kind, image = client.server_types.get_by_name("cx33"), client.images.get_by_name_and_architecture("debian-13", "x86")
    made = client.servers.create(name="one", server_type=kind, image=image, location=client.locations.get_by_name("fsn1"), volumes=[volume])
    made.action.wait_until_finished()
    return str(client.servers.get_by_id(made.server.id).public_net.ipv4.ip)


def ssh_answers(address: str) -> bool:
    done = subprocess.run(["ssh-keyscan", "-T", "2", "-t", "ed25519", address], capture_output=True, text=True, check=False, timeout=10)
    return "ssh-ed25519" in done.stdout


def refusal(facts: dict[str, Any], login: dict[str, Any], password: str) -> str:
    """What the database says to a password; nothing when it lets in."""
    place = {"host": login["host"], "hostaddr": login["address"], "port": login["port"], "user": login["user"], "dbname": facts["database"]}
    try:
        psycopg2.connect(**place, password=password, sslmode="require", connect_timeout=10).close()
    except psycopg2.OperationalError as error:
        return str(error)
    return ""


def test_wrong_passwords_at_the_direct_host(platform: Platform) -> None:
    """The third one bans the address, also from what it has open; the pooler is another way."""
    facts = platform.facts["supabase"]
    assert facts["login"] == facts["pooler"]
    try:
        assert ["password authentication failed" in refusal(facts, facts, "wrong") for _attempt in range(3)] == [True] * 3
        assert platform.eventually(lambda: "Connection refused" in refusal(facts, facts, facts["password"]), 5)
        assert service.banned(platform.lab) == [platform.lab.control]
        assert refusal(facts, facts["pooler"], facts["password"]) == ""
    finally:
        service.lift_bans(platform.lab)
    assert refusal(facts, facts, facts["password"]) == ""


@pytest.mark.long
def test_two_labs(platform: Platform, second: Lab) -> None:
    """Two labs side by side and nothing left."""
    try:
        cloud.up(second, print)
        cloud.up(second, print)
        address = make_server(second)
        assert process.until(lambda: ssh_answers(address), 30)
        assert platform.status("/") == 200
    finally:
        cloud.down(second)
    assert traces(second) == {kind: [] for kind in traces(second)}
    assert platform.status("/") == 200


def test_down_cleans_up_after_a_crash_half_way(second: Lab) -> None:
    starting = subprocess.Popen(
        [sys.executable, "-m", "lab", "up"],
        cwd=CHECKOUT / "tests",
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin",
            "LAB_NAME": second.name,
            "LAB_SUBNET": str(second.prefix),
            "HOME": str(Path.home()),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.until(lambda: process.running(second, "postgres"), 30)
    starting.kill()
    starting.wait()
    cloud.down(second)
    assert traces(second) == {kind: [] for kind in traces(second)}
