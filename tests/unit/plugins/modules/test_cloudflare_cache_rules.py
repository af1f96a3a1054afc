# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cache rules: four ways, every kind of trouble, foreign rules, and the overlap with page rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.api.cloudflare.testing import CloudflareServer

Run = Callable[..., dict[str, Any]]
NAME = "cache_rules"
RULES = [{"match": "quetrex.test/api/*", "mode": "bypass"}, {"match": "quetrex.test/_next/static/*", "mode": "everything", "edge_ttl": "1 month"}]
ENTRY = "/zones/{zone}/rulesets/phases/http_request_cache_settings/entrypoint"


def stored(api: CloudflareServer) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = api.call("GET", ENTRY).json()["result"]["rules"]
    return rules


def test_four_ways(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    planned = run_cloudflare(NAME, check=True, rules=RULES)
    assert planned["changed"] is True
    assert cloudflare_api.writes() == []
    done = run_cloudflare(NAME, rules=RULES)
    assert done["diff"]["after"] == planned["diff"]["after"], "check mode showed what was done"
    assert len(cloudflare_api.writes()) == 1
    assert run_cloudflare(NAME, rules=RULES)["changed"] is False
    assert run_cloudflare(NAME, check=True, rules=RULES)["changed"] is False
    assert [rule["action_parameters"]["cache"] for rule in stored(cloudflare_api)] == [True, False], "the last one wins at Cloudflare"
    ids = [rule["id"] for rule in stored(cloudflare_api)]
    assert run_cloudflare(NAME, rules=[RULES[0], {**RULES[1], "edge_ttl": 7200}])["changed"] is True
    assert [rule["id"] for rule in stored(cloudflare_api)] == ids, "edited in place"


def test_foreign_rules_and_foreign_settings_stay(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    foreign = {"action": "set_cache_settings", "expression": 'http.host eq "quetrex.test"', "action_parameters": {"browser_ttl": {"mode": "bypass"}}}
    cloudflare_api.call("PUT", ENTRY, {"rules": [foreign]})
    run_cloudflare(NAME, rules=RULES)
    rules = stored(cloudflare_api)
    rules[2]["action_parameters"]["browser_ttl"] = {"mode": "bypass"}
    cloudflare_api.call("PUT", ENTRY, {"rules": [{k: v for k, v in rule.items() if k not in ("version", "last_updated")} for rule in rules]})
    assert run_cloudflare(NAME, rules=RULES)["changed"] is False
    run_cloudflare(NAME, rules=[{**rule, "state": "absent"} for rule in RULES])
    assert [rule["expression"] for rule in stored(cloudflare_api)] == [foreign["expression"]]
    assert run_cloudflare(NAME, rules=RULES, exclusive=True)["changed"] is True
    assert len(stored(cloudflare_api)) == 2


def test_what_cannot_be_is_refused_before_a_write(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    many = [{"match": f"quetrex.test/{number}", "mode": "bypass"} for number in range(11)]
    assert run_cloudflare(NAME, check=True, rules=many)["failure"]["code"] == "quota"
    assert run_cloudflare(NAME, rules=[{"match": "quetrex.test:8443/x"}])["failure"]["code"] == "invalid_match"
    assert run_cloudflare(NAME, rules=[{"match": "quetrex.test/x", "edge_ttl": "1 day"}])["failure"]["code"] == "invalid_rule"
    assert cloudflare_api.writes() == []


def test_overlaps_are_told_from_both_sides(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    run_cloudflare(NAME, rules=RULES[:1])
    page = run_cloudflare("page_rules", rules=[{"target": "quetrex.test/*", "actions": {"cache_level": "cache_everything"}}])
    assert [row["target"] for row in page["overlaps"]] == ["quetrex.test/*"]
    other = run_cloudflare("page_rules", rules=[{"target": "quetrex.test/b/*", "actions": {"cache_level": "bypass"}}])
    assert [row["target"] for row in other["overlaps"]] == ["quetrex.test/*"]
    assert [row["target"] for row in run_cloudflare(NAME, rules=RULES[:1])["overlaps"]] == ["quetrex.test/*"]


def test_somebody_elses_write_stops_the_run(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    """The set changes between reading and writing: seen on the second read, before anything is written."""
    run_cloudflare(NAME, rules=RULES)
    ruleset = cloudflare_api.zone["rulesets"]["http_request_cache_settings"]
    real, reads = cloudflare_api.cloud.zone, []

    def zone(zone_id: str) -> dict[str, Any]:
        reads.append(zone_id)
        if len(reads) == 2:
            ruleset["version"] = "99"
        found: dict[str, Any] = real(zone_id)
        return found

    cloudflare_api.cloud.zone = zone
    cloudflare_api.forget()
    assert run_cloudflare(NAME, rules=RULES[:1], exclusive=True)["failure"]["code"] == "conflict"
    assert cloudflare_api.writes() == []
