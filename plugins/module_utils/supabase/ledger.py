# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Supabase CLI's ledger, and the lock that keeps two runs apart (the CLI has none)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from .database import Database, SqlError
from .errors import Failure
from .migrations import Migration
from .plan import Row

# Any number will do as long as it never changes: the first 63 bits of sha256("quetrex.platform.supabase_schema").
LOCK = 0x53F0E21BB22EA0F7

_CREATE = """
SET LOCAL client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS supabase_migrations;
CREATE TABLE IF NOT EXISTS supabase_migrations.schema_migrations (version text NOT NULL PRIMARY KEY, statements text[], name text);
ALTER TABLE supabase_migrations.schema_migrations ADD COLUMN IF NOT EXISTS statements text[];
ALTER TABLE supabase_migrations.schema_migrations ADD COLUMN IF NOT EXISTS name text;
"""
READ_BACK = "SELECT version FROM supabase_migrations.schema_migrations WHERE version = %s"
_HOLDER = """
SELECT a.pid, a.application_name, a.usename, coalesce(a.client_addr::text, 'local'), to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ')
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.classid::bigint = (%s::bigint >> 32) AND l.objid::bigint = (%s::bigint & 4294967295)
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
"""


def _columns(database: Database) -> int:
    """How many of the three columns there are: 0 without a ledger, fewer than 3 in one made by an early CLI."""
    sql = """SELECT count(*) FROM pg_catalog.pg_attribute
              WHERE attrelid = pg_catalog.to_regclass('supabase_migrations.schema_migrations') AND NOT attisdropped
              AND attname IN ('version', 'statements', 'name')"""
    return int(database.run(sql)[0][0])


def exists(database: Database) -> bool:
    return _columns(database) > 0


def ensure(database: Database) -> None:
    """Make the ledger, or give an old one the columns of newer CLIs. Call with the lock held: two CLIs race here."""
    if _columns(database) < 3:
        database.run(f"BEGIN; {_CREATE} COMMIT")


def read(database: Database) -> list[Row]:
    """The ledger in order; empty when there is none. The texts stay on the server, their digests suffice."""
    columns = _columns(database)
    if columns == 0:
        return []
    if columns < 3:
        return [Row(version, None, None, 0) for (version,) in database.run("SELECT version FROM supabase_migrations.schema_migrations ORDER BY version")]
    sql = """SELECT version, name, CASE cardinality(statements) WHEN 1 THEN md5(convert_to(statements[1], 'UTF8')) END, coalesce(cardinality(statements), 0)
              FROM supabase_migrations.schema_migrations ORDER BY version"""
    return [Row(*row) for row in database.run(sql)]


def recorded(database: Database, versions: list[str]) -> dict[str, list[str]]:
    """The ledger's copies of these versions."""
    if not versions:
        return {}
    return dict(database.run("SELECT version, statements FROM supabase_migrations.schema_migrations WHERE version = ANY(%s)", (versions,)))


def insert_sql() -> str:
    return "INSERT INTO supabase_migrations.schema_migrations (version, name, statements) VALUES (%s, %s, ARRAY[%s])"


def values(migration: Migration) -> tuple[str, str, str]:
    """One element holding the whole file: `supabase migration fetch` then gives it back whole, with one more semicolon at its end."""
    return migration.version, migration.name, migration.text


def contains(database: Database, version: str) -> bool:
    return bool(database.run("SELECT 1 FROM supabase_migrations.schema_migrations WHERE version = %s", (version,)))


@contextlib.contextmanager
def lock(database: Database, wait: float) -> Iterator[None]:
    """Be the only run on this database; wait up to `wait` seconds for the previous one. Ends with the session at the latest."""
    if not database.run("SELECT pg_catalog.pg_try_advisory_lock(%s)", (LOCK,))[0][0]:
        _wait_for_lock(database, wait)
    try:
        yield
    finally:
        # A lost connection has given the lock back already.
        with contextlib.suppress(Failure):
            database.rollback()
            # A run takes it again to see that it still has it.
            database.run("SELECT pg_catalog.pg_advisory_unlock_all()")


def _wait_for_lock(database: Database, wait: float) -> None:
    held_by = holder(database)
    try:
        database.run(f"SET lock_timeout = {max(1, int(wait * 1000))}; SET statement_timeout = 0; SELECT pg_catalog.pg_advisory_lock(%s)", (LOCK,))
    except SqlError as error:
        if error.sqlstate != "55P03":
            raise
        now = holder(database) or held_by
        message = f"Another run holds the migration lock: {_describe(now)}. Waited {wait:.0f} s. Let it finish, or end that session if its machine is gone."
        raise Failure(message, "locked", holder=now) from error
    database.run("RESET lock_timeout; RESET statement_timeout")


def holder(database: Database) -> dict[str, Any] | None:
    """Who holds the lock, as far as the server shows it to us."""
    rows = database.run(_HOLDER, (LOCK, LOCK))
    return dict(zip(("pid", "application", "user", "address", "since"), rows[0], strict=True)) if rows else None


def _describe(who: dict[str, Any] | None) -> str:
    if not who:
        return "unknown"
    return f"{who['application'] or 'unnamed'} (user {who['user']}, from {who['address']}, server process {who['pid']}, since {who['since']})"
