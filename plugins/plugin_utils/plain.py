# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions of an inventory that need no template engine: a variable, one of its keys, and whether it equals a text.

The core recompiles an expression for every host, a millisecond each. Nearly all expressions of inventories are like these; whatever else
there is goes to the engine, and so does everything where the two could differ.
"""

from __future__ import annotations

import re
import typing as t

_STEP = r"""\.[A-Za-z_]\w*|\[(?:'[^'\\]*'|"[^"\\]*")\]"""
_PATH = re.compile(rf"\s*([A-Za-z_]\w*)((?:{_STEP})*)\s*")
_TEST = re.compile(r"""(==|!=)\s*(?:'([^'\\]*)'|"([^"\\]*)")\s*""")
_NO_NAMES = frozenset({"true", "false", "none", "True", "False", "None", "omit", "not", "and", "or", "if", "else", "is", "in", "lookup", "query", "q"})


_MAPPINGS = frozenset({dict})
_PLAIN = frozenset({str, int, float, bool, dict, list, type(None)})
"""Exactly these types: what the core has tagged, as a template for example, is of a type of its own."""


class NotPlain(Exception):
    """Only the template engine knows the value."""


class Path(t.NamedTuple):
    """A variable and the keys below it."""

    name: str
    keys: tuple[str, ...]

    def of(self, variables: t.Mapping[str, t.Any]) -> t.Any:
        """Return the value. KeyError: a key is not there; NotPlain: ask the engine."""
        value = variables.get(self.name, NotPlain)
        for key in self.keys:
            if type(value) not in _MAPPINGS:
                raise NotPlain
            value = value[key]
        if type(value) not in _PLAIN:
            raise NotPlain
        return value


class Test(t.NamedTuple):
    """Whether what a path leads to is a text, or is not."""

    path: Path
    text: str
    wanted: bool

    def of(self, variables: t.Mapping[str, t.Any]) -> bool:
        """Return the verdict. KeyError: a key is not there; NotPlain: ask the engine."""
        return bool(self.path.of(variables) == self.text) is self.wanted


def path(expression: t.Any) -> Path | None:
    """Return an expression as a path, None when it is not one."""
    found = _PATH.fullmatch(expression) if isinstance(expression, str) else None
    return _path(found) if found else None


def test(expression: t.Any) -> Test | None:
    """Return a condition as a comparison of a path and a text, None when it is not one."""
    found = _PATH.match(expression) if isinstance(expression, str) else None
    left, right = (_path(found), _TEST.fullmatch(expression, found.end())) if found else (None, None)
    if not left or not right:
        return None
    return Test(left, right[3] if right[2] is None else right[2], right[1] == "==")


def _path(found: re.Match[str]) -> Path | None:
    keys = []
    for step in re.findall(_STEP, found[2]):
        key = step[1:] if step[0] == "." else step[2:-2]
        if step[0] == "." and hasattr(dict, key):
            # to the engine labels.items is the method
            return None
        keys.append(key)
    return None if found[1] in _NO_NAMES else Path(found[1], tuple(keys))
