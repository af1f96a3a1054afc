# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema in which the platform keeps what it needs for itself: the record of releases, and notes.py. Nothing in it belongs to an application."""

from __future__ import annotations

from .catalog import PLATFORM
from .database import Database
from .errors import Failure

RELEASES = f"{PLATFORM}.releases"
# Where the profile quetrex has kept the record until the platform had a schema of its own.
EARLIER = "platform.releases"
_COLUMNS = {"platform", "environment", "record", "updated_at"}
_API_ROLES = ("anon", "authenticated", "service_role")
_NEWER = f"""FROM {EARLIER} e WHERE NOT EXISTS (SELECT FROM {RELEASES} r
  WHERE r.platform = e.platform AND r.environment = e.environment AND r.updated_at >= e.updated_at)"""


def missing(database: Database) -> dict[str, str]:
    """What is not there -> the SQL that makes it, in order."""
    wanted = schema(database)
    there = columns(database, RELEASES)
    if there and not there >= _COLUMNS:
        words = f"{RELEASES} is there and is not the platform's. Rename the schema {PLATFORM} of the application."
        raise Failure(words, "clash", objects=[f"table {RELEASES}"])
    if not there:
        wanted[f"table {RELEASES}"] = f"""CREATE TABLE {RELEASES} (
            platform text NOT NULL, environment text NOT NULL, record jsonb NOT NULL, updated_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (platform, environment));
            ALTER TABLE {RELEASES} ENABLE ROW LEVEL SECURITY; REVOKE ALL ON {RELEASES} FROM {everybody(database)}"""
    if columns(database, EARLIER) == _COLUMNS and (f"table {RELEASES}" in wanted or database.run(f"SELECT EXISTS (SELECT {_NEWER})")[0][0]):
        wanted[f"rows of {EARLIER}"] = f"""INSERT INTO {RELEASES} (platform, environment, record, updated_at)
            SELECT e.platform, e.environment, e.record, e.updated_at {_NEWER}
            ON CONFLICT (platform, environment) DO UPDATE SET record = EXCLUDED.record, updated_at = EXCLUDED.updated_at"""
    return wanted


def schema(database: Database) -> dict[str, str]:
    """The schema alone, as missing."""
    if database.run("SELECT pg_catalog.to_regnamespace(%s) IS NOT NULL", (PLATFORM,))[0][0]:
        return {}
    return {f"schema {PLATFORM}": f"CREATE SCHEMA {PLATFORM}; REVOKE ALL ON SCHEMA {PLATFORM} FROM {everybody(database)}"}


def make(database: Database, wanted: dict[str, str]) -> None:
    """All or nothing."""
    if wanted:
        database.run(f"BEGIN; {'; '.join(wanted.values())}; COMMIT")


def users(database: Database) -> list[tuple[str, str]]:
    """Platform and environment of all that have released to this database; a rehearsal is its environment's."""
    found = set()
    for table in (RELEASES, EARLIER):
        if columns(database, table) >= {"platform", "environment"}:
            rows = database.run(f"SELECT platform, environment FROM {table}")  # noqa: S608 - a constant
            found |= {(str(platform), str(environment).removesuffix("-rehearsal")) for platform, environment in rows}
    return sorted(found)


def everybody(database: Database) -> str:
    """PUBLIC and the API's roles, as far as there are any: whatever default privileges somebody has set for new objects."""
    rows = database.run("SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY(%s) ORDER BY 1", (list(_API_ROLES),))
    return ", ".join(["PUBLIC", *(str(name) for (name,) in rows)])


def columns(database: Database, table: str) -> set[str]:
    """Names of a table's columns; empty without one."""
    sql = "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass(%s) AND attnum > 0 AND NOT attisdropped"
    return {str(name) for (name,) in database.run(sql, (table,))}
