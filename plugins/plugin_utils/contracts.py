# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds one HTTP exchange to a vendor's contract: a table in `meta/contracts/<vendor>.yml`, written in the notation of docs/contracts.md.

A table is compiled once to shapes; a shape then checks a value in microseconds. Only facts are looked at: method, path, query, fields,
types, null, enumerations, statuses, error codes and page sizes.
"""

from __future__ import annotations

import functools
import json
import re
import typing as t
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "meta" / "contracts"
# a body of a request that is not JSON
RAW = "raw"
# What an API answers to a path or method that it does not have.
NO_SUCH_CALL = (404, 405, 410)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)?")


class ContractError(Exception):
    """A table that cannot be read: which vendor, and what is wrong with it."""


class Shape:
    """What a value may be."""

    def check(self, value: t.Any, where: str, problems: list[str]) -> None:
        """Append what is wrong with the value."""
        raise NotImplementedError

    def text(self, value: str) -> t.Any:
        """The value that a text in a query stands for; the text itself where it stands for none."""
        return value

    def parts(self) -> t.Iterable[Shape]:
        """The alternatives; itself where there are none."""
        return (self,)


def _integer(value: t.Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


SCALARS: dict[str, t.Callable[[t.Any], bool]] = {
    "any": lambda _value: True,
    "boolean": lambda value: isinstance(value, bool),
    "integer": _integer,
    "null": lambda value: value is None,
    "number": lambda value: _integer(value) or isinstance(value, float),
    "text": lambda value: isinstance(value, str),
    "time": lambda value: isinstance(value, str) and _TIME.fullmatch(value) is not None,
}


@dataclass(frozen=True)
class Scalar(Shape):
    """One of SCALARS."""

    name: str

    def check(self, value: t.Any, where: str, problems: list[str]) -> None:
        """The type alone."""
        if not SCALARS[self.name](value):
            problems.append(f"{where}: {_kind(value)} instead of {self.name}")

    def text(self, value: str) -> t.Any:
        """Numbers and booleans have one spelling in a query."""
        if self.name in ("integer", "number") and re.fullmatch(r"-?\d+(\.\d+)?", value):
            return json.loads(value) if not value.startswith("0") or value == "0" else value
        return {"true": True, "false": False}.get(value, value) if self.name == "boolean" else value


@dataclass(frozen=True)
class Enumeration(Shape):
    """One of a few values."""

    name: str
    values: tuple[str | int, ...]

    def check(self, value: t.Any, where: str, problems: list[str]) -> None:
        """Type and value."""
        if isinstance(value, bool) or not isinstance(value, (str, int)) or value not in self.values:
            problems.append(f"{where}: {value!r:.60} is not in {self.name} ({', '.join(map(str, self.values))})")


@dataclass(frozen=True)
class Many(Shape):
    """A list."""

    each: Shape

    def check(self, value: t.Any, where: str, problems: list[str]) -> None:
        """Every element."""
        if not isinstance(value, list):
            problems.append(f"{where}: {_kind(value)} instead of a list")
            return
        for number, item in enumerate(value):
            self.each.check(item, f"{where}.{number}", problems)


@dataclass(frozen=True)
class Names(Shape):
    """A mapping whose keys are data."""

    each: Shape

    def check(self, value: t.Any, where: str, problems: list[str]) -> None:
        """Every value."""
        if not isinstance(value, dict):
            problems.append(f"{where}: {_kind(value)} instead of a mapping")
            return
        for key, item in value.items():
            self.each.check(item, f"{where}.{key}", problems)


@dataclass(frozen=True)
class Fields(Shape):
    """An object with exactly these fields; those in `optional` may be absent."""

    fields: t.Mapping[str, Shape]
    optional: frozenset[str]

    def check(self, value: t.Any, where: str, problems: list[str]) -> None:
        """Unknown, missing and wrong fields."""
        if not isinstance(value, dict):
            problems.append(f"{where}: {_kind(value)} instead of an object")
            return
        for key, item in value.items():
            shape = self.fields.get(key)
            if shape is None:
                problems.append(f"{where}.{key}: a field that the contract does not have")
            else:
                shape.check(item, f"{where}.{key}", problems)
        problems += [f"{where}.{key}: missing" for key in self.fields if key not in value and key not in self.optional]


@dataclass(frozen=True)
class Either(Shape):
    """One of several shapes."""

    options: tuple[Shape, ...]

    def check(self, value: t.Any, where: str, problems: list[str]) -> None:
        """The first that agrees; otherwise the objections of the one that comes nearest."""
        best: list[str] | None = None
        for option in self.options:
            found: list[str] = []
            option.check(value, where, found)
            if not found:
                return
            best = found if best is None or _depth(found) > _depth(best) else best
        problems += best or []

    def text(self, value: str) -> t.Any:
        """As the first that reads more than text in it."""
        return next((read for option in self.options if (read := option.text(value)) is not value), value)

    def parts(self) -> t.Iterable[Shape]:
        """All of them."""
        return self.options


def _depth(problems: list[str]) -> tuple[int, int]:
    return min(problem.split(":", 1)[0].count(".") for problem in problems), -len(problems)


def _kind(value: t.Any) -> str:
    names = {bool: "a boolean", int: "a whole number", float: "a number", str: "text", list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), next((name for kind, name in names.items() if isinstance(value, kind)), type(value).__name__))


class Exchange(t.NamedTuple):
    """One request and its answer, as they went over the wire."""

    method: str
    path: str
    query: str
    request: bytes
    status: int
    response: bytes


@dataclass
class Verdict:
    """What the contract objects to: empty lists mean that it agrees."""

    request: list[str] = field(default_factory=list)
    response: list[str] = field(default_factory=list)


class Paging(t.NamedTuple):
    """How a list is cut: the query's name for the size of a page, its default and largest value, and where the answer holds rows and size."""

    size: str | None
    default: int
    largest: int
    rows: str
    told: str | None


