# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IP Access rules that let addresses through, and the steps from what is there to that. Pure functions.

A rule is about one address or network, and Cloudflare keeps one rule at most about each. Ours are those with our note.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from ..api.errors import Failure
from ..api.module import Plan

Json = dict[str, Any]
ALLOW = "whitelist"
# the networks that a rule can be about
LENGTHS = {4: (16, 24), 6: (32, 48, 64)}
# scopes of the rules that a zone has from above, and that cannot be changed there
INHERITED = ("account", "organization")


def key(value: str) -> str:
    """One form of an address or network, whatever form the API gives it."""
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        return value
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def configuration(given: str) -> Json:
    """What a rule about this address or network says; refused when Cloudflare has no such rules."""
    try:
        network = ipaddress.ip_network(given)
    except ValueError as error:
        raise Failure(f"addresses: {given!r} is no address or network ({error}).", code="invalid_value", details=given) from error
    if network.prefixlen == network.max_prefixlen:
        return {"target": "ip" if network.version == 4 else "ip6", "value": str(network.network_address)}
    if network.prefixlen not in LENGTHS[network.version]:
        raise Failure(
            f"addresses: {given} is of a size that Cloudflare has no rules for; name single addresses, IPv4 networks of /16 or /24, or IPv6 networks of "
            "/32, /48 or /64.",
            code="invalid_value",
            details=given,
        )
    return {"target": "ip_range", "value": str(network)}


def view(row: Json) -> Json:
    """What a plan needs of a rule. One that was made without a note has none, and the scope may be left out."""
    return {
        "id": row["id"],
        "address": key(row["configuration"]["value"]),
        "mode": row["mode"],
        "notes": row.get("notes") or "",
        "inherited": (row.get("scope") or {}).get("type") in INHERITED,
    }


def plan(current: list[Json], addresses: Iterable[str], notes: str) -> Plan[list[Json]]:
    """Each address is let through, by a rule of ours or of somebody else; rules of ours about other addresses go."""
    wanted = {configuration(one)["value"]: configuration(one) for one in addresses}
    ours = [row for row in current if row["notes"] == notes and not row["inherited"]]
    there = {row["address"]: row for row in current}
    steps: list[Json] = []
    for address, about in wanted.items():
        row = there.get(address)
        if row is None:
            steps.append({"action": "create", "id": "", "address": address, "body": {"mode": ALLOW, "configuration": about, "notes": notes}})
        elif row["mode"] != ALLOW and row in ours:
            steps.append({"action": "update", "id": row["id"], "address": address, "body": {"mode": ALLOW, "configuration": about, "notes": notes}})
        elif row["mode"] != ALLOW:
            raise Failure(
                f"A rule of somebody else ({row['notes'] or 'without a note'}) says {row['mode']} to {address}. Nothing was written: remove that rule under "
                "Security > WAF > Tools, or leave the address out.",
                code="conflict",
                details=row,
            )
    steps += [{"action": "delete", "id": row["id"], "address": row["address"]} for row in ours if row["address"] not in wanted]
    gone = {step["id"] for step in steps if step["action"] != "create"}
    made = [{"id": "", "address": step["address"], "mode": ALLOW, "notes": notes, "inherited": False} for step in steps if step["action"] != "delete"]
    return Plan([row for row in current if row["id"] not in gone] + made, steps)


def shown(rows: list[Json], notes: str) -> Json:
    """The rules of ours, for people."""
    return {row["address"]: row["mode"] for row in sorted(rows, key=lambda row: str(row["address"])) if row["notes"] == notes}
