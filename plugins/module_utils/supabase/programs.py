# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's own programs on the controller: found by version, given their password in the environment."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from ..run_command import RunCommand
from ..run_command import run as run_it
from .database import Target
from .errors import Failure, redact

_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")


def find(command: RunCommand, program: str, major: int, given: str | None = None) -> str:
    """Path of the newest of this program that is at least of this major version."""
    found = [(version, path) for path in _candidates(program, given) if (version := _major(command, path)) >= major]
    if not found:
        raise Failure(f"{program} of PostgreSQL {major} or newer is needed on the controller (package postgresql-client-{major}).", "program", program=program)
    return max(found)[1]


def _candidates(program: str, given: str | None) -> Iterable[str]:
    if given:
        return [str(Path(given) / program)]
    folders = [str(folder / program) for pattern in _FOLDERS for folder in Path("/").glob(pattern.lstrip("/"))]
    on_path = shutil.which(program)
    return [path for path in [*folders, *([on_path] if on_path else [])] if os.access(path, os.X_OK)]


def _major(command: RunCommand, path: str) -> int:
    try:
        code, said, _complaint = run_it(command, [path, "--version"])
    except OSError:
        return 0
    match = re.search(r"(\d+)", said) if code == 0 else None
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
    return {name: value for name, value in wanted.items() if value}


def run(command: RunCommand, argv: list[str], environ: dict[str, str] | None = None, secret: str | None = None) -> str:
    """Run to its end; what it printed."""
    code, said, complaint = run_it(command, [*_without_inherited(environ or {}), *argv], environ)
    if code:
        name = Path(argv[0]).name
        raise Failure(f"{name}: {redact(complaint.strip()[-1500:], secret)}", "program_failed", details={"program": name, "status": code})
    return said


def _without_inherited(environ: dict[str, str]) -> list[str]:
    """Words before a program's that take away what libpq would heed of the caller's environment; run_command can only add."""
    foreign = sorted(name for name in os.environ if name.startswith("PG") and name not in environ)
    return ["env", *(word for name in foreign for word in ("-u", name))] if foreign else []
