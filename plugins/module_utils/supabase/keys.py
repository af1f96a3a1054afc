# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API keys of a project: which of them the application gets, and what is wrong with those that it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import Failure
from .management import Api

# What the application needs -> the kind of key that it gets, and the older key that did the same.
PURPOSES = {"anon": ("publishable", "anon"), "service_role": ("secret", "service_role")}
# What stands in place of characters that are not shown.
MASKS = "·•*"
END = "Supabase removes the legacy keys (anon, service_role) at the end of 2026"


@dataclass(frozen=True)
class Keys:
    """values: what can be used, by name; legacy: the older ones among them; disabled: the older ones that are switched off."""

    values: dict[str, str] = field(default_factory=dict, repr=False)
    newer: dict[str, str] = field(default_factory=dict, repr=False)
    legacy: dict[str, str] = field(default_factory=dict, repr=False)
    disabled: dict[str, str] = field(default_factory=dict, repr=False)


def read_keys(api: Api, ref: str) -> Keys:
    """Two requests. A key whose value is not shown is none."""
    items = api.get(f"/v1/projects/{ref}/api-keys", reveal="true")
    shown = [item for item in items if _is_shown(item.get("api_key"))]
    # An older API has no kinds: all its keys are of the older one.
    old = {str(item["name"]): str(item["api_key"]) for item in shown if item.get("type") in {None, "legacy"}}
    enabled = bool(old) and bool(api.get(f"/v1/projects/{ref}/api-keys/legacy")["enabled"])
    new = {f"{item['type']}_{item['name']}": str(item["api_key"]) for item in _eldest_first(shown) if item.get("type") in {"publishable", "secret"}}
    return Keys({**new, **(old if enabled else {})}, new, old if enabled else {}, {} if enabled else old)


def _is_shown(key: Any) -> bool:
    return isinstance(key, str) and bool(key) and not set(key) & set(MASKS)


def _eldest_first(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(items, key=lambda item: str(item.get("inserted_at") or ""))


def for_application(keys: Keys) -> dict[str, str]:
    """The key for each purpose: the newer kind (the one called default, or the eldest) before a legacy one."""
    return {purpose: key for purpose in PURPOSES if (key := _choice(keys, purpose))}


def _choice(keys: Keys, purpose: str) -> str | None:
    kind, older = PURPOSES[purpose]
    of_kind = [name for name in keys.newer if name.startswith(f"{kind}_")]
    name = f"{kind}_default" if f"{kind}_default" in of_kind else next(iter(of_kind), "")
    return keys.newer.get(name) or keys.legacy.get(older)


def refuse_missing(project: Mapping[str, Any], chosen: Mapping[str, str], given: Mapping[str, str]) -> None:
    """Refuse to go on without a key that neither the project nor the inventory has."""
    missing = [purpose for purpose in PURPOSES if not chosen.get(purpose) and not given.get(purpose)]
    if missing:
        kinds = " and ".join(f"{PURPOSES[purpose][0]} key" for purpose in missing)
        raise Failure(
            f"Project {project['name']} ({project['ref']}) shows no {kinds}. Make them in the dashboard under Settings > API Keys, and give the access token "
            "the permission to reveal secret keys, or put the keys into the inventory.",
            "no_keys",
            keys=missing,
        )


def refuse_foreign(project: Mapping[str, Any], keys: Keys, given: Mapping[str, str]) -> None:
    """Refuse keys that are none of the project's, with which the app would talk to another database than the migrations, and keys that are switched off."""
    off = sorted(name for name, key in given.items() if key and key in keys.disabled.values())
    if off:
        message = f"{', '.join(off)} of the app: a legacy key that is switched off in project {project['name']} ({project['ref']}). {_exchange()}"
        raise Failure(message, "disabled_keys", keys=off)
    foreign = sorted(name for name, key in given.items() if key and key not in keys.values.values())
    if foreign:
        message = f"{', '.join(foreign)} of the app: not a key of project {project['name']} ({project['ref']}). Copy them again, or name the right project."
        raise Failure(message, "foreign_keys", keys=foreign)


def warning(keys: Keys, used: Mapping[str, str]) -> str:
    """What is said to somebody whose application lives by legacy keys; nothing otherwise."""
    old = sorted(name for name, key in used.items() if key and key in keys.legacy.values())
    return f"{', '.join(old)} of the app: a legacy key. {END}. {_exchange()}" if old else ""


def _exchange() -> str:
    return (
        "Take the publishable key (sb_publishable_...) and a secret key (sb_secret_...) from the dashboard, Settings > API Keys, as platform_supabase_anon_key "
        "and platform_supabase_service_role_key, or leave both out."
    )
