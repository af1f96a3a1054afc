# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look, plan, apply, look again: for what outlives a server, for a server, for what a pool shares, and for all its servers at the same time."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

from ..api.module import Plan, converge
from . import pool, resources, server
from .client import Answer, Client
from .errors import HetznerError
from .images import Choice, look
from .ownership import IDENTITY, position
from .reconciler import Budgets, Reconciler
from .resize import offer_of

SHOWN = ("firewall", "ipv4", "ipv6", "volume")
POOL_ROUNDS = 6
"""The network, then the balancer in it, then its targets and its protection; two more for lost answers."""
Result = dict[str, t.Any]


def keep_resources(client: Client, wanted: resources.Wanted, *, check: bool, budget: float) -> Result:
    """Keep what outlives a server."""
    whose = server.Wanted(wanted.name, wanted.labels, tuple(key for key in IDENTITY if key in wanted.labels), (), wanted.location, "")

    def write(todo: Plan[resources.Current]) -> None:
        resources.apply(client, list(todo.steps), budget)

    outcome = converge(
        lambda: resources.fetch(client, wanted, lambda: server.find(client, whose)),
        lambda current: Plan(current, resources.plan(current, wanted)),
        write,
        check=check,
        vendor=client.vendor,
        shown=_shown,
        told=_words,
    )
    current, done = outcome.after, list(dict.fromkeys(map(_words, outcome.steps)))
    old = _shown(outcome.before)
    return {
        "changed": outcome.changed,
        **_shown(current),
        "other_addresses": current["others"],
        "steps": done,
        "drift": resources.drift(current, wanted),
        "diff": {"before": old, "after": {**old, "planned": done} if check else _shown(current)} if done else {},
    }


def _words(step: resources.Step) -> str:
    """Return a step as people read it."""
    return step.text


def _shown(current: resources.Current) -> Result:
    """Return the resources of one platform that a result shows."""
    return {kind: current[kind] for kind in SHOWN}


def keep_pool(client: Client, wanted: pool.Wanted, *, check: bool, budget: float) -> Result:
    """Keep what the servers of a pool share."""

    def write(todo: Plan[pool.Current]) -> None:
        resources.apply(client, list(todo.steps), budget)

    def planned(current: pool.Current) -> Plan[pool.Current]:
        pool.refuse(current, wanted)
        return Plan(current, pool.foreseen(current, wanted) if check else pool.plan(current, wanted))

    outcome = converge(lambda: pool.fetch(client, wanted), planned, write, check=check, vendor=client.vendor, rounds=POOL_ROUNDS, told=_words)
    current, done = outcome.after, list(dict.fromkeys(map(_words, outcome.steps)))
    found = _shown_pool(current)
    old = _shown_pool(outcome.before)
    return {
        "changed": outcome.changed,
        **found,
        "steps": done,
        "drift": pool.drift(current, wanted),
        "diff": {"before": old, "after": {**old, "planned": done} if check else found} if done else {},
    }


def _shown_pool(current: pool.Current) -> Result:
    network = current["network"] or {}
    return {
        "network": {key: network[key] for key in ("id", "name", "ip_range")} if network else None,
        "placement_group": (current["placement_group"] or {}).get("name"),
        "balancer": pool.summary(current["load_balancer"], current["network"]),
    }


def keep_server(client: Client, wanted: server.Wanted, budgets: Budgets, *, check: bool) -> Result:
    """Keep one server."""
    reconciler = Reconciler(client, wanted, budgets)
    before = server.find(client, wanted)
    if before and not check and before["status"] not in ("running", "off"):
        before = reconciler.settled(before)
    belongings = reconciler.belongings(required=not check)
    server.refuse_what_belongs_to_others(before, wanted, belongings)
    reconciler.golden = look(client, wanted.golden) if wanted.golden and before is None else None
    snapshot = reconciler.golden.of(wanted.types[0]) if reconciler.golden else None
    steps = server.plan(before, wanted, belongings, _offer(client, before, wanted), snapshot)
    after = before
    if steps and not check:
        after = reconciler.apply(before, steps, belongings)
    return {
        "changed": bool(steps),
        "server": server.summary(after) if after else None,
        "steps": [step.text for step in steps],
        "created": before is None,
        "drift": server.drift(after, wanted, belongings) if after and before else [],
        "sold_out": reconciler.sold_out,
        "golden": _used(reconciler.golden),
        "diff": _diff(before, after, steps, check),
    }


