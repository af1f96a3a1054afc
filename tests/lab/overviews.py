# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status page of a platform that is made up: for tests of the page, also in a browser."""

from __future__ import annotations

import datetime as dt
from typing import Any

from ansible_collections.quetrex.platform.plugins.module_utils.reporting import forecast as fc
from ansible_collections.quetrex.platform.plugins.module_utils.reporting.findings import Expected, Limits, judge
from ansible_collections.quetrex.platform.plugins.module_utils.reporting.page import Overview
from lab.observations import clean

NOW = dt.datetime(2026, 11, 23, 2, 0, tzinfo=dt.UTC)
CAPACITY: dict[str, Any] = {
    "currency": "EUR",
    "tiers": {
        "starter": {"name": "cpx31", "cores": 4, "memory": 8.0, "server": 62.99, "primary_ip": 0.6, "volume": 0.57, "total": 64.16},
        "growth": {"name": "cpx31", "cores": 4, "memory": 8.0, "total": 64.16},
        "scale": {"name": "cpx41", "cores": 8, "memory": 16.0, "total": 122.16},
        "peak": {"reason": "sold out"},
    },
    "servers": [{"name": "app", "outgoing": 2e11, "included": 3e12}],
    "page_rules": {"used": 2, "quota": 3},
}


REFERENCE = {
    "starter": {"users": "0-500", "server": "CX32", "server_price": 9, "database": "Free", "database_price": 0},
    "scale": {"users": "2,000-5,000", "server": "CX42", "server_price": 18, "database": "Pro", "database_price": 25},
}


def overview(observed: dict[str, Any], **more: Any) -> Overview:
    found = judge(observed, Expected(), Limits())
    gauges = fc.gauges(observed, CAPACITY, "starter")
    told = [(gauge, fc.forecast(gauge, more.pop("samples", []), NOW)) for gauge in gauges]
    given = {"name": "quetrex test", "domain": "example.com", "at": observed["at"], "tier": "starter", **more}
    return Overview(findings=found, observed=observed, gauges=told, costs=fc.costs(observed, CAPACITY, "starter", REFERENCE), **given)


def full() -> dict[str, Any]:
    """A clean platform with everything the page can show."""
    observed = clean()
    inspection = observed["servers"][0]["inspection"]
    image = "registry.example.com/web@sha256:" + "d" * 64
    inspection["releases"] = {
        "current": {"version": "1.2.0", "at": "2026-11-22T02:00:00Z", "image": image},
        "previous": None,
        "log": [{"at": "2026-11-22T02:00:00Z", "by": "deploy", "image": image, "outcome": "released", "seconds": {"gate": 1.5, "pull": 2.0}}],
    }
    observed["project"]["project"]["plan"] = "free"
    observed["project"]["usage"] = [{"name": "database_bytes", "used": 100e6, "limit": 500e6, "share": 0.2}, {"name": "auth_users", "used": 12, "limit": None}]
    return observed
