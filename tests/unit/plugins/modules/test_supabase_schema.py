# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible calls it, against a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.modules import supabase_schema
from lab.api.testing import failure_of

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch, RunPlaybook, Scratch

pytest_plugins = ["lab.supabase.testing"]

Write = Callable[[dict[str, str]], str]
A = {"20260101000000_a.sql": "CREATE TABLE public.a (id int PRIMARY KEY);\n"}
B = {"20260102000000_b.sql": "ALTER TABLE public.a ADD COLUMN name text;\n"}
PASSWORD = "correct-horse-battery"


@pytest.fixture
def database(scratch: MakeScratch) -> Scratch:
    return scratch("new")


def run(capfd: pytest.CaptureFixture[str], database: Scratch, folder: str, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
    """The module's result; its output must not hold the password, whatever happened."""
    given = {**database.options(password=PASSWORD), "migrations": [folder], "_ansible_check_mode": check, "_ansible_diff": True, **arguments}
    with patch_module_args(given), pytest.raises(SystemExit):
        supabase_schema.main()
    output = capfd.readouterr()
    assert PASSWORD not in output.out + output.err
    result: dict[str, Any] = json.loads(output.out)
    return result


def test_check_run_again_change(capfd: pytest.CaptureFixture[str], database: Scratch, migrations: Write) -> None:
    folder = migrations(A)
    checked = run(capfd, database, folder, check=True)
    assert checked["changed"] is True
    assert checked["pending"] == ["20260101000000_a"]
    assert "column public.a.id integer not null\n" in checked["diff"]["after"]
    assert database.sql("SELECT to_regclass('public.a'), to_regnamespace('supabase_migrations')") == [(None, None)]

    ran = run(capfd, database, folder)
    assert ([item["version"] for item in ran["ran"]], ran["applied"], ran["pending"]) == (["20260101000000"], ["20260101000000_a"], [])
    assert ran["diff"] == checked["diff"]
    assert "queries" not in ran

    again = run(capfd, database, folder)
    assert (again["changed"], again["ran"], again.get("diff")) == (False, [], None)

    changed = run(capfd, database, migrations(B), return_queries=True)
    assert [item["name"] for item in changed["ran"]] == ["b"]
    assert any(B["20260102000000_b.sql"] in query for query in changed["queries"])
    assert database.sql("SELECT name FROM supabase_migrations.schema_migrations ORDER BY version") == [("a",), ("b",)]


def test_adopting_and_verifying(capfd: pytest.CaptureFixture[str], database: Scratch, migrations: Write) -> None:
    folder = migrations(A | B)
    assert "adopt_version" in run(capfd, database, folder, state="adopted")["msg"]
    assert run(capfd, database, folder, state="adopted", adopt_version="20260101000000", check=True)["adopted"] == ["20260101000000_a"]
    assert run(capfd, database, folder, state="adopted", adopt_version="20260101000000")["adopted"] == ["20260101000000_a"]
    assert run(capfd, database, folder, state="adopted", adopt_version="20260101000000")["changed"] is False
    verified = run(capfd, database, folder, state="verified")
    assert (verified["failure"]["code"], verified["pending"]) == ("pending", ["20260102000000_b"])


def test_a_failure_says_how_far_it_got(capfd: pytest.CaptureFixture[str], database: Scratch, migrations: Write) -> None:
    folder = migrations(A | {"20260103000000_bad.sql": "SELECT 1;\nSELECT nothing FROM public.a;\n"})
    result = run(capfd, database, folder)
    assert (result["failed"], result["changed"], [item["version"] for item in result["ran"]]) == (True, True, ["20260101000000"])
    assert result["msg"].startswith('20260103000000_bad, line 2: column "nothing" does not exist')
    assert failure_of(result) == ("migration_failed", {"version": "20260103000000", "sqlstate": "42703", "line": 2, "attempts": 1})


def test_before_a_switch_a_migration_only_adds_unless_told(capfd: pytest.CaptureFixture[str], database: Scratch, migrations: Write) -> None:
    folder = migrations(A | {"20260101000001_gone.sql": "CREATE TABLE public.gone (); DROP TABLE public.gone;"})
    assert len(run(capfd, database, folder, expand_only=[folder])["ran"]) == 2, "nothing of this folder was in use"
    folder = migrations({"20260102000000_away.sql": "ALTER TABLE public.a ADD COLUMN b int, DROP COLUMN id;"})
    for check in (True, False):
        refused = run(capfd, database, folder, expand_only=[folder], check=check)
        assert (refused["failure"]["code"], refused["ran"]) == ("removal", [])
        assert "line 1: DROP COLUMN" in refused["msg"]
    assert len(run(capfd, database, folder, expand_only=[folder], removals=["20260102000000"])["ran"]) == 1


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        ({"short.sql": "SELECT 1"}, "file_name", "<digits>_<name>.sql"),
        ({"20260101000000_x.sql": "BEGIN; SELECT 1; ROLLBACK;"}, "transaction_control", "line 1"),
        ({"20260101000000_x.sql": "BEGIN; VACUUM; SELECT 1"}, "not_alone", "between BEGIN and COMMIT"),
        ({"20260101000000_x.sql": "SELECT 'open"}, "unterminated", "line 1"),
        ({"20260101000000_x.sql": "SELECT 1", "20260101000000_y.sql": "SELECT 2"}, "duplicate_version", "used twice"),
    ],
)
def test_what_is_refused_before_anything_runs(
    capfd: pytest.CaptureFixture[str], database: Scratch, migrations: Write, files: dict[str, str], code: str, words: str
) -> None:
    result = run(capfd, database, migrations(files))
    assert (result["failure"]["code"], result["ran"]) == (code, [])
    assert words in result["msg"]
    assert database.sql("SELECT to_regnamespace('supabase_migrations')") == [(None,)]


