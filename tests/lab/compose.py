# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker Compose as a program of its own, for tests that ask what it makes of a file; it needs no engine for that."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lab import base
from lab.config import Lab
from lab.process import locked
from lab.shell import run

PROGRAM = "usr/libexec/docker/cli-plugins/docker-compose"


def program(lab: Lab) -> Path:
    """Debian 13's, as the servers have it; fetched once."""
    kept = lab.cache / "docker-compose"
    with locked(lab.cache / "docker-compose.lock"):
        if not kept.is_file():
            with tempfile.TemporaryDirectory(dir=lab.cache) as scratch:
                base.download("trixie", ["docker-compose"], Path(scratch, "apt"))
                (package,) = Path(scratch, "apt").glob("*.deb")
                run("dpkg-deb", "--extract", package, Path(scratch, "root"), timeout=120)
                Path(scratch, "root", PROGRAM).replace(kept)
    return kept
