# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of releases as typed data: parsed and validated once, images in one form. Nothing here talks to anything."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

COLOURS = ("blue", "green")
# Two services have had a place of their own in the record and in every answer since before there were others.
MAIN, RUNNER = "web", "runner"
HISTORY = 50
DIGEST = re.compile(r"[a-z0-9][a-z0-9.:_/-]*@sha256:[0-9a-f]{64}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
LONGEST = 400
MOST_SERVICES = 100


class RecordError(ValueError):
    """What is wrong with a record."""


def repository(image: str) -> str:
    """The image's name, without tag and digest."""
    name = image.partition("@")[0]
    return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name


def canonical(image: str) -> str:
    """The form in which images are compared, recorded and asked for: a tag beside a digest is for people and left out."""
    name, at, digest = image.partition("@")
    return f"{repository(name)}@{digest}" if at else image


@dataclass(frozen=True)
class Release:
    """One line of the record. The runner has no colour."""

    colour: str
    image: str
    config: str
    version: str
    at: str

    @classmethod
    def parse(cls, found: object, colours: Collection[str]) -> Release:
        """A release, if that is what it is."""
        if not isinstance(found, Mapping):
            raise RecordError("a release is not a mapping")
        values = {name: found.get(name) for name in cls.__dataclass_fields__}
        if wrong := [name for name, value in values.items() if not isinstance(value, str) or len(value) > LONGEST]:
            raise RecordError(f"a release's {wrong[0]} is no text, or too long")
        made = cls(**{name: str(value) for name, value in values.items()})
        if not DIGEST.fullmatch(made.image):
            raise RecordError("a release's image is not named by digest")
        if made.colour not in colours:
            raise RecordError("a release's colour is unknown")
        if not MOMENT.fullmatch(made.at):
            raise RecordError("a release's time is none")
        return replace(made, image=canonical(made.image))


@dataclass(frozen=True)
class Track:
    """The releases of the application, or of the runner, oldest first, and what the inventory asked for last."""

    history: tuple[Release, ...] = ()
    previous: Release | None = None
    inventory: str | None = None

    @property
    def current(self) -> Release | None:
        """The release that serves."""
        return self.history[-1] if self.history else None

    @property
    def image(self) -> str:
        """Its image; empty before the first release."""
        return self.history[-1].image if self.history else ""

    def add(self, release: Release) -> Track:
        """One release more. What is rolled back to is the last release of another image."""
        current = self.current
        previous = current if current and current.image != release.image else self.previous
        return replace(self, history=(*self.history, release)[-HISTORY:], previous=previous)

    def kept(self, number: int) -> list[str]:
        """The latest `number` images, newest first; never without the current one and the one a rollback goes to."""
        named = [self.current, self.previous, *reversed(self.history)]
        return list(dict.fromkeys(release.image for release in named if release))[: max(number, 2)]

    def to_forget(self, number: int, present: Iterable[str] = ()) -> list[str]:
        """Released images, and others of the same repositories that are `present`, beyond the kept ones."""
        return sorted({*(release.image for release in self.history), *map(canonical, present)} - set(self.kept(number)))

    @classmethod
    def parse(cls, found: Mapping[str, Any], colours: Collection[str]) -> Track:
        """A track, if its parts are consistent."""
        history = found.get("history") or []
        if not isinstance(history, list):
            raise RecordError("the history is no list")
        inventory = found.get("inventory")
        if inventory is not None and not (isinstance(inventory, str) and DIGEST.fullmatch(inventory)):
            raise RecordError("the inventory's image is not named by digest")
        releases = tuple(Release.parse(item, colours) for item in history[-HISTORY:])
        current, previous = (Release.parse(found[name], colours) if found.get(name) else None for name in ("current", "previous"))
        if current != (releases[-1] if releases else None):
            raise RecordError("what serves is not the last release of the history")
        return cls(releases, previous, canonical(inventory) if inventory else None)

    def plain(self) -> dict[str, Any]:
        """The same as JSON knows it."""
        named = {name: asdict(release) if release else None for name, release in (("current", self.current), ("previous", self.previous))}
        return {**named, "history": [asdict(release) for release in self.history], **({"inventory": self.inventory} if self.inventory else {})}

    def of(self, repositories: Collection[str], what: str) -> Track:
        """Without releases from other repositories; refused when what serves is one."""
        if self.image and repository(self.image) not in repositories:
            raise RecordError(f"{self.image} is not of {', '.join(sorted(repositories)) or 'any known repository'} ({what})")
        known = tuple(release for release in self.history if repository(release.image) in repositories)
        previous = self.previous if self.previous and repository(self.previous.image) in repositories else None
        return replace(self, history=known, previous=previous)


@dataclass(frozen=True)
class Record:
    """What was released on a platform. `serial` grows with every change, so that no clock is asked which of two records is later."""

    web: Track = field(default_factory=Track)
    runner: Track = field(default_factory=Track)
    serial: int = 0
    # of the inventory's own services, by name
    services: Mapping[str, Track] = field(default_factory=dict)

    @classmethod
    def parse(cls, found: object) -> Record:
        """A record, if its shape is that of one; an empty one is."""
        if not isinstance(found, Mapping):
            raise RecordError("the record is not a mapping")
        runner = found.get("runner") or {}
        if not isinstance(runner, Mapping):
            raise RecordError("the runner's part is not a mapping")
        web, own = Track.parse(found, COLOURS), Track.parse(runner, ("",))
        # a record from before serials were counted
        serial = found.get("serial", len(web.history) + len(own.history))
        others = found.get("services") or {}
        if not isinstance(others, Mapping) or len(others) > MOST_SERVICES or not all(isinstance(value, Mapping) for value in others.values()):
            raise RecordError("the services' part is no mapping of tracks, or too long")
        if not isinstance(serial, int) or isinstance(serial, bool) or not 0 <= serial < 2**53:
            raise RecordError("the serial is no number")
        return cls(web, own, serial, {str(name)[:LONGEST]: Track.parse(value, (*COLOURS, "")) for name, value in others.items()})

    def plain(self) -> dict[str, Any]:
        """The same as JSON knows it."""
        others = {"services": {name: track.plain() for name, track in self.services.items()}} if self.services else {}
        return {"schema": 2, "serial": self.serial, **self.web.plain(), "runner": self.runner.plain(), **others}

    def track(self, service: str) -> Track:
        """The part of one service; an empty one if nothing of it was released."""
        return {MAIN: self.web, RUNNER: self.runner}.get(service) or self.services.get(service, Track())

    def having(self, track: Track, service: str) -> Record:
        """The next record, with another part."""
        if service == MAIN:
            return replace(self, serial=self.serial + 1, web=track)
        if service == RUNNER:
            return replace(self, serial=self.serial + 1, runner=track)
        return replace(self, serial=self.serial + 1, services={**self.services, service: track})

    def without(self, services: Collection[str]) -> Record:
        """The next record, without services that are gone."""
        left = {name: track for name, track in self.services.items() if name not in services}
        return replace(self, serial=self.serial + 1, services=left, runner=Track() if RUNNER in services else self.runner)

    def of(self, web: Collection[str], runner: Collection[str], services: Mapping[str, Collection[str]] | None = None) -> Record:
        """Without releases from repositories other than these; refused when one of them serves. Services that nobody knows are left out."""
        known = services or {}
        others = {name: track.of(known[name], f"{name}'s") for name, track in self.services.items() if name in known}
        return replace(self, web=self.web.of(web, "the application's"), runner=self.runner.of(runner, "the runner's"), services=others)

    def continues(self, earlier: Record) -> bool:
        """Whether this record tells of everything that the other one says serves, and of something later."""
        pairs = ((self.web, earlier.web), (self.runner, earlier.runner), *((self.track(name), track) for name, track in earlier.services.items()))
        return self.serial > earlier.serial and all(before.current is None or before.current in later.history for later, before in pairs)
