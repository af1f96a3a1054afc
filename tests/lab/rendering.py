# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role writes, rendered by Ansible's own templating from the role's own values, without a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template


def trusted(value: Any) -> Any:
    """Marks what comes from files of a role as templates, as Ansible does when it loads them."""
    if isinstance(value, Mapping):
        return {name: trusted(item) for name, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value


def values(role: Path) -> dict[str, Any]:
    """The role's defaults and internal variables."""
    found: dict[str, Any] = {}
    for part in ("defaults", "vars"):
        file = role / part / "main.yml"
        found |= (yaml.safe_load(file.read_text()) if file.exists() else None) or {}
    return found


def templar(role: Path, variables: Mapping[str, Any]) -> Templar:
    """Ansible's templating with the role's own values, and `variables` as an inventory gives them."""
    loader = DataLoader()
    loader.set_basedir(str(role))
    own = {"ansible_check_mode": False, "role_path": str(role), "ansible_search_path": [str(role)]}
    return Templar(loader, {**trusted(values(role)), **own, **variables})


def value(role: Path, name: str, variables: Mapping[str, Any]) -> Any:
    """One of the role's values."""
    return templar(role, variables).template(trust_as_template(f"{{{{ {name} }}}}"))


def text(role: Path, source: str, variables: Mapping[str, Any]) -> str:
    """A text of the role's with templates in it."""
    return str(templar(role, variables).template(trust_as_template(source)))
