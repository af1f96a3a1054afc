# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The row of a user's runner, in a real PostgreSQL with the platform's own schema, grants and policies."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.runner_configs import identifier
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.schema import Report, Wanted, converge
from ansible_collections.quetrex.platform.plugins.modules import supabase_runner

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch, Scratch

pytest_plugins = ["lab.supabase.testing"]

MIGRATIONS = Path(__file__).resolve().parents[4] / "roles/supabase_database/files/profiles/quetrex/migrations"
NOBODY = "7c8c4d0e-0000-4000-8000-000000000001"
ROWS = "SELECT id::text, hetzner_server_id, host(hetzner_server_ip), hetzner_region, status FROM public.runner_configs ORDER BY created_at"


@pytest.fixture
def database(scratch: MakeScratch) -> Scratch:
    made = scratch("new")
    converge(Target(**made.options()), Wanted(folders=[str(MIGRATIONS)]), Report(), check=False, diff=False)
    return made


@pytest.fixture
def user(database: Scratch) -> str:
    return str(database.sign_up("somebody@example.com"))


def run(capfd: pytest.CaptureFixture[str], database: Scratch, **arguments: Any) -> dict[str, Any]:
    with patch_module_args({**database.options(), **arguments}), pytest.raises(SystemExit):
        supabase_runner.main()
    result: dict[str, Any] = json.loads(capfd.readouterr().out)
    return result


def rows(database: Scratch) -> list[tuple[Any, ...]]:
    return database.sql(ROWS)


def test_from_pending_to_ready_and_gone(capfd: pytest.CaptureFixture[str], database: Scratch, user: str) -> None:
    foreseen = run(capfd, database, user_id=user, _ansible_check_mode=True)
    assert (foreseen["changed"], foreseen["runner"]["status"], rows(database)) == (True, "pending", [])
    made = run(capfd, database, user_id=user)
    runner = made["runner"]["id"]
    assert rows(database) == [(runner, None, None, None, "pending")]
    ready = {"user_id": user, "server_id": "4711", "server_ip": "203.0.113.7", "region": "ash", "status": "ready"}
    assert run(capfd, database, **ready, _ansible_check_mode=True)["changed"]
    assert rows(database) == [(runner, None, None, None, "pending")]
    assert run(capfd, database, **ready)["changed"]
    assert rows(database) == [(runner, "4711", "203.0.113.7", "ash", "ready")]
    assert not run(capfd, database, **ready)["changed"]
    again = run(capfd, database, user_id=user)
    assert (again["changed"], again["runner"]["status"], again["runner"]["hetzner_server_ip"]) == (False, "ready", "203.0.113.7")
    cleared = run(capfd, database, user_id=user, server_id="", server_ip="", status="provisioning")
    assert cleared["diff"]["before"]["hetzner_server_id"] == "4711"
    assert rows(database) == [(runner, None, None, "ash", "provisioning")]
    assert run(capfd, database, user_id=user, state="read")["runner"] == cleared["runner"]
    assert run(capfd, database, user_id=user, state="absent", _ansible_check_mode=True)["changed"]
    assert run(capfd, database, user_id=user, state="absent")["changed"]
    assert rows(database) == []
    assert not run(capfd, database, user_id=user, state="absent")["changed"]


def test_one_per_user_unless_told_otherwise(capfd: pytest.CaptureFixture[str], database: Scratch, user: str) -> None:
    first = run(capfd, database, user_id=user)["runner"]["id"]
    refused = run(capfd, database, user_id=user, runner_id=NOBODY)
    assert (refused["failed"], refused["failure"]["code"]) == (True, "limit")
    assert first in refused["msg"]
    second = run(capfd, database, user_id=user, runner_id=NOBODY, limit=2)
    assert (second["changed"], second["runner"]["id"], len(rows(database))) == (True, NOBODY, 2)
    assert not run(capfd, database, user_id=user, runner_id=NOBODY, limit=2)["changed"]
    assert run(capfd, database, user_id=user, limit=2)["failure"]["code"] == "ambiguous"
    other = str(database.sign_up("another@example.com"))
    assert run(capfd, database, user_id=other, runner_id=NOBODY)["failure"]["code"] == "not_yours"
    assert run(capfd, database, user_id=other)["changed"]


def test_two_at_the_same_time_make_one(database: Scratch, user: str) -> None:
    parameters = {**database.options(), "user_id": user, "runner_id": None, "state": "present", "limit": 1, "role": "service_role"}
    parameters = {**{name: spec.get("default") for name, spec in supabase_runner.argument_spec().items()}, **parameters}
    together = threading.Barrier(6)

    def one() -> None:
        together.wait()
        supabase_runner.keep(parameters, check=False)

    askers = [threading.Thread(target=one) for _asker in range(6)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(rows(database)) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ({"user_id": NOBODY}, "no_user", "public.profiles has no such row"),
        ({"user_id": "me"}, "invalid_input", "is no UUID"),
        ({"runner_id": "it"}, "invalid_input", "runner_id: 'it'"),
        ({"server_ip": "not an address"}, "sql", "inet"),
        ({"role": "anon"}, "sql", "permission denied"),
        ({"role": "no_such_role"}, "sql", "does not exist"),
    ],
)
def test_refused_with_a_reason_and_nothing_written(
    capfd: pytest.CaptureFixture[str], database: Scratch, user: str, arguments: dict[str, Any], code: str, words: str
) -> None:
    result = run(capfd, database, **{"user_id": user, **arguments})
    assert (result["failed"], result["failure"]["code"]) == (True, code)
    assert words in result["msg"]
    assert rows(database) == []


def test_the_user_sees_it_and_nobody_else(capfd: pytest.CaptureFixture[str], database: Scratch, user: str) -> None:
    run(capfd, database, user_id=user)
    stranger = str(database.sign_up("stranger@example.com"))
    for who, sees in ((user, 1), (stranger, 0)):
        with database.acting("authenticated", who) as cursor:
            cursor.execute("SELECT count(*) FROM public.runner_configs")
            assert cursor.fetchall() == [(sees,)]


def test_identifier_knows_no_second_notation() -> None:
    assert identifier("x", NOBODY.upper()) == NOBODY
    assert identifier("x", "") is None
    with pytest.raises(Failure):
        identifier("x", "1; DROP TABLE")
