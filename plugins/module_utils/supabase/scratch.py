# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL of its own on the controller, on a socket only, to try things on and throw away."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

from ..run_command import RunCommand
from . import programs
from .errors import Failure

USER = "postgres"
NOBODY = 65534
_OPTIONS = "-c listen_addresses= -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c wal_level=logical -c max_connections=30"


def running(folder: Path) -> bool:
    try:
        pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, 0)
    except (OSError, ValueError, IndexError):
        return False
    return True


def start(command: RunCommand, folder: Path, major: int, bin_dir: str | None) -> None:
    """Make and start it. folder: short, for the path of a socket may hold 107 bytes."""
    if len(str(folder)) > 80:
        raise Failure(f"{folder} is too long: the path of a socket may hold 107 bytes.", "path")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / "data" / "PG_VERSION").exists():
        shutil.rmtree(folder / "data", ignore_errors=True)
        initdb = programs.find(command, "initdb", major, bin_dir)
        argv = [initdb, "-D", str(folder / "data"), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        programs.run(command, _unprivileged(argv))
    version = int((folder / "data" / "PG_VERSION").read_text())
    control = programs.find(command, "pg_ctl", version, bin_dir or _folder_of(version))
    (folder / "data" / "postmaster.pid").unlink(missing_ok=True)
    argv = [control, "-D", str(folder / "data"), "-l", str(folder / "log"), "-o", f"-k {folder} {_OPTIONS}", "-w", "-t", "60", "start"]
    try:
        programs.run(command, _unprivileged(argv))
    except Failure as error:
        log = folder / "log"
        raise Failure(f"PostgreSQL did not start: {log.read_text()[-1000:] if log.exists() else error.message}", "start") from error


def remove(command: RunCommand, folder: Path) -> None:
    """Stop it at once and delete everything."""
    if running(folder):
        version = int((folder / "data" / "PG_VERSION").read_text())
        control = programs.find(command, "pg_ctl", version, _folder_of(version))
        programs.run(command, _unprivileged([control, "-D", str(folder / "data"), "-m", "immediate", "-w", "stop"]))
    shutil.rmtree(folder, ignore_errors=True)


def _folder_of(version: int) -> str | None:
    """Where this very version is installed: a newer server does not take an older folder."""
    for folder in (f"/usr/lib/postgresql/{version}/bin", f"/usr/pgsql-{version}/bin"):
        if Path(folder).is_dir():
            return folder
    return None


def _unprivileged(argv: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root. A user namespace in which root has another name needs no chown; initdb wants that name in the list of users."""
    if os.geteuid() != 0:
        return argv
    try:
        number = pwd.getpwnam("postgres").pw_uid
    except KeyError:
        number = NOBODY
    return ["unshare", "--user", f"--map-user={number}", f"--map-group={number}", "--", *argv]