@dataclass(frozen=True)
class Call:
    """One method of one path."""

    name: str
    query: Fields
    body: Shape | None
    body_raw: bool
    body_optional: bool
    answers: t.Mapping[int, Shape | None]
    refuses: t.Mapping[int, t.Sequence[str | int]]
    paging: Paging | None


class Table:
    """One vendor's contract."""

    def __init__(self, data: t.Mapping[str, t.Any]) -> None:
        self.vendor = str(data["vendor"])
        self.document: str | None = data.get("document")
        self._types, self._enumerations = data.get("types", {}), data.get("enumerations", {})
        self._made: dict[str, Shape] = {}
        self._making: list[str] = []
        for name in (*self._types, *self._enumerations):
            self.named(name)
        refusals = data["refusals"]
        self.refusal = self.shape(refusals["shape"])
        self._code = str(refusals.get("code", "")).split(".") if refusals.get("code") else []
        every = {int(status): tuple(codes) for status, codes in refusals["every_call"].items()}
        self.calls = {
            name: self._call(name, call, every, data.get("paging") or {}) for several, call in data["calls"].items() for name in _spelled_out(several)
        }
        self._paths = sorted(((_pattern(name), call) for name, call in self.calls.items()), key=lambda pair: (pair[1].name.count("{"), -len(pair[1].name)))
        self._found: dict[str, Call | None] = {}

    # --- reading the table

    def named(self, name: str) -> Shape:
        """The shape of that name."""
        if name in SCALARS:
            return Scalar(name)
        if name not in self._made:
            if name in self._making:
                raise ContractError(f"{self.vendor}: {name} is made of itself")
            self._making.append(name)
            if name in self._enumerations:
                self._made[name] = Enumeration(name, tuple(self._enumerations[name]))
            elif name in self._types:
                self._made[name] = self.shape(self._types[name])
            else:
                raise ContractError(f"{self.vendor}: there is no type {name}")
            self._making.remove(name)
        return self._made[name]

    def shape(self, notation: t.Any) -> Shape:
        """The shape that the notation describes."""
        if isinstance(notation, str):
            options = [self._part(name.strip()) for name in notation.split("|")]
            return options[0] if len(options) == 1 else Either(tuple(options))
        if isinstance(notation, list) and len(notation) == 1:
            return Many(self.shape(notation[0]))
        if isinstance(notation, dict) and set(notation) == {"*"}:
            return Names(self.shape(notation["*"]))
        if isinstance(notation, dict):
            return Fields(
                {key.removesuffix("~"): self.shape(value) for key, value in notation.items()}, frozenset(key[:-1] for key in notation if key.endswith("~"))
            )
        raise ContractError(f"{self.vendor}: {notation!r} is not a shape")

    def _part(self, name: str) -> Shape:
        if not name.endswith("~"):
            return self.named(name)
        whole = self.named(name[:-1])
        if not isinstance(whole, Fields):
            raise ContractError(f"{self.vendor}: {name} has no fields that could be absent")
        return Fields(whole.fields, frozenset(whole.fields))

    def _call(self, name: str, call: t.Mapping[str, t.Any], every: t.Mapping[int, t.Sequence[str | int]], paging: t.Mapping[str, t.Any]) -> Call:
        query = self.shape(call.get("query") or {})
        body = call.get("body", call.get("body~"))
        answers = {int(status): None if notation == "nothing" else self.shape(notation) for status, notation in call["answers"].items()}
        refuses = {**every}
        for status, codes in (call.get("refuses") or {}).items():
            refuses[int(status)] = (*refuses.get(int(status), ()), *codes)
        own = {**paging, **call["paging"]} if "paging" in call else None
        pages = None if own is None else Paging(own.get("size"), int(own["default"]), int(own["largest"]), str(own["rows"]), own.get("told"))
        shape = None if body in (None, RAW) else self.shape(body)
        return Call(name, t.cast(Fields, query), shape, body == RAW, "body~" in call, answers, refuses, pages)

    # --- holding an exchange to it

    def find(self, method: str, path: str) -> Call | None:
        """The call that a request is, or None."""
        asked = f"{method} {path}"
        if asked not in self._found:
            if len(self._found) > 1000:
                self._found.clear()
            self._found[asked] = next((call for pattern, call in self._paths if pattern.fullmatch(asked)), None)
        return self._found[asked]

    def check(self, call: Call, seen: Exchange) -> Verdict:
        """What the contract objects to in an exchange of that call."""
        query = parse_qs(seen.query, keep_blank_values=True)
        verdict = Verdict()
        _query(call.query, query, verdict.request)
        _body(call, seen.request, verdict.request)
        answer, readable = _json(seen.response)
        if not readable:
            verdict.response.append("body: not JSON")
        elif seen.status in call.answers and seen.method != "HEAD":
            _answer(call.answers[seen.status], answer, seen.response, verdict.response)
            if call.paging and not verdict.response:
                _page(call.paging, query, answer, verdict)
        elif seen.status in call.refuses and seen.method != "HEAD":
            self._refused(call, seen.status, answer, verdict.response)
        elif seen.status not in {*call.answers, *call.refuses}:
            known = ", ".join(map(str, sorted({*call.answers, *call.refuses})))
            verdict.response.append(f"status {seen.status} is none that {call.name} answers ({known})")
        return verdict

    def _refused(self, call: Call, status: int, answer: t.Any, problems: list[str]) -> None:
        self.refusal.check(answer, "body", problems)
        allowed = call.refuses[status]
        if self._code:
            problems += [
                f"{'.'.join(self._code)}: {code!r} does not come with status {status} ({', '.join(map(str, allowed))})"
                for code in _at(answer, self._code)
                if code not in allowed
            ]


