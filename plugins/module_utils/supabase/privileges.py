# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grants that nobody wrote: what Supabase's default privileges gave its API roles when a table was made. Migrations alone do not bring them elsewhere."""

from __future__ import annotations

import re
from itertools import product

API_ROLES = ("anon", "authenticated", "service_role")
# Whether what this user makes in public is given to the API's roles.
OPEN = """SELECT EXISTS (SELECT FROM pg_catalog.pg_default_acl d, LATERAL aclexplode(d.defaclacl) a JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
  WHERE d.defaclnamespace = 'public'::regnamespace AND d.defaclrole = current_user::regrole AND r.rolname IN ('anon', 'authenticated', 'service_role'))"""
_GRANT = "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {} TO anon, authenticated, service_role"
CLOSED: tuple[str, ...] = ()
OLD = tuple(_GRANT.format(f"ALL ON {kind}") for kind in ("TABLES", "FUNCTIONS", "SEQUENCES"))
# reading and writing taken away; what is left grew with PostgreSQL 17 (MAINTAIN)
NEW = (
    _GRANT.format("ALL ON TABLES"),
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT, INSERT, UPDATE, DELETE ON TABLES FROM anon, authenticated, service_role",
)

_LINE = re.compile(r"grant (table|view|materialized view|sequence|function) (public\..+) to (\w+): (.+)", re.DOTALL)
_KEPT = frozenset({"REFERENCES", "TRIGGER", "TRUNCATE"})
_ALL = _KEPT | {"SELECT", "INSERT", "UPDATE", "DELETE"}
_OF_RELATIONS = [frozenset(), *(given | more for given in (_KEPT, _ALL) for more in (frozenset(), frozenset({"MAINTAIN"})))]
_GIVEN = {
    "sequence": [frozenset(), frozenset({"SELECT", "UPDATE", "USAGE"})],
    "function": [frozenset(), frozenset({"EXECUTE"})],
}
_SPOKEN = {"view": "table", "materialized view": "table"}


def aligned(gone: list[str], come: list[str]) -> list[str]:
    """The statements that make the one side's grants out of the other's, where nothing but default privileges explains both. Pure.

    gone, come: lines of the catalogue that are wanted and not there, and that are there and not wanted.
    """
    wanted, there = _grants(gone), _grants(come)
    statements = []
    for key in sorted({*wanted, *there}):
        kind, name, role = key
        mine, theirs = wanted.get(key, frozenset()), there.get(key, frozenset())
        if not _explained(mine, theirs, _GIVEN.get(kind, _OF_RELATIONS)):
            continue
        on = f"ON {_SPOKEN.get(kind, kind).upper()} {name}"
        statements += [f"GRANT {', '.join(sorted(mine - theirs))} {on} TO {role}"] if mine - theirs else []
        statements += [f"REVOKE {', '.join(sorted(theirs - mine))} {on} FROM {role}"] if theirs - mine else []
    return statements


def _grants(lines: list[str]) -> dict[tuple[str, str, str], frozenset[str]]:
    found = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match and match[3] in API_ROLES:
            found[match[1], match[2], match[3]] = frozenset(match[4].split(", "))
    return found


def _explained(mine: frozenset[str], theirs: frozenset[str], given: list[frozenset[str]]) -> bool:
    """Whether both are the same written grants, each with what some default privileges give."""
    return any(one <= mine and other <= theirs and mine - one <= theirs and theirs - other <= mine for one, other in product(given, given))
