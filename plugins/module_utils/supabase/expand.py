# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements that take away what the release that still serves may need: before a switch a migration may only add."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from .errors import Failure
from .lexer import statements
from .migrations import Migration

_DROPPED = {"TABLE", "VIEW", "MATERIALIZED", "FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE", "TYPE", "DOMAIN", "SCHEMA", "SEQUENCE", "EXTENSION"}
# ALTER TABLE … DROP <one of these> loosens, or is not a column
_NOT_A_COLUMN = {"CONSTRAINT", "DEFAULT", "NOT", "IDENTITY", "EXPRESSION"}
_NOT_A_NEW_COLUMN = {"CONSTRAINT", "CHECK", "UNIQUE", "PRIMARY", "FOREIGN", "EXCLUDE"}
_FILLED = {"DEFAULT", "GENERATED", "BIGSERIAL", "SERIAL", "SMALLSERIAL"}
# Kinds of object whose name is one word behind it, so that what follows is the action: ALTER <kind> <name> <action>
_KINDS = {
    *_DROPPED, "INDEX", "POLICY", "TRIGGER", "RULE", "ROLE", "USER", "GROUP", "DATABASE", "FOREIGN", "PUBLICATION", "SUBSCRIPTION", "SERVER", "COLLATION",
}  # fmt: skip
_BEFORE_A_NAME = {"TABLE", "VIEW", "IF", "EXISTS", "ONLY"}


def removal(words: tuple[str, ...]) -> str:
    """What a statement takes away, for people; empty when it only adds, loosens or fills.

    `words` are a statement's tokens, keywords in upper case. A name that is spelled like a keyword is told from one by its position.
    """
    first, second = (*words, "", "")[:2]
    if first == "DROP" and second in _DROPPED:
        return f"DROP {second}"
    if first == "TRUNCATE":
        return "TRUNCATE of a whole table"
    if first in {"DELETE", "WITH"}:
        return _of_rows(words)
    if first == "DO":
        return next((_of_a_block(word) for word in words if word[0] == "$" or "'" in word[:2]), "")
    if first != "ALTER" or second not in _KINDS:
        return ""
    action = _behind_the_name(words)
    if action[:1] == ("RENAME",) and action[1:2] != ("CONSTRAINT",) and second != "INDEX":
        return "RENAME"
    if action[:2] == ("SET", "SCHEMA"):
        return "SET SCHEMA"
    return _of_a_table(action) if second in {"TABLE", "FOREIGN"} else ""


def _behind_the_name(words: tuple[str, ...]) -> tuple[str, ...]:
    """What ALTER does: everything behind the kind, the name (a.b.c), the parenthesis of a function and ON table."""
    at = 2
    while at < len(words) - 1 and words[at] in _BEFORE_A_NAME:
        at += 1
    at = _after_name(words, at)
    if at < len(words) and words[at] == "*":
        at += 1
    if at < len(words) and words[at] == "(":
        at = _closing(words, at) + 1
    if at < len(words) and words[at] == "ON":
        at = _after_name(words, at + 1)
    return words[at:]


def _after_name(words: tuple[str, ...], at: int) -> int:
    at += 1
    while at < len(words) and words[at] == ".":
        at += 2
    return at


def _closing(words: tuple[str, ...], at: int) -> int:
    """The parenthesis that closes the one at `at`, or the end."""
    depth = 0
    for position in range(at, len(words)):
        depth += (words[position] == "(") - (words[position] == ")")
        if not depth:
            return position
    return len(words)


def _of_rows(words: tuple[str, ...]) -> str:
    """DELETE at any depth (WITH gone AS (DELETE …)) that has no condition of its own."""
    for at, word in enumerate(words):
        begins = at == 0 or words[at - 1] in {"(", ")"}
        if word != "DELETE" or not begins:
            continue
        depth, own = 0, []
        for following in words[at:]:
            depth += (following == "(") - (following == ")")
            if depth < 0:
                break
            if not depth:
                own.append(following)
        if "WHERE" not in own:
            return "DELETE of a whole table"
    return ""


def _of_a_block(body: str) -> str:
    """What an anonymous block takes away. What it composes as text while it runs cannot be seen beforehand."""
    quote = body[: body.index("$", 1) + 1] if body[0] == "$" else body[: body.index("'") + 1]
    inside = body[len(quote) : -len(quote)] if body[0] == "$" else body[len(quote) : -1]
    for statement in statements(inside):
        words = statement.words
        for at, word in enumerate(words):
            if word == "EXECUTE" and words[at + 1 : at + 2] not in {("FUNCTION",), ("PROCEDURE",)}:
                return "EXECUTE of text in a DO block, which cannot be judged"
            if word in {"DROP", "TRUNCATE", "DELETE", "ALTER", "WITH"} and (at == 0 or words[at - 1] in {"BEGIN", "THEN", "ELSE", "LOOP"}):
                found = removal(words[at:])
                if found:
                    return f"{found} in a DO block"
    return ""


def _of_a_table(words: tuple[str, ...]) -> str:
    for action in _actions(words):
        verb, name = action[0], 1 + (action[1] == "COLUMN")
        behind = action[name + 1 :]
        if verb == "DROP" and action[1] not in _NOT_A_COLUMN:
            return "DROP COLUMN"
        if verb == "ALTER" and (behind[:1] == ("TYPE",) or behind[:3] == ("SET", "DATA", "TYPE")):
            return "another TYPE"
        if verb == "ALTER" and behind[:3] == ("SET", "NOT", "NULL"):
            return "SET NOT NULL"
        if verb == "ADD" and action[1] not in _NOT_A_NEW_COLUMN and _follow(_outside(behind), "NOT", "NULL") and not _FILLED & set(behind):
            return "a new column NOT NULL without DEFAULT"
    return ""


def _outside(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words that stand in no parenthesis: the condition of a CHECK says nothing about the column."""
    depth, found = 0, []
    for word in words:
        depth += (word == "(") - (word == ")")
        if not depth:
            found.append(word)
    return tuple(found)


def _actions(words: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    """The comma separated actions of ALTER TABLE, each padded so that its second word exists."""
    depth = 0
    part: list[str] = []
    for word in words:
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
