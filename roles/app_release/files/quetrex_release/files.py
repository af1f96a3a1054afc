# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path


def listed(table: Path, column: int, folder: Path) -> bool:
    """Whether a table of mounts names a folder in this column. A blank in a name is written in octal."""
    name = re.sub(r"[\s\\]", lambda match: f"\\{ord(match.group()):03o}", str(folder))
    lines = (line.split() for line in (content(table) or "").splitlines() if not line.lstrip().startswith("#"))
    return any(len(words) > column and words[column] == name for words in lines)


def content(path: Path) -> str | None:
    """What a file says; None without file."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def copy_file(source: Path, target: Path) -> None:
    """Copies a file with its mode, by rename; an absent one removes the target."""
    if not source.exists():
        target.unlink(missing_ok=True)
        return
    target.parent.mkdir(mode=0o700 if ".good" in target.parts else 0o755, parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.new")
    shutil.copy2(source, scratch)
    scratch.rename(target)


def replace(path: Path, text: str) -> None:
    """Writes a file so that there is the old or the new one at any moment."""
    scratch = path.with_name(f".{path.name}.new")
    with scratch.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    scratch.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
