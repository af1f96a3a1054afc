# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the platform brings to a database, and what it leaves to the application: small projects of many shapes, with and without the profile."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase import catalog, drift, store
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database, Target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.runner import Limits
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.schema import Report, Wanted, converge
from lab.supabase.projects import SHAPES

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch, RunPlaybook, Scratch

pytest_plugins = ["lab.supabase.testing"]
PROFILE = Path(__file__).resolve().parents[3] / "roles/supabase_database/files/profiles/quetrex/migrations"


def folder_of(tmp_path: Path, shape: str) -> Path:
    folder = tmp_path / shape
    folder.mkdir(exist_ok=True)
    for name, text in SHAPES[shape].items():
        (folder / name).write_text(text)
    return folder


def lines(database: Scratch) -> list[str]:
    with Database(Target(**database.options())) as opened, opened.transaction():
        return catalog.snapshot(opened, catalog.Scope())


def psql(database: Scratch, folder: Path) -> None:
    given = database.options()
    words = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", given["host"], "-p", str(given["port"]), "-U", "postgres", "-d", database.name]
    for file in sorted(folder.iterdir()):
        subprocess.run([*words, "-f", str(file)], check=True, capture_output=True)


def run(database: Scratch, *folders: Path, check: bool = False, **wanted: Any) -> Report:
    report = Report()
    converge(Target(**database.options()), Wanted(folders=[str(folder) for folder in folders], **wanted), report, check=check, diff=False)
    return report


class Role:
    """The role supabase_database on one database."""

    def __init__(self, playbook: RunPlaybook, tmp_path: Path, database: Scratch) -> None:
        given = database.options()
        connection = {"host": given["host"], "port": given["port"], "name": database.name, "password": "", "sslmode": "disable"}
        self.playbook, self.play, self.connection = playbook, tmp_path / "play.yml", connection

    def __call__(self, *arguments: str, tasks: str = "main", **variables: Any) -> str:
        role = {"ansible.builtin.import_role": {"name": "quetrex.platform.supabase_database", "tasks_from": tasks}}
        given = {"platform_supabase_database": self.connection, **variables}
        self.play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [role], "vars": given}]))
        done = self.playbook(self.play, *arguments)
        return done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["old", "new"])
@pytest.mark.parametrize("shape", SHAPES)
def test_without_a_profile_a_project_is_as_psql_makes_it(scratch: MakeScratch, tmp_path: Path, shape: str, kind: Any) -> None:
    """Privileges included, on projects with Supabase's old default privileges and with its new ones."""
    folder = folder_of(tmp_path, shape)
    ours, theirs = scratch(kind), scratch(kind)
    run(ours, folder, retired=[str(PROFILE)])
    with Database(Target(**ours.options())) as opened:
        store.make(opened, store.missing(opened))
    psql(theirs, folder)
    assert lines(ours) == lines(theirs)
    assert run(ours, folder, retired=[str(PROFILE)]).changed is False


def test_the_role_without_a_profile(playbook: RunPlaybook, scratch: MakeScratch, tmp_path: Path) -> None:
    """Old default privileges are findings of the lints; without a profile they are a warning and no failure."""
    role, shape = Role(playbook, tmp_path, ours := scratch("old")), folder_of(tmp_path, "todo")
    psql(theirs := scratch("old"), shape)
    given = {"platform_database_profile": "none", "supabase_database_app_migrations": [str(shape)]}
    first = role(**given)
    assert "changed=2 " in first, first
    assert "truncate_granted: public.todos" in first
    assert lines(ours) == lines(theirs)
    verified = role(tasks="verify", **given, supabase_database_drift=True)
    assert "changed=0    unreachable=0    failed=0" in verified, verified


def test_upgrade_adds_the_schema_only(playbook: RunPlaybook, scratch: MakeScratch, tmp_path: Path) -> None:
    """Made by the migrations alone, as earlier versions did: one change, then none; the record of releases moves with it."""
    database = scratch("old")
    role = Role(playbook, tmp_path, database)
    run(database, PROFILE)
    database.sql("INSERT INTO platform.releases VALUES ('quetrex', 'production', '{\"current\": 1}')")
    before = lines(database)
    assert "changed=1 " in (first := role()), first
    assert "changed=0 " in (again := role()), again
    assert lines(database) == before
    assert database.sql("SELECT record FROM quetrex_platform.releases") == [({"current": 1},)]


