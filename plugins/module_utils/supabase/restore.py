# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of an export into a database that already has the schema by migrations; compared before the commit.

A plain restore of a dump would lose privileges and the triggers on Supabase's own tables; migrations bring both.
"""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..run_command import RunCommand
from ..run_command import run as run_it
from ..writing import sql_name
from . import catalog, export, ledger, privileges, programs, tables
from .database import Database, SqlError, Target
from .errors import Failure

if TYPE_CHECKING:
    from ..run_command import Process

_KEYS = "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND conrelid <> confrelid"
_TRIGGERS = """SELECT quote_ident(tgname) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
  WHERE tgrelid = %s::regclass AND NOT tgisinternal AND tgenabled = 'O'"""
_OWNED = "SELECT pg_has_role(current_user, relowner, 'MEMBER') FROM pg_class WHERE oid = %s::regclass"


@dataclass
class Report:
    """What came of it; filled as we go."""

    changed: bool = False
    rows: int = 0
    tables: dict[str, int] = field(default_factory=dict)
    difference: dict[str, list[str]] = field(default_factory=lambda: {"gone": [], "come": []})
    left_behind: dict[str, int] = field(default_factory=dict)


class Dump(NamedTuple):
    """A dump and what reads it."""

    command: RunCommand
    path: Path
    bin_dir: str | None


def load(command: RunCommand, target: Target, path: str, report: Report, *, replace: bool, bin_dir: str | None, check: bool) -> None:
    """Fill the target from the export; refuses one that already holds other rows, unless they may be replaced."""
    manifest = export.read(path)
    if manifest["source"] == target.label:
        raise Failure(f"{target.label} is the database the export was taken from.", "same_database")
    report.left_behind = manifest["left_behind"]
    with Database(target) as database:
        _same_ledger(database, manifest)
        with ledger.lock(database, 60), database.transaction():
            report.changed = _fill(database, manifest, Dump(command, Path(path) / export.DUMP, bin_dir), replace=replace, check=check)
            report.tables = {name: table["rows"] for name, table in manifest["tables"].items()}
            report.rows = sum(report.tables.values())
            if report.changed and not check:
                database.run("COMMIT")
        with database.transaction():
            granted = _same_catalogue(database, target, manifest, report)
            report.changed = report.changed or granted
            if granted and not check:
                database.run("COMMIT")


def _same_ledger(database: Database, manifest: dict[str, Any]) -> None:
    theirs, ours = {row[0] for row in manifest["ledger"]}, {row.version for row in ledger.read(database)}
    if theirs != ours:
        lacking, more = sorted(theirs - ours), sorted(ours - theirs)
        raise Failure(
            f"The target has other migrations than the export: without {', '.join(lacking) or 'none'}, besides {', '.join(more) or 'none'}. "
            "Apply the same migrations first.",
            "ledger",
            lacking=lacking,
            more=more,
        )


def _fill(database: Database, manifest: dict[str, Any], dump: Dump, *, replace: bool, check: bool) -> bool:
    database.run(tables.PLAIN)
    _complete_columns(database, manifest)
    wanted = manifest["tables"]
    different = _different(database, wanted)
    if not different:
        return False
    filled = [name for name in different if tables.digest(database, name, [])[0]] if not replace else []
    if filled:
        raise Failure(f"The target already holds other rows in {', '.join(filled)}. Give an empty database, or replace=true.", "not_empty", tables=filled)
    if check:
        return True
    order = _order(database, list(wanted))
    switched = _silence(database, order)
    program = programs.find(dump.command, "pg_restore", 9, dump.bin_dir)
    _copy_all(database, order, wanted, lambda table: _copy(dump, program, database, table), silent=switched is None)
    for name, value in manifest["sequences"].items():
        database.run("SELECT pg_catalog.setval(%s::regclass, %s)", (name, value))
    if different := _different(database, wanted):
        raise Failure(f"Not the same rows as the export: {', '.join(different)}. Nothing was kept.", "different", tables=different)
    # Checks that are put off would refuse what follows.
    database.run("SET CONSTRAINTS ALL IMMEDIATE")
    for name, trigger in switched or []:
        database.run(f"ALTER TABLE {name} ENABLE TRIGGER {trigger}")
    return True


def _different(database: Database, wanted: dict[str, Any]) -> list[str]:
    return [
        name
        for name, table in wanted.items()
        if tables.digest(database, name, [column for column, _type in table["columns"]]) != (table["rows"], table["digest"])
    ]


def _complete_columns(database: Database, manifest: dict[str, Any]) -> None:
    """Auth's tables change with its versions: a stand-in of ours gets what it lacks, Supabase's own has to be new enough."""
    there = tables.columns(database)
    for name, table in manifest["tables"].items():
        known = {column for column, _type in there[name]["columns"]} if name in there else None
        if known is None:
            raise Failure(f"The target has no table {name}.", "no_table", table=name)
        lacking = [(column, kind) for column, kind in table["columns"] if column not in known]
        if not lacking:
            continue
        if table["schema"] not in catalog.MANAGED or not database.run(_OWNED, (name,))[0][0]:
            raise Failure(f"The target's {name} lacks {', '.join(column for column, _kind in lacking)}.", "columns", table=name)
        database.run(f"ALTER TABLE {name} " + ", ".join(f"ADD COLUMN {sql_name(column)} {kind}" for column, kind in lacking))


def _order(database: Database, names: list[str]) -> list[str]:
    """Supabase's own tables first, then what others refer to before what refers to it."""
    graph: dict[str, set[str]] = {name: set() for name in names}
    for child, parent in database.run(_KEYS):
        if child in graph and parent in graph:
            graph[child].add(parent)
    try:
        order = list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError:
        order = names
    return sorted(order, key=lambda name: name.split(".")[0] not in catalog.MANAGED)


