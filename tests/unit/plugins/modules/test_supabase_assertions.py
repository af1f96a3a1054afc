# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expectations and lints against a real PostgreSQL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.lints import LINTS
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.schema import Report, Wanted, converge
from ansible_collections.quetrex.platform.plugins.modules import supabase_assertions

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch, Scratch

pytest_plugins = ["lab.supabase.testing"]

ROLE = Path(__file__).resolve().parents[4] / "roles/supabase_database/files/profiles/quetrex"
SHIPPED = yaml.safe_load((ROLE / "assertions.yml").read_text())
PASSWORD = "correct-horse-battery"


def run(capfd: pytest.CaptureFixture[str], database: Scratch, **arguments: Any) -> dict[str, Any]:
    with patch_module_args({**database.options(password=PASSWORD), **arguments}), pytest.raises(SystemExit):
        supabase_assertions.main()
    output = capfd.readouterr()
    assert PASSWORD not in output.out + output.err
    result: dict[str, Any] = json.loads(output.out)
    return result


def tables(database: Scratch) -> list[tuple[Any, ...]]:
    return database.sql("SELECT (SELECT count(*) FROM auth.users), (SELECT count(*) FROM public.profiles)")


@pytest.fixture(params=["old", "new"])
def repaired(request: pytest.FixtureRequest, scratch: MakeScratch) -> Scratch:
    database = scratch(request.param)
    converge(Target(**database.options()), Wanted(folders=[str(ROLE / "migrations")]), Report(), check=False, diff=False)
    return database


def test_the_platform_meets_its_own_expectations(capfd: pytest.CaptureFixture[str], repaired: Scratch) -> None:
    database = repaired
    database.sign_up("somebody@example.com")
    before = tables(database)
    result = run(capfd, database, **SHIPPED)
    assert "failed" not in result, result["msg"]
    assert len(result["expectations"]) == len(SHIPPED["expectations"]) > 25
    assert (result["changed"], result["findings"], tables(database)) == (False, [], before)
    assert run(capfd, database, **SHIPPED, _ansible_check_mode=True)["expectations"] == result["expectations"]


def test_the_document_alone_does_not_meet_them(capfd: pytest.CaptureFixture[str], scratch: MakeScratch) -> None:
    database = scratch("old")
    database.sql((ROLE / "migrations/20251128000000_document_schema.sql").read_text())
    setup = [SHIPPED["setup"][0], "INSERT INTO public.profiles (id, email) SELECT id, email FROM auth.users", *SHIPPED["setup"][1:]]
    result = run(capfd, database, **{**SHIPPED, "setup": setup})
    missed = set(result["failure"]["details"]["expectations"])
    assert {"A user cannot change her subscription", "A user cannot empty the table projects"} <= missed, result["msg"]
    lints = {"truncate_granted", "bare_auth_call", "policy_without_role", "foreign_key_without_index", "default_privileges_open", "functions_open_by_default"}
    assert lints <= set(result["failure"]["details"]["lints"])
    assert tables(database) == [(0, 0)]


SEEDED = {
    "rls_disabled": "CREATE TABLE public.x (id int)",
    "truncate_granted": "GRANT TRUNCATE ON public.projects TO anon",
    "trigger_granted": "GRANT TRIGGER ON public.projects TO authenticated",
    "bare_auth_call": "CREATE POLICY x ON public.projects FOR SELECT TO authenticated USING (user_id = auth.uid())",
    "policy_without_role": "CREATE POLICY x ON public.projects FOR SELECT USING (user_id = (SELECT auth.uid()))",
    "policy_always_true": "CREATE POLICY x ON public.projects FOR UPDATE TO authenticated USING (true)",
    "policy_trusts_user_metadata": (
        "CREATE POLICY x ON public.projects FOR SELECT TO authenticated USING (((SELECT auth.jwt()) -> 'user_metadata' ->> 'admin') = 'yes')"
    ),
    "foreign_key_without_index": "DROP INDEX public.projects_user_id_idx",
    "definer_without_search_path": "CREATE FUNCTION private.x() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    "definer_callable": (
        "CREATE FUNCTION public.x() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1';"
        " GRANT EXECUTE ON FUNCTION public.x() TO authenticated"
    ),
    "view_bypasses_rls": "CREATE VIEW public.x AS SELECT * FROM public.profiles; GRANT SELECT ON public.x TO authenticated",
    "default_privileges_open": "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO anon",
    "functions_open_by_default": "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
    "grant_unusable": (
        "CREATE POLICY x ON public.projects FOR SELECT TO authenticated USING (user_id IN (SELECT user_id FROM public.projects WHERE name = 'mine'))"
    ),
    "index_invalid": "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public.projects_pkey'::regclass",
}


