# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names and addresses of servers stay theirs, however many there are."""

from __future__ import annotations

from ansible_collections.quetrex.platform.plugins.filter.pool_members import pool_members
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.pool import BALANCER, place_of, private_address
from ansible_collections.quetrex.platform.plugins.plugin_utils.settings import private_network


def test_the_first_keeps_the_name_of_a_single_one() -> None:
    assert pool_members("app", 1, "10.77.0.0/24") == [{"index": 1, "name": "app", "private_address": "10.77.0.11"}]
    three, ten = pool_members("app", 3, "10.77.0.0/24"), pool_members("app", "10", "10.77.0.0/24")
    assert ten[:3] == three
    assert [one["name"] for one in three] == ["app", "app-2", "app-3"]


def test_the_smallest_range_has_room_for_all() -> None:
    """Ten servers, as many as a placement group holds, and the balancer, each with an address of its own."""
    smallest = "10.77.0.32/27"
    assert private_network(smallest) is None
    places = [place_of(smallest, BALANCER), *(private_address(smallest, number) for number in range(1, 11))]
    assert len(set(places)) == 11
    assert (places[0], places[-1]) == ("10.77.0.34", "10.77.0.52")
