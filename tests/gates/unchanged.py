# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a test's inputs are those it passed with: for gates, and for tests of a few roles alone."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from gates import kit

PINS = (
    "requirements-dev.txt",
    "requirements.yml",
    "galaxy.yml",
    "tools/bootstrap",
    "tools/apt-packages.txt",
    "tools/collections-tests.yml",
    "tools/collections-bundle.txt",
    "pyproject.toml",
)
"""What decides which versions of the tools are used."""

inputs = pytest.mark.inputs


def cold() -> bool:
    """Whether every gate has to run: in continuous integration, or because somebody wants it."""
    return bool(os.environ.get("CI") or os.environ.get("TEST_COLD"))


def digest(checkout: Path, places: Iterable[str]) -> str:
    """A hash of names, modes and contents of every file that git would commit at these files and folders (none: everything), and of the Python that looks."""
    wanted = tuple(places)
    found = hashlib.sha256(sys.version.encode())
    for name, content in _contents(checkout):
        if not wanted or any(name == place or name.startswith(f"{place}/") for place in wanted):
            found.update(content)
    return found.hexdigest()


def forget() -> None:
    """Files are read once a process: what is edited while tests run counts the next time."""
    _contents.cache_clear()


@functools.cache
def _contents(checkout: Path) -> list[tuple[str, bytes]]:
    def content(name: str) -> bytes:
        path = checkout / name
        return f"{name}\0{path.stat().st_mode & 0o111:o}\0".encode() + hashlib.sha256(path.read_bytes()).digest()

    return [(name, content(name)) for name in kit.tracked_files(checkout)]


class Memory:
    """What each gate passed with last, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _record(self, gate: str) -> Path:
        return self.folder / hashlib.sha256(gate.encode()).hexdigest()[:24]

    def passed_with(self, gate: str, digest: str) -> bool:
        """Whether the last run of this gate had these inputs and passed."""
        record = self._record(gate)
        return record.exists() and record.read_text() == digest

    def note(self, gate: str, digest: str, *, passed: bool) -> None:
        """A gate that failed has to run again."""
        record = self._record(gate)
        record.unlink(missing_ok=True)
        if passed:
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(digest)
