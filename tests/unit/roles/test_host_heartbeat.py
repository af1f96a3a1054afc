# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sums that a server compares its files with, taken by the role's own shell line."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab import rendering

ROLE = Path(__file__).resolve().parents[3] / "roles" / "host_heartbeat"
NAMES = ["plain", "with a blank", "it's", 'a "quote"', "$(touch pwned)", "a;touch pwned", "-n", "a\\b", "line\nend", "*"]


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("watched", ["whole folder", "each file"])
def test_sums_of_files_with_any_name(tmp_path: Path, watched: str) -> None:
    """Each file is read once, whatever its name, and whoever reads the sums finds it changed; nothing in a name is run."""
    folder = tmp_path / "watched 'here' $x"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_text(name)
    given: dict[str, Any] = {"host_heartbeat_watched_files": [str(folder)] if watched == "whole folder" else [str(folder / name) for name in NAMES]}
    taken = shell(rendering.value(ROLE, "__host_heartbeat_sum", given), tmp_path)
    assert (taken.returncode, taken.stderr) == (0, "")
    assert len(taken.stdout.splitlines()) == len(NAMES)
    sums = tmp_path / "sums"
    sums.write_text(taken.stdout)
    assert shell(f"sha256sum --check --quiet {sums}", tmp_path).returncode == 0
    (folder / "it's").write_text("another")
    assert shell(f"sha256sum --check --quiet {sums}", tmp_path).stdout.count("FAILED") == 1
    assert not list(tmp_path.rglob("pwned"))
