# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Situations, the action each of them needs, and that none is destructive without proof. The decision's table in docs/runbook.md is read and held to."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.recovery.decision import (
    LADDER,
    OTHER_KEY,
    UNKNOWN_KEY,
    History,
    Situation,
    decide,
    line,
    proofs,
)

HEALTHY = Situation("ok", "running", True, "answers", "ok", 200, 200, "answers")
DEAD = HEALTHY._replace(ping=False, ssh="silent", login="silent", origin=None, edge=522)
BLIND = DEAD._replace(edge=0)
DESTRUCTIVE = {"reset", "rebuild", "recreate", "relocate"}
RUNBOOK = Path(__file__).parents[5] / "docs/runbook.md"

# Each edge answer as (status, marked by the edge, challenged), by its name in the runbook's table.
EDGES = {
    "page": [(200, True, False)],
    "origin error": [(status, True, False) for status in (520, 521, 522, 523, 524, 525)],
    "no answer": [(0, True, False)],
    "other": [(status, True, False) for status in (301, 302, 400, 403, 404, 429, 500, 502, 503, 504, 526, 530)]
    + [(status, True, True) for status in (200, 403, 503, 522)]
    + [(status, False, False) for status in (502, 522)],
}
LOGINS = {
    "works": ["ok"],
    "damage": ["ok"],
    "bad disk": ["disk full", "disk read-only", "disk broken"],
    "silent": ["silent"],
    "refused": ["denied", "no root", "unclear"],
    "unknown key": [UNKNOWN_KEY, OTHER_KEY],
}
HETZNER = {
    "running": {"server": "running"},
    "new": {"server": "running", "young": True},
    "shut": {"server": "running", "shut": True},
    "off": {"server": "off"},
    "missing": {"server": None},
    "all missing": {"server": "deleting", "kept": False},
    "busy with it": {"server": "rebuilding"},
    "API error that passes": {"api": "unreachable", "server": None},
    "API error": {"api": "unauthorized", "server": None},
}
ALSO = {"new": "running", "shut": "running", "API error that passes": "API error"}
STEPS = ("power_on", "reset", "rebuild", "recreate")


def history(**states: str) -> History:
    """Attempts by their state: untried, lost, done or failed; `wait` is tried or not."""
    tried = tuple(name for name, state in states.items() if state != "untried")
    return History(tried, tuple(name for name in STEPS if states.get(name) == "done"), tuple(name for name in STEPS if states.get(name) == "failed"))


def histories() -> Iterator[History]:
    """Every state of every step, waited or not."""
    for states in itertools.product(("untried", "lost", "done", "failed"), repeat=len(STEPS)):
        for waited in ("untried", "tried"):
            yield history(wait=waited, **dict(zip(STEPS, states, strict=True)))


def views() -> Iterator[tuple[tuple[str, str, str], Situation]]:
    """Every combination of what Hetzner, a login and the edge say, with its names in the table."""
    for (vendor, facts), login, edge in itertools.product(HETZNER.items(), LOGINS, EDGES):
        for word, (status, marked, challenged) in itertools.product(LOGINS[login], EDGES[edge]):
            observed = DEAD._replace(login=word, edge=status, edge_marked=marked, challenged=challenged, trouble="broken" if login == "damage" else "")
            yield (vendor, login, edge), observed._replace(**facts)  # type: ignore[arg-type]


class Row:
    """A line of the runbook's table."""

    def __init__(self, text: str) -> None:
        cells = [cell.strip() for cell in text.strip("|\n ").split("|")]
        self.vendor, self.login, self.edge, self.before = ({part.strip() for part in cell.split(",")} for cell in cells[:4])
        self.then = cells[4]

    def speaks_of(self, names: tuple[str, str, str]) -> bool:
        """Whether it speaks of this view."""
        vendor, login, edge = names
        edges = {edge} if edge == "page" else {edge, "no page"}
        return all(({vendor, ALSO.get(vendor, vendor)} & self.vendor, {login, "any"} & self.login, {*edges, "any"} & self.edge))

    def comes_after(self, past: History) -> bool:
        """Whether it speaks of this history."""
        return all(self._was(condition, past) for condition in self.before)

    @staticmethod
    def _was(condition: str, past: History) -> bool:
        if condition in ("any", "not waited"):
            return condition == "any" or "wait" not in past.tried
        step, _space, state = condition.partition(" ")
        ended = step in past.done + past.failed
        return {"untried": step not in past.tried, "ended": ended, "lost": step in past.tried and not ended}[state]

    def action(self, elsewhere: bool) -> str:
        """What follows."""
        return "relocate" if elsewhere and self.then == "stop, or relocate" else self.then.partition(",")[0]