class Contract:
    """The tables that one API is held to."""

    def __init__(self, tables: t.Sequence[Table]) -> None:
        self.tables = tables

    def find(self, method: str, path: str) -> tuple[Table, Call] | None:
        """The table that knows a request, and the call that it is."""
        return next(((table, call) for table in self.tables if (call := table.find(method, path)) is not None), None)

    def check(self, seen: Exchange) -> Verdict:
        """What the tables object to in one exchange."""
        found = self.find(seen.method, seen.path)
        if found is not None:
            return found[0].check(found[1], seen)
        return Verdict() if seen.status in NO_SUCH_CALL else Verdict([f"{seen.method} {seen.path}: a call that the contract does not have"])


def vendors() -> list[str]:
    """The names of all tables."""
    return sorted(path.stem for path in FOLDER.glob("*.yml"))


def raw(vendor: str) -> dict[str, t.Any]:
    """A table as it is written."""
    text = (FOLDER / f"{vendor}.yml").read_text(encoding="utf-8")
    data: dict[str, t.Any] = yaml.load(text, Loader=yaml.CSafeLoader) if yaml.__with_libyaml__ else yaml.safe_load(text)
    return data


@functools.cache
def load(vendor: str) -> Table:
    """The table of that name, read once."""
    return Table(raw(vendor))


