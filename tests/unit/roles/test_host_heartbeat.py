# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sums that a server compares its files with, taken by the role's own shell line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

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
    sums = tmp_path / "sums"
    words = [str(sums), *([str(folder)] if watched == "whole folder" else [str(folder / name) for name in NAMES])]

    def program(action: str) -> subprocess.CompletedProcess[str]:
        text = (ROLE / "files" / "sums.sh").read_text()
        return subprocess.run(["sh", "-c", text, action, *words], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert program("check").returncode != 0, "nothing was taken yet"
    taken = program("set")
    assert (taken.returncode, taken.stderr) == (0, "")
    assert len(sums.read_text().splitlines()) == len(NAMES)
    assert program("check").returncode == 0
    assert shell(f"sha256sum --check --quiet {sums}", tmp_path).returncode == 0
    (folder / "it's").write_text("another")
    assert shell(f"sha256sum --check --quiet {sums}", tmp_path).stdout.count("FAILED") == 1
    assert program("check").returncode != 0
    assert not list(tmp_path.rglob("pwned"))
