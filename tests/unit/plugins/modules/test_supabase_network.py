# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against the local Management API: one network comes and goes, and everybody else's stay."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.access import after
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure
from ansible_collections.quetrex.platform.plugins.modules import supabase_network

if TYPE_CHECKING:
    from lab.supabase.management import ManagementServer

pytest_plugins = ["lab.supabase.management"]


def run(capfd: pytest.CaptureFixture[str], server: ManagementServer, *networks: str, state: str = "present", check: bool = False) -> dict[str, Any]:
    given = {"api_token": server.token, "api_url": server.url, "ref": server.ref, "networks": list(networks), "state": state}
    with patch_module_args({**given, "_ansible_check_mode": check, "_ansible_diff": True}), pytest.raises(SystemExit):
        supabase_network.main()
    output = capfd.readouterr()
    assert server.token not in output.out + output.err
    result: dict[str, Any] = json.loads(output.out)
    return result


def test_one_network_comes_and_goes(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    there = management.projects[management.ref]
    production = {"v4": ["203.0.113.7/32"], "v6": ["2001:db8::/64"]}
    there |= {name: {family: list(found) for family, found in production.items()} for name in ("restrictions", "restrictions_in_force")}
    checked = run(capfd, management, "198.51.100.9", check=True)
    assert (checked["changed"], there["restrictions"]) == (True, production)
    made = run(capfd, management, "198.51.100.9")
    assert made["networks"] == checked["networks"] == ["198.51.100.9/32", "2001:db8::/64", "203.0.113.7/32"]
    assert there["restrictions"] == {"v4": ["198.51.100.9/32", "203.0.113.7/32"], "v6": ["2001:db8::/64"]}
    assert run(capfd, management, "198.51.100.9")["changed"] is False
    assert run(capfd, management, "198.51.100.9", state="absent")["changed"] is True
    assert there["restrictions"] == production
    assert run(capfd, management, "198.51.100.9", state="absent")["changed"] is False


def test_an_open_project_stays_open(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    there = management.projects[management.ref]
    assert (there["restrictions"], there["restrictions_in_force"]) == ({"v4": [], "v6": []}, None)
    for state in ("present", "absent"):
        assert run(capfd, management, "198.51.100.9", state=state)["changed"] is False


def test_one_that_stays_stored_is_taken_back(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    there = management.projects[management.ref]
    there |= {name: {"v4": ["203.0.113.7/32"], "v6": []} for name in ("restrictions", "restrictions_in_force")}
    management.fault({"effect": {"domain": "restrictions_stored"}, "times": 30})
    refused = run(capfd, management, "198.51.100.9")
    assert (refused["failure"]["code"], there["restrictions"]) == ("stored", {"v4": ["203.0.113.7/32"], "v6": []})
    # What somebody else's change left behind is asked for when it is wanted, and else let be.
    there |= {"restrictions": {"v4": ["198.51.100.9/32", "203.0.113.7/32"], "v6": []}, "restrictions_pending": True}
    management.fault({"effect": {"domain": "restrictions_stored"}, "times": 2})
    assert run(capfd, management, "192.0.2.1", state="absent")["changed"] is False
    assert run(capfd, management, "198.51.100.9")["changed"] is True
    assert there["restrictions_in_force"]["v4"] == ["198.51.100.9/32", "203.0.113.7/32"]


def test_a_project_that_is_not_there(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    with patch_module_args({"api_token": management.token, "api_url": management.url, "name": "nobody", "networks": []}), pytest.raises(SystemExit):
        supabase_network.main()
    assert json.loads(capfd.readouterr().out)["failure"]["code"] == "not_found"


def test_nobody_is_shut_out() -> None:
    assert after(["203.0.113.0/24"], ["203.0.113.7"], present=True) == ["203.0.113.0/24"]
    assert after(["203.0.113.0/24"], ["203.0.113.7"], present=False) == ["203.0.113.0/24"]
    assert after(["203.0.113.7/32"], [], present=False) == ["203.0.113.7/32"]
    assert after(["203.0.113.7/32"], ["2001:db8::1"], present=True) == ["2001:db8::1/128", "203.0.113.7/32"]
    with pytest.raises(Failure, match="nobody could connect"):
        after(["203.0.113.7/32"], ["203.0.113.7"], present=False)
    with pytest.raises(Failure, match="allowed_networks"):
        after(["203.0.113.7/32"], ["somewhere"], present=True)
