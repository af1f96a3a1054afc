# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is rehearsed, and what an image is made of, is what `site` does to a server, in its order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
# What looks after production and would mistake the rehearsal's server for it.
PRODUCTION = {"platform_backup"}


def play(playbook: str, name: str) -> dict[str, Any]:
    """One play of a playbook."""
    found: dict[str, Any] = next(one for one in yaml.safe_load((PLAYBOOKS / f"{playbook}.yml").read_text()) if one.get("name") == name)
    return found


def imported(tasks: list[dict[str, Any]]) -> list[str]:
    """The roles that tasks import, in order, without those with other tasks than the main ones."""
    roles = [task["ansible.builtin.import_role"] for task in tasks if "ansible.builtin.import_role" in task]
    return [role["name"].rpartition(".")[2] for role in roles if "tasks_from" not in role]


def of_site() -> list[str]:
    """The roles that `site` gives a server."""
    roles = play("site", "Prepare the server")["roles"]
    return [role["role"].rpartition(".")[2] for role in roles if role["role"].rpartition(".")[2] not in PRODUCTION]


@pytest.mark.parametrize(("playbook", "name"), [("recover_rehearse", "Prepare the server"), ("image_build", "Prepare it as every server")])
def test_the_same_roles_in_the_same_order(playbook: str, name: str) -> None:
    roles = imported(play(playbook, name)["tasks"])
    assert len(roles) >= 4
    assert roles == of_site()[: len(roles)]


def test_the_rehearsal_goes_to_the_end() -> None:
    assert imported(play("recover_rehearse", "Prepare the server")["tasks"]) == of_site()