def table() -> list[Row]:
    """The decision's table."""
    text = RUNBOOK.read_text().partition("| actions before |")[2].partition("\n\n")[0]
    return [Row(one) for one in text.splitlines()[2:]]


def test_the_runbook_says_what_is_decided() -> None:
    """The first row that fits names the action, for every view after every history (by turns, where there are many); every row is needed."""
    rows, pasts, used = table(), list(histories()), set[int]()
    for turn, (names, observed) in enumerate(views()):
        speaking = [(number, row) for number, row in enumerate(rows) if row.speaks_of(names)]
        for past in pasts[turn % 31 :: 31]:
            number, row = next((number, row) for number, row in speaking if row.comes_after(past))
            used.add(number)
            for elsewhere in (False, True):
                assert decide(observed, past, elsewhere=elsewhere).action == row.action(elsewhere), (names, observed, past)
    assert used == set(range(len(rows)))


def dead_by_any_word(observed: Situation, past: History) -> int:
    """How many independent words there are that the server is dead, counted in this test's own way."""
    vendor = observed.api == "ok" and observed.server in (None, "deleting", "off")
    edge = observed.edge in range(520, 526) and observed.edge_marked and not observed.challenged and not observed.shut
    inside = observed.server == "running" and observed.login.startswith("disk")
    ended = set(past.done + past.failed) & ({"recreate"} if observed.server in (None, "deleting") else {*STEPS} if vendor or edge else {"rebuild"})
    return vendor + edge + inside + bool(ended and (vendor or edge or inside))


def test_nothing_destructive_is_done_without_proof() -> None:
    """Every view, also of what cannot matter (ping, banner, page on the server, database), after every history that ends differently."""
    pasts = list(histories())
    rest = list(itertools.product((True, False, None), ("answers", "refused", "silent"), (None, 0, 200), ("answers", "silent"), (None, "ok", "no login")))
    turns = ((observed, past) for turn, (_names, observed) in enumerate(views()) for past in pasts[turn % 23 :: 23])
    for number, (view, past) in enumerate(turns):
        ping, ssh, origin, database, images = rest[number % len(rest)]
        observed = view._replace(ping=ping, ssh=ssh, origin=origin, database=database, images=images)
        decision = decide(observed, past, elsewhere=number % 2 == 0)
        if decision.action in DESTRUCTIVE:
            wanted = 1 if decision.action == "reset" or (decision.action == "recreate" and observed.server in (None, "deleting")) else 2
            assert dead_by_any_word(observed, past) >= wanted, (observed, past, decision)
            assert len({one.source for one in decision.proofs}) >= wanted
            assert not observed.served
            assert decision.action == "reset" or observed.server in (None, "deleting") or images != "no login"


def test_what_this_machine_reaches_of_the_server_does_not_decide() -> None:
    rest = list(itertools.product((True, False, None), ("answers", "refused", "silent"), (None, 0, 200, 502), ("answers", "paused", "silent")))
    for number, ((_names, observed), past) in enumerate(itertools.product(views(), list(histories())[::97])):
        ping, ssh, origin, database = rest[number % len(rest)]
        assert decide(observed._replace(ping=ping, ssh=ssh, origin=origin, database=database), past).action == decide(observed, past).action


@pytest.mark.parametrize(
    ("observed", "past", "action"),
    [
        (HEALTHY, history(), "none"),
        (HEALTHY._replace(edge=502, origin=502), history(), "converge"),
        (HEALTHY._replace(edge=0), history(), "converge"),
        (DEAD._replace(server="off"), history(power_on="failed"), "rebuild"),
        (DEAD, history(), "reset"),
        (DEAD._replace(ping=True, ssh="refused"), history(), "reset"),
        (DEAD, history(reset="done"), "rebuild"),
        (DEAD, history(power_on="done"), "reset"),
        (DEAD, history(reset="done", rebuild="done"), "recreate"),
        (DEAD._replace(ssh="answers", login="disk full"), history(), "rebuild"),
        (DEAD._replace(database="paused"), history(), "reset"),
        # the owner's address has changed and this machine does not reach the edge
        (BLIND, history(), "stop"),
        # the same, and the edge challenges this machine
        (DEAD._replace(edge=403, challenged=True), history(), "stop"),
        # an attempt whose outcome only this machine can judge
        (BLIND, history(reset="done"), "stop"),
        # a new laptop without the state folder, and a page that is 503
        (HEALTHY._replace(edge=503, login=UNKNOWN_KEY), history(), "stop"),
        # the same where the edge gets no answer: what answers SSH cannot be judged from here
        (DEAD._replace(login=UNKNOWN_KEY), history(), "stop"),
        # SSH is closed to this machine and the page is 503: its nginx lives
        (DEAD._replace(edge=503), history(), "stop"),
        # a proxy in between that answers as an edge would
        (DEAD._replace(edge_marked=False), history(), "stop"),
        # a disk that is full while the page's answer does not come from a dead origin
        (DEAD._replace(edge=503, login="disk full"), history(), "stop"),
        # nobody gets in by Hetzner's firewall, this machine least of all
        (DEAD._replace(shut=True), history(), "converge"),
        (DEAD._replace(shut=True), history(reset="done"), "converge"),
        # the token belongs to another project
        (HEALTHY._replace(server=None), history(), "stop"),
        (BLIND._replace(server=None, kept=False), history(), "stop"),
    ],
)
def test_the_mildest_action_that_is_proven(observed: Situation, past: History, action: str) -> None:
    assert decide(observed, past).action == action


