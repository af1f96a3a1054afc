# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a zone serves visitors yet: it is active, and the edge has a certificate for each name. Pure functions.

A zone that was just added takes records and settings at once and does nothing with them until its name servers are seen; its certificate comes
fifteen minutes to a day after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Json = dict[str, Any]
WAITS = ("initializing", "pending_validation", "pending_issuance", "pending_deployment", "holding_deployment")


def covers(host: str, name: str) -> bool:
    """Whether a certificate for a host is one for a name; an asterisk stands for one label."""
    return host == name or (host.startswith("*.") and name.partition(".")[2] == host[2:])


def certificate(packs: Sequence[Json], names: Iterable[str]) -> Json:
    """What the edge can show for all the names: `state` is active, pending, failed or none, with the `status` that decides, and the earliest end."""
    best: list[Json] = []
    for name in names:
        fitting = [pack for pack in packs if any(covers(host, name) for host in pack["hosts"])]
        ready = [pack for pack in fitting if pack["status"] == "active"]
        if not ready:
            waiting = [pack["status"] for pack in fitting if pack["status"] in WAITS]
            failed = [pack["status"] for pack in fitting if pack["status"].endswith("_timed_out") or pack["status"] == "expired"]
            state = "pending" if waiting else "failed" if failed else "none"
            return {"state": state, "status": next(iter([*waiting, *failed]), ""), "name": name, "expires_on": None}
        best += ready
    ends = sorted(str(one["expires_on"]) for pack in best for one in pack["certificates"] if one.get("expires_on"))
    return {"state": "active", "status": "active" if best else "", "name": "", "expires_on": ends[0] if ends else None}


def missing(zone: Json, edge: Json) -> list[str]:
    """What keeps visitors from being served, with what to do about it."""
    reason = _inactive(zone) if zone["status"] != "active" else _uncovered(edge)
    return [reason] if reason else []


def _inactive(zone: Json) -> str:
    name, servers = zone["name"], " and ".join(zone["name_servers"])
    here = f" (now: {', '.join(zone['original_name_servers'])})" if zone["original_name_servers"] else ""
    return (
        f"The zone {name} is {zone['status']} at Cloudflare, not active: nothing of it reaches a visitor. Set its name servers at the registrar of "
        f"{name} to {servers}{here}, and nothing else; Cloudflare sees it within minutes to a day."
    )


def _uncovered(edge: Json) -> str:
    name, status = edge["name"], edge["status"]
    return {
        "pending": (
            f"The edge has no certificate for {name} yet ({status}): every visitor's TLS handshake fails. Cloudflare issues it 15 minutes to 24 hours "
            "after the zone became active."
        ),
        "failed": (
            f"The edge's certificate for {name} was not issued ({status}). Look at SSL/TLS > Edge Certificates; a CAA record that names other "
            "authorities is the usual reason."
        ),
        "none": (
            f"No certificate of the edge is for {name}. Switch Universal SSL on under SSL/TLS > Edge Certificates; it is for the zone and the names "
            "one label below it, more needs an advanced certificate."
        ),
    }.get(edge["state"], "")
