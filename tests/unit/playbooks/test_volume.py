# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The volume that is mounted is the one that hetzner_server has found, whatever else is attached and in whatever order."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from contract import rules


def device(ours: Any, attached: list[Any], *, check: bool = False, **more: Any) -> Any:
    """What the stage on the server says; `more` is what a server of several has."""
    (play,) = rules.read_yaml(rules.ROOT / "playbooks" / "stages" / "server.yml")
    (role,) = (one for one in play["roles"] if "host_baseline_volume_device" in one)
    localhost = {"hetzner_server_volume_id": ours, "hetzner_server_volume_ids": {"app": 1, "app-2": 2}}
    variables = {"hostvars": {"localhost": localhost}, "hcloud_volumes": attached, "ansible_check_mode": check, "inventory_hostname": "app-2", **more}
    variables |= {name: trust_as_template(value) for name, value in play["vars"].items()}
    return Templar(DataLoader(), variables=variables).template(trust_as_template(role["host_baseline_volume_device"]))


@pytest.mark.parametrize("attached", [[1036, 1040], [1040, 1036], [1040], [1036], []])
def test_a_foreign_volume_that_is_attached_first_is_left_alone(attached: list[int]) -> None:
    assert device(1040, attached) == "/dev/disk/by-id/scsi-0HC_Volume_1040"
    assert device("1040", [str(one) for one in attached]) == "/dev/disk/by-id/scsi-0HC_Volume_1040"


def test_without_a_volume_of_its_own_none_is_taken() -> None:
    assert device("", [1036]) is None


def test_each_of_several_servers_has_its_own() -> None:
    pool = {"hcloud_balancer": {"name": "app"}}
    assert device(1, [1, 2], **pool) == "/dev/disk/by-id/scsi-0HC_Volume_2"
    assert device(1, [1, 2], **pool, inventory_hostname="front", hcloud_name="app") == "/dev/disk/by-id/scsi-0HC_Volume_1"
    assert device(1, [], **pool, check=True) is None
    assert device(1, [], **pool, inventory_hostname="app-3") is None


def test_a_look_beforehand_wants_it_attached() -> None:
    assert device(1040, [1036], check=True) is None
    assert device(1040, [1036, 1040], check=True) == "/dev/disk/by-id/scsi-0HC_Volume_1040"


def test_nothing_takes_a_volume_by_its_position() -> None:
    files = [path for pattern in ("playbooks/**/*.yml", "roles/*/*/*.yml") for path in rules.ROOT.glob(pattern)]
    assert [path.name for path in files if re.search(r"hcloud_volumes\s*(\||\[)\s*(first|last|min|max|\d)", path.read_text())] == []
