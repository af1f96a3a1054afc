# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time is accounted to stages without a gap and without counting twice."""

from __future__ import annotations

import pytest

from ansible_collections.quetrex.platform.plugins.plugin_utils.timeline import Timeline, clock_text


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_seconds_go_to_the_stage_that_is_on() -> None:
    clock = Clock()
    line = Timeline(clock)
    line.play("provision")
    clock.now += 1
    first = line.task("hetzner_server")
    assert first is not None
    assert line.task("hetzner_server") is None
    clock.now += 20
    second = line.task("host_baseline")
    assert second is not None
    line.result(changed=True)
    clock.now += 5
    line.finish()
    assert (first.started, first.seconds, first.tasks) == (1, 20, 2)
    assert (second.started, second.seconds, second.changed) == (21, 5, 1)


def test_a_stage_entered_again_goes_on() -> None:
    clock = Clock()
    line = Timeline(clock)
    line.play("p")
    for role, seconds in (("a", 2), ("b", 3), ("a", 4)):
        assert line.task(role) is not None
        clock.now += seconds
    line.finish()
    assert [(stage.name, stage.seconds) for stage in line.stages] == [("a", 6), ("b", 3)]


def test_the_same_role_in_another_play_is_another_stage() -> None:
    clock = Clock()
    line = Timeline(clock)
    for play in ("one", "two"):
        line.play(play)
        line.task("verify")
        clock.now += 1
    data = line.as_data(finished=True)
    assert [(stage["play"], stage["seconds"]) for stage in data["stages"]] == [("one", 1), ("two", 1)]
    assert data["seconds"] == 2


def test_an_unfinished_timeline_counts_the_stage_that_is_on() -> None:
    clock = Clock()
    line = Timeline(clock)
    line.play("p")
    line.task(None)
    clock.now += 7
    assert line.as_data(finished=False)["stages"][0]["seconds"] == 7
    clock.now += 1
    assert line.as_data(finished=False)["stages"][0]["seconds"] == 8


def test_table_ends_with_the_total() -> None:
    clock = Clock()
    line = Timeline(clock)
    line.play("p")
    line.task("role")
    line.result(failed=True)
    clock.now += 61.25
    assert line.table()[-1].split() == ["total", "61.2", "-", "1"]


@pytest.mark.parametrize(("seconds", "text"), [(0, "00:00"), (7.9, "00:07"), (760, "12:40"), (3723, "1:02:03")])
def test_clock_text(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


def test_with_a_budget_the_last_line_holds_the_total_against_it() -> None:
    clock = Clock()
    line = Timeline(clock)
    line.play("p")
    line.task("role")
    clock.now += 61.25
    assert line.table(600)[-1].split() == ["budget", "600.0", "538.8", "s", "left"]
    assert line.table(60)[-1].split() == ["budget", "60.0", "exceeded", "by", "1.2", "s"]
