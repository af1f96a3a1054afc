# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bot management, cache purge, the edge's address ranges and zones."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import urlsplit

from . import packs
from .errors import ApiError
from .state import PLANS, Cloud, Json, new_id

BOT_DEFAULTS: Json = {
    "enable_js": True,
    "fight_mode": False,
    "using_latest_model": True,
    "ai_bots_protection": "disabled",
    "crawler_protection": "disabled",
    "is_robots_txt_managed": False,
}
BOT_TYPES: dict[str, Any] = {
    "enable_js": bool,
    "fight_mode": bool,
    "ai_bots_protection": ("block", "disabled", "only_on_ad_pages"),
    "crawler_protection": ("enabled", "disabled"),
    "is_robots_txt_managed": bool,
}
PURGE_KINDS = ("purge_everything", "files", "tags", "hosts", "prefixes")
PURGE_LIMIT = 100


def bots(zone: Json) -> Json:
    """The bot settings of a Free zone."""
    return {**BOT_DEFAULTS, **zone["bot_management"]}


def edit_bots(zone: Json, body: Json) -> Json:
    """Change what is given. Switching fight mode on switches the JavaScript detection with it, as the vendor does."""
    for key, value in body.items():
        kind = BOT_TYPES.get(key)
        if kind is None:
            raise ApiError(400, 10001, f"{key} cannot be set on this plan")
        if not (isinstance(value, bool) if kind is bool else value in kind):
            raise ApiError(400, 10001, f"invalid value for {key}")
    zone["bot_management"].update(body)
    if body.get("fight_mode"):
        zone["bot_management"]["enable_js"] = True
    return bots(zone)


def purge(zone: Json, body: Json) -> Json:
    """Note what has to leave the cache; the edge does it. One kind of purge in one request."""
    kinds = [kind for kind in PURGE_KINDS if kind in body]
    if len(kinds) != 1 or not body[kinds[0]] or set(body) - set(PURGE_KINDS):
        raise ApiError(400, 1012, 'Request must contain one of "purge_everything", "files", "tags", "hosts" or "prefixes"')
    kind, items = kinds[0], body[kinds[0]]
    if kind == "purge_everything":
        zone["cache_generation"] += 1
        return {"id": zone["id"]}
    if not isinstance(items, list) or len(items) > PURGE_LIMIT:
        raise ApiError(400, 1094, f"You may only purge {PURGE_LIMIT} items at once.")
    if kind == "files":
        items = [check_url(zone, item["url"] if isinstance(item, dict) else item) for item in items]
    zone["purged"] = [*zone["purged"][-50:], {"id": new_id(), "kind": kind, "items": items}]
    return {"id": zone["id"]}


def check_url(zone: Json, url: str) -> str:
    """A full address inside the zone."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or (host != zone["name"] and not host.endswith("." + zone["name"])):
        raise ApiError(400, 1016, f"Unable to purge {url}: it does not belong to this zone.")
    return url


def ranges(lab: Any) -> Json:
    """The networks the edge speaks from, with a tag that changes when they do."""
    found = {"ipv4_cidrs": [lab.network(1)], "ipv6_cidrs": [lab.network6(1)]}
    return {**found, "etag": hashlib.md5(json.dumps(found).encode(), usedforsecurity=False).hexdigest()}


def zone_view(cloud: Cloud, zone: Json) -> Json:
    """A zone as `GET /zones` describes it."""
    plan, status = PLANS[zone["plan"]], packs.status(zone)
    packs.step(zone, "progress")
    quota = {"page_rule_quota": plan["page_rules"]} if zone.get("quota_told", True) else {}
    return {
        "id": zone["id"],
        "name": zone["name"],
        "status": status,
        "paused": False,
        "type": "full",
        "development_mode": 0,
        "name_servers": ["bob.ns.cloudflare.com", "lola.ns.cloudflare.com"],
        "original_name_servers": None,
        "original_registrar": None,
        "original_dnshost": None,
        "created_on": zone["created_on"],
        "modified_on": zone["modified_on"],
        "activated_on": zone["created_on"] if status == "active" else None,
        "meta": {"step": 2, "custom_certificate_quota": 0, **quota, "phishing_detected": False},
        "owner": {"id": None, "type": "user", "email": None},
        "account": {"id": cloud.state["account"], "name": "Lab"},
        "permissions": [],
        "plan": {
            "id": hashlib.md5(zone["plan"].encode(), usedforsecurity=False).hexdigest(),
            "name": plan["name"],
            "price": 0,
            "currency": "USD",
            "frequency": "",
            "is_subscribed": False,
            "can_subscribe": False,
            "legacy_id": zone["plan"],
            "legacy_discount": False,
        },
    }


def select_zones(cloud: Cloud, token: Json, query: dict[str, str]) -> list[Json]:
    """The zones a token may see, by exact name or `operator:name`."""
    rows = [zone for key, zone in cloud.state["zones"].items() if token["zones"] is None or key in token["zones"]]
    operator, _colon, wanted = query.get("name", "").rpartition(":")
    tests: dict[str, Any] = {
        "": lambda name: name == wanted,
        "equal": lambda name: name == wanted,
        "contains": lambda name: wanted in name,
        "starts_with": lambda name: name.startswith(wanted),
        "ends_with": lambda name: name.endswith(wanted),
    }
    if wanted and operator not in tests:
        raise ApiError(400, 1001, f"Invalid list parameters: name operator {operator}")
    if wanted:
        rows = [zone for zone in rows if tests[operator](zone["name"])]
    rows = [zone for zone in rows if query.get("status", packs.status(zone)) == packs.status(zone)]
    return [zone_view(cloud, zone) for zone in sorted(rows, key=lambda zone: str(zone["name"]))]
