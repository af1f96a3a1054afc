# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The expressions of Cloudflare's rules language that cache rules use, parsed into plain data the edge can evaluate.

A tree is `["and"|"or", left, right]`, `["not", tree]`, `["starts_with"|"ends_with", field, text]` or
`["eq"|"ne"|"contains"|"wildcard"|"strict wildcard"|"in", field, value]`. Regular expressions (`matches`) need a Business plan and are refused.
"""

from __future__ import annotations

import re
from typing import Any

FIELDS = (
    "http.host",
    "http.request.uri.path",
    "http.request.uri",
    "http.request.full_uri",
    "http.request.method",
    "http.request.uri.query",
    "http.request.uri.path.extension",
    "ssl",
)
TOKEN = re.compile(r'\s*(?:(\()|(\))|(\{)|(\})|(,)|(r"[^"]*"|"(?:[^"\\]|\\.)*")|([A-Za-z_][\w.]*)|(==|!=|&&|\|\||\^\^|~|!))')
SYMBOLS = {"==": "eq", "!=": "ne", "&&": "and", "||": "or", "!": "not"}
OPERATORS = ("eq", "ne", "contains", "wildcard", "in")


class ExpressionError(ValueError):
    """The expression cannot be understood; the text says where."""


def parse(text: str) -> Any:
    """The tree of an expression."""
    if text.strip() == "true":
        return ["true"]
    tokens = tokenise(text)
    tree, rest = disjunction(tokens)
    if rest:
        raise ExpressionError(f"unexpected {rest[0]!r}")
    return tree


def tokenise(text: str) -> list[str]:
    """Words, strings and punctuation."""
    tokens, at = [], 0
    while at < len(text.rstrip()):
        match = TOKEN.match(text, at)
        if match is None:
            raise ExpressionError(f"unexpected character at {at + 1}")
        word = match.group(0).strip()
        tokens.append(SYMBOLS.get(word, word))
        at = match.end()
    return tokens


def disjunction(tokens: list[str]) -> tuple[Any, list[str]]:
    """`a or b or c`."""
    tree, rest = conjunction(tokens)
    while rest[:1] == ["or"]:
        right, rest = conjunction(rest[1:])
        tree = ["or", tree, right]
    return tree, rest


def conjunction(tokens: list[str]) -> tuple[Any, list[str]]:
    """`a and b and c`."""
    tree, rest = term(tokens)
    while rest[:1] == ["and"]:
        right, rest = term(rest[1:])
        tree = ["and", tree, right]
    return tree, rest


def term(tokens: list[str]) -> tuple[Any, list[str]]:
    """A negation, a group, a function call or a comparison."""
    if not tokens:
        raise ExpressionError("unexpected end")
    if tokens[0] == "not":
        tree, rest = term(tokens[1:])
        return ["not", tree], rest
    if tokens[0] == "(":
        tree, rest = disjunction(tokens[1:])
        if rest[:1] != [")"]:
            raise ExpressionError("missing )")
        return tree, rest[1:]
    if tokens[0] in ("starts_with", "ends_with"):
        return call(tokens)
    return comparison(tokens)


def call(tokens: list[str]) -> tuple[Any, list[str]]:
    """`starts_with(field, "text")`."""
    if len(tokens) < 6 or (tokens[1], tokens[3], tokens[5]) != ("(", ",", ")"):
        raise ExpressionError(f"{tokens[0]} takes a field and a text")
    return [tokens[0], field(tokens[2]), string(tokens[4])], tokens[6:]


def comparison(tokens: list[str]) -> tuple[Any, list[str]]:
    """`field eq "text"`, `field in {"a" "b"}`, or a bare boolean field."""
    name = field(tokens[0])
    if name == "ssl":
        return ["ssl"], tokens[1:]
    operator, rest = (tokens[1] if len(tokens) > 1 else ""), tokens[2:]
    if operator == "strict" and rest[:1] == ["wildcard"]:
        operator, rest = "strict wildcard", rest[1:]
    elif operator not in OPERATORS:
        raise ExpressionError(f"unknown operator {operator!r}" if operator not in ("matches", "~") else "matches needs a Business plan")
    if operator != "in":
        return [operator, name, string(rest[0] if rest else "")], rest[1:]
    if rest[:1] != ["{"] or "}" not in rest:
        raise ExpressionError("in takes a { } list")
    end = rest.index("}")
    return ["in", name, [string(item) for item in rest[1:end]]], rest[end + 1 :]


def field(name: str) -> str:
    """A field name that exists."""
    if name not in FIELDS:
        raise ExpressionError(f"unknown identifier {name!r}")
    return name


def string(token: str) -> str:
    """The text of a quoted or raw string."""
    if token.startswith('r"'):
        return token[2:-1]
    if not token.startswith('"'):
        raise ExpressionError(f"a string is needed, not {token!r}")
    return re.sub(r"\\(.)", r"\1", token[1:-1])