def test_an_unreachable_server_is_explained(capfd: pytest.CaptureFixture[str], database: Scratch, migrations: Write, tmp_path: Path) -> None:
    result = run(capfd, database, migrations(A), host=str(tmp_path))
    assert result["failed"] is True
    assert result["msg"].startswith("Cannot connect to postgres@")


def test_drift_is_found(capfd: pytest.CaptureFixture[str], database: Scratch) -> None:
    folder = str(Path(__file__).resolve().parents[4] / "roles/supabase_database/files/profiles/quetrex/migrations")
    run(capfd, database, folder)
    assert "failed" not in run(capfd, database, folder, state="verified", drift=True)
    database.sql("GRANT UPDATE ON public.profiles TO anon; DROP INDEX public.projects_user_id_idx; ALTER TABLE public.projects DISABLE ROW LEVEL SECURITY")
    found = run(capfd, database, folder, state="verified", drift=True)["failure"]
    assert found["code"] == "drift"
    told = found["details"]
    assert told["come"] == ["grant table public.profiles to anon: UPDATE", "table public.projects row security OFF"]
    assert [line.split()[0] for line in told["gone"]] == ["index", "table"]
    assert database.sql("SELECT count(*) FROM pg_database WHERE datname LIKE 'quetrex_shadow%'") == [(0,)]


PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  module_defaults:
    quetrex.platform.supabase_schema:
      database: "{database}"
      password: "{{{{ lookup('ansible.builtin.env', 'DATABASE_PASSWORD') }}}}"
      sslmode: disable
      migrations: ["{folder}"]
      return_queries: true
  tasks:
    - name: Works
      quetrex.platform.supabase_schema:
        host: "{host}"
      diff: true
    - name: Fails
      quetrex.platform.supabase_schema:
        host: /nowhere
"""


def test_the_password_is_in_no_output_of_a_playbook(database: Scratch, migrations: Write, tmp_path: Path, playbook: RunPlaybook) -> None:
    play = tmp_path / "play.yml"
    play.write_text(PLAYBOOK.format(host=database.cluster.socket_dir, database=database.name, folder=migrations(A)))
    done = playbook(play, "-vvv", environment={"DATABASE_PASSWORD": PASSWORD})
    output = done.stdout + done.stderr
    assert "ok=1    changed=1    unreachable=0    failed=1" in output, output
    assert PASSWORD not in output
