# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what, tried as PostgREST would do it: role and claims set, one statement, everything rolled back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from . import grammar
from .database import Database, SqlError
from .errors import Failure
from .lexer import Unreadable
from .script import Statement
from .script import read as read_script

DENIED = "42501"
# For statements that show what somebody can reach, a limit that a lint of ours would name is of no interest here.
_PRELUDE = "SET LOCAL statement_timeout = {statement}; SET LOCAL lock_timeout = {lock}; SET LOCAL client_min_messages = error"


@dataclass(frozen=True)
class Expectation:
    """What is tried, and what has to come of it. expect: rows, affected (both with count), denied, or error (with sqlstate)."""

    name: str
    role: str
    statement: str
    expect: str
    count: int | None = None
    sqlstate: str | None = None
    claims: dict[str, Any] = field(default_factory=dict)

    @property
    def wanted(self) -> str:
        if self.expect == "denied":
            return "denied"
        if self.expect == "error":
            return f"error {self.sqlstate}"
        return f"{'any number of' if self.count is None else self.count} rows{' affected' if self.expect == 'affected' else ''}"

    def met_by(self, count: int | None, sqlstate: str | None) -> bool:
        """count: rows returned or changed; sqlstate: of the error, if there was one."""
        if self.expect in {"denied", "error"}:
            return sqlstate == (DENIED if self.expect == "denied" else self.sqlstate)
        return sqlstate is None and (self.count is None or count == self.count)


def read(given: dict[str, Any]) -> Expectation:
    """An expectation as a task gives it; refuses one that could leave the transaction."""
    found = Expectation(given["name"], given["role"], given["statement"], given["expect"], given["count"], given["sqlstate"], given["claims"] or {})
    refuse_unsafe(found.name, found.statement)
    if len(_parsed(found.name, found.statement)) != 1:
        raise Failure(f"{found.name}: one statement per expectation.", "expectation", name=found.name)
    if found.expect == "error" and not found.sqlstate:
        raise Failure(f"{found.name}: expect=error needs sqlstate.", "expectation", name=found.name)
    return found


def refuse_unsafe(name: str, sql: str) -> None:
    """Refuse what would end the transaction that everything is rolled back with."""
    for statement in _parsed(name, sql):
        if _leaves(statement):
            raise Failure(f"{name}: {' '.join(statement.words[:2])} would leave the transaction or the role of the expectation.", "expectation", name=name)


def _leaves(statement: Statement) -> bool:
    """Whether it ends the transaction or changes who acts in it. What the parser does not know is judged by the server, in a savepoint."""
    node = statement.tree
    if statement.kind in {"TransactionStmt", "DiscardStmt"}:
        return True
    return statement.kind == "VariableSetStmt" and (grammar.name(node.kind) == "VAR_RESET_ALL" or node.name in {"role", "session_authorization"})


def _parsed(name: str, sql: str) -> list[Statement]:
    try:
        return read_script(sql).statements
    except Unreadable as error:
        raise Failure(f"{name}: {error}.", "expectation", name=name) from error


def limit(database: Database, *, statement_timeout: float, lock_timeout: float) -> None:
    """Limits of a single statement, until the transaction or savepoint is rolled back."""
    database.run(_PRELUDE.format(statement=int(statement_timeout * 1000), lock=int(lock_timeout * 1000)))


def prepare(database: Database, setup: Iterable[str]) -> None:
    """The rows the expectations are about. Call inside a transaction that is rolled back."""
    for number, sql in enumerate(setup, 1):
        try:
            database.run(sql)
        except SqlError as error:
            raise Failure(f"Statement {number} of setup: {error.message}", "setup_failed", statement=number, sqlstate=error.sqlstate) from error


def attempt(database: Database, expectation: Expectation) -> dict[str, Any]:
    """What came of one expectation; nothing of it stays."""
    claims = {"role": expectation.role, **expectation.claims}
    database.run("SAVEPOINT quetrex_expectation")
    count, sqlstate, said = None, None, ""
    try:
        database.run("SELECT pg_catalog.set_config('role', %s, true)", (expectation.role,))
    except SqlError as error:
        raise Failure(f"{expectation.name}: cannot act as {expectation.role}: {error.message}", "role", name=expectation.name) from error
    database.run("SELECT pg_catalog.set_config('request.jwt.claims', %s, true)", (json.dumps(claims),))
    try:
        database.run(expectation.statement)
        count = database.affected
    except SqlError as error:
        sqlstate, said = error.sqlstate, error.message
    if not database.in_transaction and sqlstate is None:
        raise Failure(f"{expectation.name}: the statement ended the transaction; look at what it left behind.", "transaction_ended", name=expectation.name)
    database.run("ROLLBACK TO SAVEPOINT quetrex_expectation; RELEASE SAVEPOINT quetrex_expectation")
    return {
        "name": expectation.name,
        "role": expectation.role,
        "passed": expectation.met_by(count, sqlstate),
        "expected": expectation.wanted,
        "got": f"error {sqlstate}: {said}" if sqlstate else f"{count} rows{' affected' if expectation.expect == 'affected' else ''}",
        "sqlstate": sqlstate,
        "count": count,
    }
