# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""platform_preflight and platform_verify as playbooks run them, on the inventory of the local cloud and without the cloud."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

IMAGE = "registry.example.com/quetrex/web@sha256:" + "0123456789abcdef" * 4
SECRET = "never-to-be-seen-4711"


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """A platform that has nothing wrong with it."""
    key = tmp_path / "id_ed25519"
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    return {
        "platform_name": "quetrex",
        "platform_environment": "lab",
        "platform_domain": "quetrex.test",
        "platform_location": "ash",
        "platform_tier": "starter",
        "platform_admin_ssh_public_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbsMTr0y6bKSSbOZIL9tpjFwbyMUR0rHS9UN8HWHPAt me@example.com"],
        "platform_admin_ssh_private_key_file": str(key),
        "platform_state_dir": str(tmp_path),
        **{f"platform_{name}_image": IMAGE for name in ("web", "runner", "redis", "nginx")},
        "platform_hetzner_api_token": SECRET,
        "platform_cloudflare_api_token": SECRET,
        "platform_supabase_url": "https://xxxx.supabase.co",
        "platform_supabase_anon_key": "public-by-design",
        "platform_supabase_service_role_key": SECRET,
        "platform_supabase_database": {
            "host": "db.example.com",
            "port": 5432,
            "user": "postgres",
            "password": SECRET,
            "name": "postgres",
            "sslmode": "require",
        },
    }


class Player:
    """Runs one play of one role, followed by a task that leaves a trace."""

    def __init__(self, folder: Path, tree: Path) -> None:
        self.folder, self.tree = folder, tree
        self.trace = folder / "touched"

    def play(self, role: str, variables: dict[str, Any], *arguments: str) -> tuple[int, str]:
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "tasks": [
                {"ansible.builtin.import_role": {"name": f"quetrex.platform.{role}"}},
                {"ansible.builtin.file": {"path": str(self.trace), "state": "touch", "mode": "0600"}},
            ],
        }
        (self.folder / "play.yml").write_text(json.dumps([play]))
        (self.folder / "ansible.cfg").write_text("[defaults]\ninject_facts_as_vars = False\n")
        hosts = {"all": {"hosts": {"localhost": {"ansible_python_interpreter": sys.executable}}, "vars": variables}}
        (self.folder / "hosts.yml").write_text(json.dumps(hosts))
        done = subprocess.run(
            [Path(sys.executable).parent / "ansible-playbook", "-vvv", "-i", "hosts.yml", "play.yml", *arguments],
            cwd=self.folder,
            env={
                **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
                "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
                "ANSIBLE_HOME": str(self.folder / "home"),
                "ANSIBLE_COLLECTIONS_PATH": str(self.tree),
                "ANSIBLE_NOCOLOR": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        return done.returncode, done.stdout


@pytest.fixture
def player(tmp_path: Path, collection_tree: Path) -> Player:
    return Player(tmp_path, collection_tree)


def test_good_settings_pass(player: Player, settings: dict[str, Any]) -> None:
    code, output = player.play("platform_preflight", settings)
    assert code == 0, output
    assert player.trace.exists()
    assert SECRET not in output


def test_all_errors_at_once(player: Player, settings: dict[str, Any]) -> None:
    """All that is wrong is said at once and nothing is touched."""
    wrong = {
        "platform_domain": "https://quetrex.test/",
        "platform_web_image": "quetrex/web:latest",
        "platform_tier": "enormous",
        "platform_domian": "quetrex.test",
    }
    code, output = player.play("platform_preflight", {**settings, **wrong})
    assert code == 2, output
    assert not player.trace.exists()
    assert "Settings that are wrong: 4" in output
    lines = [line for line in output.splitlines() if line.lstrip().startswith(("- platform_", "msg:", '"msg"'))]
    told = "\n".join(lines)
    assert [name for name in wrong if name not in told] == []
    assert SECRET not in output


def test_text_that_a_role_would_read_as_something_else(player: Player, settings: dict[str, Any]) -> None:
    """As the command line gives it."""
    words = ("app_stack_server_names=a.b", "ssh_hardening_tcp_forwarding=maybe", "app_stack_web_port=3e3", "host_baseline_swap_size_mb=512")
    code, output = player.play("platform_preflight", settings, *(part for word in words for part in ("-e", word)))
    assert code == 2, output
    assert "Settings that are wrong: 3" in output
    assert "app_stack_server_names is no list" in output
    assert not player.trace.exists()


def test_missing_setting(player: Player, settings: dict[str, Any]) -> None:
    """A required setting that is missing is named with the fix."""
    del settings["platform_hetzner_api_token"]
    code, output = player.play("platform_preflight", settings)
    assert code == 2, output
    assert "platform_hetzner_api_token is not set; add it to the inventory" in output
    assert not player.trace.exists()


def test_verify_fails_with_what_it_asked_when_nothing_answers(player: Player, settings: dict[str, Any]) -> None:
    quick = {"platform_verify_address": "127.0.0.1", "platform_verify_wait": 0, "platform_verify_timeout": 2}
    code, output = player.play("platform_verify", {**settings, **quick, "platform_domain": "nobody.quetrex.test"})
    assert code == 2, output
    assert "https://nobody.quetrex.test/api/health" in output
    assert not player.trace.exists()
