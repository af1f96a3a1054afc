# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of exports: how many are kept, and that nobody reads them without a key."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from ..run_command import RunCommand
from . import export, programs
from .errors import Failure

SEALED = f"{export.DUMP}.age"
# What was named by the clock goes by the clock; what somebody gave a name, or added a file to, stays.
BY_THE_CLOCK = re.compile(r"\d{8}T\d{6}Z")
OURS = {export.DUMP, export.MANIFEST, SEALED}


def check(command: RunCommand, recipients: list[str]) -> None:
    """Refuse, before anything is exported, what could not be encrypted afterwards."""
    if not recipients:
        return
    if shutil.which("age") is None:
        raise Failure("age is needed on the controller to encrypt exports (package age), or leave out whom they are encrypted to.", "program", program="age")
    programs.run(command, ["age", *_to(recipients), "--output", "/dev/null", "/dev/null"])


def finish(command: RunCommand, path: Path, recipients: list[str], keep: int, *, only_look: bool) -> dict[str, Any]:
    """Encrypt what lies open in the folder, this export and those before it, and remove the oldest ones: names of both."""
    there = by_the_clock(path.parent)
    removed = there[: max(0, len(there) - keep)] if keep > 0 else []
    kept = dict.fromkeys([*there[len(removed) :], *([path] if path.is_dir() else [])])
    sealed = [folder for folder in kept if recipients and (folder / export.DUMP).exists()]
    if not only_look:
        for folder in sealed:
            seal(command, folder, recipients)
        for folder in removed:
            shutil.rmtree(folder)
    return {"sealed": [folder.name for folder in sealed], "removed": [folder.name for folder in removed]}


def by_the_clock(folder: Path) -> list[Path]:
    """Exports whose name is the time, with nothing of anybody else's in them; the oldest first."""
    found = folder.iterdir() if folder.is_dir() else []
    return sorted(one for one in found if BY_THE_CLOCK.fullmatch(one.name) and {item.name for item in one.iterdir()} <= OURS)


def seal(command: RunCommand, folder: Path, recipients: list[str]) -> None:
    """Put the encrypted dump in the place of the open one, which goes when the other is on the disk."""
    scratch = folder / f".{SEALED}"
    try:
        programs.run(command, ["age", *_to(recipients), "--output", str(scratch), str(folder / export.DUMP)])
        scratch.chmod(0o600)
        export.sync(folder)
        scratch.rename(folder / SEALED)
    finally:
        scratch.unlink(missing_ok=True)
    export.sync(folder)
    (folder / export.DUMP).unlink()
    export.sync(folder)


def _to(recipients: list[str]) -> list[str]:
    return [word for one in recipients for word in ("--recipient", one)]
