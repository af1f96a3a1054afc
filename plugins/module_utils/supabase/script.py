# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An SQL file as statements, and as the steps in which it runs. Pure; PostgreSQL's own parser judges, see grammar."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from . import grammar
from .lexer import Unreadable, cut, without_restrict, words

_INLINE_DATA = re.compile(r"\bFROM\s+STDIN\b", re.IGNORECASE)
# A file with none of these words outside of its quotes holds one step: nothing in it ends a transaction, refuses one or resets the session.
_TELLING = re.compile(
    r"\b(?:BEGIN|START|COMMIT|END|ROLLBACK|ABORT|PREPARE|CONCURRENTLY|VACUUM|CLUSTER|REINDEX|DATABASE|TABLESPACE|SUBSCRIPTION|SYSTEM|DISCARD|RESET|STDIN)\b|\\",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"""--[^\n]*|"(?:[^"]|"")*"|'(?:[^']|'')*'|(?<![\w$])(?P<tag>\$(?:[^\W\d]\w*)?\$).*?(?P=tag)""",
    re.DOTALL,
)
_OPEN = re.compile(r"""['"]|(?<![\w$])\$(?:[^\W\d]\w*)?\$""")
# Statements that are data, of which a seed has a hundred thousand: their first word says all that running them needs.
_ROWS = re.compile(r"(?:INSERT|UPDATE|DELETE|SELECT|VALUES|GRANT|REVOKE|COMMENT)\b", re.IGNORECASE)
_ENDS = {"TRANS_STMT_COMMIT"}
_BEGINS = {"TRANS_STMT_BEGIN", "TRANS_STMT_START"}
_SAVEPOINTS = {"TRANS_STMT_SAVEPOINT", "TRANS_STMT_RELEASE", "TRANS_STMT_ROLLBACK_TO"}


class Refused(ValueError):
    """A file that cannot be run. line: of the statement; code: a short constant."""

    def __init__(self, message: str, code: str, line: int) -> None:
        super().__init__(message)
        self.code = code
        self.line = line


@dataclass(frozen=True)
class Statement:
    """One statement as it is written, from begin to end in the text that is sent. data: the rows of COPY … FROM STDIN."""

    text: str
    line: int
    begin: int = 0
    end: int = 0
    data: str | None = None

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The tokens as keywords: upper case, quoted ones as they are."""
        return words(self.text)

    @cached_property
    def tree(self) -> Any:
        """The parse tree, or None where the parser does not know the statement."""
        return grammar.tree(self.text)

    @cached_property
    def is_rows(self) -> bool:
        """Whether it is one of the plain statements that need no parser before they run."""
        return self.data is not None or bool(_ROWS.match(self.text))

    @property
    def kind(self) -> str:
        """The class of the parse tree; empty for plain rows, which are not parsed, and for what the parser does not know."""
        return "" if self.is_rows or self.tree is None else grammar.kind(self.tree)


@dataclass(frozen=True)
class Script:
    """A file's statements, and the text that is sent: the file's own, with blanks for psql's lines and COPY's data."""

    sql: str
    statements: list[Statement]


@dataclass(frozen=True)
class Part:
    """What is sent as one message: SQL, or a COPY with its rows. line: the file's line at which sql begins."""

    sql: str
    line: int
    data: str | None = None


@dataclass(frozen=True)
class Step:
    """What runs in one transaction, or alone (one statement that PostgreSQL refuses in one). begin, end: its place in the text that is sent."""

    parts: tuple[Part, ...]
    begin: int
    end: int
    opening: str = "BEGIN"
    alone: Statement | None = None


def read(text: str) -> Script:
    """The statements of a file. Raises Unreadable.

    PostgreSQL's parser says where they end. Where it does not know the grammar (a server newer or older than the parser), the lexer does.
    """
    if not _INLINE_DATA.search(text):
        sql, blanks = without_restrict(text)
        spans = grammar.spans(sql)
        # A line of that kind within a statement is part of a string.
        if spans is not None and not _overlap(spans, blanks):
            return _script(sql, spans, {})
    pieces = cut(text)
    return _script(pieces.sql, grammar.spans(pieces.sql) or pieces.spans, pieces.data)


