# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release has to do, worked out from what is there. Nothing here talks to anything."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

COLOURS = ("blue", "green")
HISTORY = 50
# What differs between the colours, or names the image, is not part of the configuration.
NOT_CONFIGURATION = ("image", "labels", "container_name", "networks", "profiles", "depends_on")


@dataclass(frozen=True)
class Container:
    """A colour's container: image and configuration it was made from, and how it is."""

    image: str = ""
    config: str = ""
    running: bool = False
    healthy: bool = False
    restarts: int = 0


@dataclass(frozen=True)
class Observed:
    """The server as it is: the colour in nginx's upstream file, the recorded one, and the containers."""

    serving: str | None = None
    recorded: str | None = None
    containers: Mapping[str, Container] = field(default_factory=dict)

    def container(self, colour: str) -> Container:
        """A colour's container; an empty one if there is none."""
        return self.containers.get(colour, Container())


@dataclass(frozen=True)
class Plan:
    """Steps in order, towards `colour`; `old` is what serves until the switch."""

    steps: tuple[str, ...]
    colour: str
    old: str | None
    reason: str

    @property
    def changed(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.steps)


def other(colour: str | None) -> str:
    """The colour that is not this one; the first when there is none."""
    return COLOURS[1] if colour == COLOURS[0] else COLOURS[0]


def make_plan(observed: Observed, image: str, config: str, *, migrate: bool = False) -> Plan:
    """The steps to have `image` with `config` serve.

    An interrupted release shows as an upstream that is not the recorded colour: it is finished when it is what is wanted
    and healthy, otherwise the recorded colour gets the visitors back first.
    """
    serving, recorded = observed.serving, observed.recorded
    now = observed.container(serving) if serving else Container()
    wanted = now.running and now.healthy and (now.image, now.config) == (image, config)
    if serving and serving != recorded:
        if wanted:
            return Plan(("reload", "verify", "record", "drain", "stop"), serving, other(serving), "an interrupted release is finished")
        if recorded and observed.container(recorded).running:
            return _release(observed, recorded, ("restore",), "an interrupted release is undone first", migrate)
    if wanted and serving:
        left = observed.container(other(serving)).running
        return Plan(("drain", "stop") if left else (), serving, other(serving), "the old colour still runs" if left else "this release serves")
    return _release(observed, serving, (), _reason(now, image, config) if serving else "first release", migrate)


def _release(observed: Observed, serving: str | None, first: tuple[str, ...], reason: str, migrate: bool) -> Plan:
    target = other(serving)
    fetch = ("pull", "migrate") if migrate else ("pull",)
    last = ("drain", "stop") if serving and observed.container(serving).running else ()
    return Plan((*first, *fetch, "start", "gate", "preview", "keep", "switch", "reload", "verify", "record", *last, "prune"), target, serving, reason)


def _reason(now: Container, image: str, config: str) -> str:
    if now.image != image:
        return "another image"
    if now.config != config:
        return "another configuration"
    return "the serving colour is not healthy"


def choose(record: Mapping[str, Any], wanted: str, last: str | None) -> tuple[str, str | None]:
    """The image an inventory's run has to release, and why it is not the wanted one.

    What was released before or asked for by the inventory before is older than what serves: a deploy came after it, and is kept.
    `last` is what the controller saw serve; it counts on a server that has no record, because it is new.
    """
    current = record.get("current")
    if not current:
        return (last, "the last released image goes on serving on a new server") if last and last != wanted else (wanted, None)
    if current["image"] == wanted:
        return wanted, None
    older = {release["image"] for release in record.get("history", [])} | {record.get("inventory")}
    return (current["image"], "a later release is kept; the inventory's image is older") if wanted in older else (wanted, None)


def repository(image: str) -> str:
    """The image's name, without tag and digest."""
    name = image.partition("@")[0]
    return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name


def config_hash(service: Mapping[str, Any], *files: bytes) -> str:
    """Identity of a colour's configuration: its compose service with resolved environment, and the files it mounts."""
    plain = {key: value for key, value in service.items() if key not in NOT_CONFIGURATION}
    sums = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for content in files:
        sums.update(hashlib.sha256(content).digest())
    return sums.hexdigest()[:16]


@dataclass(frozen=True)
class Release:
    """One line of the record."""

    colour: str
    image: str
    config: str
    version: str
    at: str


def add_release(record: Mapping[str, Any], release: Release) -> dict[str, Any]:
    """The record with one more release. What is rolled back to is the last release of another image."""
    current, previous = record.get("current"), record.get("previous")
    if current and current["image"] != release.image:
        previous = current
    history = [*record.get("history", []), asdict(release)][-HISTORY:]
    return {**record, "schema": 1, "current": asdict(release), "previous": previous, "history": history}


def releases_kept(record: Mapping[str, Any], number: int) -> list[str]:
    """The latest `number` images, newest first; never without the current one and the one a rollback goes to."""
    named = [record.get("current"), record.get("previous"), *reversed(record.get("history", []))]
    images = list(dict.fromkeys(release["image"] for release in named if release))
    return images[: max(number, 2)]


def images_to_forget(record: Mapping[str, Any], number: int, present: Iterable[str] = ()) -> list[str]:
    """Released images, and others of the same repositories that are `present`, beyond the kept ones."""
    kept = releases_kept(record, number)
    return sorted({*(release["image"] for release in record.get("history", [])), *present} - set(kept))


def newer(away: Mapping[str, Any], here: Mapping[str, Any]) -> bool:
    """Whether the record kept away from the server tells of a later release than the server's own."""
    return _latest(away) > _latest(here)


def _latest(record: Mapping[str, Any]) -> str:
    runner = record.get("runner") or {}
    return max(str((found.get("current") or {}).get("at", "")) for found in (record, runner))
