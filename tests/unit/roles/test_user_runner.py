# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's code is nobody on its server, also where it was somebody before."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from lab import rendering

ROLE = Path(__file__).resolve().parents[3] / "roles" / "user_runner"


def test_no_account_has_the_containers_number() -> None:
    """Accounts are below 65536 everywhere, and subordinate numbers begin at 100000."""
    assert 65536 <= yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())["user_runner_uid"] < 100000


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_workspace_changes_hands_once(tmp_path: Path) -> None:
    """With all that is in it, and nothing that a link in it names; the check that comes first finds a run that was cut short."""
    workspace, outside = tmp_path / "work space", tmp_path / "outside"
    step = rendering.value(ROLE, "__user_runner_activate", {"user_runner_workspace": str(workspace), "user_runner_uid": "70001"})[0]

    def ready() -> bool:
        return subprocess.run(step["check"], capture_output=True, check=False).returncode == 0

    assert not ready()
    (workspace / "a" / "b").mkdir(parents=True)
    (workspace / "a" / "b" / "file").write_text("x")
    outside.write_text("x")
    (workspace / "link").symlink_to(outside)
    subprocess.run(["chown", "-Rh", "1000:1000", str(workspace)], check=True)
    assert not ready()
    subprocess.run(step["command"], check=True)
    assert ready()
    assert {path.lstat().st_uid for path in [workspace, *workspace.rglob("*")]} == {70001}
    assert (outside.stat().st_uid, workspace.stat().st_mode & 0o777) == (0, 0o750)
