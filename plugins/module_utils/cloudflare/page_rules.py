# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Page rules as one ordered set. Pure.

List order is precedence. A rule is known by its normalised target. Priorities are only an order: the API renumbers them to 1..N at every
write, so each write is planned against a simulation of that, and a plan has the fewest writes that reach the wanted order.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Any

from ..api.errors import Failure
from ..api.module import Plan
from .page_rules_order import arrange

Json = dict[str, Any]
TARGET = re.compile(r"^(https?://)?([^/:]+)(:\d+)?(/\S*)?$", re.IGNORECASE)
UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2419200, "year": 31536000}
TTLS = ("edge_cache_ttl", "browser_cache_ttl")
BARE = ("always_use_https", "disable_apps", "disable_performance", "disable_security", "disable_zaraz")


def normalise_target(target: str) -> str:
    """The target as the API stores it: host in lower case, `/` after a bare host."""
    match = TARGET.match(target)
    if match is None:
        raise Failure(f"{target!r} is not a page rule target: [scheme://]host[:port]/path is wanted.", code="invalid_target")
    scheme, host, port, path = match.groups()
    return f"{(scheme or '').lower()}{host.lower()}{port or ''}{path or '/'}"


def seconds(value: Any) -> Any:
    """A duration as seconds: 7200, "7200", "2 hours", "1 month" (28 days at Cloudflare)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = re.fullmatch(r"\s*(\d+)\s*([a-z]*?)s?\s*", str(value).lower())
    if match is None or (match.group(2) and match.group(2) not in UNITS):
        raise Failure(f"{value!r} is not a duration: seconds or for example '2 hours', '1 month' are wanted.", code="invalid_value")
    return int(match.group(1)) * UNITS.get(match.group(2), 1)


def normalise(rule: Json) -> Json:
    """A wanted rule in the API's shape: target, actions by name, status."""
    actions: Json = {}
    for name, value in (rule.get("actions") or {}).items():
        if name in BARE:
            if value in (False, "off"):
                continue
            actions[name] = None
        elif name in TTLS:
            actions[name] = seconds(value)
        else:
            actions[name] = ("on" if value else "off") if isinstance(value, bool) else value
    if not actions:
        raise Failure(f"The page rule {rule['target']} needs at least one action.", code="invalid_rule")
    return {"target": normalise_target(rule["target"]), "actions": actions, "status": rule.get("status") or "active"}


def view(rule: Json) -> Json:
    """An existing rule in the same shape, with its identifier."""
    target = rule["targets"][0]["constraint"]["value"]
    return {
        "id": rule["id"],
        "target": normalise_target(target),
        "actions": {item["id"]: item.get("value") for item in rule["actions"]},
        "status": rule["status"],
        "modified_on": rule.get("modified_on"),
    }


def body(rule: Json, priority: int) -> Json:
    """A rule as it is sent. The status is always given: left out it would mean disabled."""
    actions = [{"id": name} if name in BARE else {"id": name, "value": value} for name, value in rule["actions"].items()]
    target = {"target": "url", "constraint": {"operator": "matches", "value": rule["target"]}}
    return {"targets": [target], "actions": actions, "priority": priority, "status": rule["status"]}


def same(left: Json, right: Json) -> bool:
    """Whether two rules do the same."""
    return all(left[key] == right[key] for key in ("target", "actions", "status"))


def check(desired: list[Json], allowed: dict[str, Json]) -> None:
    """Refuse, before anything is written, what the zone's plan does not allow. `allowed` is `GET pagerules/settings` by name."""
    problems = []
    for rule in desired:
        for name, value in rule["actions"].items():
            if name not in allowed:
                problems.append(f"{rule['target']}: {name} is not available for this zone")
                continue
            for prop in allowed[name].get("properties") or []:
                problems += [f"{rule['target']}: {name} {text}" for text in unfit(prop, value)]
    targets = [rule["target"] for rule in desired]
    problems += [f"{target}: given more than once" for target in sorted({target for target in targets if targets.count(target) > 1})]
    if problems:
        raise Failure("Page rules that Cloudflare would refuse: " + "; ".join(problems) + ".", code="invalid_rule", details=problems)


