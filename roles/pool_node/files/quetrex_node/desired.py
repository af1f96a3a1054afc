# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The desired state of the servers of a pool: which colour nginx leads to, and of which images static files are kept. Pure; one JSON document.

    {"version": 1, "generation": "<sha256 of the rest>", "upstreams": {"web": {"colour": "green", "port": 3000}},
     "static": {"images": ["registry.example.com/web@sha256:…"], "path": "/app/.next/static", "prefix": "/_next/static"}}

Images are named from the newest to the oldest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

VERSION = 1
COLOURS = ("blue", "green")
LONGEST = 400_000
"""Bytes: an engine takes no configuration of more than 500,000."""
MOST = 64
NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
IMAGE = re.compile(r"(?:[a-z0-9][a-z0-9.-]*(?::[0-9]+)?/)?[a-z0-9][a-z0-9._/-]{0,200}@sha256:[0-9a-f]{64}")
"""By digest alone: with a tag beside it one image would have two names."""
PATH = re.compile(r"(/\.?[A-Za-z0-9_][A-Za-z0-9._-]*)+")
"""No part is `.` or `..`, and none is empty."""


class Refused(Exception):
    """A state that is not followed; says which part is strange."""


@dataclass(frozen=True)
class Upstream:
    """Where visitors of a service are led."""

    colour: str
    port: int

    def host(self, service: str) -> str:
        """The name by which the colour's containers are found."""
        return f"{service}-{self.colour}"


@dataclass(frozen=True)
class Desired:
    """the whole state."""

    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    images: tuple[str, ...] = ()
    path: str = ""
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Desired:
        """Reads it; whatever is strange about it refuses all of it."""
        if len(text.encode()) > LONGEST:
            raise Refused(f"the state is longer than {LONGEST} bytes")
        try:
            found = json.loads(text, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            raise Refused(f"it is no JSON: {error}") from error
        _keys(found, {"version", "generation", "upstreams", "static"}, "the state")
        if type(found["version"]) is not int or found["version"] != VERSION:
            raise Refused(f"version {found['version']!r} is not {VERSION}: this server's program is of another version; run site")
        desired = cls(_upstreams(found["upstreams"]), **_static(found["static"]))
        if found["generation"] != desired.generation:
            raise Refused("generation is not the sum of the rest")
        return desired

    @property
    def generation(self) -> str:
        """Identity of everything else."""
        return hashlib.sha256(_plain(self._rest()).encode()).hexdigest()

    def text(self) -> str:
        """The state. The same state is the same text."""
        return _plain({"generation": self.generation, **self._rest()}) + "\n"

    def leading(self, service: str, colour: str | None, port: int) -> Desired:
        """The same, with this service led to a colour; with None nginx has no way to it."""
        others = {name: upstream for name, upstream in self.upstreams.items() if name != service}
        return replace(self, upstreams=others if colour is None else {**others, service: Upstream(colour, port)})

    def keeping(self, images: Iterable[str], path: str, prefix: str) -> Desired:
        """The same, with the static files of these images, the newest first."""
        return replace(self, images=tuple(dict.fromkeys(images)), path=path, prefix=prefix)

    def _rest(self) -> dict[str, Any]:
        upstreams = {name: {"colour": one.colour, "port": one.port} for name, one in self.upstreams.items()}
        return {"version": VERSION, "upstreams": upstreams, "static": {"images": list(self.images), "path": self.path, "prefix": self.prefix}}


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Refused("a name is given twice")
    return found


def _keys(value: Any, wanted: set[str], where: str) -> None:
    if not isinstance(value, dict) or set(value) != wanted:
        raise Refused(f"{where} has to hold {', '.join(sorted(wanted))} and nothing else")


def _text(value: Any, shape: re.Pattern[str], where: str) -> str:
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise Refused(f"{where} is {str(value)[:80]!r}")
    return value


def _upstreams(value: Any) -> dict[str, Upstream]:
    if not isinstance(value, dict) or len(value) > MOST:
        raise Refused(f"upstreams has to be a mapping of at most {MOST} services")
    found = {}
    for name, one in value.items():
        _text(name, NAME, "a name of upstreams")
        _keys(one, {"colour", "port"}, f"upstreams.{name}")
        if one["colour"] not in COLOURS:
            raise Refused(f"upstreams.{name}.colour is {str(one['colour'])[:80]!r}")
        if type(one["port"]) is not int or not 0 < one["port"] < 65536:
            raise Refused(f"upstreams.{name}.port is {str(one['port'])[:80]!r}")
        found[name] = Upstream(one["colour"], one["port"])
    return found


def _static(value: Any) -> dict[str, Any]:
    _keys(value, {"images", "path", "prefix"}, "static")
    if not isinstance(value["images"], list) or len(value["images"]) > MOST:
        raise Refused(f"static.images has to be a list of at most {MOST} images")
    images = tuple(_text(image, IMAGE, "an image of static") for image in value["images"])
    if len(set(images)) < len(images):
        raise Refused("static.images names an image twice")
    places = {key: _text(value[key], PATH, f"static.{key}") if value[key] != "" else "" for key in ("path", "prefix")}
    if bool(places["path"]) != bool(places["prefix"]):
        raise Refused("static.path and static.prefix go together")
    return {"images": images, **places}
