# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What PostgreSQL's parser cannot be given: psql's lines, the data of COPY, grammar of another version. Strings and comments as the server reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

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
# What a new pg_dump writes around its statements, against a server that would slip psql a command. It says nothing about the database.
_RESTRICT = re.compile(r"\\(?:un)?restrict[ \t]+[A-Za-z0-9]+[ \t\r]*")
_END_OF_DATA = re.compile(r"^\\\.[ \t]*\r?$", re.MULTILINE)


@cache
def _token() -> re.Pattern[str]:
    """Compiled when a file is looked into; a run that finds nothing to do never does, and this is a tenth of its time."""
    return re.compile(_GRAMMAR, re.VERBOSE | re.DOTALL)


class Unreadable(ValueError):
    """What nobody can send to a server. line: where it began."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(f"{what} on line {line}")
        self.line = line


@dataclass(frozen=True)
class Pieces:
    """A file as a server may have it: `sql` has the file's lines and columns, with blanks for what is psql's. data: begin of a COPY -> its rows."""

    sql: str
    spans: list[tuple[int, int]]
    data: dict[int, str]


def cut(text: str) -> Pieces:
    """Statements, psql's lines and COPY's data apart. Refuses psql commands that mean something."""
    spans: list[tuple[int, int]] = []
    data: dict[int, str] = {}
    blanks: list[tuple[int, int]] = []
    reader = _Reader(text)
    for begin, end, words in reader.statements(blanks):
        spans.append((begin, end))
        if is_copy_in(words):
            after = text.find("\n", end)
            begins = len(text) if after < 0 else after + 1
            stop = _END_OF_DATA.search(text, begins)
            if stop is None:
                raise Unreadable("the data of COPY never ends (a line with \\. alone is missing) after the statement", line_of(text, begin))
            data[begin] = text[begins : stop.start()]
            blanks.append((begins, stop.end()))
            reader.position = stop.end()
    return Pieces(_blanked(text, blanks), spans, data)


def without_restrict(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text with blanks for the lines of pg_dump that only psql reads, and where those were."""
    blanks = [(match.start(1), match.end(1)) for match in re.finditer(rf"^[ \t]*({_RESTRICT.pattern})$", text, re.MULTILINE)] if "\\" in text else []
    return (_blanked(text, blanks) if blanks else text), blanks


def is_copy_in(words: list[str]) -> bool:
    """Whether these words (upper case) are COPY … FROM STDIN."""
    return words[:1] == ["COPY"] and any(pair == ("FROM", "STDIN") for pair in pairwise(words))


def _blanked(text: str, blanks: list[tuple[int, int]]) -> str:
    parts, position = [], 0
    for begin, end in blanks:
        parts += [text[position:begin], re.sub(r"[^\n]", " ", text[begin:end])]
        position = end
    return "".join([*parts, text[position:]])


class _Reader:
    """Walks over a text statement by statement; position can be moved on between two of them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def statements(self, blanks: list[tuple[int, int]]) -> Iterator[tuple[int, int, list[str]]]:
        """Begin, end (without the semicolon) and words (upper case, at most 2000) of each statement; fills blanks with psql's lines."""
        words: list[str] = []
        begin, end = -1, 0
        nesting = _Nesting()
        while self.position < len(self.text):
            kind, token, at = self._next()
            if kind == "space":
                continue
            if (kind, token) == ("other", "\\"):
                self._pass_over(at, begin >= 0, blanks)
                continue
            if kind == "end" and not nesting.inside:
                if begin >= 0:
                    yield begin, end, words
                words, begin, nesting = [], -1, _Nesting()
                continue
            if begin < 0:
                begin = at
            end = self.position
            nesting.see(kind, token)
            if len(words) < 2000:
                words.append(token.upper() if kind == "word" else token)
        if begin >= 0:
            yield begin, end, words

    def _pass_over(self, at: int, inside: bool, blanks: list[tuple[int, int]]) -> None:
        match = _RESTRICT.match(self.text, at)
        alone = self.text[self.text.rfind("\n", 0, at) + 1 : at].strip() == ""
        if inside or not alone or match is None or self.text[match.end() : match.end() + 1] not in {"", "\n"}:
            command = self.text[at : at + 40].split("\n")[0].strip()
            raise Unreadable(f"psql commands ({command}) only exist in psql: write SQL instead", line_of(self.text, at))
        blanks.append((at, match.end()))
        self.position = match.end()

    def _next(self) -> tuple[str, str, int]:
        kind, token, at, self.position = _read_token(self.text, self.position)
        return kind, token, at


def tokens(text: str) -> tuple[str, ...]:
    """What a text says, whatever its layout: every token but separators, comments and white space."""
    return tuple(token for kind, token in _all(text) if kind not in {"end", "space"})


def words(text: str) -> tuple[str, ...]:
    """The tokens of one statement as keywords: upper case, quoted ones as they are."""
    return tuple(token.upper() if kind == "word" else token for kind, token in _all(text) if kind not in {"end", "space"})


def _all(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        kind, token, _at, position = _read_token(text, position)
        yield kind, token


def _read_token(text: str, position: int) -> tuple[str, str, int, int]:
    """Kind, token, where it begins, and where the next one does."""
    match = _token().match(text, position)
    if match is None:  # the grammar matches any character
        raise AssertionError
    kind, token = str(match.lastgroup), match.group()
    if kind == "comment":
        return "space", "", position, _after_comment(text, position)
    if kind == "dollar":
        end = text.find(token, match.end())
        if end < 0:
            raise Unreadable(f"unterminated {token} quote beginning", line_of(text, position))
        token, kind = text[position : end + len(token)], "string"
    elif kind == "other" and text[position] in "'\"":
        raise Unreadable("unterminated quote beginning", line_of(text, position))
    return kind, token, position, position + len(token)


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


def _after_comment(text: str, position: int) -> int:
    """Comments nest in PostgreSQL."""
    depth, at = 1, position + 2
    while depth:
        edge = _COMMENT_EDGE.search(text, at)
        if edge is None:
            raise Unreadable("unterminated comment beginning", line_of(text, position))
        depth += 1 if edge.group() == "/*" else -1
        at = edge.end()
    return at


def line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
