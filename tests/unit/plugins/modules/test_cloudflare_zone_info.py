# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zone and what a token lacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.api.cloudflare.testing import CloudflareServer

Run = Callable[..., dict[str, Any]]


def test_missing_permissions_are_named(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    cloudflare_api.cloud.state["tokens"][cloudflare_api.token]["scopes"] = ["Zone Read", "DNS Write"]
    result = run_cloudflare("zone_info", permissions=["dns", "zone_settings", "page_rules", "cache_rules", "bot_management", "ssl_and_certificates"])
    assert result["missing_permissions"] == ["Zone Settings", "Page Rules", "Cache Rules", "Bot Management", "SSL and Certificates"]
    assert result["zone"]["page_rule_quota"] == 3


def test_an_unknown_zone_is_named(run_cloudflare: Run) -> None:
    assert run_cloudflare("zone_info", zone="example.com")["failure"]["code"] == "zone_not_found"
