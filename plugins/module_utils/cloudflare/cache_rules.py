# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cache rules as one ordered set, described like page rules: match, mode, edge TTL. Pure.

List order is precedence, the first match wins. Cloudflare lets the last one win and merges settings, so the set is stored in reverse and each
of our rules says everything it is about. A rule is known by its expression. The whole set is one write, so there is no state in between.
"""

from __future__ import annotations

import re
from typing import Any

from ..api.errors import Failure
from ..api.module import Plan
from .page_rules import TARGET, final_order, normalise_target, seconds

Json = dict[str, Any]
PHASE = "http_request_cache_settings"
ACTION = "set_cache_settings"
OWN = ("cache", "edge_ttl")
# Cloudflare's documented number of cache rules by plan; the API does not tell it.
QUOTA = {"free": 10, "pro": 25, "business": 50, "enterprise": 300}
SENT = ("id", "ref", "action", "action_parameters", "expression", "description", "enabled", "logging")
CACHE_ACTIONS = ("cache_level", "edge_cache_ttl", "browser_cache_ttl")
EXPRESSION = re.compile(r'\(http\.host (eq|wildcard) r?"([^"]*)" and http\.request\.uri wildcard r"([^"]*)"( and (?:not )?ssl)?\)')


def expression(match: str) -> str:
    """The expression that matches what a page rule with this target matches."""
    parts = TARGET.match(normalise_target(match))
    scheme, host, port, path = parts.groups() if parts else (None, "", None, "")
    if port or re.search(r'["\\]', match):
        raise Failure(f"{match!r} cannot be a cache rule: ports, quotes and backslashes have no equivalent.", code="invalid_match")
    hosts = f'http.host wildcard r"{host}"' if "*" in host else f'http.host eq "{host}"'
    secure = {"https://": " and ssl", "http://": " and not ssl"}.get(scheme or "", "")
    return f'({hosts} and http.request.uri wildcard r"{path}"{secure})'


def parameters(rule: Json) -> Json:
    """What a rule sets. A rule without an edge TTL says so, because settings of other matching rules would shine through."""
    if rule["mode"] == "bypass":
        return {"cache": False}
    ttl = rule.get("edge_ttl")
    edge: Json = {"mode": "respect_origin"} if ttl is None else {"mode": "override_origin", "default": seconds(ttl)}
    return {"cache": True, "edge_ttl": edge}


def normalise(rule: Json) -> Json:
    """A wanted rule: expression, parameters, and a description for those who meet it in the dashboard."""
    if bool(rule.get("match")) == bool(rule.get("expression")):
        raise Failure("A cache rule needs either match or expression.", code="invalid_rule")
    if rule["mode"] == "bypass" and rule.get("edge_ttl") is not None:
        raise Failure("A rule that keeps answers out of the cache has no edge_ttl.", code="invalid_rule")
    text = rule.get("expression") or expression(rule["match"])
    return {"expression": text, "parameters": parameters(rule), "description": f"{rule['mode']} {rule.get('match') or ''}".strip()}


def view(row: Json) -> Json:
    """A stored rule, with all of it for sending it back."""
    return {"expression": row["expression"], "parameters": row.get("action_parameters") or {}, "enabled": row.get("enabled", True), "row": row}


def merge(base: Json | None, rule: Json) -> Json:
    """A wanted rule over the stored one: settings we do not describe stay."""
    if "row" in rule:
        return rule
    kept = {name: value for name, value in base["parameters"].items() if name not in OWN} if base else {}
    row = {**(base["row"] if base else {"description": rule["description"]}), "action": ACTION, "expression": rule["expression"], "enabled": True}
    row["action_parameters"] = {**kept, **rule["parameters"]}
    return view(row)


def plan(current: list[Json], desired: list[Json], *, absent: set[str], exclusive: bool) -> Plan[list[Json]]:
    """At most one write: the whole set. `current` is in the order of precedence, highest first."""
    own = {rule["expression"]: rule for rule in current}
    left = [rule for rule in current if rule["expression"] not in absent]
    final = [merge(own.get(rule["expression"]), rule) for rule in final_order(left, desired, exclusive=exclusive, key="expression")]
    if [essence(rule) for rule in final] == [essence(rule) for rule in current]:
        return Plan(current)
    return Plan(final, [{"action": "replace", "rules": [{key: rule["row"][key] for key in SENT if key in rule["row"]} for rule in reversed(final)]}])


def check_quota(rules: list[Json], plan_name: str) -> None:
    """Refuse more rules than the zone's plan has. A plan that is not known is not refused anything."""
    quota = QUOTA.get(plan_name)
    if quota is not None and len(rules) > quota:
        raise Failure(f"{len(rules)} cache rules are wanted, the zone's plan allows {quota}.", code="quota", details={"quota": quota})


def essence(rule: Json) -> Json:
    """What a rule does."""
    return {"expression": rule["expression"], "enabled": rule["enabled"], **rule["parameters"]}


def overlaps(page_rules: list[Json], cache_rules: list[Json]) -> list[Json]:
    """Page rules about caching that share addresses with a cache rule in force, which then decides over them."""
    about = [rule for rule in page_rules if rule["status"] == "active" and set(CACHE_ACTIONS) & set(rule["actions"])]
    return [{"target": rule["target"], "expression": other["expression"]} for rule in about for other in cache_rules if _meet(rule["target"], other)]


def overlap_warnings(found: list[Json]) -> list[str]:
    """What to tell about overlaps."""
    return [f"The cache rule {row['expression']} decides over the page rule {row['target']} where both match." for row in found]


def _meet(target: str, rule: Json) -> bool:
    """Whether some address matches both. An expression of another form may match anything."""
    if not rule["enabled"]:
        return False
    parts, known = TARGET.match(target), EXPRESSION.fullmatch(rule["expression"])
    if parts is None or known is None:
        return True
    return _share(parts.group(2), known.group(2)) and _share(parts.group(4) or "/", known.group(3))


def _share(one: str, two: str) -> bool:
    """Whether two patterns with asterisks have a text in common."""
    row = [True, *([False] * len(two))]
    for index, char in enumerate(two, start=1):
        row[index] = row[index - 1] and char == "*"
    for left in one:
        fresh = [row[0] and left == "*"]
        for index, right in enumerate(two, start=1):
            if "*" in (left, right):
                fresh.append(row[index] or fresh[index - 1])
            else:
                fresh.append(row[index - 1] and left.lower() == right.lower())
        row = fresh
    return row[-1]
