# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - the parts are constants of this file
"""What makes a schema on Supabase unsafe or slow, asked of the catalogue. Each lint is a query for (object, detail)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import grammar, probes
from .catalog import MANAGED
from .database import Database
from .errors import Failure

# Roles a request can have. On a plain PostgreSQL some of them may be absent; PUBLIC is 0.
_API = "(SELECT array_agg(oid) || ARRAY[0::oid] FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role'))::oid[]"
_USERS = "(SELECT array_agg(oid) || ARRAY[0::oid] FROM pg_roles WHERE rolname IN ('anon', 'authenticated'))::oid[]"
_WHO = "CASE a.grantee WHEN 0 THEN 'public' ELSE a.grantee::regrole::text END"
_NAME = "format('%%I.%%I', n.nspname, c.relname)"
_TABLES = "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = ANY(%(schemas)s)"
_GRANTS = "LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a"
_NOT_OF_EXTENSION = "NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = {}.oid AND d.deptype = 'e')"
_POLICIES = """(SELECT p.*, format('%%I on %%I.%%I', p.polname, n.nspname, c.relname) AS name,
  concat_ws(', ', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) AS said
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = ANY(%(schemas)s)) p"""
_ROUTINES = f"""(SELECT p.*, format('%%I.%%I(%%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name, n.nspname
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.prosecdef AND {_NOT_OF_EXTENSION.format("p")}
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT n.nspname = ANY(%(managed)s)) p"""


@dataclass(frozen=True)
class Lint:
    """sql: rows (object, detail); advice: what to do about them.

    keep: of rows whose detail is an expression, which are findings, and `said` is what is said of those. find: what no query can answer.
    """

    sql: str
    advice: str
    keep: Callable[[str], bool] | None = None
    said: str = ""
    find: Callable[[Database, list[str]], list[tuple[str, str]]] | None = None

    def rows(self, database: Database, parameters: dict[str, Any]) -> list[tuple[str, str]]:
        if self.find:
            return self.find(database, parameters["schemas"])
        rows = [(str(thing), str(detail)) for thing, detail in database.run(self.sql, parameters)]
        return [(thing, self.said) for thing, expression in rows if self.keep(expression)] if self.keep else rows


_PER_REQUEST = {("auth", "uid"), ("auth", "jwt"), ("auth", "role"), ("auth", "email"), ("current_setting",), ("pg_catalog", "current_setting")}


def calls_per_row(expressions: str) -> bool:
    """Whether a policy's expressions (comma separated) ask for the request's claims once per row instead of once per query.

    PostgreSQL evaluates a sub-select once if it reads no table and no column, whatever else is in it.
    """
    tree = grammar.tree(f"SELECT {expressions}")
    if tree is None:
        return "auth." in expressions or "current_setting" in expressions
    nodes = grammar.walk(tree.targetList, lambda node: not _is_evaluated_once(node))
    return any(grammar.kind(node) == "FuncCall" and grammar.words(node.funcname) in _PER_REQUEST for node in nodes)


def _is_evaluated_once(node: Any) -> bool:
    return grammar.kind(node) == "SelectStmt" and not any(grammar.kind(item) in {"ColumnRef", "RangeVar"} for item in grammar.walk(node))


LINTS: dict[str, Lint] = {
    "rls_disabled": Lint(
        f"SELECT {_NAME}, '' FROM {_TABLES} WHERE c.relkind IN ('r', 'p') AND NOT c.relrowsecurity AND {_NOT_OF_EXTENSION.format('c')}",
        "ALTER TABLE … ENABLE ROW LEVEL SECURITY: without it every granted role sees every row.",
    ),
    "truncate_granted": Lint(
        f"SELECT {_NAME}, {_WHO} FROM {_TABLES}, {_GRANTS} WHERE c.relkind IN ('r', 'p') AND a.privilege_type = 'TRUNCATE' AND a.grantee = ANY({_API})",
        "REVOKE TRUNCATE: it empties the table whatever the policies say.",
    ),
    "trigger_granted": Lint(
        f"""SELECT DISTINCT {_NAME}, {_WHO} FROM {_TABLES}, {_GRANTS}
            WHERE c.relkind IN ('r', 'p') AND a.privilege_type IN ('TRIGGER', 'REFERENCES') AND a.grantee = ANY({_USERS})""",
        "REVOKE TRIGGER, REFERENCES: no request needs them.",
    ),
    "bare_auth_call": Lint(
        f"SELECT name, said FROM {_POLICIES}",
        "Write (SELECT auth.uid()) instead of auth.uid(): then it is evaluated once per query.",
        keep=calls_per_row,
        said="evaluated once per row",
    ),
    "policy_without_role": Lint(
        f"SELECT name, 'to public' FROM {_POLICIES} WHERE p.polroles = ARRAY[0::oid]",
        "CREATE POLICY … TO authenticated: without TO it holds for everybody, and is evaluated for anon as well.",
    ),
    "policy_always_true": Lint(
        f"""SELECT name, 'permits every row' FROM {_POLICIES} WHERE p.polpermissive AND p.polcmd <> 'r' AND p.polroles && {_USERS}
            AND 'true' IN (lower(pg_get_expr(p.polqual, p.polrelid)), lower(pg_get_expr(p.polwithcheck, p.polrelid)))""",
        "Say whose rows may be written; USING (true) is no protection.",
    ),
    "policy_trusts_user_metadata": Lint(
        f"SELECT name, 'user_metadata is for users to edit' FROM {_POLICIES} WHERE p.said ~ 'user_?meta_?data'",
        "Use app_metadata: users write user_metadata themselves.",
    ),
    "foreign_key_without_index": Lint(
        f"""SELECT {_NAME} || '.' || k.conname, pg_get_constraintdef(k.oid) FROM {_TABLES} JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f'
            WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL
              AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)""",
        "CREATE INDEX on the columns: deleting or joining the other side reads the whole table otherwise.",
    ),
    "definer_without_search_path": Lint(
        f"SELECT name, 'security definer' FROM {_ROUTINES} WHERE NOT EXISTS (SELECT FROM unnest(p.proconfig) s WHERE s LIKE 'search_path=%%')",
        "ALTER FUNCTION … SET search_path = '': the caller decides what its names mean otherwise.",
    ),
    "definer_callable": Lint(
        f"""SELECT DISTINCT name, {_WHO} FROM {_ROUTINES}, LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
            WHERE p.nspname = ANY(%(schemas)s) AND a.grantee = ANY({_USERS})""",
        "REVOKE EXECUTE, or move it to a schema that the API does not expose: it runs with its owner's rights.",
    ),
    "view_bypasses_rls": Lint(
        f"""SELECT DISTINCT {_NAME}, {_WHO} FROM {_TABLES}, {_GRANTS} WHERE a.privilege_type = 'SELECT' AND a.grantee = ANY({_USERS})
            AND (c.relkind = 'm' OR (c.relkind = 'v' AND NOT EXISTS (
              SELECT FROM pg_options_to_table(c.reloptions) WHERE option_name = 'security_invoker' AND option_value::boolean)))""",
        "ALTER VIEW … SET (security_invoker = true), or revoke: a view reads with its owner's rights, a materialized one has no policies.",
    ),
    "default_privileges_open": Lint(
        f"""SELECT format('%%s of %%s', CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' ELSE 'functions' END, d.defaclrole::regrole),
              {_WHO} || ': ' || string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type)
            FROM pg_default_acl d JOIN pg_namespace n ON n.oid = d.defaclnamespace, LATERAL aclexplode(d.defaclacl) a
            WHERE n.nspname = ANY(%(schemas)s) AND d.defaclobjtype IN ('r', 'S', 'f') AND a.grantee = ANY({_API})
              AND pg_has_role(current_user, d.defaclrole, 'MEMBER') AND (d.defaclrole = current_user::regrole
              OR NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))
            GROUP BY d.defaclobjtype, d.defaclrole, a.grantee""",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA … REVOKE ALL: a new table is open the moment it exists otherwise.",
    ),
    "functions_open_by_default": Lint(
        """SELECT 'functions of ' || current_user, 'public: EXECUTE'
           WHERE NOT EXISTS (SELECT FROM pg_default_acl WHERE defaclrole = current_user::regrole AND defaclnamespace = 0 AND defaclobjtype = 'f')
           OR EXISTS (SELECT FROM pg_default_acl d, LATERAL aclexplode(d.defaclacl) a
             WHERE d.defaclrole = current_user::regrole AND defaclnamespace = 0 AND defaclobjtype = 'f' AND a.grantee = 0)""",
        "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC: whoever reaches the schema can call every new function otherwise.",
    ),
    "index_invalid": Lint(
        f"SELECT {_NAME}, pg_get_indexdef(i.indexrelid) FROM {_TABLES} JOIN pg_index i ON i.indexrelid = c.oid WHERE NOT i.indisvalid",
        "DROP INDEX CONCURRENTLY and build it again: it costs at every write and serves no query.",
    ),
    "grant_unusable": Lint(
        "",
        "Repair the policy or function, GRANT what it needs, or REVOKE what the role cannot use: its visitors meet this error.",
        find=probes.find,
    ),
}


def refuse_unknown(names: list[str]) -> None:
    unknown = sorted(set(names) - set(LINTS))
    if unknown:
        raise Failure(f"No such lint: {', '.join(unknown)}. There are: {', '.join(LINTS)}.", "unknown_lint", lints=unknown)


def run(database: Database, names: list[str], schemas: list[str], allowed: list[str]) -> list[dict[str, Any]]:
    """Findings of these lints. allowed: '<lint> <object>' lines that are as they are on purpose."""
    database.run("SET LOCAL search_path = pg_catalog")
    found = []
    for name in names:
        lint = LINTS[name]
        rows = lint.rows(database, {"schemas": schemas, "managed": [item for item in MANAGED if item not in schemas]})
        found += [
            {"lint": name, "object": thing, "detail": detail, "advice": lint.advice} for thing, detail in sorted(rows) if f"{name} {thing}" not in allowed
        ]
    database.run("SET LOCAL search_path TO DEFAULT")
    return found
