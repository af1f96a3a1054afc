# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Page rules: four ways, with every kind of trouble on the way, and refusals with their reasons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.api.cloudflare.testing import CloudflareServer

Run = Callable[..., dict[str, Any]]
RULES = [
    {"target": "quetrex.test/api/*", "actions": {"cache_level": "bypass"}},
    {"target": "quetrex.test/_next/static/*", "actions": {"cache_level": "cache_everything", "edge_cache_ttl": "1 month"}},
]


NAME = "page_rules"
FIRST: dict[str, Any] = {"rules": RULES}
SECOND: dict[str, Any] = {"rules": [{**RULES[0], "status": "disabled"}, RULES[1]]}


def test_four_ways(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    planned = run_cloudflare(NAME, check=True, **FIRST)
    assert planned["changed"] is True
    assert cloudflare_api.writes() == []
    done = run_cloudflare(NAME, **FIRST)
    assert done["changed"] is True
    assert done["diff"]["after"] == planned["diff"]["after"], "check mode showed what was done"
    assert run_cloudflare(NAME, **FIRST)["changed"] is False
    assert run_cloudflare(NAME, check=True, **FIRST)["changed"] is False
    cloudflare_api.forget()
    assert run_cloudflare(NAME, **SECOND)["changed"] is True
    assert len(cloudflare_api.writes()) == 1


@pytest.mark.parametrize("check", [True, False])
def test_what_the_plan_does_not_allow_is_refused_before_a_write(cloudflare_api: CloudflareServer, run_cloudflare: Run, check: bool) -> None:
    many = [{"target": f"quetrex.test/{number}", "actions": {"cache_level": "bypass"}} for number in range(4)]
    assert run_cloudflare("page_rules", check=check, rules=many)["failure"]["code"] == "quota"
    long = [{"target": "quetrex.test/x", "actions": {"cache_level": "cache_everything", "edge_cache_ttl": 2592000}}]
    result = run_cloudflare("page_rules", check=check, rules=long)
    assert "7200 to 2419200" in result["msg"]
    assert cloudflare_api.writes() == []


def test_the_reason_of_a_refused_rule_is_shown(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    result = run_cloudflare("page_rules", rules=[{"target": "example.com/x", "actions": {"cache_level": "bypass"}}])
    assert result["failure"]["code"] == 1004
    assert "does not belong to this zone" in result["msg"]


def test_foreign_page_rules_stay(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    run_cloudflare("page_rules", rules=[{"target": "quetrex.test/foreign", "actions": {"security_level": "high"}}])
    run_cloudflare("page_rules", rules=RULES)
    assert len(cloudflare_api.zone["page_rules"]) == 3
    assert run_cloudflare("page_rules", rules=RULES, exclusive=True)["changed"] is True
    assert len(cloudflare_api.zone["page_rules"]) == 2


def test_somebody_elses_write_stops_the_run(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    """The rules change between reading and writing: seen on the last read, before anything is written."""
    run_cloudflare(NAME, **FIRST)
    real, reads = cloudflare_api.cloud.zone, []

    def zone(zone_id: str) -> dict[str, Any]:
        reads.append(zone_id)
        if len(reads) == 3:
            cloudflare_api.zone["page_rules"][0]["modified_on"] = "2030-01-01T00:00:00.000000Z"
        found: dict[str, Any] = real(zone_id)
        return found

    cloudflare_api.cloud.zone = zone
    cloudflare_api.forget()
    assert run_cloudflare(NAME, **SECOND)["failure"]["code"] == "conflict"
    assert cloudflare_api.writes() == []


def test_a_full_quota_is_replaced_in_place(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    old = [{"target": f"quetrex.test/{number}", "actions": {"security_level": "high"}} for number in range(3)]
    run_cloudflare(NAME, rules=old)
    ids = {rule["id"] for rule in cloudflare_api.zone["page_rules"]}
    cloudflare_api.forget()
    run_cloudflare(NAME, rules=RULES, exclusive=True)
    assert [line.split()[0] for line in cloudflare_api.writes()].count("POST") == 0
    assert {rule["id"] for rule in cloudflare_api.zone["page_rules"]} < ids


def test_removal_leaves_other_actions(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    rule = {"target": "quetrex.test/api/*", "actions": {"cache_level": "bypass", "security_level": "high"}}
    run_cloudflare(NAME, rules=[rule, RULES[1]])
    gone = [{"target": rule["target"], "actions": {"cache_level": ""}, "state": "absent"}, {"target": RULES[1]["target"], "state": "absent"}]
    assert run_cloudflare(NAME, rules=gone)["rules"] == [{"target": "quetrex.test/api/*", "actions": {"security_level": "high"}, "status": "active"}]
    assert run_cloudflare(NAME, rules=gone)["changed"] is False
