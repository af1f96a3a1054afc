# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares a contract's table with the OpenAPI document of its vendor, where that is at hand.

The documents are not part of the project. `CONTRACTS_DIR` names their folder; by default it is `../shared/contracts` beside the checkout.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.quetrex.platform.plugins.plugin_utils.contracts import Call, Enumeration, Fields, Many, Names, Scalar, Shape, Table

ROOT = Path(__file__).resolve().parents[2]
ANY = "any"
KINDS = {"text": "string", "time": "string", "boolean": "boolean", "integer": "integer", "number": "number", "null": "null", "any": ANY}


def folder() -> Path:
    """Where the vendors' documents are, if they are anywhere."""
    return Path(os.environ.get("CONTRACTS_DIR") or ROOT.parent / "shared" / "contracts")


@dataclass
class Flat:
    """One alternative of a schema, without references and combinations."""

    kinds: set[str] | None = None
    enum: set[Any] | None = None
    fields: dict[str, list[Any]] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    items: list[Any] = field(default_factory=list)
    more: list[Any] | None = None

    def types(self) -> set[str]:
        """The JSON types that it allows."""
        if self.kinds is not None:
            return self.kinds
        if self.enum is not None:
            return {_type(value) for value in self.enum}
        return {"object"} if self.fields or self.more else {"array"} if self.items else {ANY}

    def joined(self, other: Flat) -> Flat:
        """What both demand."""
        kinds = other.kinds if self.kinds is None else self.kinds if other.kinds is None else (self.kinds & other.kinds) or self.kinds
        enum = other.enum if self.enum is None else self.enum if other.enum is None else (self.enum & other.enum) or self.enum
        fields = {key: self.fields.get(key, []) + other.fields.get(key, []) for key in {**self.fields, **other.fields}}
        more = other.more if self.more is None else self.more if other.more is None else self.more + other.more
        return Flat(kinds, enum, fields, self.required | other.required, self.items + other.items, more)


class Document:
    """A vendor's document."""

    def __init__(self, path: Path) -> None:
        self.data = json.loads(path.read_text(encoding="utf-8"))
        self.base = urlsplit(self.data.get("servers", [{"url": ""}])[0]["url"]).path.rstrip("/")

    def operation(self, name: str) -> tuple[dict[str, Any], list[Any]] | None:
        """The operation of a call and its parameters, whatever the parts of its path are called."""
        method, path = name.split(" ", 1)
        wanted = _anonymous(path.removeprefix(self.base))
        for template, item in self.data["paths"].items():
            if _anonymous(template) == wanted and method.lower() in item:
                operation = item[method.lower()]
                return operation, [self._resolve(one) for one in [*item.get("parameters", []), *operation.get("parameters", [])]]
        return None

    def body(self, operation: Mapping[str, Any]) -> list[Any]:
        """The schemas of its request."""
        return _schemas(self._resolve(operation.get("requestBody", {})))

    def answer(self, operation: Mapping[str, Any], status: int) -> list[Any] | None:
        """The schemas of that status; None where the document does not list it."""
        answers = operation["responses"]
        found = answers.get(str(status), answers.get(f"{status // 100}XX", answers.get("default")))
        return None if found is None else _schemas(self._resolve(found))

    def flat(self, schemas: Iterable[Any], depth: int = 0) -> list[Flat]:
        """The alternatives of schemas that hold together."""
        found = [Flat()]
        for schema in schemas:
            found = [one.joined(other) for one in found for other in self._alternatives(schema, depth)]
        return found[:400]

    def _alternatives(self, schema: Any, depth: int) -> list[Flat]:
        schema = self._resolve(schema)
        if not isinstance(schema, dict) or depth > 12:
            return [Flat()]
        own = Flat(_kinds(schema), set(map(_plain, schema["enum"])) if "enum" in schema else {_plain(schema["const"])} if "const" in schema else None)
        own.fields = {key: [value] for key, value in schema.get("properties", {}).items()}
        own.required = set(schema.get("required", []))
        own.items = [schema["items"]] if "items" in schema else []
        own.more = (
            [schema["additionalProperties"]] if isinstance(schema.get("additionalProperties"), dict) else [{}] if schema.get("additionalProperties") else None
        )
        if schema.get("nullable") and own.kinds is not None:
            own.kinds |= {"null"}
        found = [own]
        for part in schema.get("allOf", []):
            found = [one.joined(other) for one in found for other in self._alternatives(part, depth + 1)]
        for word in ("oneOf", "anyOf"):
            if word in schema:
                options = [option for part in schema[word] for option in self._alternatives(part, depth + 1)]
                found = [one.joined(option) for one in found for option in options]
        return found[:400]

    def _resolve(self, value: Any) -> Any:
        while isinstance(value, dict) and "$ref" in value:
            target: Any = self.data
            for part in value["$ref"].removeprefix("#/").split("/"):
                target = target.get(part.replace("~1", "/"), {})
            value = target
        return value


def objections(table: Table, document: Document) -> Iterator[str]:
    """What the table claims and the document denies, as `call where: what`."""
    for name, call in table.calls.items():
        found = document.operation(name)
        if found is None:
            yield f"{name}: the document does not have this call"
            continue
        operation, parameters = found
        yield from (f"{name} {one}" for one in _call(call, operation, parameters, document))


