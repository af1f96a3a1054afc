# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's own programs on the controller: found by version, given their password in the environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from .database import Target
from .errors import Failure, redact

_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")


def find(program: str, major: int, given: str | None = None) -> str:
    """Path of the newest of this program that is at least of this major version."""
    found = [(version, path) for path in _candidates(program, given) if (version := _major(path)) >= major]
    if not found:
        raise Failure(f"{program} of PostgreSQL {major} or newer is needed on the controller (package postgresql-client-{major}).", "program", program=program)
    return max(found)[1]


def _candidates(program: str, given: str | None) -> Iterable[str]:
    if given:
        return [str(Path(given) / program)]
    folders = [str(folder / program) for pattern in _FOLDERS for folder in Path("/").glob(pattern.lstrip("/"))]
    on_path = shutil.which(program)
    return [path for path in [*folders, *([on_path] if on_path else [])] if os.access(path, os.X_OK)]


def _major(path: str) -> int:
    try:
        said = subprocess.run([path, "--version"], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    match = re.search(r"(\d+)", said)
    return int(match[1]) if match else 0


def environment(target: Target, ca_path: str | None) -> dict[str, str]:
    """What libpq needs to connect, for a program's environment: arguments are everybody's to read."""
    wanted = {
        "PGHOST": target.host,
        "PGHOSTADDR": target.address,
        "PGPORT": str(target.port),
        "PGUSER": target.user,
        "PGPASSWORD": target.password,
        "PGDATABASE": target.database,
        "PGSSLMODE": target.sslmode,
        "PGSSLROOTCERT": ca_path,
        "PGCONNECT_TIMEOUT": str(target.connect_timeout),
        "PGAPPNAME": target.application_name,
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return inherited | {name: value for name, value in wanted.items() if value}


def run(argv: list[str], environ: dict[str, str] | None = None, secret: str | None = None) -> str:
    """Run to its end; what it printed."""
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        name = Path(argv[0]).name
        raise Failure(f"{name}: {redact(done.stderr.strip()[-1500:], secret)}", "program_failed", program=name, status=done.returncode)
    return done.stdout
