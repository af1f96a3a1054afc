# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job of AWX, whose environment turns host key checking off, refuses a server with another key than the recorded one.

Asked is the ssh of this machine, with the words Ansible calls it with: `ssh -G` says what it would do with them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.controller import JOB_ENVIRONMENT, JOB_USER

pytestmark = pytest.mark.play

ROOT = Path(__file__).resolve().parents[3]
# an owner's repository that says nothing of host key checking as a variable: the inventory plugin says it of each host
OWN = {"ansible_user": "ops", "ansible_ssh_common_args": "-o StrictHostKeyChecking=yes", "ansible_host_key_checking": True}


def connection() -> dict[str, Any]:
    """What the example's inventory says of the connection."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "inventories/production/group_vars/all/connection.yml").read_text())
    return found


@pytest.mark.parametrize("variables", [connection(), OWN], ids=["example", "inventory plugin"])
def test_host_keys_are_checked(variables: dict[str, Any], tmp_path: Path, collection_tree: Path) -> None:
    """Neither the environment nor `-u root` of a job wins over the inventory."""
    place = {"platform_state_dir": str(tmp_path), "platform_admin_ssh_private_key_file": f"{tmp_path}/user", "ansible_host": "192.0.2.1"}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": {"web1": place | variables}}}))
    program = tmp_path / "ssh"
    program.write_text('#!/bin/sh\nexec ssh -G "$@"\n')
    program.chmod(0o700)
    words = [str(Path(sys.executable).parent / "ansible"), "-i", str(tmp_path / "hosts.json"), "all", "-m", "ansible.builtin.raw", "-a", "true", "-u", JOB_USER]
    paths = {"ANSIBLE_COLLECTIONS_PATH": str(collection_tree), "ANSIBLE_HOME": str(tmp_path / "home"), "ANSIBLE_SSH_EXECUTABLE": str(program)}
    done = subprocess.run(words, env={**os.environ, **JOB_ENVIRONMENT, **paths}, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "stricthostkeychecking true" in done.stdout
    assert "user ops" in done.stdout


def added(node: Any) -> list[dict[str, Any]]:
    """The arguments of every add_host, however deep."""
    if isinstance(node, list):
        return [found for one in node for found in added(one)]
    if not isinstance(node, dict):
        return []
    own = [node["ansible.builtin.add_host"]] if "ansible.builtin.add_host" in node else []
    return own + [found for one in node.values() if isinstance(one, list) for found in added(one)]


def test_every_host_that_a_role_adds_has_its_key_checked() -> None:
    """It is in no inventory yet that would say so."""
    files = [*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/**/*.yml")]
    found = [(str(path.relative_to(ROOT)), one) for path in files for one in added(yaml.safe_load(path.read_text()))]
    assert len(found) >= 4
    assert [path for path, one in found if one.get("ansible_host_key_checking") is not True] == []
