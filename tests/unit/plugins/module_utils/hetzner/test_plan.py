# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan against the catalogue as the local API has it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.errors import HetznerError
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.plan import TIERS, Extras, Plan, Size, make_plan, table
from lab.api.hetzner import catalogue

EXTRAS = Extras(primary_ipv4=True, volume_gb=10)


def plan(size: Size, location: str = "ash", types: list[dict[str, Any]] | None = None, budget: float | None = None, extras: Extras = EXTRAS) -> Plan:
    return make_plan(size, location, extras, types or catalogue.server_types(), catalogue.pricing(), budget)


def sold_out(name: str, location: str) -> list[dict[str, Any]]:
    types = catalogue.server_types()
    for one in types:
        for place in one["locations"]:
            if (one["name"], place["name"]) == (name, location):
                place["available"] = False
    return types


@pytest.mark.parametrize(
    ("tier", "location", "name", "total"),
    [
        ("starter", "ash", "cpx31", 64.16),
        ("growth", "hil", "cpx31", 64.16),
        ("scale", "ash", "cpx41", 122.16),
        ("peak", "ash", "cpx51", 239.66),
        ("starter", "fsn1", "cx33", 10.16),
        ("scale", "nbg1", "cx43", 17.66),
        ("peak", "hel1", "cx53", 31.16),
        ("starter", "sin", "cpx32", 52.16),
    ],
)
def test_each_row_of_the_document_where_it_can_be_had(tier: str, location: str, name: str, total: float) -> None:
    found = plan(TIERS[tier], location)
    assert (found.chosen.name, found.chosen.total) == (name, total)


def test_what_was_asked_for_and_cannot_be_had_is_said() -> None:
    assert plan(TIERS["starter"]).refused == {"cx32": "no longer in the catalogue", "cx33": "not sold in ash"}
    assert plan(TIERS["starter"], "fsn1").refused["cpx31"] == "deprecated, no orders since 2025-12-31"


def test_sold_out_goes_to_the_next() -> None:
    found = plan(TIERS["starter"], types=sold_out("cpx31", "ash"))
    assert (found.chosen.name, found.refused["cpx31"]) == ("ccx23", "sold out")


def test_alternatives_are_big_enough_and_in_order() -> None:
    found = plan(TIERS["scale"])
    assert all(one.cores >= 8 and one.memory >= 16 and not one.reason for one in found.alternatives)
    assert [one.total for one in found.alternatives] == sorted(one.total for one in found.alternatives)
    assert [one.location for one in found.elsewhere][-1] == "hil"
    assert "ash" not in {one.location for one in found.elsewhere}


def test_budget_stops_and_names_what_is_within() -> None:
    with pytest.raises(HetznerError, match=r"costs 64\.16 EUR a month, the budget is 50\.00; within it is cx33 in fsn1 for 10\.16") as caught:
        plan(TIERS["starter"], budget=50)
    assert caught.value.code == "over_budget"
    assert plan(TIERS["starter"], budget=64.16).chosen.name == "cpx31"


def test_unknown_location_and_impossible_size() -> None:
    with pytest.raises(HetznerError, match="no location 'mars'; there are ash, fsn1"):
        plan(TIERS["starter"], "mars")
    with pytest.raises(HetznerError, match="nothing with 99 vCPU / 8 GB can be ordered in ash"):
        plan(Size(99, 8))
    with pytest.raises(HetznerError, match=r"cpx51: too small.*|nothing"):
        plan(Size(64, 512, ("cpx51",)))


def test_architecture_disk_and_extras() -> None:
    assert plan(Size(4, 8, architecture="arm"), "fsn1").chosen.name == "cax21"
    assert plan(Size(4, 8, disk=200)).chosen.name == "cpx41"
    bare = plan(TIERS["starter"], extras=Extras(primary_ipv4=False)).chosen
    assert (bare.primary_ip, bare.volume, bare.total) == (0, 0, 62.99)
    assert plan(TIERS["starter"], extras=Extras(side="gross")).chosen.server == 74.96


def test_table_has_choice_alternatives_and_reasons() -> None:
    lines = table(plan(TIERS["starter"]), "net")
    assert lines[1].startswith("> cpx31   ash")
    assert lines[-1] == "| cx33: not sold in ash"
