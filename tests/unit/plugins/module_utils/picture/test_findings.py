# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judgement of what was seen: each planted fault is named, and a clean platform gives nothing."""

from __future__ import annotations

import copy
from typing import Any
from xml.etree import ElementTree

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.picture.findings import Expected, Finding, Limits, judge, rule_text
from ansible_collections.quetrex.platform.plugins.module_utils.picture.report import document, junit, summary, table

IMAGE = "registry.example.com/app/redis@sha256:" + "a" * 64
PORT = '{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 8081}}'
OPENED = f'rule {{"chain": "inbound", "expr": [{PORT}, {{"accept": null}}]}}'
NOW = "2026-11-23T02:00:00+00:00"


def clean() -> dict[str, Any]:
    """A platform on which nothing is wrong."""
    container = {
        "name": "platform-redis", "image": IMAGE, "image_id": "sha256:1", "running": True, "health": "healthy", "restarts": 0, "started": NOW,
        "out_of_memory": False, "labels": {"platform.part": "base", "platform.config": "c1"}, "published": [],
    }  # fmt: skip
    inspection = {
        "at": NOW,
        "base": {"cores": 2, "load": [0.1, 0.1, 0.1], "up_seconds": 9.0, "reboot_required": False},
        "disks": [{"path": "/", "size": 80e9, "used": 20e9, "share": 0.25, "inodes": 0.05}],
        "memory": {"total": 8000, "available": 6000, "swap": 0, "swap_free": 0},
        "listeners": [{"protocol": "tcp", "address": "::", "port": 443, "program": "nginx"}],
        "firewall": {"file": True, "loaded": True, "added": [], "missing": []},
        "containers": {
            "engine": True,
            "items": [container],
            "wanted": {
                "platform-redis": {"image": IMAGE, "image_id": "sha256:1", "labels": {"platform.part": "base", "platform.config": "c1"}},
                "platform-web-green": {"image": "unset", "image_id": "", "labels": {"platform.part": "web", "platform.config": "unset"}},
            },
        },
        "units": {
            "failed": [],
            "timers": [
                {"name": "apt-daily.timer", "enabled": "enabled", "active": True},
                {"name": "fstrim.timer", "enabled": "enabled", "active": False, "conditions": False},
                {"name": "systemd-tmpfiles-clean.timer", "enabled": "static", "active": True},
            ],
        },
        "upgrades": {"pending": [], "security": [], "lists_days": 0.5},
        "certificates": [{"where": "file", "days_left": 200.0, "not_after": "2027-06-01T00:00:00+00:00"}, {"where": "served", "same_as_file": True}],
        "releases": {"current": {"version": "1.0.0", "at": NOW}, "previous": None, "log": []},
        "backups": {"at": "2026-11-23T01:00:00Z", "ok": True},
    }
    return {
        "at": NOW,
        "platform": "quetrex test",
        "seconds": 12.5,
        "drift": {"drift": [], "tasks": 70},
        "visit": {
            "checks": [{"name": "the page", "url": "https://example.com/", "ok": True, "detail": "", "ms": 12}],
            "certificate": {"not_after": "2027-02-01T00:00:00+00:00", "days_left": 70.0},
            "origins": [{"address": "192.0.2.7", "open": [22], "expected": [22]}],
        },
        "servers": [{"name": "app", "inspection": inspection}],
        "schema": {"ran": []},
        "project": {"project": {"status": "ACTIVE_HEALTHY", "backups": {"daily": True, "newest": "2026-11-23T00:30:00Z"}}, "usage": []},
        "monitors": {"monitors": [{"name": "web", "status": "up"}]},
    }


def judged(seen: dict[str, Any], **limits: float) -> list[Finding]:
    return judge(seen, Expected(timers=("apt-daily.timer",)), Limits(**limits))  # type: ignore[arg-type]


def test_a_clean_platform_has_no_finding() -> None:
    assert judged(clean()) == []


