# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zeros at the end of Redis's file go, everything else stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "roles/app_stack/files/platform-redis-repair"
COMMANDS = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n"


def repaired(folder: Path) -> str:
    """What the program says of a folder."""
    return subprocess.run([sys.executable, PROGRAM, folder], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("zeros", [1, 4096, (1 << 20) + 5])
def test_zeros_at_the_end_of_the_last_file_are_cut(tmp_path: Path, zeros: int) -> None:
    (tmp_path / "a.manifest").write_text("file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\nfile a.2.incr.aof seq 2 type i\n")
    for name in ("a.1.base.rdb", "a.1.incr.aof", "a.2.incr.aof"):
        (tmp_path / name).write_bytes(COMMANDS + b"\0" * zeros)
    assert f"{zeros} bytes" in repaired(tmp_path)
    assert (tmp_path / "a.2.incr.aof").read_bytes() == COMMANDS
    assert (tmp_path / "a.1.incr.aof").read_bytes() == (tmp_path / "a.1.base.rdb").read_bytes() == COMMANDS + b"\0" * zeros
    assert repaired(tmp_path) == "nothing to repair\n"


@pytest.mark.parametrize("content", [b"", COMMANDS, COMMANDS + b"*2\r\n$3\r\nSE", b"\0" + COMMANDS])
def test_whole_and_half_commands_are_left_to_redis(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.manifest").write_text("file a.1.incr.aof seq 1 type i\n")
    (tmp_path / "a.1.incr.aof").write_bytes(content)
    assert repaired(tmp_path) == "nothing to repair\n"
    assert (tmp_path / "a.1.incr.aof").read_bytes() == content


def test_a_redis_that_never_ran_needs_nothing(tmp_path: Path) -> None:
    assert repaired(tmp_path / "missing") == "nothing to repair\n"
