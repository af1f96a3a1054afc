# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stateful stand-ins of two uptime monitor services: UptimeRobot's API v3 (`/v3`) and Better Stack's (`/api/v2`).

Only what the platform uses: monitors, and who is told. Nothing is probed; a monitor's status is `UP` until the fault
`{"domain": "down", "url": …}` says otherwise. Both refuse as the vendors do: token, unknown fields' values, rate limit, and, switched on by the
faults of `plans`, what the free plan does not offer.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from ..faults import Faults
from ..kit import LabPaths, Store
from .betterstack import better_stack
from .plans import Moods
from .uptimerobot import uptime_robot

if TYPE_CHECKING:
    from lab.config import Lab

__all__ = ["create_app", "token", "token_of"]


def token(name: str) -> str:
    """The key of the lab of that name, accepted by both."""
    return "u" + hashlib.sha256(f"monitors {name}".encode()).hexdigest()[:32]


def token_of(lab: Lab) -> str:
    return token(lab.name)


def create_app(lab: LabPaths, *, clock: Callable[[], float] = time.time, requests_per_minute: int = 60) -> Starlette:
    """Both services. `requests_per_minute`: UptimeRobot's paid plans allow twice the number of monitors; free is always 10."""
    store, faults, key = Store(lab, "monitors"), Faults(), token(getattr(lab, "name", "scratch"))
    with store.edit() as data:
        data.setdefault("next", 777000001)
        data.setdefault("monitors", {})
        data.setdefault("better", {})
        contact = {
            "id": 1, "friendlyName": "Lab owner", "type": "Email", "value": "owner@quetrex.test", "customValue": None, "enableNotificationsFor": "UpAndDown",
            "sslExpirationReminder": True, "mobileProviderId": None, "status": "Active", "orgAlertContactId": None,
        }  # fmt: skip
        data.setdefault("contacts", [contact, {**contact, "id": 2, "friendlyName": "Lab owner's phone", "type": "ProSms", "value": "+15550100"}])
    moods = Moods(faults)
    app = Starlette(routes=[*uptime_robot(store, moods, key, clock, requests_per_minute), *better_stack(store, moods, key, clock)])
    app.state.faults = faults
    return app