def _script(sql: str, spans: list[tuple[int, int]], data: dict[int, str]) -> Script:
    ends = [match.start() for match in re.finditer("\n", sql)]
    return Script(sql, [Statement(sql[begin:end], bisect.bisect_left(ends, begin) + 1, begin, end, data.get(begin)) for begin, end in spans])


def _overlap(spans: list[tuple[int, int]], blanks: list[tuple[int, int]]) -> bool:
    begins = [begin for begin, _end in spans]
    for blank, _end in blanks:
        at = bisect.bisect_right(begins, blank) - 1
        if at >= 0 and spans[at][1] > blank:
            return True
    return False


def is_plain(text: str) -> bool:
    """Whether a file is one step whatever its statements are, so that running it needs no parser: half of a small run's time is loading that.

    A backslash or a block comment changes where a quote ends, and a quote that is left over never does: those files are read by the parser.
    """
    if "\\" in text or "/*" in text:
        return False
    bare = _QUOTED.sub(" ", text)
    return not _TELLING.search(bare) and not _OPEN.search(bare)


def steps(text: str, *, limits: str = "", enum_values_alone: bool = False) -> list[Step]:
    """The file in the order in which it runs. Raises Unreadable and Refused.

    limits: SQL that goes behind whatever resets the session. enum_values_alone: end the transaction after ALTER TYPE … ADD VALUE, so that the value
    can be used; the caller asks for that when PostgreSQL refused it otherwise.
    """
    if is_plain(text) and not enum_values_alone:
        return [Step((Part(text, 1),), 0, len(text))]
    script = read(text)
    building = _Steps(script.sql, limits)
    for statement in script.statements:
        building.add(statement, enum_values_alone=enum_values_alone)
    return building.finish()


@dataclass
class _Steps:
    """Steps in the making. Our own BEGIN and COMMIT take the place of the file's, so that the ledger's row is part of the last one."""

    sql: str
    limits: str
    done: list[Step] = field(default_factory=list)
    open: list[Statement] = field(default_factory=list)
    opening: str = "BEGIN"
    # What is not sent as it stands: position -> (end, what instead)
    replaced: dict[int, tuple[int, str]] = field(default_factory=dict)
    at: int = 0
    explicit: bool = False

    def add(self, statement: Statement, *, enum_values_alone: bool) -> None:
        if statement.is_rows:
            self.open.append(statement)
        elif statement.kind == "TransactionStmt":
            self._transaction(statement)
        elif cannot_be_in_transaction(statement):
            self._alone(statement)
        else:
            self.open.append(statement)
            self._session(statement)
            if enum_values_alone and adds_enum_value(statement):
                self._close(statement.end)

    def finish(self) -> list[Step]:
        if self.open or not self.done:
            self._close(len(self.sql))
        return self.done

    def _transaction(self, statement: Statement) -> None:
        name = grammar.name(statement.tree.kind)
        if name in _SAVEPOINTS:
            self.open.append(statement)
        elif name in _BEGINS:
            self._blank(statement)
            if statement.tree.options:
                self._close(statement.begin)
                self.opening = statement.text
            self.explicit = True
        elif name in _ENDS and not statement.tree.chain:
            self._blank(statement)
            self._close(statement.end)
            self.explicit = False
        else:
            what = " ".join(statement.words[:2])
            message = f"{what} cannot be kept in a ledger: a migration is applied as a whole. Delete what it takes back, and it with it."
            raise Refused(message, "transaction_control", statement.line)

    def _alone(self, statement: Statement) -> None:
        if self.explicit:
            message = "this statement cannot run between BEGIN and COMMIT. Write COMMIT before it, and BEGIN behind it if more follows."
            raise Refused(message, "not_alone", statement.line)
        self._close(statement.begin)
        self.done.append(Step((Part(statement.text, statement.line),), statement.begin, statement.end, alone=statement))
        self.at = statement.end

    def _session(self, statement: Statement) -> None:
        """What resets the session resets our limits with it, and DISCARD ALL would give our lock back."""
        if statement.kind == "DiscardStmt" and grammar.name(statement.tree.target) == "DISCARD_ALL":
            instead = "CLOSE ALL; RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; DEALLOCATE ALL; UNLISTEN *; DISCARD TEMP; DISCARD SEQUENCES"
            self.replaced[statement.begin] = statement.end, f"{instead}; {self.limits}"
        elif statement.kind == "VariableSetStmt" and grammar.name(statement.tree.kind) == "VAR_RESET_ALL":
            self.replaced[statement.begin] = statement.end, f"{statement.text}; {self.limits}"

    def _blank(self, statement: Statement) -> None:
        self.replaced[statement.begin] = statement.end, ""

    def _close(self, end: int) -> None:
        """End the transaction that is open; one without a statement is none."""
        if self.open or (not self.done and end == len(self.sql)):
            self.done.append(Step(tuple(self._parts(end)), self.at, end, self.opening))
            self.open, self.opening = [], "BEGIN"
            self.at = end

    def _parts(self, end: int) -> list[Part]:
        found: list[Part] = []
        at = self.at
        for statement in self.open:
            if statement.data is not None:
                found += [self._part(at, statement.begin), Part(statement.text, statement.line, statement.data)]
                at = statement.end
        found.append(self._part(at, end))
        return [part for part in found if part.data is not None or part.sql.strip("; \t\r\n")] or found[:1]

    def _part(self, begin: int, end: int) -> Part:
        pieces, at = [], begin
        for start in sorted(position for position in self.replaced if begin <= position < end):
            stop, instead = self.replaced[start]
            # The same number of lines, so that an error names the file's.
            pieces += [self.sql[at:start], instead, "\n" * self.sql.count("\n", start, stop) if not instead else ""]
            at = stop
        return Part("".join([*pieces, self.sql[at:end]]), self.sql.count("\n", 0, begin) + 1)


