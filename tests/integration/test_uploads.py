# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strangers send more than any memory holds, or send slowly; visitors beside them lose nothing, and a process killed for memory is reported."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from lab import edge, net
from lab.config import CHECKOUT
from lab.platform import Platform
from lab.visitors import Visitors

pytestmark = [pytest.mark.lab, pytest.mark.long]

THROUGH, DIRECT = {"slow": 10, "session": 2, "get": 2}, {"slow": 5, "get": 2, "post": 1}
MEMORY = 384 * 1024 * 1024
"""What nginx may use: the role's default."""


def kills(platform: Platform, container: str) -> int:
    """Processes of a container that the kernel killed for memory, by the files of its control group (both versions have such a line)."""
    script = f"""
        id=$(docker inspect --format '{{{{.Id}}}}' {container})
        find /sys/fs/cgroup -type d -name "*$id*" -exec sh -c 'cat "$0"/memory.oom_control "$0"/memory.events 2>/dev/null' {{}} ';'
    """
    found = re.search(r"^oom_kill (\d+)$", platform.on_server(script), re.MULTILINE)
    assert found
    return int(found[1])


def sent(platform: Platform, senders: int, seconds: int, *, rate: int = 0, edge_too: bool = False) -> dict[str, Any]:
    """What senders were answered who come with the edge's certificate, each a visitor of its own, or as one stranger through the edge."""
    program = [sys.executable, "-m", "lab.uploads", "--name", platform.lab.domain, "--senders", str(senders), "--seconds", str(seconds), "--rate", str(rate)]
    if edge_too:
        words = [sys.executable, "-m", "lab", "exec", "outside", "--", *program, "--address", platform.lab.edge]
    else:
        key, certificate = edge.pull_certificate(platform.lab)
        shown = platform.lab.path("uploads.pem")
        shown.write_text(certificate.read_text() + key.read_text())
        words = ["ip", "netns", "exec", net.netns_name(platform.lab, "edge"), *program, "--address", platform.server_ipv4, "--certificate", str(shown)]
    environment = platform.environment
    done = subprocess.run(words, cwd=CHECKOUT / "tests", env=environment, stdout=subprocess.PIPE, text=True, timeout=seconds + 120, check=True)
    print(f"{senders} senders, {rate} bytes a second each: {done.stdout}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_visitors_beside_uploads_lose_nothing(platform: Platform) -> None:
    """Uploads of a stranger through the edge, of sixty visitors at once, and of a hundred slow ones."""
    before = {name: kills(platform, name) for name in ("platform-nginx", "platform-redis")}
    visitors = Visitors(platform.lab, platform.server_ipv4, THROUGH, DIRECT)
    try:
        assert visitors.wait_for(20)
        stranger = sent(platform, 30, 20, edge_too=True)
        assert stranger["seen"].get("429", 0) > 0, "one visitor may not hold them all"
        many = sent(platform, 60, 30)
        assert many["bytes"] > MEMORY
        slow = sent(platform, 100, 30, rate=60_000)
        assert slow["seen"] == {"unfinished": 100}
        assert visitors.wait_for(20)
        visitors.end()
    finally:
        visitors.kill()
    print(f"{len(visitors.answers)} answers, {len(visitors.lost)} lost")
    assert visitors.lost == []
    assert {name: kills(platform, name) for name in before} == before


def test_a_process_killed_for_memory_is_reported(platform: Platform) -> None:
    """A shell in nginx's container takes all of its memory: the kernel ends it, and heartbeat and verify say so until the container starts again."""
    assert kills(platform, "platform-nginx") == 0
    try:
        platform.on_server("! docker exec platform-nginx sh -c 'x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done'")
        assert kills(platform, "platform-nginx") > 0
        run = platform.play("verify")
        report = json.loads(platform.lab.path("controller", "verify.json").read_text())
        found = {one["what"]: one["state"] for one in report["findings"]}
        assert run.code == 2, run.explain()
        assert found.get("platform-nginx ran out of memory") == "problem"
        said = platform.on_server("systemctl start platform-heartbeat.service; journalctl --unit platform-heartbeat.service --lines 20 --output cat")
        assert "platform-nginx ran out of memory" in said
        assert platform.status("/api/health") == 200, "the workers were not the ones that were killed"
    finally:
        platform.on_server("docker restart platform-nginx >/dev/null")
    assert platform.eventually(lambda: platform.status("/api/health") == 200, 60)
    assert kills(platform, "platform-nginx") == 0