def _used(golden: Choice | None) -> Result:
    return {"used": golden.used["id"] if golden and golden.used else None, "refused": golden.refused if golden else {}}


def _offer(client: Client, there: Answer | None, wanted: server.Wanted) -> server.Offer | None:
    """Look up what a resize that was asked for means; refuse what cannot be had, in check mode as well."""
    if there is None or not wanted.resize or there["server_type"]["name"] == wanted.types[0]:
        return None
    return offer_of(client, there, wanted.types)


def _diff(before: Answer | None, after: Answer | None, steps: list[server.Step], check: bool) -> Result:
    """Return the difference; in check mode the plan's words stand for what is not there yet."""
    if not steps:
        return {}
    old = server.summary(before) if before else {}
    new = {**old, "planned": [step.text for step in steps]} if check or not after else server.summary(after)
    return {"before": old, "after": new}


class Member(t.NamedTuple):
    """One server of a pool, and what outlives it."""

    resources: resources.Wanted
    server: server.Wanted


def keep_members(connect: t.Callable[[], Client], members: t.Sequence[Member], budgets: Budgets, *, check: bool) -> list[Result]:
    """Keep all servers of a pool at the same time, each by a client of its own. When one cannot be had, the others are finished, and all reasons
    are told together."""

    def one(member: Member) -> Result:
        client = connect()
        kept = keep_resources(client, member.resources, check=check, budget=budgets.action)
        made = keep_server(client, _with_address(member.server, kept), budgets, check=check)
        return {
            **made,
            "name": member.server.name,
            "index": int(position(member.server.labels)),
            "volume": kept["volume"],
            "other_addresses": kept["other_addresses"],
            **_together(member.server.name, kept, made),
        }

    with ThreadPoolExecutor(max(1, len(members))) as workers:
        futures = [workers.submit(one, member) for member in members]
    failures = [(member.server.name, error) for member, future in zip(members, futures, strict=True) if (error := future.exception())]
    for _name, error in failures:
        if not isinstance(error, HetznerError):
            raise error
    if failures:
        raise _joined(failures, len(members))
    return [future.result() for future in futures]


def _with_address(wanted: server.Wanted, kept: Result) -> server.Wanted:
    """Give a server the Primary IPv6 that was made for it; one from before has none."""
    return wanted._replace(ipv6=kept["ipv6"]["name"]) if kept["ipv6"] else wanted


def _of(name: str, words: str) -> str:
    """Say of which server something is, where the words do not."""
    return words if name in words else f"{name}: {words}"


def _together(name: str, kept: Result, made: Result) -> Result:
    steps = [_of(name, words) for words in kept["steps"]] + [words if made["created"] else f"{name}: {words}" for words in made["steps"]]
    diffs = [one["diff"] for one in (kept, made) if one["diff"]]
    diff = {side: {key: value for one in diffs for key, value in one[side].items()} for side in ("before", "after")} if diffs else {}
    if any("planned" in one["after"] for one in diffs):
        diff["after"]["planned"] = steps
    drift = kept["drift"] + [f"{name}: {words}" for words in made["drift"]]
    return {"changed": kept["changed"] or made["changed"], "steps": steps, "drift": drift, "diff": diff}


def _joined(failures: list[tuple[str, t.Any]], count: int) -> HetznerError:
    """Return one failure for several servers; the first one's code says what kind it is."""
    first = failures[0][1]
    words = "; ".join(f"{one}: {error.message}" for one, error in failures)
    rest = count - len(failures)
    more = f". The other {rest} are as wanted; the next run goes on from there" if rest else ""
    return HetznerError(first.code, f"{words}{more}", status=first.status, details=first.details)