def _pattern(call: str) -> re.Pattern[str]:
    return re.compile("".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^}]*\})", call)))


def _spelled_out(call: str) -> list[str]:
    """The calls that a name with `{one|other}` in its path stands for."""
    choice = re.search(r"\{([^{}]*\|[^{}]*)\}", call)
    if choice is None:
        return [call]
    return [name for word in choice[1].split("|") for name in _spelled_out(call[: choice.start()] + word + call[choice.end() :])]


def _json(data: bytes) -> tuple[t.Any, bool]:
    try:
        return (json.loads(data) if data else None), True
    except ValueError:
        return None, False


def _query(known: Fields, query: t.Mapping[str, t.Sequence[str]], problems: list[str]) -> None:
    values: dict[str, t.Any] = {}
    for name, texts in query.items():
        shape = known.fields.get(name)
        if isinstance(shape, Many):
            values[name] = [shape.each.text(text) for text in texts]
        elif len(texts) > 1:
            problems.append(f"query.{name}: given {len(texts)} times")
        else:
            values[name] = shape.text(texts[0]) if shape else texts[0]
    known.check(values, "query", problems)


def _body(call: Call, data: bytes, problems: list[str]) -> None:
    if call.body_raw:
        return
    body, readable = _json(data)
    if not readable:
        problems.append("request: not JSON")
    elif call.body is None:
        if body not in (None, {}):
            problems.append("request: a body, where the contract has none")
    elif data or not call.body_optional:
        call.body.check(body, "request", problems)


def _answer(shape: Shape | None, answer: t.Any, data: bytes, problems: list[str]) -> None:
    if shape is None:
        problems += ["body: something, where the contract has nothing"] if data else []
    else:
        shape.check(answer, "body", problems)


def _page(paging: Paging, query: t.Mapping[str, t.Sequence[str]], answer: t.Any, verdict: Verdict) -> None:
    text = query.get(paging.size, [str(paging.default)])[0] if paging.size else str(paging.default)
    size = int(text) if text.isdecimal() else paging.default
    if size > paging.largest:
        verdict.request.append(f"query.{paging.size}: {size} is more than the largest page of {paging.largest}")
    rows = next(iter(_at(answer, paging.rows.split("."))), None)
    if isinstance(rows, list) and len(rows) > min(size, paging.largest):
        verdict.response.append(f"{paging.rows}: {len(rows)} rows on a page of {min(size, paging.largest)}")
    told = next(iter(_at(answer, paging.told.split("."))), None) if paging.told else None
    if told is not None and told != size:
        verdict.response.append(f"{paging.told}: {told} where a page of {size} was asked for")


def _at(value: t.Any, path: t.Sequence[str]) -> list[t.Any]:
    """The values at a path of keys; `*` stands for every element of a list."""
    if not path:
        return [value]
    if path[0] == "*":
        return [found for item in (value if isinstance(value, list) else []) for found in _at(item, path[1:])]
    return _at(value[path[0]], path[1:]) if isinstance(value, dict) and path[0] in value else []
