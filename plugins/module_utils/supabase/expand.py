# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements that take away what the release that still serves may need: before a switch a migration may only add."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from .errors import Failure
from .migrations import Migration

_DROPPED = {"TABLE", "VIEW", "MATERIALIZED", "FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE", "TYPE", "DOMAIN", "SCHEMA", "SEQUENCE", "EXTENSION"}
# ALTER TABLE … DROP <one of these> loosens, or is not a column
_NOT_A_COLUMN = {"CONSTRAINT", "DEFAULT", "NOT", "IDENTITY", "EXPRESSION"}


def removal(words: tuple[str, ...]) -> str:
    """What a statement takes away, for people; empty when it only adds, loosens or fills."""
    first, second = (*words, "", "")[:2]
    if first == "DROP" and second in _DROPPED:
        return f"DROP {second}"
    if first == "TRUNCATE" or (first == "DELETE" and "WHERE" not in words):
        return f"{first} of a whole table"
    if first != "ALTER":
        return ""
    if "RENAME" in words and "CONSTRAINT" not in words and second != "INDEX":
        return "RENAME"
    if _follow(words, "SET", "SCHEMA"):
        return "SET SCHEMA"
    return _of_a_table(words) if second in {"TABLE", "FOREIGN"} else ""


def _of_a_table(words: tuple[str, ...]) -> str:
    for action in _actions(words):
        if action[0] == "DROP" and action[1] not in _NOT_A_COLUMN:
            return "DROP COLUMN"
        if action[0] == "ALTER" and "TYPE" in action[2:5]:
            return "another TYPE"
        if action[0] == "ALTER" and _follow(action, "NOT", "NULL") and "SET" in action:
            return "SET NOT NULL"
        if action[0] == "ADD" and action[1] not in {"CONSTRAINT", "CHECK", "UNIQUE", "PRIMARY", "FOREIGN", "EXCLUDE"}:
            filled = {"DEFAULT", "GENERATED", "BIGSERIAL", "SERIAL", "SMALLSERIAL"} & set(action)
            if _follow(action, "NOT", "NULL") and not filled:
                return "a new column NOT NULL without DEFAULT"
    return ""


def _actions(words: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    """The comma separated actions of ALTER TABLE, each padded so that its second word exists."""
    depth, begin = 0, next((at for at, word in enumerate(words) if at > 1 and word in {"ADD", "ALTER", "DROP"}), len(words))
    part: list[str] = []
    for word in words[begin:]:
        depth += (word == "(") - (word == ")")
        if word == "," and not depth:
            yield (*part, "", "")
            part = []
        else:
            part.append(word)
    if part:
        yield (*part, "", "")


def _follow(words: tuple[str, ...], first: str, second: str) -> bool:
    return any(pair == (first, second) for pair in pairwise(words))


def refuse_removals(pending: list[Migration], applied: set[str], folders: list[str], allowed: list[str]) -> None:
    """Refuse a pending file that takes something away. A folder of which nothing was applied yet serves nobody yet."""
    for migration in pending:
        if migration.folder not in folders or migration.folder not in applied or migration.version in allowed:
            continue
        for statement in migration.statements:
            what = removal(statement.words)
            if what:
                raise Failure(
                    f"{migration.label}, line {statement.line}: {what}. The release that still serves may need it. Release the code that does "
                    f"without it first, then allow version {migration.version}.",
                    "removal",
                    version=migration.version,
                    line=statement.line,
                )
