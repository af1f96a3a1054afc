# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook that writes takes the lock, in the database that the project names, and takes it before it does anything that writes."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ansible_collections.quetrex.platform.plugins.action.platform_lock import key_of

if TYPE_CHECKING:
    from lab.supabase.cluster import Cluster
    from lab.supabase.management import ManagementServer
    from lab.supabase.testing import RunPlaybook

pytest_plugins = ["lab.supabase.management"]

ROOT = Path(__file__).parents[3]
LOCK = "quetrex.platform.platform_lock"
# these write nothing of the platform's; awx describes it to another program
READERS = {"awx", "database_export", "first_day", "logs", "secrets_check", "status", "verify"}
# these touch the platform as little, and two of a kind would be in each other's way
APART = {"image_build", "recover_rehearse", "runner_provision", "runner_destroy"}
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
# these look, or touch nothing but what they are called
BEFORE = {
    "quetrex.platform.platform_preflight",
    "quetrex.platform.platform_preflight/identity",
    "quetrex.platform.database_export",
    "quetrex.platform.supabase_project/settings",
    "quetrex.platform.hetzner_server/plan",
    "quetrex.platform.uptime_monitors/plan",
    "quetrex.platform.hetzner_destroy",
    "quetrex.platform.cloudflare_origin_certificate_info",
    "ansible.builtin.debug",
    "ansible.builtin.assert",
    "ansible.builtin.set_fact",
}


def steps(play: dict[str, Any]) -> list[str]:
    """Roles and modules of a play, in the order they run."""
    roles = [role["role"] if isinstance(role, dict) else role for role in play.get("roles") or []]
    return [*in_tasks(play.get("pre_tasks")), *roles, *in_tasks(play.get("tasks"))]


def in_tasks(tasks: list[dict[str, Any]] | None) -> list[str]:
    """The same of a list of tasks."""
    named = [(task, name) for task in tasks or [] for name in task if "." in name]
    return ["/".join(filter(None, role_of(task[name]))) if name.endswith(("import_role", "include_role")) else name for task, name in named]


def role_of(words: dict[str, str]) -> tuple[str, str]:
    """A role, and which of its task files."""
    return words["name"], words.get("tasks_from", "")


@pytest.mark.parametrize("name", [name for name in PLAYBOOKS if name not in READERS])
def test_writer_takes_the_lock_first(name: str) -> None:
    plays = yaml.safe_load((ROOT / "playbooks" / f"{name}.yml").read_text())
    order = [step for play in plays for step in steps(play)]
    assert LOCK in order
    assert set(order[: order.index(LOCK)]) <= BEFORE


@pytest.mark.parametrize("name", sorted(APART))
def test_what_leaves_the_platform_alone_has_a_lock_of_its_own(name: str) -> None:
    """Two of a kind would delete each other's server; beside a deployment each of them may run."""
    assert "platform_lock_name:" in (ROOT / "playbooks" / f"{name}.yml").read_text()
    for other in set(PLAYBOOKS) - APART:
        assert "platform_lock_name:" not in (ROOT / "playbooks" / f"{other}.yml").read_text(), other


def test_lock_is_taken_where_the_project_says_the_database_is(management: ManagementServer, asking: Cluster, playbook: RunPlaybook, tmp_path: Path) -> None:
    """No playbook can take it in another place by leaving a step out: the role asks for the address itself, and goes on with a warning without one."""
    # all but the host, which has to come from the project
    database = {"address": "127.0.0.1", "port": asking.server.port, "user": "postgres", "sslmode": "disable", "password": management.password}
    given = {
        "platform_name": "quetrex", "platform_environment": "test", "platform_state_dir": str(tmp_path / "state"), "platform_supabase_database": database,
        "platform_supabase_api_url": management.url, "platform_supabase_api_token": management.token, "platform_lock_wait": 0,
    }  # fmt: skip

    def run(**settings: Any) -> str:
        (tmp_path / "lock.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": {**given, **settings}, "roles": [LOCK]}]))
        done = playbook(tmp_path / "lock.yml", "-vv")
        output = " ".join((done.stdout + done.stderr).split())
        assert management.password not in output
        return output

    with contextlib.closing(asking.connect()) as other, other.cursor() as cursor:
        cursor.execute("SET application_name = 'deploy by bob@elsewhere'; SELECT pg_advisory_lock(%s)", (key_of("quetrex-test"),))
        assert "Nothing was done: deploy by bob@elsewhere is writing to quetrex-test" in run()
    assert '"held": true' in run()
    management.fault({"match": {"method": "GET"}, "effect": {"status": 503, "body": {"message": "try later"}}})
    output = run(platform_lock_ask_seconds=1)
    assert '"held": true' in output
    assert "held on this machine alone" in output
    assert "the database's address could not be asked" in output
