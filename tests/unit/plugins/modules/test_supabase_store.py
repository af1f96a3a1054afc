# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform's own schema: made once, closed to everybody, and filled with what earlier versions kept elsewhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg2.errors
import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.module_utils.supabase import catalog, store
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database, Target
from ansible_collections.quetrex.platform.plugins.modules import supabase_store
from lab.api.testing import failure_of

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch, Scratch

pytest_plugins = ["lab.supabase.testing"]

BEFORE = """CREATE SCHEMA platform; CREATE TABLE platform.releases (platform text, environment text, record jsonb, updated_at timestamptz,
  PRIMARY KEY (platform, environment)); INSERT INTO platform.releases VALUES ('quetrex', 'production', '{"old": 1}', '2026-01-01')"""
KEPT = "SELECT platform, environment, record FROM quetrex_platform.releases"


def run(capfd: pytest.CaptureFixture[str], database: Scratch, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
    with patch_module_args({**database.options(), **arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
        supabase_store.main()
    result: dict[str, Any] = json.loads(capfd.readouterr().out)
    return result


def lines(database: Scratch, user: str) -> list[str]:
    with Database(Target(**database.options(user=user))) as opened, opened.transaction():
        return catalog.snapshot(opened, catalog.Scope())


@pytest.mark.parametrize("kind", ["old", "new", "bare"])
def test_check_make_again(capfd: pytest.CaptureFixture[str], scratch: MakeScratch, kind: Any) -> None:
    database, user = scratch(kind), dict[str, Any](user="supabase_admin" if kind == "bare" else "postgres")
    before = lines(database, **user)
    wanted = ["schema quetrex_platform", "table quetrex_platform.releases"]
    assert failure_of(run(capfd, database, state="verified", **user)) == ("no_store", {"lacking": wanted})
    assert run(capfd, database, check=True, **user)["made"] == wanted
    assert run(capfd, database, **user)["made"] == wanted
    assert run(capfd, database, **user)["changed"] is False
    assert run(capfd, database, state="verified", **user)["made"] == []
    # no default privileges, no grants, nothing of anybody else's
    assert lines(database, **user) == before


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_nobody_else_enters(capfd: pytest.CaptureFixture[str], scratch: MakeScratch, role: str) -> None:
    """Also where somebody has opened every new object of the database."""
    database = scratch("old")
    database.sql("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO anon, authenticated, service_role; ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO anon")
    run(capfd, database)
    assert database.sql(f"SELECT has_schema_privilege('{role}', 'quetrex_platform', 'USAGE')") == [(False,)]
    database.sql(f"GRANT USAGE ON SCHEMA quetrex_platform TO {role}")
    with database.acting(role) as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute("SELECT * FROM quetrex_platform.releases")


def test_the_earlier_record_is_copied_once(capfd: pytest.CaptureFixture[str], scratch: MakeScratch) -> None:
    database = scratch("new")
    database.sql(BEFORE)
    assert run(capfd, database)["made"][-1] == "rows of platform.releases"
    assert database.sql(KEPT) == [("quetrex", "production", {"old": 1})]
    assert run(capfd, database)["changed"] is False
    database.sql("UPDATE quetrex_platform.releases SET record = '{\"new\": 1}', updated_at = now()")
    assert run(capfd, database)["changed"] is False
    # a server with the program of before has released once more
    database.sql("UPDATE platform.releases SET record = '{\"later\": 1}', updated_at = now()")
    assert run(capfd, database)["made"] == ["rows of platform.releases"]
    assert database.sql(KEPT) == [("quetrex", "production", {"later": 1})]


def test_notes_beside_the_clis_ledger_are_moved(capfd: pytest.CaptureFixture[str], scratch: MakeScratch) -> None:
    """One change, then none; until then the database does as it is."""
    database = scratch("new")
    run(capfd, database)
    database.sql("CREATE SCHEMA supabase_migrations; CREATE TABLE supabase_migrations.quetrex_begun (version text PRIMARY KEY, digest text NOT NULL)")
    database.sql("INSERT INTO supabase_migrations.quetrex_begun VALUES ('1', 'd')")
    assert run(capfd, database, state="verified")["made"] == []
    made = ["table quetrex_platform.begun", "rows of supabase_migrations.quetrex_begun"]
    assert [run(capfd, database, check=check)["made"] for check in (True, False, False)] == [made, made, []]
    assert database.sql("SELECT * FROM quetrex_platform.begun") == [("1", 0, True, "d")]
    assert database.sql("SELECT to_regclass('supabase_migrations.quetrex_begun')") == [(None,)]


def test_an_applications_own_schema_platform_is_left_alone(capfd: pytest.CaptureFixture[str], scratch: MakeScratch) -> None:
    database = scratch("new")
    database.sql("CREATE SCHEMA platform; CREATE TABLE platform.releases (title text, year int); INSERT INTO platform.releases VALUES ('Blue', 1971)")
    assert run(capfd, database)["made"] == ["schema quetrex_platform", "table quetrex_platform.releases"]
    with Database(Target(**database.options())) as opened:
        assert store.users(opened) == []
    assert database.sql("SELECT * FROM platform.releases") == [("Blue", 1971)]


def test_a_table_that_is_not_the_platforms_is_refused(capfd: pytest.CaptureFixture[str], scratch: MakeScratch) -> None:
    database = scratch("new")
    database.sql("CREATE SCHEMA quetrex_platform; CREATE TABLE quetrex_platform.releases (title text)")
    refused = run(capfd, database)
    assert failure_of(refused) == ("clash", {"objects": ["table quetrex_platform.releases"]})
