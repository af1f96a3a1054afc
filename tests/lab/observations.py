# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform as the looks see it, as data, and faults that can be put into it: for tests of what judges and draws."""

from __future__ import annotations

from typing import Any

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
        "certificates": [
            {"where": "file", "days_left": 200.0, "not_after": "2027-06-01T00:00:00+00:00"},
            {"where": "served", "same_as_file": True},
            {"where": "origin pulls", "days_left": 1000.0, "not_after": "2029-11-01T17:00:00+00:00"},
        ],
        "releases": {"current": {"version": "1.0.0", "at": NOW}, "previous": None, "log": []},
        "backups": {"at": "2026-11-23T01:00:00Z", "ok": True},
    }
    return {
        "at": NOW,
        "platform": "quetrex test",
        "seconds": 12.5,
        "drift": {"drift": [], "tasks": 70},
        "probe": {
            "checks": [{"name": "the page", "url": "https://example.com/", "ok": True, "detail": "", "ms": 12}],
            "certificate": {"not_after": "2027-02-01T00:00:00+00:00", "days_left": 70.0},
            "origins": [{"address": "192.0.2.7", "open": [22], "expected": [22]}],
        },
        "edge": {"missing": [], "edge_certificate": {"state": "active", "status": "active", "name": "", "expires_on": "2027-02-01T00:00:00.000000Z"}},
        "servers": [{"name": "app", "inspection": inspection}],
        "schema": {"ran": []},
        "project": {"project": {"status": "ACTIVE_HEALTHY", "backups": {"daily": True, "newest": "2026-11-23T00:30:00Z"}}, "usage": []},
        "monitors": {"monitors": [{"name": "web", "status": "up"}]},
    }


def inside(observed: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = observed["servers"][0]["inspection"]
    return found


def inject(observed: dict[str, Any], fault: str) -> None:
    """One fault of a kind."""
    box, redis = inside(observed), inside(observed)["containers"]["items"][0]
    faults: dict[str, Any] = {
        "challenged": lambda: observed["probe"]["checks"][0].update(ok=False, code="challenged", detail="challenged by the edge; let it through"),
        "zone pending": lambda: observed["edge"].update(missing=["The zone example.com is pending"]),
        "edge certificate near its end": lambda: observed["probe"]["certificate"].update(days_left=3.0),
        "origin pulls near their end": lambda: box["certificates"][2].update(days_left=3.0),
        "open socket": lambda: box["listeners"].append({"protocol": "tcp", "address": "0.0.0.0", "port": 8081, "program": "python3"}),
        "open to strangers": lambda: observed["probe"]["origins"][0]["open"].append(6379),
        "rule in force": lambda: box["firewall"]["added"].append(OPENED),
        "firewall gone": lambda: box["firewall"].update(loaded=False, error="No such file or directory"),
        "image swapped": lambda: redis.update(image="registry.example.com/evil@sha256:" + "b" * 64, image_id="sha256:2"),
        "image under the same name": lambda: redis.update(image_id="sha256:2"),
        "other configuration": lambda: redis["labels"].update({"platform.config": "c2"}),
        "container down": lambda: redis.update(running=False),
        "container sick": lambda: redis.update(health="unhealthy"),
        "out of memory": lambda: redis.update(out_of_memory=True),
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
        "backup old": lambda: box["backups"].update(at="2026-11-22T20:00:00Z"),
        "backup failed": lambda: box["backups"].update(ok=False),
        "page broken": lambda: observed["probe"]["checks"][0].update(ok=False, detail="status 502, expected 200"),
        "record changed": lambda: observed["drift"]["drift"].append(
            {"kind": "changed", "role": "cloudflare_zone", "task": "Point the records at the origin", "host": "localhost", "diff": ["-192.0.2.9", "+192.0.2.7"]}
        ),
        "role fails": lambda: observed["drift"]["drift"].append(
            {"kind": "failed", "role": "supabase_database", "task": "Test the permissions", "host": "localhost", "message": "denied expected, 1 row"}
        ),
        "drift unknown": lambda: observed.update(drift={"msg": "it did not end"}),
        "grant added": lambda: observed.update(
            schema={"msg": "changed", "failure": {"code": "drift", "details": {"come": ["GRANT SELECT ON public.profiles TO anon"], "gone": []}}}
        ),
        "project paused": lambda: observed["project"]["project"].update(status="INACTIVE"),
        "database full soon": lambda: observed["project"].update(
            usage=[{"name": "database_bytes", "used": 300.0, "limit": 500.0, "share": 0.6, "per_day": 10.0, "days_seen": 9.0, "reached": "2026-12-13"}]
        ),
        "database not asked": lambda: observed["project"].update(failure={"code": "token"}, msg="The access token is not valid."),
        "database full": lambda: observed["project"].update(usage=[{"name": "database_bytes", "used": 499.0, "limit": 500.0, "share": 0.998}]),
        "monitor down": lambda: observed["monitors"]["monitors"][0].update(status="down"),
        "server silent": lambda: observed["servers"][0].update(inspection={"error": "timed out"}),
        "no server": lambda: observed.update(servers=[]),
    }
    faults[fault]()