def test_every_lint_has_a_planted_defect() -> None:
    assert set(SEEDED) == set(LINTS)


def test_each_lint_finds_what_was_planted(capfd: pytest.CaptureFixture[str], scratch: MakeScratch) -> None:
    for name, sql in SEEDED.items():
        database = scratch("new")
        converge(Target(**database.options()), Wanted(folders=[str(ROLE / "migrations")]), Report(), check=False, diff=False)
        database.sql(sql, user="supabase_admin" if name == "index_invalid" else "postgres")
        result = run(capfd, database)
        assert [item["lint"] for item in result["findings"]] == [name], (name, result["msg"])
        allowed = [f"{item['lint']} {item['object']}" for item in result["findings"]]
        assert "failed" not in run(capfd, database, lint_allowed=allowed)
        assert "failed" not in run(capfd, database, lints=["none"])


def test_findings_can_be_warnings(capfd: pytest.CaptureFixture[str], scratch: MakeScratch, warnings: list[str]) -> None:
    """An expectation that is not met fails all the same."""
    database = scratch("old")
    database.sql("CREATE TABLE public.open (id int)")
    told = run(capfd, database, lints_fail=False)
    assert "failed" not in told
    assert any("rls_disabled: public.open" in warning for warning in warnings)
    assert run(capfd, database, lints_fail=False, expectations=[expectation(expect="denied")])["failure"]["details"] == {"expectations": ["it"], "lints": []}


def test_the_publication_is_a_promise(capfd: pytest.CaptureFixture[str], repaired: Scratch) -> None:
    repaired.sql("DROP PUBLICATION supabase_realtime; CREATE PUBLICATION supabase_realtime FOR TABLE public.projects")
    assert run(capfd, repaired, **SHIPPED)["failure"]["details"]["expectations"] == ["Realtime follows projects and runner configurations"]


def expectation(**more: Any) -> dict[str, Any]:
    return {"name": "it", "role": "anon", "statement": "SELECT 1", "expect": "rows", **more}


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        (expectation(statement="COMMIT"), "expectation", "leave the transaction"),
        (expectation(statement="RESET ROLE"), "expectation", "leave the transaction"),
        (expectation(statement="SELECT 1; SELECT 2"), "expectation", "one statement"),
        (expectation(statement="SELECT 'x"), "expectation", "unterminated"),
        (expectation(expect="error"), "expectation", "sqlstate"),
        (expectation(role="nobody"), "role", "cannot act as nobody"),
        (expectation(count=2), "not_met", "it (as anon): expected 2 rows, got 1 rows"),
        (expectation(statement="SELECT 1 / 0", expect="denied"), "not_met", "got error 22012"),
    ],
)
def test_what_fails(capfd: pytest.CaptureFixture[str], scratch: MakeScratch, given: dict[str, Any], code: str, words: str) -> None:
    result = run(capfd, scratch("new"), expectations=[given], lints=["none"])
    assert result["failure"]["code"] == code
    assert words in result["msg"]


def test_other_failures(capfd: pytest.CaptureFixture[str], scratch: MakeScratch) -> None:
    database = scratch("new")
    assert run(capfd, database, lints=["spelling"])["failure"]["code"] == "unknown_lint"
    assert run(capfd, database, setup=["SELECT 1", "SELECT nothing"])["msg"].startswith("Statement 2 of setup")
    met = expectation(statement="SELECT 1 / 0", expect="error", sqlstate="22012")
    assert "failed" not in run(capfd, database, expectations=[met], lints=["none"])
