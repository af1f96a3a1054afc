# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against the local Management API, and its sums."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.module_utils.supabase import project_info
from ansible_collections.quetrex.platform.plugins.modules import supabase_project_info

if TYPE_CHECKING:
    from lab.supabase.management import ManagementServer

pytest_plugins = ["lab.supabase.management"]


def run(capfd: pytest.CaptureFixture[str], server: ManagementServer, **arguments: Any) -> dict[str, Any]:
    with patch_module_args({"api_token": server.token, "api_url": server.url, **arguments}), pytest.raises(SystemExit):
        supabase_project_info.main()
    output = capfd.readouterr().out
    assert server.token not in output
    result: dict[str, Any] = json.loads(output)
    return result


def test_all_there_is(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    management.statuses.clear()
    result = run(capfd, management, name="quetrex")
    found = result["project"]
    assert (found["plan"], found["status"], found["backups"]["pitr"], found["ssl_enforced"]) == ("free", "ACTIVE_HEALTHY", False, False)
    assert found["pooler"]["user"] == f"postgres.{management.ref}"
    assert "keys" not in found
    assert len(management.statuses) <= 16
    assert [item["name"] for item in result["usage"]] == ["database_bytes", "auth_users", "connections", "disk_bytes"]
    assert result["usage"][0]["limit"] == 500_000_000
    keys = run(capfd, management, ref=management.ref, keys=True)["project"]["keys"]
    assert set(keys) == {"anon", "service_role"}


def test_a_paid_plan_has_backups(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    management.app.state.faults.add({"effect": {"domain": "plan", "plan": "pro"}})
    assert run(capfd, management, name="quetrex")["project"]["backups"]["daily"] == 7


def test_a_paused_project_says_what_it_can(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    management.call("POST", f"/v1/projects/{management.ref}/pause")
    management.now += 60
    result = run(capfd, management, ref=management.ref)
    assert (result["project"]["status"], result["project"]["disk"], result["project"]["numbers"], result["usage"]) == ("INACTIVE", None, None, [])


def test_an_unknown_name(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    assert run(capfd, management, name="absent")["failure"]["code"] == "not_found"


def test_the_day_a_limit_is_reached() -> None:
    now = datetime.datetime(2026, 1, 11, tzinfo=datetime.UTC)
    numbers = {"database_bytes": 300_000_000, "auth_users": 20_000, "auth_users_last_30_days": 3000, "connections": 12, "max_connections": 60}
    earlier = {"at": "2026-01-01T00:00:00+00:00", "numbers": {"database_bytes": 200_000_000}}
    told = {item["name"]: item for item in project_info.usage({"plan": "free", "numbers": numbers, "disk": None}, now, earlier)}
    assert (told["database_bytes"]["share"], told["database_bytes"]["reached"]) == (0.6, "2026-01-31")
    assert told["auth_users"]["reached"] == "2026-11-07"
    assert (told["connections"]["share"], told["connections"]["reached"]) == (0.2, None)
