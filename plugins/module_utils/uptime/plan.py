# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Monitors as they are described, whatever the service, and the steps from what is there to that. Pure functions.

Wanted and found monitors have the same shape: name, kind (`http` asks an address, `heartbeat` waits to be told), url, interval in seconds, grace in
seconds, paused, and `told`, who is told in the service's own words.
"""

from __future__ import annotations

import typing as t
from types import MappingProxyType

from .client import UptimeError

Json = dict[str, t.Any]
KEYS = ("url", "interval", "grace", "paused", "told")


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


def wanted_state(given: Json, told: t.Any) -> Json:
    """The neutral state of a described monitor. Only an asking monitor has an address of ours, only a waiting one a grace."""
    state: Json = {"interval": given["interval"], "paused": bool(given["paused"]), "told": told}
    return {**state, "url": given["url"]} if given["kind"] == "http" else {**state, "grace": given["grace"]}


def plan(found: t.Sequence[Found], wanted: t.Sequence[Json], told: t.Any) -> tuple[list[Step], list[str]]:
    """Steps and warnings. A monitor is known by its name; of several with one name the first is kept in order and the others are left alone."""
    steps: list[Step] = []
    warnings: list[str] = []
    for one in wanted:
        named = [item for item in found if item.name == one["name"]]
        if one["state"] == "absent":
            steps += [Step("delete", item.name, item.kind, item.id) for item in named]
            continue
        if len(named) > 1:
            warnings.append(f"There are {len(named)} monitors called {one['name']}; the others than the first are left alone. Remove them by hand.")
        steps += _bring(named[0] if named else None, one, wanted_state(one, told))
    return steps, warnings


def _bring(found: Found | None, one: Json, state: Json) -> list[Step]:
    if found is not None and found.kind != one["kind"]:
        # the kind of a monitor cannot be changed at either service: the new one first, so that there is no moment without
        return [Step("create", one["name"], one["kind"], fields=state), Step("delete", found.name, found.kind, found.id)]
    if found is None:
        return [Step("create", one["name"], one["kind"], fields=state)]
    changes = {key: value for key, value in state.items() if found.state.get(key) != value}
    return [Step("update", found.name, found.kind, found.id, changes)] if changes else []


def after(found: t.Sequence[Found], steps: t.Sequence[Step]) -> list[Found]:
    """What will be there, for the difference in check mode."""
    deleted = {step.id for step in steps if step.do == "delete"}
    updated = {step.id: step.fields for step in steps if step.do == "update"}
    kept = [item._replace(state={**item.state, **updated.get(item.id, {})}) for item in found if item.id not in deleted]
    return kept + [Found("", step.kind, step.name, dict(step.fields)) for step in steps if step.do == "create"]


def shown(found: t.Sequence[Found], names: t.Collection[str]) -> Json:
    """The described monitors among those found, by name."""
    return {item.name: {"kind": item.kind, **{key: item.state[key] for key in KEYS if key in item.state}} for item in found if item.name in names}


def check(wanted: t.Sequence[Json]) -> None:
    """Refuse what no service can hold."""
    names = [one["name"] for one in wanted]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UptimeError(f"Two monitors are called {', '.join(twice)}; a monitor is known by its name.", code="invalid_input")
    for one in wanted:
        if one["state"] == "present" and one["kind"] == "http" and not str(one["url"] or "").startswith(("http://", "https://")):
            raise UptimeError(f"{one['name']} has no address: give url, beginning with https://.", code="invalid_input")
