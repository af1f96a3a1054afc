# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A volume's copy is what the disk held at one moment."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import pytest

from lab import disks
from lab.config import LabError


def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int) -> Path:
    """A volume that is written to while it is copied, that many times."""
    path, moment = tmp_path / "1.img", itertools.count(1)
    path.write_text("0")

    def copying(*words: str | Path) -> str:
        shutil.copy(path, words[-1])
        if (now := next(moment)) <= writes:
            path.write_text(str(now))
            os.utime(path, ns=(now, now))
        return ""

    monkeypatch.setattr(disks, "run", copying)
    return path


def test_a_copy_of_two_moments_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert disks.at_this_moment(volume(tmp_path, monkeypatch, writes=2)).read_text() == "2"


def test_a_volume_that_never_rests_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabError, match="all the time"):
        disks.at_this_moment(volume(tmp_path, monkeypatch, writes=10_000))
