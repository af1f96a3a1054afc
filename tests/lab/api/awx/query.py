# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters, order and pages of a list, as AWX reads them from the query."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .kinds import Kind

Item = dict[str, Any]
LARGEST_PAGE = 200
LOOKUPS: dict[str, Callable[[Any, str], bool]] = {
    "exact": lambda value, wanted: str(value) == wanted,
    "iexact": lambda value, wanted: str(value).lower() == wanted.lower(),
    "contains": lambda value, wanted: wanted in str(value),
    "icontains": lambda value, wanted: wanted.lower() in str(value).lower(),
    "startswith": lambda value, wanted: str(value).startswith(wanted),
    "istartswith": lambda value, wanted: str(value).lower().startswith(wanted.lower()),
    "endswith": lambda value, wanted: str(value).endswith(wanted),
    "iendswith": lambda value, wanted: str(value).lower().endswith(wanted.lower()),
    "in": lambda value, wanted: str(value) in wanted.split(","),
    "isnull": lambda value, wanted: (value is None) == (wanted.lower() in ("1", "true")),
}
NO_FILTER = ("page", "page_size", "order_by", "format")


class Unknown(Exception):
    """400: a field that the kind has not, or a value that its field cannot have."""


class NoPage(Exception):
    """404: beyond the last page."""


def matching(items: Iterable[Item], query: Iterable[tuple[str, str]], kinds: Iterable[Kind]) -> list[Item]:
    """The items that pass the filters, in the wanted order. Each condition is held to all kinds: a field that none of them has is refused."""
    known, found = list(kinds), list(items)
    either: list[Callable[[Item], bool]] = []
    for key, value in query:
        if key in NO_FILTER:
            continue
        if key.startswith("or__"):
            either.append(_condition(key.removeprefix("or__"), value, known))
        elif key == "search":
            found = [one for one in found if any(value.lower() in str(one.get(name, "")).lower() for name in ("name", "description"))]
        else:
            condition = _condition(key.removeprefix("not__"), value, known)
            found = [one for one in found if condition(one) != key.startswith("not__")]
    found = [one for one in found if not either or any(condition(one) for condition in either)]
    order = dict(query).get("order_by", "id" if len(known) == 1 and "name" not in known[0].known else "name")
    return sorted(sorted(found, key=lambda one: one["id"]), key=lambda one: _sortable(one.get(order.lstrip("-"))), reverse=order.startswith("-"))


def _sortable(value: Any) -> tuple[int, Any]:
    return (0, value) if isinstance(value, int) else (1, str(value))


def _condition(key: str, wanted: str, kinds: list[Kind]) -> Callable[[Item], bool]:
    name, _separator, lookup = key.partition("__")
    if not any(name in {*kind.known, "id", "type"} or name in kind.related for kind in kinds):
        raise Unknown(f"{kinds[0].called if len(kinds) == 1 else 'UnifiedJobTemplate'} has no field named '{name}'")
    if lookup and lookup not in LOOKUPS and lookup != "id":
        raise Unknown(f"Unsupported lookup '{lookup}' for field '{name}'")
    numeric = name == "id" or lookup == "id" or any(name in kind.refers or name in kind.related for kind in kinds)
    if numeric and lookup in ("", "exact", "id") and not wanted.isdigit():
        raise Unknown(f"Field 'id' expected a number but got '{wanted}'.")
    test = LOOKUPS["exact" if lookup in ("", "id") else lookup]

    def holds(item: Item) -> bool:
        value = item.get(name)
        return any(test(one, wanted) for one in value) if isinstance(value, list) else test(value, wanted)

    return holds


def page(path: str, query: dict[str, str], items: list[Item]) -> Item:
    """One page, with where the next one is."""
    size, number = min(int(query.get("page_size", 25)), LARGEST_PAGE), int(query.get("page", 1))
    if number > 1 and (number - 1) * size >= len(items):
        raise NoPage
    words = {key: value for key, value in query.items() if key != "page"}
    following = "&".join(f"{key}={value}" for key, value in {**words, "page": str(number + 1)}.items())
    more = f"{path}?{following}" if len(items) > number * size else None
    return {"count": len(items), "next": more, "previous": None, "results": items[(number - 1) * size : number * size]}
