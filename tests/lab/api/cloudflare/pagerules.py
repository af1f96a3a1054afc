# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Page rules as the vendor keeps them: unique normalised targets, a quota that counts disabled rules, priorities renumbered to 1..N."""

from __future__ import annotations

import re
from typing import Any

from .errors import ApiError
from .state import PLANS, Json, new_id, now

TARGET = re.compile(r"^(?:(https?)://)?((?:[-a-z0-9*]*\.)+[-a-z0-9]{2,20})(?::(8080|8443|443|80))?(/\S*)?$", re.IGNORECASE)
TOGGLES = (
    "browser_check",
    "cache_deception_armor",
    "email_obfuscation",
    "ip_geolocation",
    "explicit_cache_control",
    "rocket_loader",
    "automatic_https_rewrites",
    "opportunistic_encryption",
)
BARE = ("always_use_https", "disable_apps", "disable_performance", "disable_security", "disable_zaraz")
CHOICES: dict[str, tuple[Any, ...]] = {
    "cache_level": ("bypass", "basic", "simplified", "aggressive", "cache_everything"),
    "security_level": ("essentially_off", "low", "medium", "high", "under_attack"),
    "ssl": ("off", "flexible", "full", "strict"),
}
RANGES = {"edge_cache_ttl": ("edge_ttl", 2419200), "browser_cache_ttl": ("browser_ttl", 31536000)}


def available(zone: Json) -> list[Json]:
    """`GET pagerules/settings`: what a rule of this plan may set, with choices and bounds."""
    plan = PLANS[zone["plan"]]
    rows: list[Json] = [{"id": name, "properties": [{"name": "value", "type": "toggle"}]} for name in TOGGLES]
    rows += [{"id": name, "properties": []} for name in BARE]
    rows += [{"id": name, "properties": [{"name": "value", "type": "select", "multiple": False, "choices": list(values)}]} for name, values in CHOICES.items()]
    rows += [{"id": name, "properties": [{"name": "value", "type": "range", "min": plan[low], "max": high}]} for name, (low, high) in RANGES.items()]
    rows.append(
        {
            "id": "forwarding_url",
            "properties": [{"name": "status_code", "type": "choice", "multiple": False, "choices": [301, 302]}, {"name": "url", "type": "forwardingUrl"}],
        }
    )
    return sorted(rows, key=lambda row: str(row["id"]))


def refused(*reasons: str) -> ApiError:
    """Every refused rule is the same 1004; the reason stands only in `messages`."""
    return ApiError(400, 1004, "Page Rule validation failed: See messages for details.", messages=list(reasons))


def normalise(zone: Json, value: Any) -> str:
    """The target as the API stores it: lower-case host, `/` after a bare host."""
    match = TARGET.match(value) if isinstance(value, str) else None
    if match is None:
        raise refused(".targets[0].constraint.value: The URL pattern is not valid.")
    scheme, host, port, path = match.groups()
    host = host.lower()
    if host.lstrip("*.") != zone["name"] and not host.endswith("." + zone["name"]) and host != "*" + zone["name"]:
        raise refused(".targets[0].constraint.value: The URL pattern does not belong to this zone.")
    if (path or "").count("*") + host.count("*") > 4:
        raise refused(".targets[0].constraint.value: At most four asterisks are allowed.")
    return f"{scheme.lower() + '://' if scheme else ''}{host}{':' + port if port else ''}{path or '/'}"


def check_action(zone: Json, action: Any) -> str | None:
    """The reason why one action is refused on this plan, if any."""
    name = action.get("id") if isinstance(action, dict) else None
    value = action.get("value") if isinstance(action, dict) else None
    if name in BARE:
        return None
    if name in TOGGLES:
        return None if value in ("on", "off") else f".settings.{name}: Invalid value."
    if name in CHOICES:
        return None if value in CHOICES[name] else f".settings.{name}: Invalid value. Must be one of {', '.join(CHOICES[name])}."
    if name in RANGES:
        low, high = PLANS[zone["plan"]][RANGES[name][0]], RANGES[name][1]
        good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if good else f".settings.{name}: Invalid value. Must be between {low} and {high}."
    if name == "forwarding_url":
        good = isinstance(value, dict) and value.get("status_code") in (301, 302) and str(value.get("url", "")).startswith(("http://", "https://"))
        return None if good else ".settings.forwarding_url: Invalid value."
    return f".settings.{name}: This setting is not available for this zone."


