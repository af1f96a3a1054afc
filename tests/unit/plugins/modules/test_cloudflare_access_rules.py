# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IP Access rules: made, kept, removed, and nothing of somebody else's touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.api.cloudflare.testing import CloudflareServer

Run = Callable[..., dict[str, Any]]
RULES = "/zones/{zone}/firewall/access_rules/rules"
ADDRESSES = ["192.0.2.10", "198.51.100.0/24", "2001:db8::1", "2001:DB8:1::/64"]


def there(api: CloudflareServer) -> dict[str, tuple[str, str]]:
    return {row["configuration"]["value"]: (row["mode"], row.get("notes", "")) for row in api.zone.get("access_rules", {}).values()}


def add(api: CloudflareServer, mode: str, value: str, notes: str = "") -> None:
    body = {"mode": mode, "configuration": {"target": "ip", "value": value}, "notes": notes}
    assert api.call("POST", RULES, body).status_code == 200


def test_from_check_mode_to_removal(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    planned = run_cloudflare("access_rules", check=True, addresses=ADDRESSES)
    assert (planned["changed"], there(cloudflare_api)) == (True, {})
    made = run_cloudflare("access_rules", addresses=ADDRESSES)
    assert planned["diff"] == made["diff"]
    assert sorted(there(cloudflare_api)) == ["192.0.2.10", "198.51.100.0/24", "2001:db8:1::/64", "2001:db8::1"]
    assert run_cloudflare("access_rules", addresses=ADDRESSES)["changed"] is False
    run_cloudflare("access_rules", addresses=ADDRESSES[:1])
    assert there(cloudflare_api) == {"192.0.2.10": ("whitelist", "quetrex.platform")}
    run_cloudflare("access_rules", addresses=[])
    assert there(cloudflare_api) == {}


def test_rules_of_somebody_else_stay(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    """One that lets the address through is enough, one that does not is an error, and others are none of ours."""
    add(cloudflare_api, "whitelist", "192.0.2.10", "the office")
    add(cloudflare_api, "block", "192.0.2.66", "a bad one")
    assert run_cloudflare("access_rules", addresses=["192.0.2.10"])["changed"] is False
    result = run_cloudflare("access_rules", addresses=["192.0.2.10", "192.0.2.66", "192.0.2.11"])
    assert (result["failure"]["code"], "a bad one" in result["msg"]) == ("conflict", True)
    run_cloudflare("access_rules", addresses=[])
    assert sorted(there(cloudflare_api)) == ["192.0.2.10", "192.0.2.66"]


@pytest.mark.parametrize("scope", [None, {"id": "a", "type": "user"}, {"id": "a", "type": "account"}])
def test_scopes(cloudflare_api: CloudflareServer, run_cloudflare: Run, scope: dict[str, Any] | None) -> None:
    """The vendor's description makes the scope optional, and the API says `zone` where it says `user`; a rule from above is let be."""
    run_cloudflare("access_rules", addresses=["192.0.2.10"])
    add(cloudflare_api, "block", "192.0.2.66")
    for row in cloudflare_api.zone["access_rules"].values():
        del row["scope"]
        row.update({"scope": scope} if scope else {})
    assert run_cloudflare("access_rules", addresses=["192.0.2.10"])["changed"] is False
    changed = run_cloudflare("access_rules", addresses=[])["changed"]
    assert (changed, len(there(cloudflare_api))) == ((False, 2) if scope and scope["type"] == "account" else (True, 1))


def test_one_of_ours_that_was_turned_round_is_set_right(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    add(cloudflare_api, "challenge", "192.0.2.10", "quetrex.platform")
    assert [step["action"] for step in run_cloudflare("access_rules", addresses=["192.0.2.10"])["steps"]] == ["update"]
    assert there(cloudflare_api)["192.0.2.10"][0] == "whitelist"


@pytest.mark.parametrize("value", ["192.0.2.0/28", "10.0.0.0/8", "2001:db8::/56", "example.com", "192.0.2.1/24"])
def test_invalid_targets(cloudflare_api: CloudflareServer, run_cloudflare: Run, value: str) -> None:
    """What no rule can be about is refused before anything is asked."""
    result = run_cloudflare("access_rules", addresses=["192.0.2.10", value])
    assert (result["failure"]["code"], value in result["msg"]) == ("invalid_value", True)
    assert cloudflare_api.log() == []


def test_more_rules_than_a_page(cloudflare_api: CloudflareServer, run_cloudflare: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is passed over, so none is made twice; the API would refuse it."""
    monkeypatch.setattr("ansible_collections.quetrex.platform.plugins.modules.cloudflare_access_rules.PAGE", 5)
    addresses = [f"192.0.2.{number}" for number in range(12)]
    run_cloudflare("access_rules", addresses=addresses)
    assert run_cloudflare("access_rules", addresses=addresses)["changed"] is False
