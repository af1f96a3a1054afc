# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs run by a real module: word for word, killed when late, and without the caller's settings for PostgreSQL."""

from __future__ import annotations

import time

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.module_utils.run_command import RunCommand, run, run_within
from ansible_collections.quetrex.platform.plugins.module_utils.supabase import programs
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure


@pytest.fixture
def command() -> RunCommand:
    with patch_module_args({}):
        given: RunCommand = AnsibleModule({}).run_command
    return given


def test_words_are_not_expanded(command: RunCommand) -> None:
    assert run(command, ["printf", "%s|", "$HOME", "~"]) == (0, "$HOME|~|", "")


def test_what_is_late_is_killed(command: RunCommand) -> None:
    start = time.monotonic()
    assert run_within(command, ["sleep", "60"], 0.1) is None
    assert time.monotonic() - start < 30


def test_what_is_in_time_tells_its_status(command: RunCommand) -> None:
    assert run_within(command, ["sh", "-c", "echo said; echo complained >&2; exit 3"], 30) == (3, "said\n", "complained\n")


def test_the_callers_settings_for_postgresql_are_not_heeded(command: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSERVICE", "another")
    monkeypatch.setenv("PGHOST", "another")
    said = programs.run(command, ["printenv"], {"PGHOST": "db.example.com"}).splitlines()
    assert [line for line in said if line.startswith("PG")] == ["PGHOST=db.example.com"]


def test_a_failure_tells_the_program_and_no_secret(command: RunCommand) -> None:
    with pytest.raises(Failure, match=r"^sh: no entry for") as caught:
        programs.run(command, ["sh", "-c", 'echo "no entry for $PGPASSWORD" >&2; exit 1'], {"PGPASSWORD": "correct-horse"}, "correct-horse")
    assert "correct-horse" not in str(caught.value)
