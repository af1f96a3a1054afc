# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Situations and the cure each of them needs."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.recovery.choice import LADDER, Situation, choose, line

HEALTHY = Situation("ok", "running", True, "answers", "ok", 200, 200, "answers")
DEAD = HEALTHY._replace(ping=False, ssh="silent", login="silent", origin=None, edge=522)


@pytest.mark.parametrize(
    ("seen", "tried", "cure"),
    [
        (HEALTHY, [], "none"),
        (HEALTHY._replace(ping=None), [], "none"),
        (HEALTHY._replace(edge=502, origin=502), [], "converge"),
        (HEALTHY._replace(edge=0), [], "converge"),
        (HEALTHY._replace(edge=522), [], "converge"),
        (DEAD._replace(server="off"), [], "power_on"),
        (DEAD._replace(server="off"), ["power_on"], "rebuild"),
        (DEAD._replace(server="off"), ["power_on", "rebuild"], "recreate"),
        (DEAD, [], "reset"),
        (DEAD._replace(ping=True, ssh="refused"), [], "reset"),
        (DEAD, ["reset"], "rebuild"),
        (DEAD, ["power_on"], "reset"),
        (DEAD, ["reset", "rebuild"], "recreate"),
        (DEAD, ["reset", "rebuild", "recreate"], "stop"),
        (DEAD._replace(ssh="answers", login="denied"), [], "rebuild"),
        (DEAD._replace(ssh="answers", login="disk full"), [], "rebuild"),
        (DEAD._replace(ssh="answers", login="disk read-only"), ["rebuild"], "recreate"),
        (DEAD._replace(server=None), [], "recreate"),
        (DEAD._replace(server="deleting"), [], "recreate"),
        (DEAD._replace(server="rebuilding"), [], "wait"),
        (DEAD._replace(server="initializing"), ["reset"], "wait"),
        (DEAD._replace(server=None), ["recreate"], "stop"),
        (DEAD._replace(young=True), [], "wait"),
        (DEAD._replace(young=True, ssh="answers", login="denied"), [], "wait"),
        (DEAD._replace(young=True), ["wait"], "reset"),
        (DEAD._replace(young=True, ssh="answers", login="disk full"), [], "rebuild"),
        (DEAD._replace(api="unauthorized"), [], "stop"),
        (DEAD._replace(api="unreachable"), [], "wait"),
        (DEAD._replace(api="server_error"), ["wait"], "stop"),
        (HEALTHY._replace(api="unreachable"), [], "none"),
        (HEALTHY._replace(login="silent", ssh="silent"), [], "none"),
        (HEALTHY._replace(login="disk full"), [], "none"),
        (DEAD._replace(database="paused"), [], "reset"),
    ],
)
def test_the_cheapest_cure_that_can_work(seen: Situation, tried: list[str], cure: str) -> None:
    assert choose(seen, tried).cure == cure


def test_a_healthy_server_is_touched_only_when_somebody_insists() -> None:
    assert choose(HEALTHY).cure == "none"
    assert choose(HEALTHY, told="rebuild").cure == "rebuild"
    assert choose(HEALTHY, tried=["rebuild"], told="rebuild").cure == "none"


def test_insisting_moves_neither_a_missing_server_nor_a_silent_api() -> None:
    assert choose(DEAD._replace(server=None), told="reset").cure == "recreate"
    assert choose(DEAD._replace(api="no answer"), told="reset").cure == "stop"


def test_every_situation_ends_and_no_cure_is_tried_twice() -> None:
    servers, logins = ("running", "off", None), ("ok", "denied", "silent", "disk full")
    for server, login, edge in itertools.product(servers, logins, (200, 522, 0)):
        seen, tried = DEAD._replace(server=server, login=login, edge=edge), list[str]()
        for _round in range(len(LADDER) + 1):
            cure = choose(seen, tried).cure
            if cure not in LADDER:
                break
            assert cure not in tried
            tried.append(cure)
        else:
            pytest.fail(f"{seen} never ends: {tried}")


def test_visitors_who_are_served_are_never_cut_off_unasked() -> None:
    for login, ssh in itertools.product(("ok", "denied", "silent", "disk full"), ("answers", "refused", "silent")):
        assert choose(HEALTHY._replace(login=login, ssh=ssh)).cure == "none"


def test_the_diagnosis_is_one_line() -> None:
    assert line(DEAD) == ("API ok, server running, ping no, SSH silent, login silent, on the server not asked, through the edge HTTP 522, database answers")
    assert "does not exist" in line(DEAD._replace(server=None, edge=0))


def test_another_location_is_the_last_resort() -> None:
    everything = ["reset", "rebuild", "recreate"]
    assert choose(DEAD, everything, elsewhere=True).cure == "relocate"
    assert choose(DEAD, everything).cure == "stop"
    assert choose(DEAD, elsewhere=True).cure == "reset"
    assert choose(DEAD._replace(server=None), ["recreate"], elsewhere=True).cure == "relocate"
    assert choose(DEAD._replace(server=None), told="relocate").cure == "relocate"
    assert choose(DEAD._replace(api="unreachable"), ["wait"], elsewhere=True).cure == "stop"
