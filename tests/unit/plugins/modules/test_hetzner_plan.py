# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as Ansible sees it; what it chooses is tested with the pure functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hcloud
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
    assert "| cx32: no longer in the catalogue" in table


@pytest.mark.parametrize("check", [True, False])
def test_the_budget_stops_before_anything_is_bought(hetzner: HetznerApi, run_hetzner: Run, check: bool) -> None:
    failed = run_hetzner("plan", check=check, location="ash", tier="starter", monthly_budget=20)
    assert failed["failure"]["code"] == "over_budget"
    assert "cpx31 in ash costs 63.59 EUR a month, the budget is 20.00; within it is cx33 in fsn1 for 9.59" in failed["msg"]
    assert hetzner.writes() == []


def test_sold_out(hetzner: HetznerApi, run_hetzner: Run) -> None:
    """Sold out is the next choice and nothing left names the nearest."""
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


LABELS = {"platform": "quetrex", "environment": "test", "role": "app"}


@pytest.fixture
def server(hetzner: HetznerApi) -> Callable[..., None]:
    """Make the server a plan is for."""

    def make(kind: str) -> None:
        body = {"name": "app", "server_type": kind, "image": "debian-13", "location": "ash", "labels": LABELS}
        hcloud.Client(hetzner.token, api_endpoint=hetzner.url).request("POST", "/servers", json=body)

    return make


def test_a_server_that_is_there_needs_neither_stock_nor_budget(hetzner: HetznerApi, run_hetzner: Run, server: Callable[..., None]) -> None:
    server("cpx31")
    hetzner.fault({"domain": "sold_out", "location": "ash"}, times=None)
    for resize in (False, True):
        told = run_hetzner("plan", location="ash", tier="starter", labels=LABELS, resize=resize, monthly_budget=20)
        assert (told["chosen"]["name"], told["current"]["name"], told["current"]["total"]) == ("cpx31", "cpx31", 63.59), told
        assert [line[:7] for line in told["table"] if line.startswith(">*")] == [">*cpx31"]
    assert run_hetzner("plan", location="ash", tier="peak", labels=LABELS)["chosen"]["name"] == "cpx31"
    # to grow it is to buy
    assert run_hetzner("plan", location="ash", tier="peak", labels=LABELS, resize=True)["failure"]["code"] == "no_plan"


def test_temporarily_sold_out(hetzner: HetznerApi, run_hetzner: Run, server: Callable[..., None]) -> None:
    """A type that is only sold out is not left for the next best."""
    server("cpx31")
    hetzner.fault({"domain": "sold_out", "type": "cpx31"}, times=None)
    told = run_hetzner("plan", location="ash", tier="starter", labels=LABELS, resize=True)
    assert (told["chosen"]["name"], told["alternatives"][0]["name"]) == ("cpx31", "ccx23")


def test_resize_within_budget(run_hetzner: Run, server: Callable[..., None]) -> None:
    """Another size shows both and wants the budget only for a resize."""
    server("cpx31")
    told = run_hetzner("plan", location="ash", tier="scale", labels=LABELS, monthly_budget=100)
    assert (told["chosen"]["name"], told["current"]["name"]) == ("cpx41", "cpx31")
    assert [line[:7] for line in told["table"][1:3]] == ["* cpx31", "> cpx41"]
    assert run_hetzner("plan", location="ash", tier="scale", labels=LABELS, monthly_budget=100, resize=True)["failure"]["code"] == "over_budget"
    assert run_hetzner("plan", location="ash", tier="scale", labels={**LABELS, "role": "none"})["current"] is None


POOL: dict[str, Any] = {"location": "ash", "tier": "fleet", "volume_size": 10, "servers": 3, "balancer_type": "lb11"}


def test_several_servers_are_counted_together(hetzner: HetznerApi, run_hetzner: Run) -> None:
    one = run_hetzner("plan", location="ash", tier="fleet", volume_size=10)["chosen"]
    found = run_hetzner("plan", **POOL)
    chosen = found["chosen"]
    assert (chosen["name"], chosen["servers"], chosen["server"], chosen["balancer"]) == ("cpx41", 3, one["server"], 5.39)
    assert chosen["total"] == pytest.approx(3 * one["total"] + 5.39, abs=0.05)
    assert "| total of 3 servers and a load balancer at 5.39; the other columns are of one server" in found["table"]
    assert any("3 servers, 6 Primary IPs, 3 volumes, a load balancer, a network and a firewall" in line for line in found["table"])
    assert hetzner.writes() == []


def test_the_budget_is_that_of_all(hetzner: HetznerApi, run_hetzner: Run) -> None:
    """A single server would be within it."""
    failed = run_hetzner("plan", **POOL, monthly_budget=200)
    assert failed["failure"]["code"] == "over_budget"
    assert "3 x cpx41 in ash costs with all that belongs to them 371.88 EUR a month, the budget is 200.00" in failed["msg"]
    assert hetzner.writes() == []


def test_while_servers_are_missing_they_are_bought(hetzner: HetznerApi, run_hetzner: Run, server: Callable[..., None]) -> None:
    """One of three is there: stock and budget count. With all of them nothing is bought."""
    server("cpx41")
    hetzner.fault({"domain": "sold_out", "location": "ash"}, times=None)
    assert run_hetzner("plan", **POOL, labels=LABELS)["failure"]["code"] == "no_plan"
    hetzner.heal()
    assert run_hetzner("plan", **POOL, labels=LABELS, monthly_budget=200)["failure"]["code"] == "over_budget"
    for name in ("app-2", "app-3"):
        hcloud.Client(hetzner.token, api_endpoint=hetzner.url).request(
            "POST", "/servers", json={"name": name, "server_type": "cpx41", "image": "debian-13", "location": "ash", "labels": LABELS}
        )
    hetzner.fault({"domain": "sold_out", "location": "ash"}, times=None)
    assert run_hetzner("plan", **POOL, labels=LABELS, monthly_budget=200)["chosen"]["name"] == "cpx41"


def test_a_balancer_type_that_there_is_not(run_hetzner: Run) -> None:
    assert "there is no load balancer type 'lb99'; there are lb11, lb21, lb31" in run_hetzner("plan", **{**POOL, "balancer_type": "lb99"})["msg"]


@pytest.mark.parametrize("count", [1, 3])
def test_fewer_servers_than_there_are(hetzner: HetznerApi, run_hetzner: Run, count: int) -> None:
    for number in range(1, 5):
        hcloud.Client(hetzner.token, api_endpoint=hetzner.url).request(
            "POST", "/servers",
            json={"name": f"app-{number}", "server_type": "cpx31", "image": "debian-13", "location": "ash", "labels": {**LABELS, "index": str(number)}},
        )  # fmt: skip
    failed = run_hetzner("plan", location="ash", tier="starter", servers=count, labels=LABELS)
    assert failed["failure"]["details"] == {"left": [f"app-{number}" for number in range(count + 1, 5)]}
    assert "Nothing was touched. Set platform_servers to 4" in failed["msg"]
    assert run_hetzner("plan", location="ash", tier="starter", servers=4, labels=LABELS)["chosen"]["servers"] == 4
