# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IP Access rules of a zone: who is let in, challenged or blocked before anything else is asked. A rule is known by what it is about."""

from __future__ import annotations

import ipaddress
from typing import Any

from .errors import ApiError
from .state import Json, new_id, now

MODES = ("block", "challenge", "js_challenge", "managed_challenge", "whitelist")
TARGETS = ("ip", "ip6", "ip_range", "asn", "country")
# The networks a rule can be about.
LENGTHS = {4: (16, 24), 6: (32, 48, 64)}


def rules(zone: Json) -> dict[str, Json]:
    """The zone's rules by identifier."""
    found: dict[str, Json] = zone.setdefault("access_rules", {})
    return found


def select(zone: Json, query: dict[str, str]) -> list[Json]:
    """Rules by mode and by a part of their notes, oldest first."""
    mode, part = query.get("mode"), query.get("notes", "").lower()
    return [row for row in rules(zone).values() if mode in (None, row["mode"]) and part in row.get("notes", "").lower()]


def check_configuration(given: Any) -> Json:
    """What a rule is about, checked as the API does: an address, or a network of one of few sizes."""
    target, value = (given.get("target"), given.get("value")) if isinstance(given, dict) else (None, None)
    if target not in TARGETS:
        raise ApiError(400, 10001, "firewallaccessrules.api.invalid_target: target is invalid")
    if target in ("ip", "ip6", "ip_range"):
        try:
            network = ipaddress.ip_network(str(value))
        except ValueError as error:
            raise ApiError(400, 10001, f"firewallaccessrules.api.invalid_{target}: {value} is invalid") from error
        fits = network.prefixlen in LENGTHS[network.version] if target == "ip_range" else "/" not in str(value) and (network.version == 6) == (target == "ip6")
        if not fits:
            raise ApiError(400, 10001, f"firewallaccessrules.api.invalid_{target}: {value} is invalid")
    return {"target": target, "value": str(value)}


def create(zone: Json, body: Json) -> Json:
    """A rule. There is one at most about the same thing. One without a note is answered without the field."""
    configuration = check_configuration(body.get("configuration"))
    if body.get("mode") not in MODES:
        raise ApiError(400, 10001, "firewallaccessrules.api.invalid_mode: mode is invalid")
    if any(row["configuration"] == configuration for row in rules(zone).values()):
        raise ApiError(400, 10009, "firewallaccessrules.api.duplicate_of_existing")
    noted = {"notes": str(body["notes"])} if body.get("notes") else {}
    row = {
        "id": new_id(), **noted, "allowed_modes": list(MODES), "mode": body["mode"], "configuration": configuration,
        "scope": {"id": zone["id"], "name": zone["name"], "type": "zone"}, "created_on": now(), "modified_on": now(),
    }  # fmt: skip
    rules(zone)[row["id"]] = row
    return row


def find(zone: Json, rule_id: str) -> Json:
    """A rule by its identifier."""
    row = rules(zone).get(rule_id)
    if row is None:
        raise ApiError(404, 10002, "firewallaccessrules.api.not_found")
    return row


def edit(zone: Json, rule_id: str, body: Json) -> Json:
    """Another mode or note. What it is about has to be said again, and stays."""
    row = find(zone, rule_id)
    check_configuration(body.get("configuration"))
    if body.get("mode") not in MODES:
        raise ApiError(400, 10001, "firewallaccessrules.api.invalid_mode: mode is invalid")
    row.update({key: body[key] for key in ("mode", "notes") if key in body}, modified_on=now())
    return row


def remove(zone: Json, rule_id: str) -> Json:
    """Take a rule away."""
    find(zone, rule_id)
    del rules(zone)[rule_id]
    return {"id": rule_id}


def let_in(zone: Json) -> list[str]:
    """The addresses and networks that nothing else is asked of."""
    return sorted(row["configuration"]["value"] for row in rules(zone).values() if row["mode"] == "whitelist" and row["configuration"]["target"] != "asn")
