# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second server empties the folder where the volume will be, also where the runner's workspace is a file system of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="mounts")]
PROGRAM = Path(__file__).resolve().parents[3] / "roles/platform_scale/files/wait.sh"
# In a namespace whose /opt is a server's of the platform.
SERVER = "mount -t tmpfs server /opt; mkdir /opt/platform; touch /opt/platform/stack.json"


def waited(state: Path, before: str) -> tuple[int, str]:
    """Exit code and what is left, of a run on a server that was prepared by a script."""
    script = f"{SERVER}; {before}; sh {PROGRAM} {state}; find {state} -mindepth 1 -printf '%P\\n'"
    done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-euc", script], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_workspace_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace.img").touch()
    assert waited(tmp_path, f"mount -t tmpfs workspace {tmp_path}/workspace; touch {tmp_path}/workspace/kept") == (0, "")


def test_a_volume_is_never_touched(tmp_path: Path) -> None:
    assert waited(tmp_path, f"mount -t tmpfs volume {tmp_path}; mkdir {tmp_path}/redis") == (0, "redis\n")


DOCKER = """#!/bin/sh
case "$1 $*" in
  ps*nginx*) echo front ;;
  ps*) echo front web worker ;;
  inspect*front) echo "$STATE/static/files" ;;
  inspect*worker) echo "$STATE/services/worker/data" ;;
  inspect*) echo /opt/platform/web/database-ca.pem ;;
  stop*) echo "$4" >>"$STOPPED" ;;
esac
"""


def test_who_has_a_folder_of_the_volume_is_stopped(tmp_path: Path) -> None:
    """A service of the inventory's own would go on with the folder that is removed here; the application goes on, so that it is warm."""
    state, stopped, docker = tmp_path / "state", tmp_path / "stopped", tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    state.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    assert waited(state, f"export PATH={docker.parent}:$PATH STATE={state} STOPPED={stopped}") == (0, "")
    assert list(dict.fromkeys(stopped.read_text().split())) == ["front", "worker"]
