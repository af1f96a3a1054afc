# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of the Management API: organisations and projects, and how time moves projects from state to state."""

from __future__ import annotations

import datetime
import secrets
import uuid
from collections.abc import Callable
from typing import Any

from lab.supabase import identity

from ..faults import Faults
from ..kit import Store

# The state a project passes through -> the state it reaches, seconds it takes, and the fault that makes it fail.
JOURNEYS: dict[str, tuple[str, float, str, str]] = {
    "COMING_UP": ("ACTIVE_HEALTHY", 6, "init_failed", "INIT_FAILED"),
    "RESTORING": ("ACTIVE_HEALTHY", 6, "restore_failed", "RESTORE_FAILED"),
    "PAUSING": ("INACTIVE", 3, "pause_failed", "PAUSE_FAILED"),
    "RESTARTING": ("ACTIVE_HEALTHY", 3, "", ""),
    "RESIZING": ("ACTIVE_HEALTHY", 3, "", ""),
    "UPGRADING": ("ACTIVE_HEALTHY", 6, "", ""),
    "GOING_DOWN": ("REMOVED", 2, "", ""),
}
STATES = (
    "INACTIVE", "ACTIVE_HEALTHY", "ACTIVE_UNHEALTHY", "COMING_UP", "UNKNOWN", "GOING_DOWN", "INIT_FAILED", "REMOVED", "RESTORING", "UPGRADING",
    "PAUSING", "RESTORE_FAILED", "RESTARTING", "PAUSE_FAILED", "RESIZING",
)  # fmt: skip
ORGANISATION = "quetrex-lab"


class ApiError(Exception):
    """Answer this status with this message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class World:
    """Everything the API knows; times are seconds since 1970 of the injected clock."""

    def __init__(self, store: Store, faults: Faults, clock: Callable[[], float], pace: float) -> None:
        self.store = store
        self.faults = faults
        self.clock = clock
        self.pace = pace

    @property
    def data(self) -> dict[str, Any]:
        return self.store.data

    def seed(self, who: identity.Identity, host: str, version: str) -> None:
        """The organisation, and the project that the lab's database belongs to."""
        with self.store.edit() as data:
            data.setdefault("organizations", {ORGANISATION: {"id": ORGANISATION, "slug": ORGANISATION, "name": "Quetrex lab", "plan": "free"}})
            projects = data.setdefault("projects", {})
            if who.ref not in projects:
                projects[who.ref] = self.new_project(who, "quetrex", ORGANISATION, host, version)
                projects[who.ref]["status"] = "ACTIVE_HEALTHY"

    def new_project(self, who: identity.Identity, name: str, organisation: str, host: str, version: str) -> dict[str, Any]:
        return {
            "ref": who.ref,
            "name": name,
            "organization": organisation,
            "region": who.region,
            "created_at": self.now(),
            "status": "COMING_UP",
            "since": self.clock(),
            "password": who.password,
            "jwt_secret": who.jwt_secret,
            "host": host,
            "pooler_host": who.pooler_host,
            "version": version,
            "legacy_keys": True,
            "keys": {item["id"]: item for item in (self.new_key(kind, "default", who.newer_key(kind)) for kind in ("publishable", "secret"))},
            "pool": {"default_pool_size": None, "pool_mode": "transaction"},
            "ssl": False,
            "ssl_wanted": False,
            "restrictions": {"v4": [], "v6": []},
            "restrictions_in_force": None,
            "restrictions_pending": False,
            "addons": {},
            "disk_gb": 8,
        }

    def new_key(self, kind: str, name: str, key: str = "", description: str | None = None) -> dict[str, Any]:
        """A key of the newer kinds, as the dashboard shows it to its owner."""
        key = key or f"sb_{kind}_{secrets.token_urlsafe(24)}"
        item = {"id": str(uuid.uuid4()), "type": kind, "name": name, "description": description, "api_key": key, "prefix": key[:15]}
        return item | {"inserted_at": self.now(), "updated_at": self.now()}

    def now(self) -> str:
        return datetime.datetime.fromtimestamp(self.clock(), datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def move(self, project: dict[str, Any], status: str) -> None:
        """Send a project on its way; it arrives by itself."""
        project["status"], project["since"] = status, self.clock()

    def settle(self) -> list[tuple[str, str]]:
        """Let every journey end whose time is over: (project, state reached)."""
        reached = []
        for ref, project in list(self.data["projects"].items()):
            journey = JOURNEYS.get(project["status"])
            if journey and self.clock() - project["since"] >= journey[1] * self.pace:
                target, _seconds, fault, failed = journey
                project["status"] = failed if fault and self.faults.domain(fault) else target
                reached.append((ref, project["status"]))
                if project["status"] == "REMOVED":
                    del self.data["projects"][ref]
        return reached

    def project(self, ref: str) -> dict[str, Any]:
        found = self.data["projects"].get(ref)
        if found is None:
            # The vendor does not say whether somebody else's project exists.
            raise ApiError(404, "Project not found")
        answer: dict[str, Any] = found
        return answer

    def running(self, ref: str) -> dict[str, Any]:
        """The project, if its database can be asked; the vendor's own status 540 says that it is paused."""
        project = self.project(ref)
        if project["status"] in {"INACTIVE", "PAUSING", "RESTORING"}:
            raise ApiError(540, "Project is paused")
        if project["status"] in {"COMING_UP", "INIT_FAILED", "GOING_DOWN"}:
            raise ApiError(400, "Project is not ready")
        return project

    def plan(self, organisation: str) -> str:
        chosen = self.faults.domain("plan")
        return str(chosen["plan"] if chosen else self.data["organizations"][organisation]["plan"])
