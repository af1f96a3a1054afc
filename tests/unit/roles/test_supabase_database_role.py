# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role supabase_database as a playbook runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch, RunPlaybook

pytest_plugins = ["lab.supabase.testing"]


def test_check_run_again_and_a_planted_hole(scratch: MakeScratch, playbook: RunPlaybook, tmp_path: Path) -> None:
    database = scratch("new")
    variables = {f"supabase_database_{name}": database.options()[name] for name in ("host", "port", "sslmode")}
    variables |= {"supabase_database_name": database.name, "supabase_database_password": "correct-horse-battery"}
    variables |= {"supabase_database_address": "", "supabase_database_user": "postgres", "supabase_database_ca_certificate": ""}
    play = tmp_path / "play.yml"
    play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "roles": ["quetrex.platform.supabase_database"], "vars": variables}]))

    checked = playbook(play, "--check", "--diff")
    assert "changed=2" in checked.stdout, checked.stdout
    assert "skipped=2" in checked.stdout
    first = playbook(play, "-vvv")
    assert "changed=2" in first.stdout, first.stdout
    assert "expectations met, nothing found by the lints" in first.stdout
    again = playbook(play)
    assert "changed=0    unreachable=0    failed=0" in again.stdout, again.stdout

    database.sql("GRANT UPDATE ON public.profiles TO authenticated")
    hole = playbook(play)
    assert "A user cannot change her subscription (as authenticated): expected denied, got 1 rows" in hole.stdout, hole.stdout
    for done in (checked, first, again, hole):
        assert "correct-horse-battery" not in done.stdout + done.stderr
