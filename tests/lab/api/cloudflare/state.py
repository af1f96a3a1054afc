# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Cloudflare stand-in remembers: accounts' tokens, zones with their plan, records, settings, rules and certificates."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .errors import ApiError

if TYPE_CHECKING:
    from lab.config import Lab

Json = dict[str, Any]
PLANS: dict[str, Json] = {
    "free": {"name": "Free Website", "page_rules": 3, "cache_rules": 10, "tags": 0, "comment": 100, "edge_ttl": 7200, "browser_ttl": 1800, "min_ttl": 60},
    "pro": {"name": "Pro Website", "page_rules": 20, "cache_rules": 25, "tags": 20, "comment": 500, "edge_ttl": 3600, "browser_ttl": 1800, "min_ttl": 60},
    "business": {"name": "Business Website", "page_rules": 50, "cache_rules": 50, "tags": 20, "comment": 500, "edge_ttl": 1, "browser_ttl": 1, "min_ttl": 60},
}
SCOPES = (
    "Zone Read",
    "Zone Settings Write",
    "DNS Write",
    "Page Rules Write",
    "Bot Management Write",
    "SSL and Certificates Write",
    "Cache Settings Write",
    "Cache Purge",
    "Firewall Services Write",
)


def now() -> str:
    """This moment as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def new_id() -> str:
    """An identifier: 32 hexadecimal digits."""
    return uuid.uuid4().hex


def token_of(lab: Lab) -> str:
    """The API token every permission hangs on, the same each time this lab is made (40 characters, like the vendor's)."""
    return hashlib.sha256(f"cloudflare token of {lab.name}".encode()).hexdigest()[:40]


def new_zone(name: str, plan: str = "free") -> Json:
    """An active zone with nothing in it and every setting at the vendor's default."""
    return {
        "id": hashlib.sha256(f"zone {name}".encode()).hexdigest()[:32],
        "name": name,
        "plan": plan,
        "created_on": now(),
        "modified_on": now(),
        "records": {},
        "settings": {},
        "page_rules": [],
        "rulesets": {},
        "bot_management": {},
        "access_rules": {},
        "cache_generation": 1,
        "purged": [],
    }


def new_state(lab: Lab) -> Json:
    """An account that owns one zone, the lab's domain, on the Free plan."""
    zone = new_zone(lab.domain)
    token = {"id": new_id(), "status": "active", "scopes": list(SCOPES), "zones": None}
    return {"account": new_id(), "tokens": {token_of(lab): token}, "zones": {zone["id"]: zone}, "certificates": {}}


class Cloud:
    """The account's state and what handlers share. `changed` tells listeners (the edge, the disk) after every write."""

    def __init__(self, lab: Lab, state: Json, save: Callable[[Json], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.lab = lab
        self.state = state
        self.clock = clock
        self._save = save
        self.listeners: list[Callable[[], None]] = []
        self.calls: dict[str, list[float]] = {}

    def changed(self) -> None:
        """Keep what was written and tell who watches."""
        self._save(self.state)
        for listener in self.listeners:
            listener()

    def zone(self, zone_id: str) -> Json:
        """A zone of the account. An identifier of the wrong form cannot be routed; a foreign zone is not accessible."""
        if len(zone_id) != 32 or not set(zone_id) <= set("0123456789abcdef"):
            raise ApiError(404, 7003, f"Could not route to /zones/{zone_id}, perhaps your object identifier is invalid?")
        zone: Json | None = self.state["zones"].get(zone_id)
        if zone is None:
            raise ApiError(403, 9109, "Unauthorized to access requested resource")
        return zone
