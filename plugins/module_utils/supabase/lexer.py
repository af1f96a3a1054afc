# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where statements of an SQL file begin and end, as psql sees it. Nothing is rewritten; the file is sent as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

_GRAMMAR = r"""
    (?P<space>\s+|--[^\n]*)
  | (?P<comment>/\*)
  | (?P<string>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')
  | (?P<name>"(?:[^"]|"")*")
  | (?P<dollar>\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$)
  | (?P<word>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*)
  | (?P<number>\$?\d[\w.]*)
  | (?P<end>;)
  | (?P<other>.)
"""
_COMMENT_EDGE = re.compile(r"/\*|\*/")


@cache
def _token() -> re.Pattern[str]:
    """Compiled when a file is looked into; a run that finds nothing to do never does, and this is a tenth of its time."""
    return re.compile(_GRAMMAR, re.VERBOSE | re.DOTALL)


class Unterminated(ValueError):
    """A quote or comment that never ends; line is where it began."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(f"unterminated {what} beginning on line {line}")


@dataclass(frozen=True)
class Statement:
    """One statement: the line it begins on and its tokens, without comments and white space."""

    line: int
    tokens: tuple[str, ...]

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The tokens as keywords: upper case, quoted ones as they are."""
        return tuple(token.upper() if token[0].isalpha() else token for token in self.tokens)


def statements(text: str) -> list[Statement]:
    """The statements of a file; empty ones are left out."""
    found: list[Statement] = []
    tokens: list[str] = []
    begins = 0
    nesting = _Nesting()
    for kind, token, position in _tokens(text):
        if kind == "end" and not nesting.inside:
            if tokens:
                found.append(Statement(_line(text, begins), tuple(tokens)))
            tokens, nesting = [], _Nesting()
            continue
        if not tokens:
            begins = position
        nesting.see(kind, token)
        tokens.append(token)
    if tokens:
        found.append(Statement(_line(text, begins), tuple(tokens)))
    return found


def tokens(text: str) -> tuple[str, ...]:
    """What a file says, whatever its layout: every token but separators, comments and white space."""
    return tuple(token for kind, token, _position in _tokens(text) if kind != "end")


class _Nesting:
    """Parentheses (CREATE RULE … DO (a; b)) and BEGIN ATOMIC … END hold semicolons that end nothing."""

    def __init__(self) -> None:
        self.parentheses = 0
        self.blocks = 0
        self.previous = ""

    @property
    def inside(self) -> bool:
        return self.parentheses > 0 or self.blocks > 0

    def see(self, kind: str, text: str) -> None:
        if text == "(":
            self.parentheses += 1
        elif text == ")":
            self.parentheses = max(0, self.parentheses - 1)
        elif kind == "word":
            word = text.upper()
            if (word == "ATOMIC" and self.previous == "BEGIN") or (word == "CASE" and self.blocks):
                self.blocks += 1
            elif word == "END" and self.blocks:
                self.blocks -= 1
            self.previous = word
            return
        self.previous = ""


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    position, pattern = 0, _token()
    while match := pattern.match(text, position):
        kind, token = str(match.lastgroup), match.group()
        if kind == "comment":
            position = _after_comment(text, position)
            continue
        if kind == "dollar":
            end = text.find(token, match.end())
            if end < 0:
                raise Unterminated(f"{token} quote", _line(text, position))
            token, kind = text[position : end + len(token)], "string"
        elif kind == "other" and text[position] in "'\"":
            raise Unterminated("quote", _line(text, position))
        if kind != "space":
            yield kind, token, position
        position += len(token)


def _after_comment(text: str, position: int) -> int:
    """Comments nest in PostgreSQL."""
    depth, at = 1, position + 2
    while depth:
        edge = _COMMENT_EDGE.search(text, at)
        if edge is None:
            raise Unterminated("comment", _line(text, position))
        depth += 1 if edge.group() == "/*" else -1
        at = edge.end()
    return at


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
