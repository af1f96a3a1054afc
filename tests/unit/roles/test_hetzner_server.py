# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cloud-init is given, rendered by Ansible itself and held to cloud-init's own schema."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator

from lab import base, rendering
from lab.config import Lab

ROLE = Path(__file__).resolve().parents[3] / "roles" / "hetzner_server"
SHARED = {
    "platform_name": "example",
    "platform_environment": "production",
    "platform_admin_ssh_public_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbsMTr0y6bKSSbOZIL9tpjFwbyMUR0rHS9UN8HWHPAt ops"],
}
needs_debian = pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs apt-get and dpkg-deb")


def user_data(state: Path, **more: Any) -> str:
    """The text a server is ordered with, with a host key in the state folder."""
    key = state / "example-production-app_ssh_host_ed25519_key"
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nof the test\n-----END OPENSSH PRIVATE KEY-----\n")
    key.with_suffix(".pub").write_text("ssh-ed25519 AAAA host\n")
    given = rendering.trusted(SHARED | {"platform_state_dir": str(state)} | more)
    return rendering.text(ROLE, "{{ lookup('ansible.builtin.template', 'user_data.yml.j2') }}", given)


def objections(text: str) -> list[str]:
    """What the schema in Debian's own package of cloud-init finds wrong."""
    schema = json.loads(base.cloud_init_schema(Lab.from_env()).read_text())
    return [error.message for error in Draft4Validator(schema).iter_errors(yaml.safe_load(text))]


@needs_debian
@pytest.mark.parametrize("more", [{}, {"hetzner_server_packages": ["qemu-guest-agent"]}])
def test_user_data_is_valid(tmp_path: Path, more: dict[str, Any]) -> None:
    """Else a server is `degraded done` for ever, and what is not valid may be passed over."""
    text = user_data(tmp_path, **more)
    assert text.splitlines()[0] == "#cloud-config"
    assert objections(text) == []


@needs_debian
def test_the_schema_finds_an_empty_list(tmp_path: Path) -> None:
    assert objections(user_data(tmp_path) + "ssh_genkeytypes: []\n") == ["[] should be non-empty"]
