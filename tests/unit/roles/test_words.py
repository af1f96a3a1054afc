# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every role renders the same files and arguments whether its switches and numbers come typed or as text, as the command line, AWX and INI give them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.template import trust_as_template

from lab import rendering

ROLES = sorted(path for path in (Path(__file__).resolve().parents[3] / "roles").iterdir() if path.is_dir())
KINDS = ("bool", "int", "float")
IMAGE = f"registry.example.com/app@sha256:{'0' * 64}"
SHARED = {
    "ansible_check_mode": False,
    "ansible_facts": {"memtotal_mb": 8192, "architecture": "x86_64"},
    "groups": {"all": [], "platform_servers": []},
    "hostvars": {},
    "platform_domain": "example.com",
    "platform_name": "quetrex",
    "platform_environment": "lab",
    "platform_location": "ash",
    "platform_tier": "starter",
    "platform_state_dir": "/nonexistent",
    **{f"platform_{name}_image": IMAGE for name in ("web", "runner", "redis", "nginx")},
    **{f"platform_{name}_api_token": "x" for name in ("hetzner", "cloudflare", "supabase")},
    "platform_admin_ssh_public_keys": ["ssh-ed25519 x"],
    "platform_admin_ssh_private_key_file": "/nonexistent",
    "platform_supabase_url": "https://x.supabase.co",
    "platform_supabase_anon_key": "x",
    "platform_supabase_service_role_key": "x",
    "platform_supabase_database": {"host": "db.example.com", "port": 5432, "user": "app", "password": "x", "name": "postgres"},
    "app_stack_redis_password": "x",
}


def options(role: Path) -> dict[str, str]:
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    kinds = {name: option.get("type") for spec in specs.values() for name, option in (spec.get("options") or {}).items()}
    return {name: kind for name, kind in kinds.items() if kind in KINDS}


def rendered(role: Path, given: dict[str, Any]) -> dict[str, str]:
    """Every internal variable and every template, as text; the error where one needs what only a server knows."""
    templar = rendering.templar(role, {**rendering.trusted(SHARED), **given})
    texts = {name: f"{{{{ {name} }}}}" for name in rendering.values(role) if name.startswith("__")}
    texts |= {path.name: path.read_text() for path in sorted((role / "templates").glob("*")) if path.is_file()}
    found = {}
    for name, text in texts.items():
        try:
            found[name] = json.dumps(templar.template(trust_as_template(text)), default=str)
        except AnsibleError as error:
            found[name] = f"error: {type(error).__name__}"
    return found


def typed(role: Path, kind: str, change: bool) -> dict[str, Any]:
    """The options of this kind as they are by default, or as other values."""
    found = {}
    for name in (name for name, one in options(role).items() if one == kind):
        default = rendering.values(role).get(name)
        if kind == "bool":
            found[name] = (not default if isinstance(default, bool) else False) if change else default is True
        else:
            plain = default if isinstance(default, (int, float)) and not isinstance(default, bool) else 7
            found[name] = (int if kind == "int" else float)(plain + 1 if change else plain)
    return found


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
@pytest.mark.parametrize("change", [False, True], ids=["defaults", "others"])
def test_text_means_the_same(role: Path, change: bool) -> None:
    given = {name: value for kind in KINDS for name, value in typed(role, kind, change).items()}
    text = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}
    as_typed, as_text = rendered(role, given), rendered(role, text)
    assert as_text == as_typed


def test_most_is_rendered() -> None:
    """Whatever only errors out is compared with nothing."""
    results = [text for role in ROLES for text in rendered(role, {}).values()]
    assert sum(not text.startswith("error") for text in results) > 0.6 * len(results)
