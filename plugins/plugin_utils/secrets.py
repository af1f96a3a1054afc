# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which secrets the platform needs, what each is for, and how it is replaced. Values are looked at and never returned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.quetrex.platform.plugins.module_utils.services.platform import REMOVABLE

from .settings import SETTINGS, SUPABASE_TOKEN, sealed


@dataclass(frozen=True)
class Secret:
    """`setting` holds it, under `key` when the setting is a mapping. `rotation`: what to do when it has to be another one."""

    setting: str
    purpose: str
    rotation: str
    key: str = ""

    @property
    def name(self) -> str:
        return f"{self.setting}.{self.key}" if self.key else self.setting


@dataclass(frozen=True)
class Made:
    """A secret that nobody has to bring: the platform makes it, and another one when it is told to."""

    name: str
    purpose: str
    rotation: str
    of: str = ""
    """The service it belongs to, where the platform may do without that."""


NEW_TOKEN = "make a second token, put it in its place, run site, delete the first"  # noqa: S105 - words
SECRETS = (
    Secret("platform_hetzner_api_token", "server, volume, addresses, firewall and the inventory", NEW_TOKEN),
    Secret("platform_cloudflare_api_token", "names, zone settings, cache and the origin certificate", NEW_TOKEN),
    Secret(
        "platform_supabase_database",
        "migrations, the lock between machines, exports",
        "put another in its place, run secret_rotate with -e secret_rotate=database",
        "password",
    ),
    Secret("platform_supabase_anon_key", "public key of the web application", "new keys in the dashboard, put both in their place, run site"),
    Secret("platform_supabase_service_role_key", "key of the application's server, past row level security", "as platform_supabase_anon_key"),
    Secret(SUPABASE_TOKEN, "the project itself: wake it, TLS only, allowed networks", NEW_TOKEN),
    Secret("platform_registry", "pulling images", "make a second token, put it in its place, run site, delete the first", "password"),
    Secret(
        "platform_backup",
        "encrypts the copies of the state elsewhere",
        "put another in its place, run site: the repository takes it and the former one no more; keep it elsewhere too",
        "password",
    ),
    Secret(
        "platform_volume_key",
        "encrypts the volume",
        "a volume keeps its key: put another in its place for a new volume, which gets the last copy; keep it elsewhere too",
    ),
    Secret("platform_uptime_api_token", "monitors outside", NEW_TOKEN),
    Secret(
        "platform_admin_ssh_private_key_file",
        "the owner's way into the server",
        "name both public keys, run site, change to the new key, name it alone, run site",
    ),
)
ROTATE = "run secret_rotate with -e secret_rotate="
MADE = (
    Made("password of Redis", "the web application's sessions", f"{ROTATE}redis", "redis"),
    Made("origin certificate and key", "the edge knows the server by it", f"{ROTATE}certificate"),
    Made("addresses of the heartbeats", "the server reports to them", f"{ROTATE}heartbeat"),
    Made("maintenance-bypass", "whoever sends it passes the maintenance page", "delete the file in platform_state_dir, run maintenance with -e maintenance=on"),
)


def review(given: Mapping[str, Any], unreadable: Optional[Mapping[str, str]] = None) -> list[dict[str, Any]]:
    """One row per secret: `{name, purpose, rotation, state, good}`. `state` is `there`, `not used`, `missing`, or what is wrong."""
    rows = [_row(secret, given, unreadable or {}) for secret in SECRETS]
    for name in given.get("platform_app_secrets") or {}:
        value = given["platform_app_secrets"][name]
        wrong = (sealed(value) or "") if str(value or "") else "is empty"
        rows.append(_as_row(f"platform_app_secrets.{name}", "read by the web application", "put another in its place, run site", wrong or "there", not wrong))
    described = given.get("platform_services")
    gone = [name for name in REMOVABLE if isinstance(described, Mapping) and name in described and described[name] is None]
    return rows + [_as_row(made.name, made.purpose, made.rotation, "made here", True) for made in MADE if made.of not in gone]


def _row(secret: Secret, given: Mapping[str, Any], unreadable: Mapping[str, str]) -> dict[str, Any]:
    state = _state(secret, given, unreadable)
    return _as_row(secret.name, secret.purpose, secret.rotation, state, state in ("there", "not used"))


def _as_row(name: str, purpose: str, rotation: str, state: str, good: bool) -> dict[str, Any]:
    return {"name": name, "purpose": purpose, "rotation": rotation, "state": state, "good": good}


def _state(secret: Secret, given: Mapping[str, Any], unreadable: Mapping[str, str]) -> str:
    setting = SETTINGS[secret.setting]
    if secret.setting in unreadable:
        return f"cannot be read: {unreadable[secret.setting]}"
    if secret.setting not in given:
        return "missing" if setting.required and setting.unless not in given else "not used"
    value = given[secret.setting]
    if secret.key:
        if not isinstance(value, Mapping) or secret.key not in value:
            return "missing" if setting.required else "not used"
        problem = setting.check({secret.key: value[secret.key]}) or ""
        return next((part.removeprefix(f"{secret.key} ") for part in problem.split("; ") if part.startswith(f"{secret.key} ")), "there")
    return setting.check(value) or "there"
