# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook that writes takes the lock, and takes it before it does anything that writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
LOCK = "quetrex.platform.platform_lock"
WRITERS = ("site", "deploy", "rollback", "recover", "scale", "certificate_renew", "database_migrate", "destroy")
# these look, or touch nothing but what they are called
BEFORE = {
    "quetrex.platform.platform_preflight",
    "quetrex.platform.database_export",
    "quetrex.platform.supabase_project/settings",
    "quetrex.platform.hetzner_server/plan",
    "quetrex.platform.hetzner_destroy",
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


@pytest.mark.parametrize("name", [name for name in WRITERS if (ROOT / "playbooks" / f"{name}.yml").exists()])
def test_a_writer_takes_the_lock_first(name: str) -> None:
    plays = yaml.safe_load((ROOT / "playbooks" / f"{name}.yml").read_text())
    order = [step for play in plays for step in steps(play)]
    assert LOCK in order
    assert set(order[: order.index(LOCK)]) <= BEFORE


@pytest.mark.parametrize("name", ["image_build", "recover_rehearse"])
def test_what_leaves_the_platform_alone_has_a_lock_of_its_own(name: str) -> None:
    """Two of a kind would delete each other's server; beside a deployment each of them may run."""
    plays = yaml.safe_load((ROOT / "playbooks" / f"{name}.yml").read_text())
    order = steps(plays[0])
    assert set(order[: order.index(LOCK)]) <= BEFORE
    assert plays[0]["vars"]["platform_lock_name"].startswith("{{ platform_name }}-{{ platform_environment }}-")