def _silence(database: Database, order: list[str]) -> list[tuple[str, str]] | None:
    """Keep triggers from firing: None when all of them are quiet, else those of our own tables that were switched off."""
    database.run("SAVEPOINT quetrex_silence")
    try:
        database.run("SET LOCAL session_replication_role = replica")
    except SqlError:
        database.run("ROLLBACK TO SAVEPOINT quetrex_silence")
    else:
        return None
    own = [name for name in order if database.run(_OWNED, (name,))[0][0]]
    switched = [(name, trigger) for name in own for (trigger,) in database.run(_TRIGGERS, (name,))]
    for name, trigger in switched:
        database.run(f"ALTER TABLE {name} DISABLE TRIGGER {trigger}")
    return switched


def _copy_all(database: Database, order: list[str], wanted: dict[str, Any], copy: Callable[[dict[str, Any]], None], *, silent: bool) -> None:
    ours = [name for name in order if wanted[name]["schema"] not in catalog.MANAGED]
    for name in reversed(order):
        database.run(f"DELETE FROM {name}")  # noqa: S608 - a name of the catalogue, quoted
    for name in order:
        if not silent and ours and name == ours[0]:
            # Triggers on Supabase's own tables, which only it may switch off, have made rows of ours by now.
            for item in reversed(ours):
                database.run(f"DELETE FROM {item}")  # noqa: S608 - a name of the catalogue, quoted
        copy(wanted[name])


def _copy(dump: Dump, program: str, database: Database, table: dict[str, Any]) -> None:
    """From the program's output straight into the table, however large it is."""
    argv = [program, "--data-only", f"--schema={table['schema']}", f"--table={table['table']}", "--file=-", str(dump.path)]

    def feed(process: Process) -> None:
        lines = iter(process.stdout or ())
        try:
            for line in lines:
                if line.startswith(b"COPY "):
                    database.copy_in(line.decode().strip().rstrip(";"), Rows(lines))
        except Failure:
            process.kill()
            process.communicate()
            raise

    code, _said, complaint = run_it(dump.command, argv, meanwhile=feed)
    if code:
        raise Failure(f"pg_restore: {complaint.strip()[-500:]}", "program_failed", program="pg_restore")


class Rows:
    """The lines up to the end mark of a COPY block, as a file."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._rest = b""
        self._ended = False

    def read(self, size: int = 65536) -> bytes:
        parts, length = [self._rest], len(self._rest)
        while length < size and not self._ended:
            line = next(self._lines, b"\\.\n")
            if line == b"\\.\n":
                self._ended = True
            else:
                parts.append(line)
                length += len(line)
        data = b"".join(parts)
        self._rest = data[size:]
        return data[:size]


def _same_catalogue(database: Database, target: Target, manifest: dict[str, Any], report: Report) -> bool:
    """Privileges, policies, triggers and the rest have to be those of the source. Whether grants were carried that its default privileges had made."""

    def difference() -> tuple[list[str], list[str]]:
        lines = catalog.snapshot(database, catalog.APPLICATION)
        return catalog.difference(manifest["catalogue"], tables.comparable(lines, {target.user.split(".")[0], "postgres"}))

    gone, come = difference()
    statements = privileges.aligned(gone, come) if manifest.get("defaults_open") else []
    for sql in statements:
        database.run(sql)
    if statements:
        gone, come = difference()
    report.difference = {"gone": gone, "come": come}
    if gone or come:
        raise Failure(
            "The rows are there, but the schema differs from the source's: "
            + "; ".join([f"without {line}" for line in gone] + [f"besides {line}" for line in come])[:3000],
            "catalogue",
            details=report.difference,
        )
    return bool(statements)
