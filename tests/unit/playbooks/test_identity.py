# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook for servers refuses an empty group and a foreign host with a clear message, before it changes anything anywhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from contract import rules

pytestmark = pytest.mark.play

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbsMTr0y6bKSSbOZIL9tpjFwbyMUR0rHS9UN8HWHPAt me@example.com"
ON_SERVERS = sorted(path.stem for path in rules.playbooks(rules.ROOT) if any("platform_hosts" in str(play["hosts"]) for play in rules.plays_of(path)))
MAKE_SERVERS = {"site", "scale", "recover"}
"""They work on an empty group too; all else about whose a server is holds for them as well."""
GIVEN = {"secret_rotate": {"secret_rotate": "redis"}, "deploy": {"app_release_image": "registry.example.com/web@sha256:" + "0" * 64}}
IMAGE = "registry.example.com/quetrex/web@sha256:" + "0123456789abcdef" * 4
NOBODY = "https://127.0.0.1:9"


class Inventory:
    """A platform's settings, hosts as the inventory plugin would have found them, and a state folder with something in it."""

    def __init__(self, folder: Path, tree: Path) -> None:
        self.folder, self.tree, self.state = folder, tree, folder / "state"
        self.state.mkdir()
        (self.state / "redis-password").write_text("as it was")
        (folder / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")

    def play(self, playbook: str, hosts: dict[str, Any], **more: Any) -> subprocess.CompletedProcess[str]:
        settings = {
            "platform_name": "quetrex", "platform_environment": "staging", "platform_domain": "quetrex.test", "platform_location": "ash",
            "platform_tier": "starter", "platform_admin_ssh_public_keys": [KEY], "platform_state_dir": str(self.state),
            "platform_admin_ssh_private_key_file": str(self.folder / "key"),
            **{f"platform_{name}_image": IMAGE for name in ("web", "runner", "redis", "nginx")},
            "platform_hetzner_api_token": "t", "platform_hetzner_api_url": NOBODY, "platform_cloudflare_api_token": "t", "platform_cloudflare_api_url": NOBODY,
            "platform_supabase_url": NOBODY, "platform_supabase_anon_key": "a", "platform_supabase_service_role_key": "s",
            "platform_supabase_database": {"sslmode": "require", "host": "127.0.0.1", "port": 9, "user": "u", "password": "p", "name": "postgres"},
        }  # fmt: skip
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {"all": {"hosts": {"localhost": local}, "vars": settings, "children": {"platform_servers": {"hosts": hosts}}}}
        (self.folder / "hosts.yml").write_text(json.dumps(inventory))
        (self.folder / "ansible.cfg").write_text("[defaults]\n")
        words = [word for key, value in {**GIVEN.get(playbook, {}), **more}.items() for word in ("-e", json.dumps({key: value}))]
        paths = {"ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"), "ANSIBLE_HOME": str(self.folder / "home"), "NO_COLOR": "1"}
        return subprocess.run(
            [
                str(Path(sys.executable).parent / "ansible-playbook"),
                "-i",
                str(self.folder / "hosts.yml"),
                str(rules.ROOT / f"playbooks/{playbook}.yml"),
                *words,
            ],
            env={**os.environ, **paths, "ANSIBLE_COLLECTIONS_PATH": str(self.tree)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )

    def refuses(self, playbook: str, hosts: dict[str, Any], says: str, **more: Any) -> None:
        """It ends there: exit code, reason, and the state folder as it was."""
        done = self.play(playbook, hosts, **more)
        said = " ".join(done.stdout.split())
        assert done.returncode == 2, done.stdout
        assert re.search(r"Nothing was (changed: |touched\. )", said), done.stdout
        assert says in said, done.stdout
        assert {path.name: path.read_text() for path in self.state.iterdir()} == {"redis-password": "as it was"}


@pytest.fixture
def inventory(tmp_path: Path, collection_tree: Path) -> Inventory:
    return Inventory(tmp_path, collection_tree)


def server(environment: str) -> dict[str, Any]:
    labels = {"platform": "quetrex", "environment": environment, "role": "app"}
    return {"web": {"ansible_host": "127.0.0.1", "hcloud_labels": labels, "hcloud_ipv4": "127.0.0.1", "hcloud_volumes": []}}


@pytest.mark.parametrize("playbook", [name for name in ON_SERVERS if name not in MAKE_SERVERS])
def test_an_empty_group(inventory: Inventory, playbook: str) -> None:
    inventory.refuses(playbook, {}, "the group platform_servers has no server of platform quetrex, environment staging")


@pytest.mark.parametrize("playbook", [*ON_SERVERS, "verify", "destroy"])
def test_a_copied_inventory_that_shows_productions_server(inventory: Inventory, playbook: str) -> None:
    inventory.refuses(playbook, server("production"), "web is labelled platform=quetrex,environment=production")


@pytest.mark.parametrize("playbook", ["certificate_renew", "site"])
def test_everybody_is_no_group(inventory: Inventory, playbook: str) -> None:
    inventory.refuses(playbook, server("staging"), "platform_hosts is 'all'", platform_hosts="all")


def test_a_second_controller_with_an_empty_state_folder(inventory: Inventory) -> None:
    inventory.refuses("site", server("staging"), "web runs, and platform_state_dir")


def test_its_own_server_passes(inventory: Inventory) -> None:
    (inventory.state / "known_hosts").write_text("127.0.0.1 ssh-ed25519 AAAA\n")
    done = inventory.play("logs", server("staging"), ansible_port=9)
    assert "Nothing was changed" not in done.stdout, done.stdout
    assert "UNREACHABLE" in done.stdout, done.stdout
    assert not (inventory.state / "identity.json").exists(), "logs changes nothing"


def test_a_state_folder_of_another_environment(inventory: Inventory) -> None:
    marker = inventory.state / "identity.json"
    marker.write_text('{"platform": "quetrex", "environment": "production"}')
    done = inventory.play("site", {})
    assert done.returncode == 2
    assert "is of platform=quetrex,environment=production" in " ".join(done.stdout.split())
    assert "production" in marker.read_text()
