# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform's inventory and state folder for tests that run a playbook without servers or vendors."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbsMTr0y6bKSSbOZIL9tpjFwbyMUR0rHS9UN8HWHPAt me@example.com"
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
                str(ROOT / f"playbooks/{playbook}.yml"),
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
