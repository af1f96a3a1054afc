# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release has to do, worked out from what is there. Nothing here talks to anything."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from quetrex_release.record import COLOURS, Track, repository

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


@dataclass(frozen=True)
class Way:
    """How a service is released: `beside` what serves, or after it was stopped; `public`: nginx leads visitors to it."""

    beside: bool = True
    public: bool = True
    migrate: bool = False


BLUE_GREEN = Way()


def make_plan(observed: Observed, image: str, config: str, way: Way = BLUE_GREEN) -> Plan:
    """The steps to have `image` with `config` serve.

    An interrupted release shows as an upstream that is not the recorded colour: it is finished when it is what is wanted
    and healthy, otherwise the recorded colour gets the visitors back first.
    """
    serving, recorded = observed.serving, observed.recorded
    now = observed.container(serving) if serving else Container()
    wanted = now.running and now.healthy and (now.image, now.config) == (image, config)
    if serving and serving != recorded:
        if wanted:
            return Plan(("switch", "reload", "verify", "record", "drain", "stop"), serving, other(serving), "an interrupted release is finished")
        if recorded and observed.container(recorded).running:
            return _release(observed, recorded, ("restore",), "an interrupted release is undone first", way)
    if wanted and serving:
        left = observed.container(other(serving)).running
        last = ("drain", "stop") if way.public else ("stop",)
        return Plan(last if left else (), serving, other(serving), "the old colour still runs" if left else "this release serves")
    return _release(observed, serving, (), _reason(now, image, config) if serving else "first release", way)


def _release(observed: Observed, serving: str | None, first: tuple[str, ...], reason: str, way: Way) -> Plan:
    target = other(serving)
    fetch = ("pull", "migrate") if way.migrate else ("pull",)
    if not way.beside:
        # also of a container that was stopped already: its undo starts it again
        rest = ("rest",) if serving and serving in observed.containers else ()
        lead = ("preview", "switch", "reload", "verify") if way.public else ()
        return Plan((*first, *fetch, *rest, "start", "gate", *lead, "record", "prune"), target, serving, reason)
    last = ("drain", "stop") if serving and observed.container(serving).running else ()
    return Plan((*first, *fetch, "start", "gate", "preview", "keep", "switch", "reload", "verify", "record", *last, "prune"), target, serving, reason)


def _reason(now: Container, image: str, config: str) -> str:
    if now.image != image:
        return "another image"
    if now.config != config:
        return "another configuration"
    return "the serving colour is not healthy"


def choose(track: Track, wanted: str, last: str | None, known: Collection[str], *, resume: bool = False) -> tuple[str, str | None]:
    """The image an inventory's run has to release, and why it is not the wanted one.

    What was released before or asked for by the inventory before is older than what serves: a deploy came after it, and is kept.
    `last` is what the controller saw serve; it counts on a server that has no record, because it is new. `resume`: what served goes on,
    whatever the inventory asks for by now. What is of no known repository is never chosen over the inventory's.
    """
    current = track.image if repository(track.image) in known else ""
    if not current:
        usable = last and not track.image and last != wanted and repository(last) in known
        return (str(last), "the last released image goes on serving on a new server") if usable else (wanted, None)
    if current == wanted:
        return wanted, None
    if resume:
        return current, "what was released last goes on serving; the inventory's image was never released"
    older = {release.image for release in track.history} | {track.inventory}
    return (current, "a later release is kept; the inventory's image is older") if wanted in older else (wanted, None)


def config_hash(service: Mapping[str, Any], *files: bytes) -> str:
    """Identity of a colour's configuration: its compose service with resolved environment, and the files it mounts."""
    plain = {key: value for key, value in service.items() if key not in NOT_CONFIGURATION}
    sums = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for content in files:
        sums.update(hashlib.sha256(content).digest())
    return sums.hexdigest()[:16]
