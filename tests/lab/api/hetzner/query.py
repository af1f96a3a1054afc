# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading lists: label selectors, filters, sorting, pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from starlette.datastructures import QueryParams

from .errors import ApiError, invalid

Resource = dict[str, Any]
MAX_PER_PAGE = 50
_KEY = r"[A-Za-z0-9./_-]+"
_SET = re.compile(rf"\s*({_KEY})\s+(in|notin)\s+\(([^()]*)\)\s*")
_EQUALS = re.compile(rf"\s*({_KEY})\s*(==|=|!=)\s*([A-Za-z0-9._-]*)\s*")
_EXISTS = re.compile(rf"\s*(!?)\s*({_KEY})\s*")


def selects(selector: str) -> Callable[[Mapping[str, str]], bool]:
    """Return a predicate over labels; an expression the vendor would not read is refused."""
    tests = [_expression(part) for part in _split(selector)]
    return lambda labels: all(test(labels) for test in tests)


def _split(selector: str) -> list[str]:
    """Split at commas outside of brackets."""
    return re.split(r",(?![^()]*\))", selector) if selector.strip() else []


def _expression(part: str) -> Callable[[Mapping[str, str]], bool]:
    if match := _SET.fullmatch(part):
        key, negate, values = match[1], match[2] == "notin", {value.strip() for value in match[3].split(",")}
        return lambda labels: (labels.get(key) in values) != negate
    if match := _EQUALS.fullmatch(part):
        key, negate, value = match[1], match[2] == "!=", match[3]
        return lambda labels: (labels.get(key) == value) != negate
    if match := _EXISTS.fullmatch(part):
        key, negate = match[2], bool(match[1])
        return lambda labels: (key in labels) != negate
    raise invalid("label_selector", f"cannot read {part!r}")


def listing(
    kind: str, resources: Iterable[Resource], query: QueryParams, filters: Sequence[str] = ("name",), sorts: Sequence[str] = ("id", "name", "created")
) -> Resource:
    """Return one page of `kind` as the vendor answers it: filtered, sorted, with `meta.pagination`."""
    known = {*filters, "label_selector", "sort", "page", "per_page"}
    for key in query:
        if key not in known:
            raise invalid(key, "unknown parameter")
    rows = list(resources)
    for key in filters:
        wanted = [one for one in query.getlist(key) if one != ""]
        if wanted:
            rows = [row for row in rows if str(row.get(key)).lower() in {one.lower() for one in wanted}]
    if query.get("label_selector"):
        chosen = selects(query["label_selector"])
        rows = [row for row in rows if chosen(row.get("labels", {}))]
    return _page(kind, _sorted(rows, query.getlist("sort"), sorts), query)


def _sorted(rows: list[Resource], keys: Sequence[str], allowed: Sequence[str]) -> list[Resource]:
    for key in reversed(keys or ["id:asc"]):
        field, _colon, order = key.partition(":")
        if field not in allowed or order not in ("", "asc", "desc"):
            raise invalid("sort", f"cannot sort by {key!r}")
        rows = sorted(rows, key=lambda row: row[field], reverse=order == "desc")
    return rows


def _page(kind: str, rows: list[Resource], query: QueryParams) -> Resource:
    page, per_page = _number(query, "page", 1, 1 << 31), _number(query, "per_page", 25, MAX_PER_PAGE)
    last = max(1, -(-len(rows) // per_page))
    pagination = {
        "page": page,
        "per_page": per_page,
        "previous_page": page - 1 if page > 1 else None,
        "next_page": page + 1 if page < last else None,
        "last_page": last,
        "total_entries": len(rows),
    }
    return {kind: rows[(page - 1) * per_page : page * per_page], "meta": {"pagination": pagination}}


def _number(query: QueryParams, key: str, default: int, high: int) -> int:
    raw = query.get(key)
    if raw is None:
        return default
    if not raw.isdecimal() or not 1 <= int(raw) <= high:
        raise ApiError("invalid_input", f"invalid input in field '{key}'", {"fields": [{"name": key, "messages": [f"must be between 1 and {high}"]}]})
    return int(raw)
