# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against the local Management API, and its sums."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils.testing import patch_module_args

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
    assert [item["name"] for item in result["usage"]] == ["database_bytes", "auth_users", "monthly_active_users", "connections", "disk_bytes"]
    assert result["usage"][0]["limit"] == 500_000_000
    keys = run(capfd, management, ref=management.ref, keys=True)["project"]["keys"]
    assert set(keys) == {"anon", "service_role", "publishable_default", "secret_default"}


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


def test_looks_are_remembered_under_the_projects_reference(capfd: pytest.CaptureFixture[str], management: ManagementServer, tmp_path: Path) -> None:
    path = tmp_path / "state" / "samples.jsonl"
    run(capfd, management, name="quetrex", samples=str(path), _ansible_check_mode=True)
    assert not path.exists()
    for _look in range(2):
        assert run(capfd, management, name="quetrex", samples=str(path))["changed"] is False
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["of"] == management.ref
