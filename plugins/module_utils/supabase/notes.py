# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a file came whose statements no single transaction holds: a row in the platform's own schema until the ledger has the file."""

from __future__ import annotations

from dataclasses import dataclass

from . import ledger, store
from .catalog import PLATFORM
from .database import Database
from .migrations import Migration

TABLE = f"{PLATFORM}.begun"
# Where notes were until the platform had a schema of its own: beside the CLI's ledger.
EARLIER = "supabase_migrations.quetrex_begun"
_COLUMNS = "version, step, begun, digest"


@dataclass(frozen=True)
class Progress:
    """step: the one to run next, from 0; begun: it runs alone and may have been done; digest: of what stands before it, with it if it was begun."""

    step: int
    begun: bool
    digest: str


def progress(database: Database, version: str) -> Progress | None:
    """How far an earlier run came with this file, if it did not come to its end."""
    for source in _sources(database):
        rows = database.run(f"SELECT step, begun, digest FROM ({source}) AS notes WHERE version = %s", (version,))  # noqa: S608 - constants
        if rows:
            return Progress(*rows[0])
    return None


def noted(database: Database) -> set[str]:
    """Versions of files of which an earlier run came through a part."""
    return {str(version) for source in _sources(database) for (version,) in database.run(f"SELECT version FROM ({source}) AS notes")}  # noqa: S608 - constants


def _sources(database: Database) -> list[str]:
    """Queries for all notes, the newer first."""
    there = (table for table in (TABLE, EARLIER) if store.columns(database, table))
    return [_rows(database, table) for table in there]


def _rows(database: Database, table: str) -> str:
    # Before files could have several steps, a note was always of a file's only statement.
    names = _COLUMNS if "step" in store.columns(database, table) else "version, 0 AS step, true AS begun, digest"
    return f"SELECT {names} FROM {table}"  # noqa: S608 - constants


def moved(database: Database) -> dict[str, str]:
    """What is done for notes that earlier versions have left in the CLI's schema -> the SQL that does it; nothing where there are none."""
    if not store.columns(database, EARLIER):
        return {}
    move = f"INSERT INTO {TABLE} ({_COLUMNS}) {_rows(database, EARLIER)} ON CONFLICT (version) DO NOTHING; DROP TABLE {EARLIER}"
    return _missing(database) | {f"rows of {EARLIER}": move}


def _missing(database: Database) -> dict[str, str]:
    if store.columns(database, TABLE):
        return {}
    sql = f"""CREATE TABLE {TABLE} (version text NOT NULL PRIMARY KEY, step integer NOT NULL, begun boolean NOT NULL, digest text NOT NULL);
        ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY; REVOKE ALL ON {TABLE} FROM {store.everybody(database)}"""
    return store.schema(database) | {f"table {TABLE}": sql}


def ensure(database: Database) -> None:
    """Make the place for notes before the first one, or bring it up to date. Call with the lock held and without a transaction."""
    store.make(database, _missing(database) | moved(database))


def note_sql() -> str:
    """Note how far a file has come, in place of whatever was noted of it. Values: version, and those of Progress."""
    return f"""INSERT INTO {TABLE} ({_COLUMNS}) VALUES (%s, %s, %s, %s)
        ON CONFLICT (version) DO UPDATE SET step = excluded.step, begun = excluded.begun, digest = excluded.digest"""  # noqa: S608 - constants


def note(database: Database, migration: Migration, progress: Progress) -> None:
    database.run(note_sql(), (migration.version, progress.step, progress.begun, progress.digest))


def forget(database: Database, migration: Migration) -> None:
    """It failed before our eyes, and nothing of it was kept."""
    database.run(f"DELETE FROM {TABLE} WHERE version = %s", (migration.version,))  # noqa: S608 - a constant


def record_sql(*, noted: bool) -> str:
    """The ledger's row, and the end of the file's note. Values: version (if noted), and ledger.values(migration)."""
    return f"DELETE FROM {TABLE} WHERE version = %s; {ledger.insert_sql()}" if noted else ledger.insert_sql()  # noqa: S608 - a constant


def record(database: Database, migration: Migration) -> None:
    """As record_sql, in a transaction of its own: the row of a file whose last statement ran alone."""
    database.run(f"BEGIN; {record_sql(noted=True)}; COMMIT", (migration.version, *ledger.values(migration)))
