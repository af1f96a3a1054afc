# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of a database that can prove what it holds: pg_dump and a manifest, of one snapshot, whole or not there at all."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from ..run_command import RunCommand
from . import catalog, ledger, privileges, programs, tables
from .database import Database, Target, ca_file
from .errors import Failure

DUMP, MANIFEST = "database.dump", "manifest.json"
FORMAT = 1
# Supabase's machinery: unreadable for postgres, or meaningless on another server.
EXCLUDED = ("pgsodium", "pgsodium_masks", "vault", "_realtime", "_analytics", "_supavisor", "net", "pgbouncer")


def take(command: RunCommand, target: Target, path: str, *, managed_tables: list[str], bin_dir: str | None) -> dict[str, Any]:
    """Write the export to path, which appears only when it is complete; the manifest."""
    final = Path(path)
    if final.exists():
        raise Failure(f"{path} exists already; an export is never written over.", "exists", path=path)
    final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = final.with_name(f".{final.name}.{os.getpid()}")
    scratch.mkdir(mode=0o700)
    try:
        manifest = _write(command, target, scratch, managed_tables, bin_dir)
        sync(scratch)
        scratch.rename(final)
        sync(final.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def _write(command: RunCommand, target: Target, folder: Path, managed_tables: list[str], bin_dir: str | None) -> dict[str, Any]:
    with Database(target) as database, database.transaction(isolation="REPEATABLE READ, READ ONLY"):
        major = int(database.run("SHOW server_version_num")[0][0]) // 10000
        program = programs.find(command, "pg_dump", major, bin_dir)
        snapshot = str(database.run("SELECT pg_catalog.pg_export_snapshot()")[0][0])
        _dump(command, target, program, snapshot, folder / DUMP)
        manifest = describe(database, target, managed_tables)
    manifest["dump"] = {"file": DUMP, "bytes": (folder / DUMP).stat().st_size, "sha256": checksum(folder / DUMP), "program": Path(program).parent.parent.name}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    for name in (DUMP, MANIFEST):
        (folder / name).chmod(0o600)
    return manifest


def _dump(command: RunCommand, target: Target, program: str, snapshot: str, file: Path) -> None:
    with ca_file(target) as ca_path:
        argv = [program, "--format=custom", f"--snapshot={snapshot}", f"--file={file}", *(f"--exclude-schema={name}" for name in EXCLUDED)]
        programs.run(command, argv, programs.environment(target, ca_path), target.password)


def describe(database: Database, target: Target, managed_tables: list[str]) -> dict[str, Any]:
    """What the snapshot of this transaction holds."""
    lines = catalog.snapshot(database, catalog.APPLICATION)
    rows = ledger.read(database)
    database.run(tables.PLAIN)
    found = tables.columns(database)
    ours = tables.carried(found, managed_tables)
    for name, table in ours.items():
        table["rows"], table["digest"] = tables.digest(database, name, [column for column, _type in table["columns"]])
    return {
        "format": FORMAT,
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "source": target.label,
        "server_version": str(database.run("SHOW server_version")[0][0]),
        "ledger": [[row.version, row.name, row.digest] for row in rows],
        "tables": ours,
        "sequences": tables.sequences(database),
        "left_behind": _left_behind(database, found, ours),
        "defaults_open": bool(database.run(privileges.OPEN)[0][0]),
        "catalogue": tables.comparable(lines, {target.user.split(".")[0], "postgres"}),
    }


def _left_behind(database: Database, found: dict[str, Any], ours: dict[str, Any]) -> dict[str, int]:
    """Tables of Supabase's own with rows, which a migration does not carry: {name: rows}. Files, sessions, secrets, jobs."""
    others: dict[str, int] = {}
    for name, table in found.items():
        if name in ours or table["schema"] in {"supabase_migrations", *EXCLUDED} or table["table"].endswith("migrations"):
            continue
        if database.run("SELECT has_table_privilege(%s, 'SELECT')", (name,))[0][0]:
            rows = int(database.run(f"SELECT count(*) FROM ONLY {name}")[0][0])  # noqa: S608 - a name of the catalogue, quoted
            others |= {name: rows} if rows else {}
    return others


def read(path: str) -> dict[str, Any]:
    """The manifest of an export whose dump is whole."""
    folder = Path(path)
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise Failure(f"{path} is no export: {error}", "no_export", path=path) from error
    if manifest.get("format") != FORMAT:
        raise Failure(f"{path} has format {manifest.get('format')}; this version reads {FORMAT}.", "format", path=path)
    sealed = folder / f"{DUMP}.age"
    if sealed.exists() and not (folder / DUMP).exists():
        way = f"age --decrypt --identity <your key> --output {folder / DUMP} {sealed}"
        raise Failure(f"{path} is encrypted; open it first: {way}", "sealed", path=path)
    if checksum(folder / DUMP) != manifest["dump"]["sha256"]:
        raise Failure(f"{path}: {DUMP} is damaged: its checksum is not the manifest's.", "damaged", path=path)
    return manifest


def moved_on(target: Target, manifest: dict[str, Any]) -> list[str]:
    """Tables of the live database whose rows are no longer those of the export."""
    with Database(target) as database, database.transaction(isolation="REPEATABLE READ, READ ONLY"):
        database.run(tables.PLAIN)
        there = tables.columns(database)
        different = []
        for name, table in manifest["tables"].items():
            names = [column for column, _type in table["columns"]]
            if name not in there or tables.digest(database, name, names) != (table["rows"], table["digest"]):
                different.append(name)
        return different


def checksum(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def sync(folder: Path) -> None:
    """To the disk, files and names alike."""
    for path in [*(item for item in folder.iterdir() if item.is_file()), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
