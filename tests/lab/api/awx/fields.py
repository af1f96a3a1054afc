# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX checks of every field by its type alone, before an endpoint's own rules: switches, numbers, texts, choices, lengths."""

from __future__ import annotations

from typing import Any

from .kinds import LONGEST_NAME, Kind

Problems = dict[str, list[Any]]
YES, NO = {"true", "t", "y", "yes", "on", "1"}, {"false", "f", "n", "no", "off", "0"}


class Wrong(Exception):
    """A value a field does not take."""


def typed(kind: Kind, given: dict[str, Any]) -> dict[str, Any]:
    """The values as AWX keeps them; raises `Wrong` with the objections by field."""
    problems: Problems = {}
    kept: dict[str, Any] = {}
    for key, value in given.items():
        try:
            kept[key] = _value(kind, key, value)
        except Wrong as wrong:
            problems[key] = [str(wrong)]
    if problems:
        raise Wrong(problems)
    return kept


def _value(kind: Kind, key: str, value: Any) -> Any:
    default = kind.fields.get(key)
    if key in kind.choices:
        return _choice(kind, key, value)
    if value is None:
        if isinstance(default, (str, bool, int)) and key not in kind.refers:
            raise Wrong("This field may not be null.")
        return None
    if isinstance(default, bool):
        return _switch(value)
    if isinstance(default, int):
        return _number(value, 0 if key in kind.least else None)
    if key == "name" or (isinstance(default, str) and key != "extra_vars"):
        return _text(value, LONGEST_NAME if key == "name" else None)
    return value


def _choice(kind: Kind, key: str, value: Any) -> Any:
    choices = kind.choices[key]
    if value in choices and not isinstance(value, bool):
        return value
    if value is None and kind.fields.get(key) is None and key not in kind.needed:
        return None
    by_text = {str(one): one for one in choices}
    if not isinstance(value, str) or value not in by_text:
        raise Wrong(f'"{value}" is not a valid choice.')
    return by_text[value]


def _switch(value: Any) -> bool:
    word = str(value).lower()
    if isinstance(value, (dict, list)) or word not in YES | NO:
        raise Wrong("Must be a valid boolean.")
    return word in YES


def _number(value: Any, least: int | None) -> int:
    try:
        number = int(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None:
        raise Wrong("A valid integer is required.")
    if least is not None and number < least:
        raise Wrong(f"Ensure this value is greater than or equal to {least}.")
    return number


def _text(value: Any, longest: int | None) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise Wrong("Not a valid string.")
    text = str(value)
    if longest is not None and len(text) > longest:
        raise Wrong(f"Ensure this field has no more than {longest} characters.")
    return text
