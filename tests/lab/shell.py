# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the machine's own tools (ip, nft, mount …) and turns their refusals into readable errors."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab.config import LabError


def run(*argv: str | Path, stdin: str | None = None, check: bool = True, timeout: float = 120.0) -> str:
    """The standard output of a command; a `LabError` with its standard error when it fails and `check` is on."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, timeout=timeout)
    except FileNotFoundError as error:
        raise LabError(f"{words[0]} is not installed: run `make venv`, which installs what the lab needs.") from error
    if check and done.returncode != 0:
        raise LabError(f"`{' '.join(words)}` failed ({done.returncode}): {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
