# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judgement of what was observed: each injected fault is named, and a clean platform gives nothing."""

from __future__ import annotations

import copy
from typing import Any
from xml.etree import ElementTree

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.reporting.findings import Expected, Finding, Limits, judge, rule_text
from ansible_collections.quetrex.platform.plugins.module_utils.reporting.report import document, drift_words, junit, summary, table
from lab.observations import clean, inject, inside


def judged(observed: dict[str, Any], **limits: float) -> list[Finding]:
    return judge(observed, Expected(timers=("apt-daily.timer",)), Limits(**limits))  # type: ignore[arg-type]


def test_a_clean_platform_has_no_finding() -> None:
    assert judged(clean()) == []


@pytest.mark.parametrize(
    ("fault", "part", "words"),
    [
        ("open socket", "firewall", "python3 listens on tcp/8081"),
        ("open to strangers", "firewall", "port 6379 of 192.0.2.7 is open"),
        ("rule in force", "firewall", "inbound: tcp dport 8081 accept"),
        ("firewall gone", "firewall", "not loaded"),
        ("image swapped", "containers", "the image of platform-redis was swapped"),
        ("image under the same name", "containers", "the image of platform-redis was swapped"),
        ("other configuration", "containers", "another configuration"),
        ("container down", "containers", "platform-redis does not run"),
        ("container sick", "containers", "platform-redis is unhealthy"),
        ("out of memory", "containers", "platform-redis ran out of memory"),
        ("container gone", "containers", "platform-redis is not there"),
        ("stranger", "containers", "miner runs beside the platform"),
        ("published port", "firewall", "publishes 6379/tcp"),
        ("challenged", "public", "the edge challenges this machine"),
        ("zone pending", "edge_tls", "visitors cannot be served"),
        ("edge certificate near its end", "edge_tls", "the edge's certificate ends in 3.0 days"),
        ("origin pulls near their end", "certificates", "the authority of the origin pulls ends in 3.0 days"),
        ("certificate near its end", "certificates", "ends in 5.0 days"),
        ("another certificate served", "certificates", "another certificate"),
        ("timer stopped", "server", "apt-daily.timer is stopped"),
        ("timer switched off", "server", "apt-daily.timer is switched off"),
        ("unit failed", "server", "docker.service has failed"),
        ("disk full", "server", "/ is 95% full"),
        ("no inodes", "server", "no inodes left"),
        ("no memory", "server", "only 1% of the memory"),
        ("backup old", "backups", "hours old"),
        ("backup failed", "backups", "failed last time"),
        ("page broken", "public", "the page is not as it should be"),
        ("record changed", "edge", "Point the records at the origin: differs"),
        ("role fails", "database", "Test the permissions: failed"),
        ("drift unknown", "settings", "Drift is not known"),
        ("grant added", "database", "somebody added: GRANT SELECT ON public.profiles TO anon"),
        ("project paused", "database", "INACTIVE"),
        ("database full", "database", "database_bytes is at 100%"),
        ("monitor down", "monitoring", "the monitor web is down"),
        ("server silent", "server", "could not be looked at"),
        ("no server", "cloud", "no server"),
    ],
)
def test_a_planted_fault_is_named_and_is_the_only_problem(fault: str, part: str, words: str) -> None:
    observed = clean()
    inject(observed, fault)
    found = judged(observed)
    assert [(item.part, item.state) for item in found] == [(part, "problem")], found
    assert words in found[0].what
    assert not document(found, observed)["ok"]


def test_tasks_of_the_swarm_are_no_strangers() -> None:
    """Swarm makes and ends them, under names of its own, and publishes nginx's ports; one that is unhealthy is a problem all the same."""
    observed = clean()
    items = inside(observed)["containers"]["items"]
    task = {**items[0], "name": "platform_nginx.7fmuk.40pms", "service": "platform_nginx", "published": ["443/tcp"]}
    items.append(task)
    assert [item for item in judged(observed) if item.state == "problem"] == []
    task["health"] = "unhealthy"
    assert [item.what for item in judged(observed) if item.state == "problem"] == ["platform_nginx is unhealthy"]


def test_what_is_no_danger_yet_is_a_warning_and_fails_nothing() -> None:
    observed = clean()
    inside(observed)["certificates"][0]["days_left"] = 20.0
    inside(observed)["base"]["reboot_required"] = True
    inside(observed)["upgrades"].update(pending=["bash", "openssl"], security=["openssl"])
    found = judged(observed)
    assert sorted(item.state for item in found) == ["note", "warning", "warning", "warning"]
    assert document(found, observed)["ok"]
    assert summary(found) == "3 warnings, 1 note; nothing that needs attention now."
    assert judged(observed, certificate_days=25)[0].what == "the origin's certificate ends in 20.0 days"


def test_a_challenge_is_told_once_with_what_to_do() -> None:
    """Six questions that the edge answered by itself say one thing, and nothing of the platform."""
    observed = clean()
    check = {"url": "https://example.com/", "ok": False, "code": "challenged", "detail": "challenged by the edge; let the address through"}
    observed["probe"]["checks"] = [{**check, "name": name} for name in ("the page", "the API", "the runner")]
    (found,) = judged(observed)
    assert (found.what, found.fix) == ("the edge challenges this machine: 3 questions did not reach the server", "let the address through")