def check_actions(zone: Json, actions: Any) -> list[Json]:
    """At least one action, each once, each allowed; a redirect stands alone."""
    if not isinstance(actions, list) or not actions:
        raise refused(".settings: At least one setting is required.")
    reasons = [reason for action in actions if (reason := check_action(zone, action))]
    if reasons:
        raise refused(*reasons)
    names = [action["id"] for action in actions]
    if len(set(names)) != len(names):
        raise refused(".settings: Each setting may be given once.")
    if len(names) > 1 and ("forwarding_url" in names or "always_use_https" in names):
        raise refused(".settings: A redirect cannot be combined with other settings.")
    return [{"id": action["id"], **({"value": action["value"]} if action["id"] not in BARE else {})} for action in actions]


def target_of(zone: Json, body: Json) -> str:
    """The one URL target of a rule."""
    try:
        (target,) = body["targets"]
        if target["target"] != "url" or target["constraint"]["operator"] != "matches":
            raise ValueError
        value = target["constraint"]["value"]
    except (KeyError, TypeError, ValueError) as error:
        raise refused(".targets: Exactly one target of type url with the operator matches is required.") from error
    return normalise(zone, value)


def check_unique(zone: Json, target: str, own_id: str | None) -> None:
    """Two rules cannot have the same target."""
    if any(rule["targets"][0]["constraint"]["value"] == target for rule in zone["page_rules"] if rule["id"] != own_id):
        raise refused(
            ".distinctTargetUrl: Your zone already has an existing page rule with that URL. If you want to modify the existing rule, please edit that rule."
        )


def place(zone: Json, rule: Json, priority: Any) -> None:
    """Put the rule at the wanted priority (higher wins) and number all of them 1..N again. A rule without one goes lowest."""
    others = [other for other in zone["page_rules"] if other["id"] != rule["id"]]
    wanted = 1 if priority is None else priority
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
        raise refused(".priority: Must be a positive integer.")
    others.sort(key=lambda other: int(other["priority"]))
    others.insert(min(wanted, len(others) + 1) - 1, rule)
    for index, other in enumerate(others, start=1):
        other["priority"] = index
    zone["page_rules"] = others


def status_of(body: Json, default: str) -> str:
    """A rule is disabled unless told otherwise."""
    status = body.get("status", default)
    if status not in ("active", "disabled"):
        raise refused(".status: Must be active or disabled.")
    return str(status)


def find(zone: Json, rule_id: str) -> Json:
    """The rule with this identifier."""
    for rule in zone["page_rules"]:
        if rule["id"] == rule_id:
            return dict(rule)
    raise ApiError(404, 1002, "Invalid Page Rule identifier")


def create(zone: Json, body: Json) -> Json:
    """A new rule, within the quota, with a target of its own."""
    target, actions, status = target_of(zone, body), check_actions(zone, body.get("actions")), status_of(body, "disabled")
    quota = PLANS[zone["plan"]]["page_rules"]
    check_unique(zone, target, None)
    if len(zone["page_rules"]) >= quota:
        raise refused(f".pageRuleQuota: Your zone has reached the maximum of {quota} page rules for its plan.")
    rule: Json = {"id": new_id(), "targets": targets(target), "actions": actions, "priority": 0, "status": status, "created_on": now(), "modified_on": now()}
    place(zone, rule, body.get("priority"))
    return find(zone, rule["id"])


def targets(value: str) -> list[Json]:
    """The target in the API's shape."""
    return [{"target": "url", "constraint": {"operator": "matches", "value": value}}]


def replace(zone: Json, rule_id: str, body: Json, *, merge: bool) -> Json:
    """PUT (everything again, `disabled` by default) or PATCH (what is given)."""
    rule = find(zone, rule_id)
    if not merge or "targets" in body:
        target = target_of(zone, body)
        check_unique(zone, target, rule_id)
        rule["targets"] = targets(target)
    if not merge or "actions" in body:
        rule["actions"] = check_actions(zone, body.get("actions"))
    rule["status"] = status_of(body, rule["status"] if merge else "disabled")
    rule["modified_on"] = now()
    place(zone, rule, body.get("priority", rule["priority"]))
    return find(zone, rule_id)


def remove(zone: Json, rule_id: str) -> Json:
    """Delete a rule; the others move up."""
    find(zone, rule_id)
    zone["page_rules"] = [rule for rule in zone["page_rules"] if rule["id"] != rule_id]
    for index, rule in enumerate(sorted(zone["page_rules"], key=lambda other: int(other["priority"])), start=1):
        rule["priority"] = index
    return {"id": rule_id}


def select(zone: Json, query: dict[str, str]) -> list[Json]:
    """The rules, highest priority first unless asked otherwise."""
    rows = [rule for rule in zone["page_rules"] if query.get("status") in (None, rule["status"])]
    order = query.get("order", "priority")
    return sorted(rows, key=lambda rule: rule[order], reverse=query.get("direction", "desc") == "desc")
