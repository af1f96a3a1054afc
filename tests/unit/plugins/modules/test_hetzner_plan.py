# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as Ansible sees it; what it chooses is tested with the pure functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.api.hetzner.testing import HetznerApi

Run = Callable[..., dict[str, Any]]


def test_four_ways(hetzner: HetznerApi, run_hetzner: Run) -> None:
    planned = run_hetzner("plan", check=True, location="ash", tier="starter", volume_size=10)
    assert planned == run_hetzner("plan", location="ash", tier="starter", volume_size=10)
    assert (planned["changed"], planned["chosen"]["name"], planned["chosen"]["total"], planned["currency"]) == (False, "cpx31", 64.16, "EUR")
    assert run_hetzner("plan", location="fsn1", tier="starter")["chosen"]["name"] == "cx33"
    assert hetzner.writes() == []


def test_the_table_tells_choice_alternatives_and_why_not(run_hetzner: Run) -> None:
    table = run_hetzner("plan", location="ash", tier="starter", volume_size=10)["table"]
    assert [line for line in table if line.startswith("> ")] == ["> cpx31   ash       4    8   160   3    62.99   0.60    0.57    64.16"]
    assert "  cx32: no longer in the catalogue" in table


@pytest.mark.parametrize("check", [True, False])
def test_the_budget_stops_before_anything_is_bought(hetzner: HetznerApi, run_hetzner: Run, check: bool) -> None:
    failed = run_hetzner("plan", check=check, location="ash", tier="starter", monthly_budget=20)
    assert failed["failure"]["code"] == "over_budget"
    assert "cpx31 in ash costs 63.59 EUR a month, the budget is 20.00; within it is cx33 in fsn1 for 9.59" in failed["msg"]
    assert hetzner.writes() == []


def test_sold_out_is_the_next_choice_and_nothing_left_names_the_nearest(hetzner: HetznerApi, run_hetzner: Run) -> None:
    hetzner.fault({"domain": "sold_out", "type": "cpx31"}, times=None)
    assert run_hetzner("plan", location="ash", tier="starter")["chosen"]["name"] == "ccx23"
    hetzner.fault({"domain": "sold_out", "location": "ash"}, times=None)
    failed = run_hetzner("plan", location="ash", tier="starter")
    assert failed["failure"]["code"] == "no_plan"
    assert "elsewhere cx33 in fsn1" in failed["msg"]
    assert "there is no location 'moon'" in run_hetzner("plan", location="moon", tier="starter")["msg"]


def test_a_size_of_ones_own_replaces_the_tier(run_hetzner: Run) -> None:
    chosen = run_hetzner("plan", location="ash", tier="starter", cores=8, memory=16, preferred=[])["chosen"]
    assert (chosen["cores"] >= 8, chosen["memory"] >= 16) == (True, True)
    assert run_hetzner("plan", location="ash", cores=500, memory=1000.0)["failure"]["code"] == "no_plan"
