# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""hetzner_plan as a user calls it: the order is named with its price, and nothing is ever bought."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.api.hetzner.testing import HetznerApi

Run = Callable[..., dict[str, Any]]


def test_it_names_the_type_its_price_and_what_else_there_is(hetzner: HetznerApi, run_hetzner: Run) -> None:
    plan = run_hetzner("plan", location="ash", tier="starter", volume_size=10)
    chosen = plan["chosen"]
    assert (chosen["location"], chosen["cores"] >= 4, chosen["memory"] >= 8) == ("ash", True, True)
    assert chosen["total"] == pytest.approx(chosen["server"] + chosen["primary_ip"] + chosen["volume"], abs=0.01)
    assert chosen["volume"] > 0
    assert all(one["location"] == "ash" for one in plan["alternatives"])
    totals = [one["total"] for one in plan["elsewhere"]]
    assert totals == sorted(totals)
    assert any(chosen["name"] in line for line in plan["table"])


@pytest.mark.parametrize("check", [True, False])
def test_it_changes_nothing_in_any_mode(hetzner: HetznerApi, run_hetzner: Run, check: bool) -> None:
    assert run_hetzner("plan", check=check, location="ash", tier="scale")["changed"] is False
    assert hetzner.writes() == []


def test_a_size_of_ones_own_replaces_the_tier(hetzner: HetznerApi, run_hetzner: Run) -> None:
    chosen = run_hetzner("plan", location="ash", tier="starter", cores=8, memory=16, preferred=[])["chosen"]
    assert (chosen["cores"] >= 8, chosen["memory"] >= 16) == (True, True)


def test_a_budget_that_is_too_small_is_refused_with_both_numbers(hetzner: HetznerApi, run_hetzner: Run) -> None:
    refused = run_hetzner("plan", location="ash", tier="peak", monthly_budget=1.5)
    assert refused["failed"]
    assert "1.5" in refused["msg"]
    assert hetzner.writes() == []


def test_a_type_that_cannot_be_had_is_named_with_the_reason(hetzner: HetznerApi, run_hetzner: Run) -> None:
    plan = run_hetzner("plan", location="ash", tier="starter", preferred=["cx33", "cpx31"])
    assert plan["chosen"]["name"] == "cpx31"
    assert plan["refused"]["cx33"]


def test_nothing_big_enough_is_a_failure_that_code_can_read(hetzner: HetznerApi, run_hetzner: Run) -> None:
    refused = run_hetzner("plan", location="ash", cores=500, memory=1000.0)
    assert refused["failed"]
    assert refused["failure"]["code"]
