# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is at the vendors, from both local APIs."""

from __future__ import annotations

from typing import Any

from lab.api.cloudflare.testing import CloudflareServer

RULE = {"targets": [{"target": "url", "constraint": {"operator": "matches", "value": "quetrex.test/api/*"}}], "status": "active"}


def ask(run_hetzner: Any, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = run_hetzner("platform_capacity", location="ash", volume_size=10, **more)
    return found


def test_every_tier_has_todays_price(run_hetzner: Any) -> None:
    found = ask(run_hetzner)
    assert (found["changed"], found["currency"], found["servers"]) == (False, "EUR", [])
    assert [found["tiers"][tier]["cores"] for tier in ("starter", "growth", "scale", "peak", "fleet")] == [4, 4, 8, 16, 8]
    assert found["tiers"]["starter"]["total"] < found["tiers"]["scale"]["total"] < found["tiers"]["peak"]["total"]
    assert "page_rules" not in found


def test_several_servers_are_counted_in_every_tier(run_hetzner: Any) -> None:
    """With one server only the tier of several is several."""
    one, three = ask(run_hetzner)["tiers"], ask(run_hetzner, count=3)["tiers"]
    assert [one[tier]["servers"] for tier in one] == [1, 1, 1, 1, 3]
    assert [three[tier]["servers"] for tier in three] == [3] * 5
    assert (one["scale"]["balancer"], one["fleet"]["balancer"]) == (0.0, 5.39)
    assert one["fleet"] == three["fleet"]


def test_a_tier_that_cannot_be_had_says_why_and_hides_no_other(run_hetzner: Any, hetzner: Any) -> None:
    hetzner.fault({"domain": "sold_out", "location": "ash"}, times=None)
    offers = ask(run_hetzner)["tiers"]
    assert list(offers) == ["starter", "growth", "scale", "peak", "fleet"]
    assert all("total" not in offer and offer["reason"] for offer in offers.values())


def test_page_rules_stand_against_their_quota(run_hetzner: Any, cloudflare_api: CloudflareServer) -> None:
    cloudflare_api.call("POST", "/zones/{zone}/pagerules", {**RULE, "actions": [{"id": "cache_level", "value": "bypass"}]}).raise_for_status()
    edge = {"cloudflare_api_token": cloudflare_api.token, "cloudflare_api_url": cloudflare_api.url, "zone": cloudflare_api.zone["name"]}
    assert ask(run_hetzner, **edge)["page_rules"] == {"used": 1, "quota": 3, "plan": "free"}


def test_unreadable_edge(run_hetzner: Any, cloudflare_api: CloudflareServer) -> None:
    """An edge that cannot be read is named and the rest is told."""
    found = ask(run_hetzner, cloudflare_api_token="x" * 40, cloudflare_api_url=cloudflare_api.url, zone=cloudflare_api.zone["name"])
    assert list(found["missing"]) == ["page_rules"]
    assert found["tiers"]["starter"]["total"]
