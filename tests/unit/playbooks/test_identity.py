# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook for servers refuses an empty group and a foreign host with a clear message, before it changes anything anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from contract import rules

from lab.inventory import Inventory

pytestmark = pytest.mark.play

ON_SERVERS = sorted(path.stem for path in rules.playbooks(rules.ROOT) if any("platform_hosts" in str(play["hosts"]) for play in rules.plays_of(path)))
MAKE_SERVERS = {"site", "scale", "recover"}
"""They work on an empty group too; all else about whose a server is holds for them as well."""


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