def check_quota(rules: list[Json], quota: int | None) -> None:
    """Refuse more rules than the zone's plan has; disabled ones count. A zone may not tell its quota: then the API alone refuses."""
    if quota is not None and len(rules) > quota:
        raise Failure(
            f"{len(rules)} page rules are wanted, the zone's plan allows {quota}. Remove rules or use engine cache_rules.",
            code="quota",
            details={"quota": quota},
        )


def unfit(prop: Json, value: Any) -> list[str]:
    """Why a value does not fit one property of a setting."""
    if prop.get("name") != "value":
        value = value.get(prop["name"]) if isinstance(value, dict) else None
    kind = prop.get("type")
    if kind == "range" and not (isinstance(value, int) and prop["min"] <= value <= prop["max"]):
        return [f"is {value!r}, allowed are {prop['min']} to {prop['max']} seconds"]
    if kind in ("select", "choice") and not prop.get("multiple") and value not in prop.get("choices", [value]):
        return [f"is {value!r}, allowed are {', '.join(map(str, prop['choices']))}"]
    if kind == "toggle" and value not in ("on", "off"):
        return [f"is {value!r}, allowed are on, off"]
    return []


def final_order(current: list[Json], desired: list[Json], *, exclusive: bool, key: str = "target") -> list[Json]:
    """All rules afterwards, highest first. Foreign rules keep their places; ours take ours, in our order; more of ours follow the last one."""
    if exclusive:
        return list(desired)
    ours = {rule[key] for rule in desired}
    result: list[Json] = []
    queue = list(desired)
    slots = sum(rule[key] in ours for rule in current)
    if not slots:
        return [*desired, *current]
    for rule in current:
        if rule[key] not in ours:
            result.append(rule)
            continue
        result.append(queue.pop(0))
        slots -= 1
        if not slots:
            result += queue
    return result


def without(current: list[Json], absent: dict[str, set[str]]) -> list[Json]:
    """The rules after removal: a rule loses the named actions (all, when none is named) and goes with its last one."""
    left = []
    for rule in current:
        gone = absent.get(rule["target"])
        actions = {} if gone is not None and not gone else {name: value for name, value in rule["actions"].items() if name not in (gone or ())}
        if actions:
            left.append({**rule, "actions": actions})
    return left


def assign(current: list[Json], final: list[Json]) -> tuple[list[Json], list[Json]]:
    """Give every rule of the final order an identifier: its own by target, else an obsolete rule's, else none. Also what is left over."""
    own = {rule["target"]: rule for rule in current}
    obsolete = [rule for rule in current if rule["target"] not in {item["target"] for item in final}]
    placed = []
    for rule in final:
        base = own.get(rule["target"]) or (obsolete.pop(0) if obsolete else None)
        placed.append({"target": rule["target"], "actions": rule["actions"], "status": rule["status"], "id": base["id"] if base else None, "base": base})
    return placed, obsolete


def settled(placed: list[Json], order: list[str]) -> set[str]:
    """Identifiers that need no write: same content, and the largest number of them that stand in the right order already."""
    still = [rule["id"] for rule in placed if rule["base"] and same(rule, rule["base"])]
    tails: list[int] = []
    chains: list[list[str]] = []
    for key in still:
        at = order.index(key)
        slot = bisect_left(tails, at)
        chain = [*(chains[slot - 1] if slot else []), key]
        tails[slot : slot + 1] = [at]
        chains[slot : slot + 1] = [chain]
    return set(chains[-1]) if chains else set()


def plan(current: list[Json], desired: list[Json], *, exclusive: bool, absent: dict[str, set[str]] | None = None) -> Plan[list[Json]]:
    """The fewest writes, in an order in which nothing is cached on the way that is not cached before or afterwards."""
    final = final_order(without(current, absent or {}), desired, exclusive=exclusive)
    placed, obsolete = assign(current, final)
    kept = [rule["id"] for rule in current if rule["id"] not in {row["id"] for row in obsolete}]
    fixed = settled(placed, kept)
    steps = [step(job, priority) for job, priority in arrange(current, placed, obsolete, fixed)]
    after = [{key: rule[key] for key in ("id", "target", "actions", "status")} for rule in placed]
    return Plan(after, steps)


def step(job: Json, priority: int) -> Json:
    """One call: deleting has no priority, a rule without an identifier is new."""
    if not priority:
        return {"action": "delete", "id": job["id"], "target": job["target"]}
    return {"action": "replace" if job["id"] else "create", "id": job["id"], "target": job["target"], "body": body(job, priority)}