def _call(call: Call, operation: Mapping[str, Any], parameters: list[Any], document: Document) -> Iterator[str]:
    query = {one["name"].removesuffix("[]"): one for one in parameters if one["in"] == "query"}
    for key, shape in call.query.fields.items():
        if key not in query:
            yield f"query.{key}: the document does not have it"
        else:
            schema = query[key].get("schema", {})
            yield from _compare(shape, document.flat([schema]), f"query.{key}", document, answer=False, many=True)
    yield from (f"query.{key}: required" for key, one in query.items() if one.get("required") and (key not in call.query.fields or key in call.query.optional))
    schemas = document.body(operation)
    if call.body is not None:
        yield from _compare(call.body, document.flat(schemas), "request", document, answer=False) if schemas else ["request: the document has none"]
    for status, given in call.answers.items():
        answer = document.answer(operation, status)
        if answer is None:
            yield f"answers.{status}: the document does not have it"
        elif given is not None:
            yield from _compare(given, document.flat(answer), f"answers.{status}", document, answer=True)
    yield from (f"refuses.{status}: the document does not have it" for status in call.refuses if document.answer(operation, status) is None)


def _compare(shape: Shape, flats: list[Flat], where: str, document: Document, *, answer: bool, many: bool = False) -> Iterator[str]:
    allowed = set().union(*(one.types() for one in flats))
    if ANY in allowed:
        return
    parts = list(shape.parts())
    claimed = {kind for part in parts for kind in _claimed(part)}
    for kind in sorted(claimed - allowed - {ANY}):
        if not (kind == "integer" and "number" in allowed) and not (many and (kind == "array" or "array" in allowed)):
            yield f"{where}: {kind}, where the document has {', '.join(sorted(allowed))}"
    if answer and "null" in allowed and not claimed & {"null", ANY}:
        yield f"{where}: never null, which the document allows"
    for part in parts:
        yield from _part(part, flats, where, document, answer=answer)


def _part(part: Shape, flats: list[Flat], where: str, document: Document, *, answer: bool) -> Iterator[str]:
    if isinstance(part, Enumeration):
        yield from _values(part, flats, where, answer=answer)
    elif isinstance(part, Many):
        inner = [option for one in flats if one.items for option in document.flat(one.items)]
        yield from _compare(part.each, inner, f"{where}.*", document, answer=answer) if inner else ()
    elif isinstance(part, Names):
        inner = [option for one in flats for schemas in ([one.more] if one.more else one.fields.values()) for option in document.flat(schemas or [])]
        yield from _compare(part.each, inner, f"{where}.*", document, answer=answer) if inner else ()
    elif isinstance(part, Fields):
        yield from _fields(part, [one for one in flats if one.types() & {"object", ANY}], where, document, answer=answer)


def _values(part: Enumeration, flats: list[Flat], where: str, *, answer: bool) -> Iterator[str]:
    strings = [one for one in flats if one.types() - {"null"}]
    if not strings or any(one.enum is None for one in strings):
        return
    known = set().union(*(one.enum or set() for one in strings)) - {None}
    if set(part.values) - known:
        yield f"{where}: {sorted(set(part.values) - known)}, which the document does not list"
    if answer and known - set(part.values):
        yield f"{where}: without {sorted(known - set(part.values))}, which the document lists"


def _fields(part: Fields, flats: list[Flat], where: str, document: Document, *, answer: bool) -> Iterator[str]:
    opened = any(not one.fields or one.more is not None for one in flats)
    for key, shape in part.fields.items():
        holders = [one for one in flats if key in one.fields]
        if not holders:
            if not opened:
                yield f"{where}.{key}: the document does not have it"
            continue
        inner = [option for one in holders for option in document.flat(one.fields[key])]
        yield from _compare(shape, inner, f"{where}.{key}", document, answer=answer)
        if key in part.optional and all(key in one.required for one in flats):
            yield f"{where}.{key}: may be absent, and the document requires it"
    if not answer:
        always = set.intersection(*(one.required for one in flats)) if flats else set()
        yield from (f"{where}.{key}: missing, and the document requires it" for key in sorted(always - set(part.fields)))


def _claimed(part: Shape) -> set[str]:
    if isinstance(part, Scalar):
        return {KINDS[part.name]}
    if isinstance(part, Enumeration):
        return {_type(value) for value in part.values}
    return {"array"} if isinstance(part, Many) else {"object"}


def _kinds(schema: Mapping[str, Any]) -> set[str] | None:
    kind = schema.get("type")
    if kind is None:
        return None
    return set(kind) if isinstance(kind, list) else {kind}


def _type(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null", list: "array", dict: "object"}
    return kinds[type(value)]


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool, type(None))) else json.dumps(value)


def _schemas(holder: Mapping[str, Any]) -> list[Any]:
    content = holder.get("content", {})
    return next(([one["schema"]] for kind, one in content.items() if "json" in kind and "schema" in one), [])


def _anonymous(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)
