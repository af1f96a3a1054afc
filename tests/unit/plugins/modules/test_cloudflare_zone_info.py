# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zone and what a token lacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lab.api.cloudflare.testing import CloudflareServer

Run = Callable[..., dict[str, Any]]


ALL = ["dns", "zone_settings", "page_rules", "cache_rules", "bot_management", "ssl_and_certificates", "firewall_services", "cache_purge"]
LABELS = ["DNS", "Zone Settings", "Page Rules", "Cache Rules", "Bot Management", "SSL and Certificates", "Firewall Services"]
EDIT = [*(f"{label} Edit" for label in LABELS), "Cache Purge"]
SCOPES = ["DNS", "Zone Settings", "Page Rules", "Cache Settings", "Bot Management", "SSL and Certificates", "Firewall Services"]


def allow(api: CloudflareServer, *scopes: str) -> None:
    api.cloud.state["tokens"][api.token]["scopes"] = list(scopes)


def test_missing_permissions_are_named(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    allow(cloudflare_api, "Zone Read", "DNS Read")
    result = run_cloudflare("zone_info", permissions=ALL)
    assert result["missing_permissions"] == [f"{name} Read" for name in LABELS if name != "DNS"]
    assert result["zone"]["page_rule_quota"] == 3
    assert run_cloudflare("zone_info", permissions=ALL, access="write")["missing_permissions"] == EDIT


def test_read_only_token(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    """A token that only reads is told from one that writes and nothing is touched."""
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


def test_unknown_permission(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    """A permission nobody knows is refused before anything is asked."""
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


def test_permission_for_certificates(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    """Cloudflare decides it by the names in the request. An empty one, as it was sent before, is refused for being empty, whatever the token may do."""
    allow(cloudflare_api, "Zone Read", "SSL and Certificates Read")
    assert cloudflare_api.call("POST", "/certificates", {}).status_code == 400, "not 403, so it seemed to be permitted"
    assert run_cloudflare("zone_info", permissions=["ssl_and_certificates"], access="write")["missing_permissions"] == ["SSL and Certificates Edit"]
    cloudflare_api.cloud.state["tokens"][cloudflare_api.token]["owner_without_api"] = True
    missing = run_cloudflare("zone_info", permissions=["ssl_and_certificates"], access="write")["missing_permissions"]
    assert missing == ["API Access of the token's owner (Manage Account > Members)"]


def test_pending_zone(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    """Before, it passed for a zone like any other, and the platform was bought."""
    cloudflare_api.zone["progress"] = ["pending"]
    result = run_cloudflare("zone_info", certificate_names=["@", "www"])
    assert result["zone"]["status"] == "pending"
    assert "Set its name servers at the registrar of quetrex.test to bob.ns.cloudflare.com and lola.ns.cloudflare.com" in result["missing"][0]


@pytest.mark.parametrize(
    ("changes", "names", "state", "words"),
    [
        ({}, ["@", "www", "*"], "active", ""),
        ({"pack_progress": ["pending_validation"]}, ["www"], "pending", "no certificate for www.quetrex.test yet (pending_validation)"),
        ({"pack_progress": ["validation_timed_out"]}, ["@"], "failed", "CAA"),
        ({"universal": False}, ["@"], "none", "Switch Universal SSL on"),
        ({}, ["a.b"], "none", "No certificate of the edge is for a.b.quetrex.test"),
    ],
)
def test_the_edges_certificate(
    cloudflare_api: CloudflareServer, run_cloudflare: Run, changes: dict[str, Any], names: list[str], state: str, words: str
) -> None:
    cloudflare_api.zone.update(changes)
    result = run_cloudflare("zone_info", certificate_names=names)
    assert result["edge_certificate"]["state"] == state
    assert (words in "".join(result["missing"])) is True
    assert bool(result["missing"]) is (state != "active")
    assert bool(result["edge_certificate"]["expires_on"]) is (state == "active")


def test_certificate_without_permission(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    """A token that may not look leaves the certificate unknown."""
    allow(cloudflare_api, "Zone Read")
    result = run_cloudflare("zone_info", certificate_names=["@"])
    assert (result["edge_certificate"]["state"], result["missing"]) == ("unknown", [])


def test_a_zone_without_a_quota(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    """A zone may be described without it: page rules are made all the same, and their number is Cloudflare's to refuse."""
    cloudflare_api.zone["quota_told"] = False
    assert run_cloudflare("zone_info")["zone"]["page_rule_quota"] is None
    rules = [{"target": f"quetrex.test/{number}/*", "actions": {"cache_level": "bypass"}} for number in range(4)]
    assert run_cloudflare("page_rules", rules=rules[:1])["changed"] is True
    assert run_cloudflare("page_rules", rules=rules)["failure"]["code"] == 1004
