# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first day's rows, each shown both ways, and without an answer."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.reporting.first_day import DIFFERENT, NOT_ASKED, RIGHT, ROWS, judged, table

CHALLENGED = {"status": 403, "mitigated": "challenge", "failure": {"code": "challenged"}, "msg": "challenged"}
ANSWER = {"status": 200, "tls": {"issuer": {"organizationName": "Google Trust Services"}, "not_after": "2027-01-01T00:00:00+00:00"}}
REFUSED = {"failure": {"code": "tls_refused"}, "msg": "the TLS handshake was refused"}
ZONE = {"zone": {"status": "active"}, "missing_permissions": [], "missing": []}
PENDING = {"zone": {"status": "pending"}, "missing_permissions": ["DNS Edit"], "missing": ["Set its name servers"]}
PROJECT = {"project": {"allowed_networks": ["192.0.2.0/24"], "ssl_enforced": True}}
OPEN = {"project": {"allowed_networks": "stored", "ssl_enforced": False}}
PERMISSIONS = {"asked": ["dns", "page_rules"]}


def ran(rc: int, stdout: str = "") -> dict[str, Any]:
    return {"rc": rc, "stdout": stdout}


# by key: an answer that is right, one that is different
BOTH: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "probe": (ANSWER, CHALLENGED),
    "probe_server": ({"status": 502, "failure": {"code": "unexpected_answer"}}, CHALLENGED),
    "zone": (ZONE, PENDING),
    "handshake": (ANSWER, REFUSED),
    "token": (ZONE, PENDING),
    "read_only": ({**PERMISSIONS, "missing_permissions": ["DNS Edit", "Page Rules Edit"]}, {**PERMISSIONS, "missing_permissions": ["DNS Edit"]}),
    "networks": (PROJECT, OPEN),
    "ssl": (PROJECT, OPEN),
    "auditd": (ran(0, "active"), ran(3, "inactive")),
    "audit_rules": (ran(0, "60"), ran(0, "1")),
    "apparmor": (ran(0), ran(2)),
    "profiles": (ran(0, "/platform-redis docker-default"), ran(0, "/platform-redis docker-default\n/platform-web unconfined")),
    "cloud_init": (ran(0, "status: done"), ran(2, "status: done\nextended_status: degraded done")),
    "metadata": (ran(28), ran(0)),
    "metadata6": (ran(7), ran(0)),
    "sysctl": (ran(0), ran(0, "kernel.kptr_restrict is 1, not 2")),
    "serial": ({"serial": ran(0, "serial=0A"), "ids": ["10"]}, {"serial": ran(0, "serial=0A"), "ids": ["0A"]}),
    "authority": ({"certificates": [{"where": "origin pulls", "days_left": 1000.0}]}, {"certificates": [{"where": "origin pulls", "days_left": 30.0}]}),
    "monitors": ({"steps": [], "monitors": [{}]}, {"steps": [], "monitors": [{}], "warnings": ["There are 2 monitors called web"]}),
    "tier": ({"chosen": {"name": "cpx31", "location": "ash", "total": 20.5}}, {"failure": {"code": "no_plan"}, "msg": "nothing is sold at ash"}),
    "pulls": (ran(0, "76"), ran(0, "3")),
}


def one(key: str, answer: dict[str, Any]) -> dict[str, Any]:
    return next(row for row in judged({key: answer}) if row["key"] == key)


def test_every_row_that_is_asked_is_shown_here() -> None:
    assert {row.key for row in ROWS if row.judge} == set(BOTH)
    assert len({row.key for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("key", list(BOTH))
def test_a_row_both_ways(key: str) -> None:
    right, different = BOTH[key]
    assert one(key, right)["state"] == RIGHT
    row = one(key, different)
    assert (row["state"], bool(row["detail"])) == (DIFFERENT, True)
    text = "\n".join(table([row]))
    assert text.startswith("DIFFERENT")
    assert "breaks: " in text
    assert "-> " in text


@pytest.mark.parametrize(
    "answer", [{}, {"failure": {"code": "deadline"}, "msg": "no answer"}, {"unreachable": True, "msg": "no answer"}, {"rc": 127, "stderr": "not found"}]
)
@pytest.mark.parametrize("key", list(BOTH))
def test_who_does_not_answer_says_nothing(key: str, answer: dict[str, Any]) -> None:
    """A vendor or server that could not be asked is no difference."""
    assert one(key, answer)["state"] == NOT_ASKED


def test_what_nobody_asks_says_how_to() -> None:
    rows = [row for row in judged({}) if row["key"] in {row.key for row in ROWS if not row.judge}]
    assert {(row["state"], row["detail"], bool(row["todo"])) for row in rows} == {(NOT_ASKED, "by hand", True)}
    assert max(map(len, table(judged({})))) <= 90


def test_refusal_of_the_server() -> None:
    """502 comes from behind the edge: it let the question through."""
    assert one("probe", {"status": 502, "failure": {"code": "unexpected_answer"}, "msg": "status 502"})["state"] == RIGHT
    assert one("probe", {"failure": {"code": "connect_failed"}, "msg": "no connection"})["state"] == NOT_ASKED