def test_a_handshake_tells_what_the_token_may_not_see() -> None:
    """Where Cloudflare tells nothing of its certificate, the handshake does: a refused one is the edge's, and a problem of its own row."""
    observed = clean()
    observed["edge"] = {"missing": [], "edge_certificate": {"state": "unknown", "status": "", "name": "", "expires_on": None}}
    assert [(item.part, item.state) for item in judged(observed)] == [("edge_tls", "note")]
    observed["probe"]["checks"][0].update(ok=False, code="tls_refused", detail="the TLS handshake was refused: TLSV1_UNRECOGNIZED_NAME")
    assert ("edge_tls", "problem") in [(item.part, item.state) for item in judged(observed)]
    observed["edge"] = {"msg": "no answer", "failure": {"code": "deadline"}}
    assert ("edge_tls", "warning") in [(item.part, item.state) for item in judged(observed)]


def test_a_users_code_that_is_too_large_is_a_warning() -> None:
    observed = clean()
    containers = inside(observed)["containers"]
    containers["wanted"]["platform-runner"] = containers["wanted"].pop("platform-redis")
    containers["items"][0].update(name="platform-runner", out_of_memory=True)
    assert [(item.state, item.what) for item in judged(observed)] == [("warning", "platform-runner ran out of memory")]


def test_a_part_that_cannot_be_looked_at_hides_no_other() -> None:
    observed = clean()
    inside(observed)["firewall"] = {"error": "PermissionError: nft"}
    inject(observed, "image swapped")
    assert {item.part for item in judged(observed)} == {"server", "containers"}


def test_secret_differences_stay_secret() -> None:
    observed = clean()
    observed["drift"]["drift"] = [{"kind": "changed", "role": "app_stack", "task": "Write the files of single services", "host": "app", "hidden": True}]
    (found,) = judged(observed)
    assert (found.detail, found.host) == ("what differs is secret", "app")


def test_what_failed_is_no_change_and_is_not_passed_over() -> None:
    def one(kind: str) -> dict[str, str]:
        return {"kind": kind, "role": "cloudflare_zone", "task": "Point the records at the origin", "host": "localhost"}

    assert drift_words({"tasks": 70, "drift": []}) == "70 tasks of site, none of which would change something"
    drift = {"tasks": 70, "drift": [one("changed"), one("failed"), one("unreachable")]}
    assert drift_words(drift) == "70 tasks of site, 1 of which would change something, 2 could not tell"


def test_the_table_is_narrow_and_says_what_to_do() -> None:
    observed = clean()
    inject(observed, "record changed")
    inject(observed, "image swapped")
    lines = table(judged(observed), observed)
    assert max(map(len, lines)) <= 76
    assert "PROBLEM  Cloudflare    Point the records at the origin: differs from the" in lines
    assert any("-> Run site" in line for line in lines)
    assert lines[-1] == "2 problems."
    assert table([], clean())[-1] == "Everything is as described."


def test_junit_counts_failures_and_survives_hostile_text() -> None:
    observed = clean()
    observed["probe"]["checks"][0].update(ok=False, detail='</failure><script>alert("1")</script>\x00\x1b[31m')
    root = ElementTree.fromstring(junit(judged(observed), observed))
    suites = {suite.get("name"): suite for suite in root}
    assert (suites["public"].get("failures"), suites["edge"].get("failures")) == ("1", "0")
    failure = suites["public"].find("testcase/failure")
    assert failure is not None
    assert "<script>" in str(failure.text)


def test_rules_in_words() -> None:
    assert rule_text('set {"name": "edge4", "elem": []}') == "set edge4"
    assert rule_text("what") == "what"
    match = '{"match": {"op": "!=", "left": {"meta": {"key": "iifname"}}, "right": {"set": ["a", "b"]}}}'
    anything = f'{{"chain": "inbound", "expr": [{match}, {{"counter": null}}, {{"drop": null}}]}}'
    assert rule_text(f"rule {anything}") == "inbound: iifname != {a, b} drop"


def test_judging_changes_nothing_of_what_was_seen() -> None:
    observed = clean()
    before = copy.deepcopy(observed)
    judged(observed)
    assert observed == before


def closed(reason: str = "new schema") -> dict[str, Any]:
    """A clean platform in maintenance, with its monitors at rest."""
    observed = clean()
    inside(observed)["maintenance"] = {"since": "2026-11-23T01:30:00Z", "reason": reason}
    observed["monitors"] = {"monitors": [{"name": "example web", "status": "paused", "url": "https://example.com/api/health"}]}
    return observed


def test_maintenance_is_told_and_no_problem() -> None:
    observed = closed()
    assert [(one.part, one.state, one.what, one.detail) for one in judged(observed)] == [
        ("public", "note", "maintenance since 2026-11-23T01:30:00Z", "new schema")
    ]
    assert document(judged(observed), observed)["ok"] is True
    inside(observed)["maintenance"] = None
    assert [(one.part, one.state) for one in judged(observed)] == [("monitoring", "problem")], "nobody watches a platform that is not in maintenance"


@pytest.mark.parametrize(("fault", "state"), [
    ("container down", "warning"), ("container gone", "warning"), ("firewall gone", "problem"), ("disk full", "problem"), ("record changed", "problem"),
    ("page broken", "problem"),
])  # fmt: skip
def test_only_what_maintenance_may_bring_about_is_excused(fault: str, state: str) -> None:
    observed = closed()
    inject(observed, fault)
    assert {one.state for one in judged(observed) if one.state != "note"} == {state}


def test_a_health_page_may_be_down_in_maintenance() -> None:
    observed = closed()
    observed["probe"]["checks"].append({"name": "the API", "url": "https://example.com/api/health", "ok": False, "detail": "status 502", "excused": True})
    assert next((one.state, one.what) for one in judged(observed)) == ("warning", "the API is not as it should be")
