# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes every field that a client reads of a vendor's answer and that the contract does not have.

`row.get("typo")` finds nothing, whatever an API answers, and no answer can show it. So a client's decoded answers become dictionaries that
know their fields by the contract: looking for another one is noted, also where it is only asked whether it is there. A client that speaks by a
vendor's SDK gets its answers from there, decoded already.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import hcloud

from .contract import contracts

Note = Callable[[str], None]
# An error's details are handed on as data, and are a client's own as often as a vendor's.
DATA = ("details",)
# The module that speaks by the SDK of its vendor, hcloud.
SDK = ".hetzner.client"


class Answer(dict[str, Any]):
    """An object of an answer."""

    def __init__(self, values: Mapping[str, Any], fields: frozenset[str], where: str, note: Note) -> None:
        super().__init__(values)
        self._fields, self._where, self._note = fields, where, note

    def _look(self, key: object) -> None:
        if key not in self._fields:
            self._note(f"{self._where}.{key} is read, and the contract does not have it")

    def __getitem__(self, key: str) -> Any:
        self._look(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._look(key)
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """As of a dictionary."""
        self._look(key)
        return super().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        """As of a dictionary."""
        self._look(key)
        return super().pop(key, *default)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        """A copy is the client's own and may hold what it likes."""
        return {key: copy.deepcopy(value, memo) for key, value in self.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


def held(value: Any, shapes: Sequence[contracts.Shape], where: str, note: Note) -> Any:
    """The value, whose objects know their fields where the contract says what they are."""
    parts = [part for shape in shapes for part in shape.parts()]
    if isinstance(value, list):
        each = [part.each for part in parts if isinstance(part, contracts.Many)]
        return [held(item, each, where, note) for item in value]
    if not isinstance(value, dict):
        return value
    objects = [part for part in parts if isinstance(part, contracts.Fields)]
    names = [part.each for part in parts if isinstance(part, contracts.Names)]
    inner = {
        key: item if key in DATA else held(item, [*(one.fields[key] for one in objects if key in one.fields), *names], f"{where}.{key}", note)
        for key, item in value.items()
    }
    return Answer(inner, frozenset().union(*(one.fields for one in objects)), where, note) if objects and not names else inner


@functools.cache
def _envelopes(table: contracts.Table) -> frozenset[str]:
    """What stands outermost in any answer of a vendor: code for all calls looks for `actions` where another call has `action`."""
    shapes = [shape for call in table.calls.values() for shape in call.answers.values() if shape]
    return frozenset().union(*(part.fields for shape in [table.refusal, *shapes] for part in shape.parts() if isinstance(part, contracts.Fields)))


def _read(contract: contracts.Contract, asked: tuple[str, str], value: Any, note: Note) -> Any:
    found = contract.find(*asked)
    if found is None:
        return value
    table, call = found
    answer = held(value, [table.refusal, *(shape for shape in call.answers.values() if shape)], call.name, note)
    return Answer(answer, _envelopes(table), call.name, note) if isinstance(answer, Answer) else answer


@contextlib.contextmanager
def reading(clients: Mapping[ModuleType, contracts.Contract], note: Note) -> Iterator[None]:
    """Note what these modules, which decode answers with their own `json` or have an SDK for it, read beyond their contracts."""
    last = threading.local()
    send = http.client.HTTPConnection.request

    def request(self: http.client.HTTPConnection, method: str, url: str, *more: Any, **named: Any) -> None:
        last.asked = (method, urlsplit(url).path)
        send(self, method, url, *more, **named)

    def ask(contract: contracts.Contract) -> Callable[..., Any]:
        plain = hcloud.Client.request

        def asked(self: hcloud.Client, method: str, url: str, **named: Any) -> Any:
            return _read(contract, (method, f"/v1{url}"), plain(self, method, url, **named), note)

        return asked

    def decoder(contract: contracts.Contract) -> SimpleNamespace:
        def loads(text: Any) -> Any:
            return _read(contract, getattr(last, "asked", ("", "")), json.loads(text), note)

        return SimpleNamespace(loads=loads, dumps=json.dumps)

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(http.client.HTTPConnection, "request", request))
        for module, contract in clients.items():
            if module.__name__.endswith(SDK):
                stack.enter_context(mock.patch.object(hcloud.Client, "request", ask(contract)))
            else:
                stack.enter_context(mock.patch.object(module, "json", decoder(contract)))
        yield
