# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's own parser (pglast), loaded when a text needs it: loading takes a tenth of a second, and most runs have nothing to read.

Where the parser does not know a text (the grammar of another version, PL/pgSQL that it cannot compile), its functions answer None and the caller
says what that means.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from .errors import Failure

# Where PL/pgSQL keeps the text of an SQL statement.
BLOCK_SQL = "PLpgSQL_stmt_execsql"


def _pglast(module: str = "pglast") -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Failure("The Python package pglast is needed on the controller: it reads SQL as PostgreSQL does.", "pglast") from error


def spans(text: str) -> list[tuple[int, int]] | None:
    """Where each statement begins and ends, without separators and what stands between. In C, and linear."""
    parser = _pglast("pglast.parser")
    try:
        return [(item.start, item.stop) for item in parser.split(text, with_parser=True, only_slices=True)]
    except parser.ParseError:
        return None


def tree(text: str) -> Any:
    """The parse tree of one statement, or None."""
    pglast = _pglast()
    try:
        parsed = pglast.parse_sql(text)
    except pglast.parser.ParseError:
        return None
    return parsed[0].stmt if len(parsed) == 1 else None


def block(text: str) -> Any:
    """A whole DO statement in PL/pgSQL as plain data, or None."""
    pglast = _pglast()
    try:
        return pglast.parse_plpgsql(text)
    except pglast.parser.ParseError:
        return None


def statements_of_block(body: Any) -> Iterator[tuple[str, Any]]:
    """Every statement of a block as `block` gives it: its kind (PLpgSQL_stmt_…) and what it holds."""
    if isinstance(body, list):
        for item in body:
            yield from statements_of_block(item)
    elif isinstance(body, dict):
        for key, value in body.items():
            if key.startswith("PLpgSQL_stmt_"):
                yield key, value
            yield from statements_of_block(value)


def texts_of_block(text: str) -> Iterator[str]:
    """The SQL that a DO statement runs in any case: statements, and constants that it executes, behind no condition and no handler of errors."""
    for found, item in _unconditional(block(text)):
        if found == BLOCK_SQL:
            yield str(item["sqlstmt"]["PLpgSQL_expr"]["query"])
        elif found == "PLpgSQL_stmt_dynexecute":
            chosen = tree(f"SELECT {item['query']['PLpgSQL_expr']['query']}")
            values = [target.val for target in getattr(chosen, "targetList", None) or ()]
            yield from (str(value.val.sval) for value in values if kind(value) == "A_Const" and hasattr(value.val, "sval"))


def _unconditional(body: Any) -> Iterator[tuple[str, Any]]:
    for function in body or ():
        yield from _of_block(function["PLpgSQL_function"]["action"])


def _of_block(statement: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for found, item in statement.items():
        if found != "PLpgSQL_stmt_block":
            yield found, item
        elif "exceptions" not in item:
            for inner in item.get("body", ()):
                yield from _of_block(inner)


def kind(node: Any) -> str:
    """The node's class, such as AlterTableStmt; NoneType of what could not be parsed."""
    return type(node).__name__


def name(value: Any) -> str:
    """The name of an enumeration's value, such as AT_DropColumn."""
    return str(getattr(value, "name", value))


def walk(node: Any, into: Callable[[Any], bool] = lambda _node: True) -> Iterator[Any]:
    """This node and every node below it, depth first. into: whether to go on below a node."""
    if isinstance(node, tuple | list):
        for item in node:
            yield from walk(item, into)
    elif type(node).__module__ == "pglast.ast":
        yield node
        if into(node):
            for field in node:
                yield from walk(getattr(node, field), into)


def option(node: Any, wanted: str) -> Any:
    """The DefElem of that name among a statement's options, or None."""
    given = (*(getattr(node, "options", None) or ()), *(getattr(node, "params", None) or ()))
    return next((item for item in given if item.defname == wanted), None)


def is_on(element: Any) -> bool:
    """Whether an option is given and not switched off."""
    if element is None:
        return False
    arg = element.arg
    said = getattr(arg, "sval", getattr(arg, "ival", getattr(arg, "boolval", None)))
    return str(said).lower() not in {"off", "false", "0", "no"}


def words(nodes: Any) -> tuple[str, ...]:
    """The parts of a qualified name."""
    return tuple(str(item.sval) for item in nodes or () if hasattr(item, "sval"))
