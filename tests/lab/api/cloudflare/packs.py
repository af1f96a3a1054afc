# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a zone is: whether its name servers were seen, and the certificate that its visitors get.

`zone["progress"]` and `zone["pack_progress"]` are lists of statuses; each look at the thing goes one on, and the last one stays. Without them a
zone is active and has its certificate, as most are. In a running lab the fault `{"domain": "zone", "progress": […], "pack_progress": […]}` sets them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from .errors import ApiError
from .state import Json

DAYS = 90


def status(zone: Json) -> str:
    """Whether the zone is active."""
    return str((zone.get("progress") or ["active"])[0])


def pack_status(zone: Json) -> str:
    """How far its certificate is. An inactive zone has none."""
    return str((zone.get("pack_progress") or ["active"])[0]) if status(zone) == "active" else "initializing"


def has_certificate(zone: Json) -> bool:
    """Whether the edge can show one."""
    return pack_status(zone) == "active" and zone.get("universal", True)


def step(zone: Json, key: str) -> None:
    """Time passes."""
    if len(zone.get(key) or []) > 1:
        zone[key] = zone[key][1:]


def packs(zone: Json, query: dict[str, str]) -> list[Json]:
    """The certificates of the zone's names: those in force, or with `status=all` those that are on their way too."""
    if query.get("status", "all") != "all":
        raise ApiError(400, 1001, "Invalid list parameters: status")
    here = pack_status(zone)
    if not zone.get("universal", True) or ("status" not in query and here != "active"):
        return []
    if status(zone) == "active":
        step(zone, "pack_progress")
    hosts = [zone["name"], f"*.{zone['name']}"]
    ends = (datetime.now(UTC) + timedelta(days=zone.get("pack_days", DAYS))).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    certificate = {"id": zone["id"], "hosts": hosts, "status": here, "issuer": "LabTrust", "signature": "ECDSAWithSHA256", "expires_on": ends}
    return [{
        "id": f"{zone['id'][:8]}-0000-4000-8000-{zone['id'][:12]}", "type": "universal", "hosts": hosts, "status": here, "validation_method": "txt",
        "validity_days": DAYS, "certificate_authority": "google", "primary_certificate": zone["id"] if here == "active" else None,
        "certificates": [certificate] if here == "active" else [],
    }]  # fmt: skip


def universal(zone: Json) -> Json:
    """Whether the zone gets a certificate by itself."""
    return {"enabled": zone.get("universal", True)}


def verification(zone: Json) -> list[Json]:
    """What the authority waits for."""
    here = pack_status(zone)
    words = {"active": "active", "pending_validation": "authorizing", "pending_issuance": "issuing", "pending_deployment": "pending_deployment"}
    return [{
        "certificate_status": words.get(here, "initializing"), "brand_check": False, "cert_pack_uuid": f"{zone['id'][:8]}-0000-4000-8000-{zone['id'][:12]}",
        "hostname": zone["name"], "signature": "ECDSAWithSHA256", "validation_method": "txt", "validation_type": "dv", "verification_status": here == "active",
        "verification_type": "cname",
    }]  # fmt: skip


def check_again(zone: Json) -> Json:
    """Look for the name servers once more; an active zone has nothing to look for."""
    if status(zone) == "active":
        raise ApiError(400, 1224, "The zone is already active")
    if zone.get("asked_again"):
        raise ApiError(400, 1225, "You may only perform this action once per hour")
    zone["asked_again"] = True
    return {"id": zone["id"]}