def test_a_healthy_server_is_touched_only_when_its_owner_insists() -> None:
    assert decide(HEALTHY).action == "none"
    assert decide(HEALTHY, told="rebuild").action == "rebuild"
    assert decide(HEALTHY, history(rebuild="done"), told="rebuild").action == "none"
    assert decide(BLIND, told="rebuild").action == "rebuild"
    assert decide(BLIND, history(rebuild="done"), told="rebuild").action == "stop", "the owner's word is for one action"


def test_insisting_has_limits() -> None:
    """Insisting moves neither a missing server nor a silent API."""
    assert decide(DEAD._replace(server=None), told="reset").action == "recreate"
    assert decide(BLIND._replace(server=None, kept=False), told="recreate").action == "recreate"
    assert decide(DEAD._replace(api="no answer"), told="reset").action == "stop"


def test_every_situation_ends_and_no_action_is_tried_twice() -> None:
    for (_names, observed), word in itertools.product(views(), ("done", "failed")):
        states: dict[str, str] = {}
        for _round in range(len(LADDER) + 1):
            action = decide(observed, history(**states)).action
            if action not in LADDER:
                break
            assert action not in states
            states[action] = word
        else:
            pytest.fail(f"{observed} never ends: {states}")


def test_images_that_cannot_be_pulled_stop_what_loses_the_disk() -> None:
    unable = DEAD._replace(images="the registry r.example refuses the login 'x' for app (HTTP 401)")
    for told in ("rebuild", "recreate", "relocate"):
        stopped = decide(unable, told=told)
        assert (stopped.action, "refuses the login" in stopped.reason) == ("stop", True)
        assert decide(unable._replace(images="ok"), told=told).action == told
    assert decide(unable).action == "reset"
    assert decide(unable._replace(server=None)).action == "recreate", "nothing of it can be lost any more"


def test_a_stop_says_what_was_not_reached_and_what_to_check() -> None:
    said = decide(BLIND._replace(proxy=True)).reason
    for words in (
        "nothing proves",
        "no answer from the edge",
        "hetzner_server_ssh_cidrs",
        "a proxy is set",
        "another network",
        "platform_recovery_action=reset",
    ):
        assert words in said
    assert "bot protection" in decide(DEAD._replace(edge=403, challenged=True)).reason
    assert "platform_state_dir" in decide(HEALTHY._replace(edge=503, login=UNKNOWN_KEY)).reason
    assert "REBUILD wants two" in decide(BLIND._replace(login="disk full")).reason


def test_proofs_name_their_source() -> None:
    assert proofs(HEALTHY) == ()
    assert [one.source for one in proofs(DEAD, history(reset="done"))] == ["edge", "outcome"]
    assert [one.source for one in proofs(DEAD._replace(login="disk full"))] == ["edge", "inside"]
    assert [one.source for one in proofs(DEAD._replace(server="off", edge=0))] == ["vendor"]


def test_the_diagnosis_is_one_line() -> None:
    assert line(DEAD) == ("API ok, server running, ping no, SSH silent, login silent, on the server not asked, through the edge HTTP 522, database answers")
    assert "does not exist" in line(DEAD._replace(server=None, edge=0))
    assert "HTTP 403 of the edge's own" in line(DEAD._replace(edge=403, challenged=True))
    assert re.search("containers: platform-redis exited$", line(HEALTHY._replace(parts="platform-redis exited")))
