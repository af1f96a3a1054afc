# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Monitors as they are described, whatever the service, and the steps from what is there to that. Pure functions.

Wanted and found monitors have the same shape: name, kind (`http` asks an address, `heartbeat` waits to be told), url, interval in seconds, grace in
seconds, paused, and `told`, who is notified, in the service's own words.
"""

from __future__ import annotations

import html
import typing as t
from types import MappingProxyType

from ..api.errors import Failure

Json = dict[str, t.Any]
KEYS = ("url", "interval", "grace", "paused", "told")


class Limits(t.NamedTuple):
    """What an account's plan offers. `interval` is the shortest one in seconds, `room` how many monitors may still be made."""

    plan: str = ""
    heartbeats: bool = True
    interval: int = 0
    messages: bool = True
    room: int | None = None


class Found(t.NamedTuple):
    """A monitor at the service."""

    id: str
    kind: str
    name: str
    state: Json
    status: str = "unknown"
    ping: str = ""


class Step(t.NamedTuple):
    """One write. `fields` are neutral; the service's own form is made when it is sent."""

    do: str
    name: str
    kind: str
    id: str = ""
    fields: t.Mapping[str, t.Any] = MappingProxyType({})

    def told(self) -> Json:
        """For the result; where a heartbeat is sent to is a secret and not in here."""
        return {"do": self.do, "name": self.name, "kind": self.kind, **({"fields": dict(self.fields)} if self.fields else {})}


def plain(text: str) -> str:
    """A name or address as it was written, also where a service answers it escaped for HTML, once or more often."""
    while (read := html.unescape(text)) != text:
        text = read
    return text


def within(wanted: t.Sequence[Json], found: t.Sequence[Found], limits: Limits) -> tuple[list[Json], list[str]]:
    """The best of what is wanted that the plan offers, and a sentence about everything that is less than wanted."""
    kept: list[Json] = []
    said: list[str] = []
    there, room = {item.name for item in found}, limits.room
    for one in wanted:
        if one["state"] == "absent":
            kept.append(one)
            continue
        if one["kind"] == "heartbeat" and not limits.heartbeats:
            said.append(
                f"{one['name']} is not made: {limits.plan} has no heartbeats. What only the server sees goes to its journal, and nobody is notified of it."
            )
            continue
        slow = one["kind"] == "http" and one["interval"] < limits.interval
        if slow:
            said.append(f"{one['name']} is asked every {limits.interval} seconds, not every {one['interval']}: {limits.plan} has no shorter interval.")
        if room is not None and not there & {plain(one["name"]), *one.get("former_names", ())}:
            if room <= 0:
                said.append(f"{one['name']} is not made: the account has as many monitors as {limits.plan} allows.")
                continue
            room -= 1
        kept.append({**one, "interval": limits.interval} if slow else one)
    return kept, said


def wanted_state(given: Json, told: t.Any) -> Json:
    """The neutral state of a described monitor. Only an asking monitor has an address of ours, only a waiting one a grace. `paused` not given stays."""
    state: Json = {"interval": given["interval"], "told": told} | ({} if given["paused"] is None else {"paused": given["paused"]})
    return {**state, "url": plain(given["url"])} if given["kind"] == "http" else {**state, "grace": given["grace"]}


def plan(found: t.Sequence[Found], wanted: t.Sequence[Json], told: t.Any) -> tuple[list[Step], list[str]]:
    """Steps and warnings. A monitor is known by its name; of several with one name the first is kept in order and the others are left alone."""
    steps: list[Step] = []
    warnings: list[str] = []
    for one in wanted:
        named = named_so(found, one)
        if one["state"] == "absent":
            steps += [Step("delete", item.name, item.kind, item.id) for item in named]
            continue
        if len(named) > 1:
            warnings.append(f"There are {len(named)} monitors called {one['name']}; the others than the first are left alone. Remove them by hand.")
        steps += _bring(named[0] if named else None, one, wanted_state(one, told))
    return steps, warnings


def named_so(found: t.Sequence[Found], one: Json) -> list[Found]:
    """The monitors with a name; when there is none, the first with a name that it had before."""
    named = [item for item in found if item.name == plain(one["name"])]
    former = [item for item in found if item.name in one.get("former_names", ()) and item.kind == one["kind"]]
    return named or (former if one["state"] == "absent" else former[:1])


def _bring(found: Found | None, one: Json, state: Json) -> list[Step]:
    if found is not None and found.kind != one["kind"]:
        # the kind of a monitor cannot be changed at either service: the new one first, so that there is no moment without
        return [Step("create", one["name"], one["kind"], fields=state), Step("delete", found.name, found.kind, found.id)]
    if found is None:
        return [Step("create", one["name"], one["kind"], fields=state)]
    changes = {key: value for key, value in state.items() if found.state.get(key) != value}
    if found.name != plain(one["name"]):
        changes["name"] = one["name"]
    return [Step("update", found.name, found.kind, found.id, changes)] if changes else []


def after(found: t.Sequence[Found], steps: t.Sequence[Step]) -> list[Found]:
    """What will be there, for the difference in check mode."""
    deleted = {step.id for step in steps if step.do == "delete"}
    updated = {step.id: step.fields for step in steps if step.do == "update"}
    kept = []
    for item in (one for one in found if one.id not in deleted):
        fields = dict(updated.get(item.id, {}))
        kept.append(item._replace(name=fields.pop("name", item.name), state={**item.state, **fields}))
    return kept + [Found("", step.kind, step.name, dict(step.fields)) for step in steps if step.do == "create"]


def shown(found: t.Sequence[Found], names: t.Collection[str]) -> Json:
    """The described monitors among those found, by name."""
    return {item.name: {"kind": item.kind, **{key: item.state[key] for key in KEYS if key in item.state}} for item in found if item.name in names}


def check(wanted: t.Sequence[Json]) -> None:
    """Refuse what no service can hold."""
    names = [plain(one["name"]) for one in wanted]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Failure(f"Two monitors are called {', '.join(twice)}; a monitor is known by its name.", code="invalid_input")
    for one in wanted:
        if one["state"] == "present" and one["kind"] == "http" and not str(one["url"] or "").startswith(("http://", "https://")):
            raise Failure(f"{one['name']} has no address: give url, beginning with https://.", code="invalid_input")
