# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of two databases compared without moving them: a count and a digest per table, whatever the order of rows and columns."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from ..writing import sql_name
from .catalog import MANAGED
from .database import Database

# How values are written must not depend on the session.
PLAIN = (
    "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL extra_float_digits = 1; "
    "SET LOCAL bytea_output = 'hex'; SET LOCAL search_path = pg_catalog; SET LOCAL statement_timeout = 0; SET LOCAL row_security = off"
)
_LIST = """
SELECT format('%I.%I', n.nspname, c.relname), n.nspname, c.relname, array_agg(ARRAY[a.attname::text, format_type(a.atttypid, a.atttypmod)] ORDER BY a.attname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' GROUP BY n.nspname, c.relname ORDER BY 1
"""
_SEQUENCES = """
SELECT format('%%I.%%I', schemaname, sequencename), last_value FROM pg_sequences WHERE NOT schemaname = ANY(%s) AND last_value IS NOT NULL ORDER BY 1
"""


def columns(database: Database) -> dict[str, dict[str, Any]]:
    """Every ordinary table: {name: {schema, table, columns: [[name, type], …]}}, without generated columns."""
    return {name: {"schema": schema, "table": table, "columns": found} for name, schema, table, found in database.run(_LIST)}


def carried(found: dict[str, dict[str, Any]], managed_tables: list[str]) -> dict[str, dict[str, Any]]:
    """Those whose rows are ours to carry: all but Supabase's own, of which only the named ones."""
    return {name: table for name, table in found.items() if table["schema"] not in MANAGED or name in managed_tables}


def digest(database: Database, name: str, names: list[str]) -> tuple[int, str]:
    """Rows, and one digest over all of them that knows neither order of rows nor of columns. Call after PLAIN."""
    row = ", ".join(sql_name(column) for column in sorted(names))
    sql = f"""SELECT count(*), coalesce(sum(('x' || substr(h, 1, 16))::bit(64)::bigint::numeric), 0),
                coalesce(sum(('x' || substr(h, 17))::bit(64)::bigint::numeric), 0)
              FROM (SELECT md5(ROW({row})::text) AS h FROM ONLY {name}) AS hashes"""  # noqa: S608 - names of the catalogue, quoted
    count, low, high = database.run(sql)[0]
    return int(count), hashlib.sha256(f"{count}:{low}:{high}".encode()).hexdigest()[:32]


def sequences(database: Database) -> dict[str, int]:
    return {name: int(value) for name, value in database.run(_SEQUENCES, (list(MANAGED),))}


_TOLD = ("table ", "view ", "materialized view ", "column ", "constraint ", "index ", "policy ", "function ", "type ", "domain ", "publication ", "sequence ")
_OWN_TRIGGER = re.compile(r"trigger (\w+)\..* EXECUTE FUNCTION (\w+)\.")


def comparable(lines: list[str], owners: set[str]) -> list[str]:
    """The lines of a catalogue that have to be the same on another server: not who owns, and nothing that Supabase brings itself."""
    kept = []
    for line in lines:
        trigger = _OWN_TRIGGER.match(line)
        grantee = re.search(r" to (\S+): ", line) if line.startswith("grant ") else None
        ours = grantee is not None and grantee[1] not in owners and not line.startswith(("grant default of ", "grant schema "))
        if line.startswith(_TOLD) or ours or (trigger and trigger[2] not in MANAGED):
            kept.append(re.sub(r" owner \S+", "", line))
    return kept
