# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab's name and addresses."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address

import pytest

from lab import net, slots
from lab.config import Lab, LabError


@pytest.mark.parametrize("name", ["", "Lab", "1lab", "toolong", "a-b"])
def test_a_bad_name_is_refused_with_the_variable(name: str) -> None:
    with pytest.raises(LabError, match="LAB_NAME"):
        Lab.named(name, "10.213.0.0/20")


@pytest.mark.parametrize("subnet", ["10.213.0.0/16", "10.213.0.1/20", "nonsense"])
def test_a_bad_subnet_is_refused_with_the_variable(subnet: str) -> None:
    with pytest.raises(LabError, match="LAB_SUBNET"):
        Lab.named("lab", subnet)


def test_every_address_lies_in_the_labs_own_networks() -> None:
    lab = Lab.named("two", "10.99.16.0/20")
    addresses = [lab.control, lab.edge, lab.database, net.server_address(lab, 0), net.server_address(lab, 1000)]
    assert all(ip_address(address) in IPv4Network("10.99.16.0/20") for address in addresses)
    assert len(set(addresses)) == len(addresses)
    assert IPv6Network(net.server_network6(lab, 3)).subnet_of(lab.prefix6)


def test_the_pool_of_addresses_ends_with_a_clear_error() -> None:
    with pytest.raises(LabError, match="used up"):
        net.server_address(Lab(), 3070)


def test_slots_of_two_runs_share_neither_names_nor_subnets() -> None:
    first, second = slots.take(), slots.take()
    try:
        ours, theirs = [first.lab(index, "x") for index in range(16)], [second.lab(index, "x") for index in range(16)]
        assert not {lab.name for lab in ours} & {lab.name for lab in theirs}
        assert not any(one.prefix.overlaps(other.prefix) for one in ours for other in theirs)
        assert not any(one.prefix.overlaps(other.prefix) for one in ours for other in ours if one is not other)
    finally:
        first.lock.close()
        second.lock.close()
