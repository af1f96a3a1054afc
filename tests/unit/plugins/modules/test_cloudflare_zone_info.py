# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zone and what a token lacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lab.api.cloudflare.testing import CloudflareServer

Run = Callable[..., dict[str, Any]]


ALL = ["dns", "zone_settings", "page_rules", "cache_rules", "bot_management", "ssl_and_certificates", "cache_purge"]
EDIT = ["DNS Edit", "Zone Settings Edit", "Page Rules Edit", "Cache Rules Edit", "Bot Management Edit", "SSL and Certificates Edit", "Cache Purge"]
SCOPES = ["DNS", "Zone Settings", "Page Rules", "Cache Settings", "Bot Management", "SSL and Certificates"]


def allow(api: CloudflareServer, *scopes: str) -> None:
    api.cloud.state["tokens"][api.token]["scopes"] = list(scopes)


def test_missing_permissions_are_named(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    allow(cloudflare_api, "Zone Read", "DNS Read")
    result = run_cloudflare("zone_info", permissions=ALL)
    assert result["missing_permissions"] == [
        f"{name} Read" for name in ("Zone Settings", "Page Rules", "Cache Rules", "Bot Management", "SSL and Certificates")
    ]
    assert result["zone"]["page_rule_quota"] == 3
    assert run_cloudflare("zone_info", permissions=ALL, access="write")["missing_permissions"] == EDIT


def test_a_token_that_only_reads_is_told_from_one_that_writes_and_nothing_is_touched(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    before = json.dumps(cloudflare_api.zone, sort_keys=True)
    assert run_cloudflare("zone_info", permissions=ALL, access="write")["missing_permissions"] == []
    allow(cloudflare_api, "Zone Read", *(f"{scope} Read" for scope in SCOPES))
    assert run_cloudflare("zone_info", permissions=ALL)["missing_permissions"] == []
    assert run_cloudflare("zone_info", permissions=ALL, access="write")["missing_permissions"] == EDIT
    assert json.dumps(cloudflare_api.zone, sort_keys=True) == before
    assert cloudflare_api.cloud.state["certificates"] == {}


def test_without_zone_read_that_is_what_is_missing(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    allow(cloudflare_api, "DNS Write")
    assert run_cloudflare("zone_info", permissions=ALL)["missing_permissions"] == ["Zone Read"]


def test_a_token_that_is_none_is_an_error(run_cloudflare: Run) -> None:
    assert "Make a new token" in run_cloudflare("zone_info", api_token="0" * 40)["msg"]


def test_a_permission_nobody_knows_is_refused_before_anything_is_asked(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    result = run_cloudflare("zone_info", permissions=["dns", "dsn"])
    assert result["failure"]["code"] == "unknown_permission"
    assert "dsn is none of dns," in result["msg"]
    assert cloudflare_api.log() == []


def test_an_unknown_zone_is_named(run_cloudflare: Run) -> None:
    assert run_cloudflare("zone_info", zone="example.com")["failure"]["code"] == "zone_not_found"


def test_a_name_below_a_zone_is_told_its_zone(run_cloudflare: Run) -> None:
    zone = run_cloudflare("zone_info")["zone"]["name"]
    result = run_cloudflare("zone_info", zone=f"app.{zone}")
    assert result["failure"]["code"] == "zone_not_found"
    assert f"app.{zone} is a name in the zone {zone}" in result["msg"]
