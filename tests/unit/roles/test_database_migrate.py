# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks database_export and database_migrate: rehearsed, moved, refused, and the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase import store
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database, Target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.schema import Report, Wanted, converge

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch, RunPlaybook, Scratch

pytest_plugins = ["lab.supabase.testing"]

ROOT = Path(__file__).resolve().parents[3]
PROFILE = ROOT / "roles/supabase_database/files/profiles/quetrex/migrations"
PASSWORD = "correct-horse-battery"


def settings(database: Scratch, user: str = "postgres") -> dict[str, Any]:
    given = database.options()
    return {"host": given["host"], "port": given["port"], "user": user, "password": PASSWORD, "name": database.name, "sslmode": "disable"}


@pytest.mark.long
def test_rehearse_move_and_the_way_back(scratch: MakeScratch, playbook: RunPlaybook, tmp_path: Path) -> None:
    old, new = scratch("old"), scratch("bare")
    converge(Target(**old.options()), Wanted(folders=[str(PROFILE)]), Report(), check=False, diff=False)
    with Database(Target(**old.options())) as opened:
        store.make(opened, store.missing(opened))
    for number in range(20):
        old.sign_up(f"u{number}@example.com")
    variables = {"platform_supabase_database": settings(old), "platform_state_dir": str(tmp_path / "state"), "database_export_label": "first"}
    variables |= {"platform_name": "quetrex", "platform_environment": "test", "platform_lock_enabled": False}
    # a socket, which is no host that a setting may name
    variables["platform_preflight_record"] = False
    given = tmp_path / "variables.json"

    def run(name: str, *arguments: str, **more: Any) -> str:
        given.write_text(json.dumps({**variables, **more}))
        done = playbook(ROOT / "playbooks" / f"{name}.yml", "-e", f"@{given}", *arguments)
        assert PASSWORD not in done.stdout + done.stderr
        return done.stdout + done.stderr

    rehearsed = run("database_export", "-v")
    assert "failed=0" in rehearsed, rehearsed
    assert "digests, privileges, policies and triggers are the same" in rehearsed
    assert new.sql("SELECT to_regnamespace('auth')", user="supabase_admin") == [(None,)]

    target = {"database_migrate_target": settings(new, "supabase_admin"), "database_migrate_cutover": True}
    old.sign_up("late@example.com")
    refused = run("database_migrate", **target)
    assert "changed since the export" in refused, refused
    urls = {"database_migrate_target_url": "https://abcdefghijklmnopqrst.supabase.co", "platform_supabase_url": "https://old.supabase.co"}
    moved = run("database_migrate", **target, database_migrate_replace=True, database_export_label="second", **urls)
    assert "failed=0" in moved, moved
    assert new.sql("SELECT count(*) FROM public.profiles", user="supabase_admin") == [(21,)]
    folder = tmp_path / "state/exports/second"
    assert PASSWORD not in (folder / "cutover.yml").read_text() + (folder / "way_back.yml").read_text()

    # What site does with either: the app's environment, and the schema's promises in the database that it names.
    stack = [str(ROOT / "roles/app_stack" / part / "main.yml") for part in ("defaults", "vars")]
    proof = {"import_role": {"name": "quetrex.platform.supabase_database", "tasks_from": "verify"}}
    told = {"debug": {"msg": "{{ __app_stack_web_env.DATABASE_URL }} {{ __app_stack_web_env.SUPABASE_URL | default('none') }}"}}
    (tmp_path / "switch.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars_files": stack, "tasks": [proof, told]}]))
    variables |= {f"platform_{name}": f"{name}.example.com" for name in ("domain", "runner_image", "nginx_image", "redis_image")}
    variables |= {"platform_supabase_url": "https://old.supabase.co", "app_stack_redis_password": "x"}
    given.write_text(json.dumps({**variables, "vault_supabase_database_password": "old-word", "vault_supabase_database_password_new": "new-word"}))
    for file, user, word, database, url in (
        ("cutover.yml", "supabase_admin", "new-word", new, "https://abcdefghijklmnopqrst.supabase.co"),
        ("way_back.yml", "postgres", "old-word", old, "https://old.supabase.co"),
    ):
        done = playbook(tmp_path / "switch.yml", "-e", f"@{given}", "-e", f"@{folder / file}")
        assert "changed=0    unreachable=0    failed=0" in done.stdout, done.stdout
        place = quote(str(database.cluster.socket_dir), safe="")
        assert f"postgresql://{user}:{word}@{place}:5432/{database.name}?sslmode=disable {url}" in done.stdout, done.stdout
