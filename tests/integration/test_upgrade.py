# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`site` over a server that an earlier version has built: no request is lost, nothing is restarted needlessly, a second run changes nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab.config import CHECKOUT
from lab.faults import Hand
from lab.platform import Platform
from lab.visitors import CALM, FEW_DIRECT, FEW_THROUGH, Visitors

from .conftest import NewLab

pytestmark = [pytest.mark.lab, pytest.mark.long]
COMMITS = 200
# What visitors and whoever is logged in would notice.
UNITS = ("docker", "containerd", "ssh", "platform-stack", "systemd-journald")


def git(*words: str) -> str:
    """Output of git in this checkout; empty when it fails, as without a history."""
    done = subprocess.run(["git", "-C", str(CHECKOUT), *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def earlier() -> str:
    """TEST_UPGRADE_FROM, or the newest version before this one; without versions what lay so many commits back. Empty without a history."""
    named = os.environ.get("TEST_UPGRADE_FROM") or git("describe", "--tags", "--abbrev=0", "HEAD^")
    return named or git("rev-list", "--max-count=1", f"--skip={COMMITS}", "HEAD")


@pytest.fixture(name="former", scope="module")
def _former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the earlier version, which finds its collection where this one does."""
    if not (commit := earlier()):
        pytest.skip("this checkout has no history to take an earlier version from")
    folder = tmp_path_factory.mktemp("former") / "platform"
    subprocess.run(["git", "clone", "--quiet", "--shared", "--no-checkout", str(CHECKOUT), str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "checkout", "--quiet", "--detach", commit], check=True)
    (folder / ".lab").symlink_to(CHECKOUT / ".lab")
    tree = folder / ".cache/tree/ansible_collections/quetrex"
    tree.mkdir(parents=True)
    (tree / "platform").symlink_to(folder)
    return folder


def containers(platform: Platform) -> dict[str, tuple[str, str]]:
    """Name -> identity of the description that Compose started it from, and when it was started."""
    label = '{{index .Config.Labels \\"com.docker.compose.config-hash\\"}}'
    lines = platform.on_server(f'docker ps --quiet | xargs docker inspect --format "{{{{.Name}}}} {label} {{{{.State.StartedAt}}}}"').splitlines()
    return {name: (described, started) for name, described, started in (line.split() for line in lines)}


def started(platform: Platform) -> str:
    """When units were started last."""
    return platform.on_server(f"for unit in {' '.join(UNITS)}; do echo $unit $(systemctl show -p ActiveEnterTimestampMonotonic --value $unit); done")


def test_site_over_an_earlier_version(new_lab: NewLab, former: Path) -> None:
    with new_lab("up") as lab:
        platform = Platform(lab)
        built = subprocess.run(platform.command("site"), cwd=former, env=platform.environment, capture_output=True, text=True, check=False, timeout=900)
        # its verify may know less of what the vendors do by now, and earlier ones let the edge challenge whoever is no browser
        hand = Hand(lab)
        hand.api("cloudflare", "PUT", f"{hand.zone()}/bot_management", {"fight_mode": False})
        assert platform.eventually(lambda: platform.status("/api/health") == 200), built.stdout[-3000:]
        before, units = containers(platform), started(platform)
        visitors = Visitors(lab, platform.server_ipv4, FEW_THROUGH, FEW_DIRECT, pace=CALM)
        try:
            run = platform.play("site", "--diff")
            assert run.code == 0, run.explain()
            visitors.end()
            assert visitors.lost == []
        finally:
            visitors.kill()
        print(f"{len(visitors.answers)} answers; changed: {run.changed_tasks}")
        after = containers(platform)
        assert started(platform) == units
        restarted = {name for name, (described, began) in after.items() if name in before and before[name][0] == described and before[name][1] != began}
        assert not restarted, "their description is the same"
        again = platform.play("site", "--diff")
        assert (again.code, again.changed) == (0, 0), again.explain()
