# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of compiled modules is what Python would compile: by content, with the right path, and never a reason to fail."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lab import base

SOURCE = "def where() -> str:\n    return where.__code__.co_filename + ' {0}'\n"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Where this test's processes keep what they compile."""
    return tmp_path / "kept"


def said(kept: Path, archive: Path, text: str) -> str:
    """What a module in an archive says of itself."""
    archive.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("module.py", SOURCE.format(text))
    environment = {**os.environ, "PYTHONPATH": str(base.COMPILED), "LAB_COMPILED": str(kept)}
    program = f"import sys; sys.path.insert(0, {str(archive)!r}); import module; print(module.where())"
    return subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True).stdout.strip()


def test_same_source_is_compiled_once(kept: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "x.zip", tmp_path / "b" / "y.zip"
    assert said(kept, first, "one") == f"{first}/module.py one"
    (only,) = kept.iterdir()
    written = only.stat().st_mtime_ns
    assert said(kept, second, "one") == f"{second}/module.py one", "the archive's own path, for tracebacks"
    assert [path.stat().st_mtime_ns for path in kept.iterdir()] == [written]


def test_other_source_of_the_same_name(kept: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a" / "x.zip"
    assert [said(kept, archive, text).rpartition(" ")[2] for text in ("one", "two", "one")] == ["one", "two", "one"]
    assert len(list(kept.iterdir())) == 2


def test_what_cannot_be_kept_or_read(kept: Path, tmp_path: Path) -> None:
    """A file that is damaged is compiled again, a folder that cannot be made is done without."""
    archive = tmp_path / "a" / "x.zip"
    said(kept, archive, "one")
    (only,) = kept.iterdir()
    whole = only.read_bytes()
    only.write_bytes(whole[: len(whole) // 2])
    assert said(kept, archive, "one").endswith("one")
    assert only.read_bytes() == whole
    blocked = tmp_path / "file"
    blocked.touch()
    assert said(blocked, archive, "one").endswith("one")
