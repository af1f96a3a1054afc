# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements that take away what the release that still serves may need: before a switch a migration may only add."""

from __future__ import annotations

from typing import Any

from . import grammar
from .errors import Failure
from .migrations import Migration
from .script import Statement

# Kinds of object whose loss a release does not notice, or that only loosens.
_UNNOTICED = {"OBJECT_INDEX", "OBJECT_POLICY", "OBJECT_STATISTIC_EXT", "OBJECT_COLLATION"}
_RENAMED_UNNOTICED = {"OBJECT_TABCONSTRAINT", "OBJECT_DOMCONSTRAINT", "OBJECT_INDEX", "OBJECT_POLICY", "OBJECT_TRIGGER", "OBJECT_RULE"}
_OF_PUBLICATION = {"AP_DropObjects": "ALTER PUBLICATION … DROP", "AP_SetObjects": "ALTER PUBLICATION … SET"}
_COLUMN_ACTIONS = {"AT_DropColumn": "DROP COLUMN", "AT_AlterColumnType": "another TYPE", "AT_SetNotNull": "SET NOT NULL"}
# Where PL/pgSQL keeps text that it composes while it runs.
_COMPOSED = {"PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors"}
# What cannot be read is let through when it begins so: it adds, or says what may be done.
_HARMLESS = {
    "ANALYZE", "CLUSTER", "COMMENT", "COPY", "CREATE", "GRANT", "INSERT", "REFRESH", "REINDEX", "RESET", "SECURITY", "SELECT", "SET", "VACUUM", "VALUES",
}  # fmt: skip


def removal(statement: Statement) -> str:
    """What a statement takes away, for people; empty when it only adds, loosens or fills."""
    if statement.data is not None:
        return ""
    node = statement.tree
    if node is None:
        return "" if statement.words[0] in _HARMLESS else f"{' '.join(statement.words[:3])} … in a grammar that cannot be judged"
    if grammar.kind(node) == "DoStmt":
        return _of_a_block(statement)
    return _of_a_statement(node)


def _of_a_statement(node: Any) -> str:
    match grammar.kind(node):
        case "DropStmt":
            what = grammar.name(node.removeType)
            return "" if what in _UNNOTICED else f"DROP {_words(what)}"
        case "DropOwnedStmt":
            return "DROP OWNED"
        case "TruncateStmt":
            return "TRUNCATE of a whole table"
        case "RenameStmt":
            return "" if grammar.name(node.renameType) in _RENAMED_UNNOTICED else "RENAME"
        case "AlterEnumStmt":
            return "RENAME" if node.oldVal else ""
        case "AlterObjectSchemaStmt":
            return "SET SCHEMA"
        case "AlterPublicationStmt":
            return _OF_PUBLICATION.get(grammar.name(node.action), "")
        case "AlterTableStmt":
            return next((found for command in node.cmds if (found := _of_an_action(command))), "")
        case _:
            return _of_rows(node)


def _words(kind: str) -> str:
    return {"OBJECT_MATVIEW": "MATERIALIZED VIEW"}.get(kind, kind.removeprefix("OBJECT_").replace("_", " "))


def _of_an_action(command: Any) -> str:
    action = grammar.name(command.subtype)
    if action == "AT_AddColumn":
        given = {grammar.name(constraint.contype) for constraint in command.def_.constraints or ()}
        required = command.def_.is_not_null or "CONSTR_NOTNULL" in given or "CONSTR_PRIMARY" in given
        serial = grammar.words(command.def_.typeName.names)[-1:] in {("serial",), ("bigserial",), ("smallserial",), ("serial4",), ("serial8",), ("serial2",)}
        filled = serial or given & {"CONSTR_DEFAULT", "CONSTR_IDENTITY", "CONSTR_GENERATED"}
        return "a new column NOT NULL without DEFAULT" if required and not filled else ""
    return _COLUMN_ACTIONS.get(action, "")


def _of_rows(node: Any) -> str:
    """DELETE at any depth (WITH gone AS (DELETE …)) that has no condition of its own. Bodies of functions do not run now."""
    if grammar.kind(node) in {"CreateFunctionStmt", "RuleStmt", "ViewStmt"}:
        return ""
    unconditional = any(grammar.kind(item) == "DeleteStmt" and item.whereClause is None for item in grammar.walk(node))
    return "DELETE of a whole table" if unconditional else ""


def _of_a_block(statement: Statement) -> str:
    """What an anonymous block takes away. What it composes as text while it runs cannot be seen beforehand."""
    if grammar.option(statement.tree, "language") is not None or any(item.defname == "language" for item in statement.tree.args):
        language = next(item.arg.sval for item in statement.tree.args if item.defname == "language")
        if language.lower() != "plpgsql":
            return f"DO in {language}, which cannot be judged"
    body = grammar.block(statement.text)
    if body is None:
        return "a DO block that cannot be judged"
    for kind, item in grammar.statements_of_block(body):
        if kind in _COMPOSED:
            return "EXECUTE of text in a DO block, which cannot be judged"
        if kind == grammar.BLOCK_SQL:
            found = removal(Statement(str(item["sqlstmt"]["PLpgSQL_expr"]["query"]), 0))
            if found:
                return f"{found} in a DO block"
    return ""


def refuse_removals(pending: list[Migration], applied: set[str], folders: list[str], allowed: list[str]) -> None:
    """Refuse a pending file that takes something away. A folder of which nothing was applied yet serves nobody yet."""
    for migration in pending:
        if migration.folder not in folders or migration.folder not in applied or migration.version in allowed:
            continue
        for statement in migration.statements:
            what = removal(statement)
            if what:
                raise Failure(
                    f"{migration.label}, line {statement.line}: {what}. The release that still serves may need it. Release the code that does "
                    f"without it first, then allow version {migration.version}.",
                    "removal",
                    version=migration.version,
                    line=statement.line,
                )
