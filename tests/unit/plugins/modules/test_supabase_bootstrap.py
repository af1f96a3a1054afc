# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain PostgreSQL gets what it lacks; a Supabase project lacks nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.modules import supabase_bootstrap

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch, Scratch

pytest_plugins = ["lab.supabase.testing"]


def run(capfd: pytest.CaptureFixture[str], database: Scratch, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
    with patch_module_args({**database.options(**arguments), "_ansible_check_mode": check}), pytest.raises(SystemExit):
        supabase_bootstrap.main()
    result: dict[str, Any] = json.loads(capfd.readouterr().out)
    return result


def test_check_make_again(capfd: pytest.CaptureFixture[str], scratch: MakeScratch) -> None:
    database = scratch("bare")
    checked = run(capfd, database, check=True, user="supabase_admin")
    assert "table auth.users" in checked["made"]
    assert database.sql("SELECT to_regnamespace('auth')", user="supabase_admin") == [(None,)]
    assert run(capfd, database, user="supabase_admin")["made"] == checked["made"]
    assert run(capfd, database, user="supabase_admin")["changed"] is False
    claims = "SELECT set_config('request.jwt.claims', '{\"sub\": \"7c8c4d0e-0000-4000-8000-000000000001\"}', false); SELECT auth.uid()::text"
    assert database.sql(claims, user="supabase_admin") == [("7c8c4d0e-0000-4000-8000-000000000001",)]


@pytest.mark.parametrize("kind", ["old", "new"])
def test_a_project_lacks_nothing(capfd: pytest.CaptureFixture[str], scratch: MakeScratch, kind: Any) -> None:
    assert run(capfd, scratch(kind))["made"] == []
