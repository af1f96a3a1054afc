# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - names of the catalogue, quoted
"""Whatever a role of the API was granted, tried once as that role: policies that recurse and functions nobody may call show only then.

Tables and views are planned, not read (EXPLAIN): PostgreSQL applies the policies and checks every privilege before the first row. Only the sequence behind
a column is asked for afterwards, so the catalogue says whether it may be. Functions are called, also those that are granted to everybody, in a transaction
that is read only and rolled back: with NULL for every argument, or where that would not run the body (STRICT) with something harmless.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..writing import sql_name
from .database import Database, SqlError

ROLES = ("anon", "authenticated", "service_role")
# What such a statement cannot do whoever tries it (a view that cannot be written), and what says nothing about it: it took too long, or waited.
_PASSING = {"0A000", "55000", "42809", "57014", "55P03", "40P01"}
# Errors of a function's body that no argument can excuse.
_BROKEN_BODY = {"42P01", "42883", "42703", "42704", "42P17", "3F000"}

_RELATIONS = """
SELECT r.rolname, format('%%I.%%I', n.nspname, c.relname), c.relkind IN ('r', 'p'),
  (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    AND has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')),
  (SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    AND has_column_privilege(r.oid, c.oid, a.attnum, 'INSERT') ORDER BY a.attnum LIMIT 1),
  (SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    AND has_column_privilege(r.oid, c.oid, a.attnum, 'UPDATE') ORDER BY a.attnum LIMIT 1),
  has_table_privilege(r.oid, c.oid, 'DELETE')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN pg_roles r
WHERE n.nspname = ANY(%(schemas)s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND r.rolname = ANY(%(roles)s)
  AND pg_has_role(current_user, r.oid, 'MEMBER') AND has_schema_privilege(r.oid, n.oid, 'USAGE')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""
_FUNCTIONS = """
SELECT r.rolname, format('%%I.%%I', n.nspname, p.proname),
  coalesce((SELECT string_agg(CASE WHEN p.provariadic <> 0 AND t.number = p.pronargs THEN 'VARIADIC ' ELSE '' END || CASE WHEN p.proisstrict THEN
      CASE WHEN y.typcategory = 'N' THEN '''1''' WHEN y.typcategory = 'B' THEN '''false''' WHEN y.typcategory = 'A' THEN '''{}'''
        WHEN y.typname IN ('json', 'jsonb') THEN '''{}''' WHEN y.typname = 'uuid' THEN '''00000000-0000-0000-0000-000000000000'''
        WHEN y.typcategory = 'D' THEN '''2000-01-01''' WHEN y.typcategory = 'S' THEN '''''' ELSE 'NULL' END ELSE 'NULL' END
      || '::' || format_type(t.oid, NULL), ', ' ORDER BY t.number)
    FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS t (oid, number) JOIN pg_type y ON y.oid = t.oid), ''),
  format('%%I.%%I(%%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid))
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace CROSS JOIN pg_roles r
WHERE n.nspname = ANY(%(schemas)s) AND p.prokind = 'f' AND r.rolname = ANY(%(roles)s) AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
  AND pg_has_role(current_user, r.oid, 'MEMBER') AND has_schema_privilege(r.oid, n.oid, 'USAGE')
  AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
  AND NOT EXISTS (SELECT FROM unnest(p.proargtypes::oid[]) AS t (oid) JOIN pg_type y ON y.oid = t.oid WHERE y.typtype = 'p')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
ORDER BY 1, 4
"""
# Sequences of a column's default whose owner alone may draw from them, where a role may insert. An identity column needs no privilege.
_SEQUENCES = """
SELECT DISTINCT r.rolname, format('%%I.%%I', n.nspname, c.relname), format('permission denied for sequence %%I', s.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attrdef d ON d.adrelid = c.oid
  JOIN pg_depend e ON e.classid = 'pg_attrdef'::regclass AND e.objid = d.oid AND e.refclassid = 'pg_class'::regclass
  JOIN pg_class s ON s.oid = e.refobjid AND s.relkind = 'S' CROSS JOIN pg_roles r
WHERE n.nspname = ANY(%(schemas)s) AND c.relkind IN ('r', 'p') AND r.rolname = ANY(%(roles)s)
  AND pg_has_role(current_user, r.oid, 'MEMBER') AND has_schema_privilege(r.oid, n.oid, 'USAGE')
  AND has_any_column_privilege(r.oid, c.oid, 'INSERT') AND NOT has_sequence_privilege(r.oid, s.oid, 'USAGE, UPDATE')
ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Probe:
    """One thing that a role was granted. verb: the privilege."""

    role: str
    name: str
    verb: str
    sql: str

    @property
    def is_call(self) -> bool:
        return self.verb == "EXECUTE"


def find(database: Database, schemas: list[str]) -> list[tuple[str, str]]:
    """Granted and unusable: one line per object. In an open transaction, from which the caller takes it back."""
    found: list[tuple[Probe, str]] = []
    probes = _of_relations(database, schemas) + _of_functions(database, schemas)
    for role in ROLES:
        own = [probe for probe in probes if probe.role == role]
        plans = [probe for probe in own if not probe.is_call]
        # All of a role's in one message; only if one of them fails is each tried for itself.
        if plans and _attempt(database, role, "; ".join(probe.sql for probe in plans)) is not None:
            found += _failing(database, plans)
        found += _failing(database, [probe for probe in own if probe.is_call])
    rows = database.run(_SEQUENCES, {"schemas": schemas, "roles": list(ROLES)})
    found += [(Probe(role, name, "INSERT", ""), error) for role, name, error in rows]
    return _by_object(found)


def _by_object(found: list[tuple[Probe, str]]) -> list[tuple[str, str]]:
    """What is wrong with each object; what several privileges of a role have in common is said once."""
    verbs: dict[tuple[str, str, str], list[str]] = {}
    for probe, error in found:
        verbs.setdefault((probe.name, probe.role, error), []).append(probe.verb)
    details: dict[str, list[str]] = {}
    for (name, role, error), which in verbs.items():
        details.setdefault(name, []).append(f"{role}, {' and '.join(which)}: {error}")
    return [(name, "; ".join(said)) for name, said in details.items()]


def _failing(database: Database, probes: list[Probe]) -> list[tuple[Probe, str]]:
    found = []
    for probe in probes:
        error = _attempt(database, probe.role, probe.sql, read_only=probe.is_call)
        if error is not None and _counts(probe, error):
            found.append((probe, error.message))
    return found


def _counts(probe: Probe, error: SqlError) -> bool:
    if not probe.is_call:
        return error.sqlstate not in _PASSING
    # Whether NULL was a good argument is the function's business, and so is an exception of its own.
    return error.sqlstate in _BROKEN_BODY or (error.sqlstate == "42501" and error.message.startswith("permission denied for"))


def _attempt(database: Database, role: str, sql: str, *, read_only: bool = False) -> SqlError | None:
    guard = "SET LOCAL transaction_read_only = on; SET LOCAL statement_timeout = 2000; " if read_only else ""
    try:
        database.run(f"SAVEPOINT quetrex_probe; {guard}SET LOCAL search_path TO DEFAULT; SET LOCAL ROLE {sql_name(role)}; {sql}")
    except SqlError as error:
        return error
    finally:
        database.run("ROLLBACK TO SAVEPOINT quetrex_probe; RELEASE SAVEPOINT quetrex_probe")
    return None


def _of_relations(database: Database, schemas: list[str]) -> list[Probe]:
    found: list[Probe] = []
    for role, name, is_table, readable, insertable, updatable, deletable in database.run(_RELATIONS, {"schemas": schemas, "roles": list(ROLES)}):
        if readable:
            found.append(Probe(role, name, "SELECT", f"EXPLAIN SELECT {', '.join(map(sql_name, readable))} FROM {name}"))
        if is_table and insertable:
            found.append(Probe(role, name, "INSERT", f"EXPLAIN INSERT INTO {name} ({sql_name(insertable)}) VALUES (DEFAULT)"))
        if is_table and updatable:
            found.append(Probe(role, name, "UPDATE", f"EXPLAIN UPDATE {name} SET {sql_name(updatable)} = DEFAULT"))
        if is_table and deletable:
            found.append(Probe(role, name, "DELETE", f"EXPLAIN DELETE FROM {name}"))
    return found


def _of_functions(database: Database, schemas: list[str]) -> list[Probe]:
    rows = database.run(_FUNCTIONS, {"schemas": schemas, "roles": list(ROLES)})
    return [Probe(role, label, "EXECUTE", f"SELECT {name}({arguments}) LIMIT 1") for role, name, arguments, label in rows]
