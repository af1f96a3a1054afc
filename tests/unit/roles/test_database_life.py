# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project's whole life: made by hand and baselined, tried as a branch on production's rows, restored into a new project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.schema import Report, Wanted, converge
from lab.supabase.projects import SHAPES

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch, RunPlaybook, Scratch

pytest_plugins = ["lab.supabase.testing"]
ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "correct-horse-battery"


def run(database: Scratch, folder: Path, *, check: bool = False, **wanted: Any) -> Report:
    report = Report()
    converge(Target(**database.options()), Wanted(folders=[str(folder)], **wanted), report, check=check, diff=False)
    return report


def folder_of(tmp_path: Path, files: dict[str, str]) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("kind", ["old", "new"])
def test_a_schema_by_hand_is_recorded_when_the_files_make_it(scratch: MakeScratch, tmp_path: Path, kind: Any) -> None:
    """What somebody made in the dashboard and forgot in the file is named, in check mode too; then nothing is recorded."""
    database, files = scratch(kind), SHAPES["quickstart"]
    text = files["20260101000000_profiles.sql"]
    database.sql(text)
    database.sql("CREATE TABLE public.forgotten (id int)")
    folder = folder_of(tmp_path, {**files, "20260201000000_later.sql": "ALTER TABLE public.profiles ADD COLUMN bio text;"})
    baseline = {"state": "adopted", "adopt_version": "20260101000000", "compare": True}
    for check in (True, False):
        with pytest.raises(Failure) as refused:
            run(database, folder, check=check, **baseline)
        assert refused.value.code == "differs"
        assert refused.value.details["gone"] == []
        assert any("table public.forgotten" in line for line in refused.value.details["come"])
        assert database.sql("SELECT to_regclass('supabase_migrations.schema_migrations')") == [(None,)]
    database.sql("DROP TABLE public.forgotten")
    assert run(database, folder, check=True, **baseline).adopted == ["20260101000000_profiles"]
    assert run(database, folder, **baseline).adopted == ["20260101000000_profiles"]
    assert [item["version"] for item in run(database, folder).outcome.ran] == ["20260201000000"]


def test_a_baseline_without_the_sign_up_trigger_is_refused(scratch: MakeScratch, tmp_path: Path) -> None:
    """A dump of public has no triggers on auth.users: a new database would make no profiles."""
    database = scratch("new")
    text = SHAPES["quickstart"]["20260101000000_profiles.sql"]
    database.sql(text)
    folder = folder_of(tmp_path, {"20260101000000_remote_schema.sql": text[: text.index("create trigger")]})
    with pytest.raises(Failure) as refused:
        run(database, folder, state="adopted", adopt_version="20260101000000", compare=True)
    assert [line.split()[:2] for line in refused.value.details["come"]] == [["trigger", "auth.users.on_auth_user_created"]]


def settings(database: Scratch, user: str = "postgres") -> dict[str, Any]:
    given = database.options()
    return {"host": given["host"], "port": given["port"], "user": user, "password": PASSWORD, "name": database.name, "sslmode": "disable"}


def test_a_branch_on_productions_rows_and_a_new_project(scratch: MakeScratch, playbook: RunPlaybook, tmp_path: Path) -> None:
    """Without a profile, from a project of before the new default privileges: its grants come along. The export's rows are loaded into its own schema
    first, and the migrations that are newer are tried on them."""
    production, project = scratch("old"), scratch("new")
    files = SHAPES["quickstart"]
    folder = folder_of(tmp_path, files)
    run(production, folder)
    accounts = [production.sign_up(f"u{number}@example.com", full_name=f"User {number}") for number in range(3)]
    assert len(accounts) == 3
    folder_of(
        tmp_path, {"20260201000000_names.sql": "UPDATE public.profiles SET full_name = upper(full_name);\nALTER TABLE public.profiles ADD COLUMN bio text;\n"}
    )
    variables = {
        "platform_supabase_database": settings(production), "platform_state_dir": str(tmp_path / "state"), "platform_name": "shop",
        "platform_environment": "test", "platform_lock_enabled": False, "platform_preflight_record": False, "platform_database_profile": "none",
        "supabase_database_app_migrations": [str(folder)],
    }  # fmt: skip
    given = tmp_path / "variables.json"

    given.write_text(json.dumps({**variables, "database_migrate_target": settings(project), "database_migrate_pending": True}))
    done = playbook(ROOT / "playbooks/database_migrate.yml", "-e", f"@{given}")
    assert "failed=0" in done.stdout, done.stdout + done.stderr
    can = "SELECT has_table_privilege('anon', 'public.profiles', 'SELECT')"
    assert (production.sql(can), project.sql(can)) == ([(True,)], [(True,)])
    assert project.sql("SELECT full_name, bio FROM public.profiles ORDER BY 1") == [(f"USER {number}", None) for number in range(3)]
    # production was only read
    assert production.sql("SELECT version FROM supabase_migrations.schema_migrations") == [("20260101000000",)]
    assert production.sql("SELECT count(*) FROM public.profiles WHERE full_name LIKE 'User %'") == [(3,)]
    # the sign-up trigger lives in the new project
    project.sign_up("new@example.com", full_name="New")
    assert project.sql("SELECT count(*) FROM public.profiles") == [(4,)]
