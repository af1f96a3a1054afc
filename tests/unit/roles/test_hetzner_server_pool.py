# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role with several servers, against Hetzner's API and nothing else: what it makes, and what the plays after it know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lab.api.hetzner.testing import HetznerApi, hetzner_api

if TYPE_CHECKING:
    from lab.supabase.testing import RunPlaybook

pytest_plugins = ["lab.supabase.testing"]

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbsMTr0y6bKSSbOZIL9tpjFwbyMUR0rHS9UN8HWHPAt ops"
NAMES = ["quetrex-test-app", "quetrex-test-app-2", "quetrex-test-app-3"]
KEPT = ("hcloud_index", "hcloud_private_ipv4", "hcloud_balancer", "ansible_host")


@pytest.fixture
def api(tmp_path: Path) -> Iterator[HetznerApi]:
    """An empty project."""
    with hetzner_api(tmp_path) as served:
        yield served


def play(tmp_path: Path, api: HetznerApi) -> Path:
    """A play that runs the role without waiting for SSH, and writes down what the hosts of the group are then."""
    settings = {
        "platform_hetzner_api_token": api.token, "platform_hetzner_api_url": api.url, "platform_state_dir": str(tmp_path / "state"), "platform_servers": 3,
        "platform_name": "quetrex", "platform_environment": "test", "platform_location": "ash", "platform_tier": "starter", "hetzner_server_wait": False,
        "platform_admin_ssh_public_keys": [KEY], "platform_edge_cidrs": ["198.51.100.0/24"], "hetzner_server_golden": False,
    }  # fmt: skip
    hosts = {
        "name": "{{ item }}",
        "volume": "{{ hetzner_server_volume_ids[item] | default(0) }}",
        **{key: f"{{{{ hostvars[item].{key} }}}}" for key in KEPT},
    }
    write = {
        "ansible.builtin.copy": {"dest": f"{tmp_path}/{{{{ item }}}}.json", "content": json.dumps(hosts)},
        "loop": "{{ groups.platform_servers | default([]) }}", "changed_when": False,
    }  # fmt: skip
    tasks = [{"ansible.builtin.import_role": {"name": "quetrex.platform.hetzner_server"}}, write]
    path = tmp_path / "play.yml"
    path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": settings, "tasks": tasks}]))
    return path


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def test_three_servers_and_what_they_know(api: HetznerApi, playbook: RunPlaybook, tmp_path: Path) -> None:
    """Told beforehand without a write, made, and not touched by the second run; each server has a host key and a volume of its own."""
    told = playbook(play(tmp_path, api), "--check", "--diff")
    assert told.returncode == 0, told.stdout
    assert api.writes() == []
    assert "create quetrex-test-app-3: cpx31 in ash with debian-13, 10.77.0.13 in network quetrex-test-app" in " ".join(told.stdout.split())
    made = playbook(play(tmp_path, api))
    assert made.returncode == 0, made.stdout
    hosts = [read(tmp_path / f"{name}.json") for name in NAMES]
    assert [int(one["hcloud_index"]) for one in hosts] == [1, 2, 3]
    assert [one["hcloud_private_ipv4"] for one in hosts] == ["10.77.0.11", "10.77.0.12", "10.77.0.13"]
    assert len({one["volume"] for one in hosts}) == 3
    assert "PRIVATE KEY" not in made.stdout
    keys = {(tmp_path / "state" / f"{name}_ssh_host_ed25519_key").read_text() for name in NAMES}
    sent = {row["name"]: row["_user_data"] for row in api.servers()}
    assert len(keys) == 3
    assert all(f"hostname: {name}\n" in sent[name] for name in NAMES)
    (wall,) = api.project.all("firewalls")
    assert [rule["port"] for rule in wall["rules"] if rule["protocol"] == "tcp"] == ["22"]
    api.forget()
    again = playbook(play(tmp_path, api))
    assert "changed=0" in again.stdout, again.stdout
    assert api.writes() == []
