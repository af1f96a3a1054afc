# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against a Supabase database and a plain PostgreSQL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.modules import supabase_usage_info

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch

pytest_plugins = ["lab.supabase.testing"]


def run(capfd: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        supabase_usage_info.main()
    result: dict[str, Any] = json.loads(capfd.readouterr().out)
    return result


def test_a_supabase_database(capfd: pytest.CaptureFixture[str], scratch: MakeScratch, tmp_path: Path) -> None:
    database = scratch("new")
    for number in range(3):
        database.sign_up(f"u{number}@example.com")
    database.sql("UPDATE auth.users SET last_sign_in_at = now() WHERE email = 'u1@example.com'", user="supabase_auth_admin")
    samples = tmp_path / "samples.jsonl"
    result = run(capfd, **database.options(), plan="free", samples=str(samples))
    told = {item["name"]: item for item in result["usage"]}
    assert (told["auth_users"]["used"], told["monthly_active_users"]["used"], told["monthly_active_users"]["limit"]) == (3, 1, 50_000)
    assert (told["database_bytes"]["limit"], told["database_bytes"]["reached"]) == (500_000_000, None)
    assert told["connections"]["limit"] == 60
    assert any(item["calls"] > 0 for item in result["slow_queries"])
    assert json.loads(samples.read_text())["numbers"]["auth_users"] == 3
    assert run(capfd, **database.options(), limits={"database_bytes": 1})["usage"][0]["reached"] is not None


def test_a_plain_postgresql(capfd: pytest.CaptureFixture[str], scratch: MakeScratch) -> None:
    result = run(capfd, **scratch("bare").options(user="supabase_admin"))
    assert [item["name"] for item in result["usage"]] == ["database_bytes", "connections"]
    assert (result["slow_queries"], result["postgres_version"].partition(".")[0].isdigit()) == ([], True)


def test_an_unreachable_server(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "Cannot connect" in run(capfd, host=str(tmp_path), sslmode="disable")["msg"]