def inside(seen: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = seen["servers"][0]["inspection"]
    return found


def plant(seen: dict[str, Any], fault: str) -> None:
    """One fault of a kind."""
    box, redis = inside(seen), inside(seen)["containers"]["items"][0]
    faults: dict[str, Any] = {
        "open socket": lambda: box["listeners"].append({"protocol": "tcp", "address": "0.0.0.0", "port": 8081, "program": "python3"}),
        "open to strangers": lambda: seen["visit"]["origins"][0]["open"].append(6379),
        "rule in force": lambda: box["firewall"]["added"].append(OPENED),
        "firewall gone": lambda: box["firewall"].update(loaded=False, error="No such file or directory"),
        "image swapped": lambda: redis.update(image="registry.example.com/evil@sha256:" + "b" * 64, image_id="sha256:2"),
        "image under the same name": lambda: redis.update(image_id="sha256:2"),
        "other configuration": lambda: redis["labels"].update({"platform.config": "c2"}),
        "container down": lambda: redis.update(running=False),
        "container sick": lambda: redis.update(health="unhealthy"),
        "container gone": lambda: box["containers"].update(items=[]),
        "stranger": lambda: box["containers"]["items"].append({**redis, "name": "miner", "image": "x"}),
        "published port": lambda: redis.update(published=["6379/tcp"]),
        "certificate near its end": lambda: box["certificates"][0].update(days_left=5.0),
        "another certificate served": lambda: box["certificates"][1].update(same_as_file=False),
        "timer stopped": lambda: box["units"]["timers"][0].update(active=False),
        "timer switched off": lambda: box["units"]["timers"][0].update(enabled="disabled", active=False),
        "unit failed": lambda: box["units"].update(failed=["docker.service"]),
        "disk full": lambda: box["disks"][0].update(share=0.95),
        "no inodes": lambda: box["disks"][0].update(inodes=0.99),
        "no memory": lambda: box["memory"].update(available=100),
        "backup old": lambda: box["backups"].update(at="2026-11-20T01:00:00Z"),
        "backup failed": lambda: box["backups"].update(ok=False),
        "page broken": lambda: seen["visit"]["checks"][0].update(ok=False, detail="status 502, expected 200"),
        "record changed": lambda: seen["drift"]["drift"].append(
            {"kind": "changed", "role": "cloudflare_zone", "task": "Point the names at the origin", "host": "localhost", "diff": ["-192.0.2.9", "+192.0.2.7"]}
        ),
        "role fails": lambda: seen["drift"]["drift"].append(
            {"kind": "failed", "role": "supabase_database", "task": "Try who may do what", "host": "localhost", "message": "denied expected, 1 row"}
        ),
        "drift unknown": lambda: seen.update(drift={"msg": "it did not end"}),
        "grant added": lambda: seen.update(
            schema={"msg": "changed", "failure": {"code": "drift", "details": {"come": ["GRANT SELECT ON public.profiles TO anon"], "gone": []}}}
        ),
        "project paused": lambda: seen["project"]["project"].update(status="INACTIVE"),
        "database full soon": lambda: seen["project"].update(
            usage=[{"name": "database_bytes", "used": 300.0, "limit": 500.0, "share": 0.6, "per_day": 10.0, "days_seen": 9.0, "reached": "2026-12-13"}]
        ),
        "database not asked": lambda: seen["project"].update(failure={"code": "token"}, msg="The access token is not valid."),
        "database full": lambda: seen["project"].update(usage=[{"name": "database_bytes", "used": 499.0, "limit": 500.0, "share": 0.998}]),
        "monitor down": lambda: seen["monitors"]["monitors"][0].update(status="down"),
        "server silent": lambda: seen["servers"][0].update(inspection={"error": "timed out"}),
        "no server": lambda: seen.update(servers=[]),
    }
    faults[fault]()


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
        ("container gone", "containers", "platform-redis is not there"),
        ("stranger", "containers", "miner runs beside the platform"),
        ("published port", "firewall", "publishes 6379/tcp"),
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
        ("record changed", "edge", "Point the names at the origin: differs"),
        ("role fails", "database", "Try who may do what: failed"),
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
    seen = clean()
    plant(seen, fault)
    found = judged(seen)
    assert [(item.part, item.state) for item in found] == [(part, "problem")], found
    assert words in found[0].what
    assert not document(found, seen)["ok"]


def test_what_is_no_danger_yet_is_a_warning_and_fails_nothing() -> None:
    seen = clean()
    inside(seen)["certificates"][0]["days_left"] = 20.0
    inside(seen)["base"]["reboot_required"] = True
    inside(seen)["upgrades"].update(pending=["bash", "openssl"], security=["openssl"])
    found = judged(seen)
    assert sorted(item.state for item in found) == ["note", "warning", "warning", "warning"]
    assert document(found, seen)["ok"]
    assert summary(found) == "3 warnings, 1 note; nothing that has to be mended now."
    assert judged(seen, certificate_days=25)[0].what == "the origin's certificate ends in 20.0 days"


def test_a_part_that_cannot_be_looked_at_hides_no_other() -> None:
    seen = clean()
    inside(seen)["firewall"] = {"error": "PermissionError: nft"}
    plant(seen, "image swapped")
    assert {item.part for item in judged(seen)} == {"server", "containers"}


def test_secret_differences_stay_secret() -> None:
    seen = clean()
    seen["drift"]["drift"] = [{"kind": "changed", "role": "app_stack", "task": "Write what single services read", "host": "app", "hidden": True}]
    (found,) = judged(seen)
    assert (found.detail, found.host) == ("what differs is secret", "app")


def test_the_table_is_narrow_and_says_what_to_do() -> None:
    seen = clean()
    plant(seen, "record changed")
    plant(seen, "image swapped")
    lines = table(judged(seen), seen)
    assert max(map(len, lines)) <= 76
    assert "PROBLEM  Cloudflare    Point the names at the origin: differs from the" in lines
    assert any("-> Run site" in line for line in lines)
    assert lines[-1] == "2 problems."
    assert table([], clean())[-1] == "Everything is as described."


def test_junit_counts_failures_and_survives_hostile_text() -> None:
    seen = clean()
    seen["visit"]["checks"][0].update(ok=False, detail='</failure><script>alert("1")</script>\x00\x1b[31m')
    root = ElementTree.fromstring(junit(judged(seen), seen))
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
    seen = clean()
    before = copy.deepcopy(seen)
    judged(seen)
    assert seen == before
