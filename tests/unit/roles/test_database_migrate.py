# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks database_export and database_migrate: rehearsed, moved, refused, and the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.schema import Report, Wanted, converge

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch, RunPlaybook, Scratch

pytest_plugins = ["lab.supabase.testing"]

ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "correct-horse-battery"


def settings(database: Scratch, user: str = "postgres") -> dict[str, Any]:
    given = database.options()
    return {"host": given["host"], "port": given["port"], "user": user, "password": PASSWORD, "name": database.name, "sslmode": "disable"}


def test_rehearse_move_and_the_way_back(scratch: MakeScratch, playbook: RunPlaybook, tmp_path: Path) -> None:
    old, new = scratch("old"), scratch("bare")
    converge(Target(**old.options()), Wanted(folders=[str(ROOT / "roles/supabase_database/files/migrations")]), Report(), check=False, diff=False)
    for number in range(20):
        old.sign_up(f"u{number}@example.com")
    variables = {"platform_supabase_database": settings(old), "platform_state_dir": str(tmp_path / "state"), "database_export_label": "first"}
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
    moved = run("database_migrate", **target, database_migrate_replace=True, database_export_label="second")
    assert "failed=0" in moved, moved
    assert new.sql("SELECT count(*) FROM public.profiles", user="supabase_admin") == [(21,)]
    folder = tmp_path / "state/exports/second"
    assert yaml.safe_load((folder / "cutover.yml").read_text())["platform_supabase_database"]["name"] == new.name
    assert yaml.safe_load((folder / "way_back.yml").read_text())["platform_supabase_database"]["name"] == old.name