def test_the_profile_is_given_up(scratch: MakeScratch, tmp_path: Path) -> None:
    """Its tables stay, its rows of the ledger are not missing, and its files may become the application's own."""
    database, folder = scratch("new"), folder_of(tmp_path, "hooks")
    run(database, PROFILE)
    assert [item["version"] for item in run(database, folder, retired=[str(PROFILE)]).outcome.ran] == ["20260101000000"]
    shutil.copytree(PROFILE, folder, dirs_exist_ok=True)
    assert run(database, folder, retired=[str(PROFILE)]).changed is False


@pytest.mark.parametrize("kind", ["old", "new"])
@pytest.mark.parametrize("shape", ["todo", "organisations", "realtime"])
def test_no_drift_where_default_privileges_give(scratch: MakeScratch, tmp_path: Path, shape: str, kind: Any) -> None:
    """Grants that come from Supabase's default privileges are no change past the migrations; a seeded one on a closed table is."""
    database, folder = scratch(kind), folder_of(tmp_path, shape)
    run(database, folder)
    target = Target(**database.options())
    assert drift.find(target, [str(folder)], Limits()) == ([], [])
    database.sql("CREATE TABLE public.by_hand (id int)")
    assert any("table public.by_hand" in line for line in drift.find(target, [str(folder)], Limits())[1])


CLASHES = {
    "quickstart": ["table public.profiles", "trigger on_auth_user_created on auth.users"],
    "sign-up": ["trigger on_auth_user_created on auth.users"],
    "records": ["table public.projects", "table platform.releases"],
    "realtime": [],
    "todo": [],
    "organisations": [],
    "hooks": [],
}


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_names_that_both_want_are_refused_beforehand(scratch: MakeScratch, tmp_path: Path, shape: str, *, check: bool) -> None:
    """Whichever was there first: the application's files pending beside the profile's, after it, or applied before it."""
    folder, wanted = folder_of(tmp_path, shape), {"exclusive": [str(PROFILE)]}
    together, after, before = scratch("old"), scratch("old"), scratch("old")
    run(after, PROFILE, **wanted)
    psql(before, folder)
    started = {database: lines(database) for database in (together, after, before)}
    for database, folders in ((together, (PROFILE, folder)), (after, (PROFILE, folder)), (before, (PROFILE,))):
        if not CLASHES[shape]:
            run(database, *folders, check=check, **wanted)
            continue
        with pytest.raises(Failure) as refused:
            run(database, *folders, check=check, **wanted)
        assert (refused.value.code, refused.value.details["objects"]) == ("clash", CLASHES[shape])
        assert lines(database) == started[database]
        assert database.sql("SELECT to_regclass('supabase_migrations.schema_migrations') IS NULL") == [(database is not after,)]
    if CLASHES[shape]:
        assert "platform_database_profile: none" in refused.value.message


def test_a_trigger_by_hand_is_replaced_when_it_is_named(scratch: MakeScratch) -> None:
    """A database with the document's tables and a trigger by hand, of which only the table's version is adopted."""
    database, trigger = scratch("new"), "trigger on_auth_user_created on auth.users"
    database.sql((PROFILE / "20251128000000_document_schema.sql").read_text())
    database.sql("""CREATE FUNCTION public.handle_new_user() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
      CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.handle_new_user()""")
    wanted = {"exclusive": [str(PROFILE)]}
    run(database, PROFILE, state="adopted", adopt_version="20251128000000", **wanted)
    with pytest.raises(Failure) as refused:
        run(database, PROFILE, **wanted)
    assert refused.value.details["objects"] == [trigger]
    assert len(run(database, PROFILE, replaceable=[trigger], **wanted).outcome.ran) == 6
    assert run(database, PROFILE, **wanted).changed is False