def cannot_be_in_transaction(statement: Statement) -> bool:
    """Whether PostgreSQL refuses the statement inside a transaction block."""
    if statement.is_rows:
        return False
    if statement.tree is None:
        return _unknown_refuses(statement.words)
    return _refuses(statement.tree, statement.kind)


def _refuses(node: Any, kind: str) -> bool:
    if kind == "VacuumStmt":
        return bool(node.is_vacuumcmd)
    if kind in {"CreatedbStmt", "DropdbStmt", "CreateTableSpaceStmt", "DropTableSpaceStmt", "AlterSystemStmt"}:
        return True
    if kind == "CreateSubscriptionStmt":
        return grammar.is_on(grammar.option(node, "create_slot")) or grammar.option(node, "create_slot") is None
    if kind == "DropSubscriptionStmt":
        return True
    if kind == "ClusterStmt":
        return node.relation is None
    if kind == "ReindexStmt":
        whole = grammar.name(node.kind) in {"REINDEX_OBJECT_SCHEMA", "REINDEX_OBJECT_SYSTEM", "REINDEX_OBJECT_DATABASE"}
        return whole or grammar.is_on(grammar.option(node, "concurrently"))
    if kind == "AlterTableStmt":
        return any(grammar.name(command.subtype) == "AT_DetachPartition" and command.def_.concurrent for command in node.cmds)
    if kind == "AlterDatabaseStmt":
        return grammar.option(node, "tablespace") is not None
    return bool(getattr(node, "concurrent", False)) and kind in {"IndexStmt", "DropStmt"}


def _unknown_refuses(words: tuple[str, ...]) -> bool:
    """Of a statement in a grammar that the parser does not know: by its words."""
    if words[:1] == ("VACUUM",):
        return True
    return "CONCURRENTLY" in words and words[:1] != ("REFRESH",)


def adds_enum_value(statement: Statement) -> bool:
    return statement.kind == "AlterEnumStmt" and statement.tree.oldVal is None


def sets_session(statement: Statement) -> bool:
    """Whether the statement changes settings that outlive its transaction: a run that goes on behind it has to repeat it."""
    if statement.kind == "VariableSetStmt":
        return not statement.tree.is_local
    return statement.text[:6].upper() == "SELECT" and "set_config" in statement.text.lower()


__all__ = ["Part", "Refused", "Script", "Statement", "Step", "Unreadable", "adds_enum_value", "cannot_be_in_transaction", "is_plain", "read", "steps"]
