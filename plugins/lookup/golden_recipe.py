# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup that tells by which version of which roles an image was, or would be, made."""

from __future__ import annotations

DOCUMENTATION = r"""
name: golden_recipe
short_description: Hash of the roles that make a golden image
version_added: "1.0.0"
author:
  - Quetrex (@quetrex)
description:
  - Hashes everything of roles of this collection that decides what they leave on a server. The order of the roles does not matter.
  - An image that bears another hash was made by other roles, and may have on it what today's roles would not remove.
options:
  _terms:
    description: Names of roles of this collection.
    type: list
    elements: str
    required: true
  salt:
    description: What else decides, for example the name of the image that was built upon.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Which image would fit?
  ansible.builtin.debug:
    msg: "{{ lookup('quetrex.platform.golden_recipe', 'host_baseline', 'docker_engine', salt='debian-13') }}"
"""

RETURN = r"""
_raw:
  description: Sixteen hexadecimal digits.
  type: list
  elements: str
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

ROLES = Path(__file__).parents[2] / "roles"
DECISIVE = ("defaults", "files", "handlers", "tasks", "templates", "vars")


def recipe(roles: Path, names: list[str], salt: str) -> str:
    """Return the hash of the decisive files of the roles, by path and content."""
    found = hashlib.sha256(salt.encode())
    for name in sorted(names):
        if not (roles / name).is_dir():
            raise AnsibleError(f"golden_recipe: this collection has no role {name!r}")
        files = (one for folder in DECISIVE for one in (roles / name / folder).rglob("*") if one.is_file() and one.suffix != ".pyc")
        for file in sorted(files):
            found.update(f"{file.relative_to(roles)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()[:16]


class LookupModule(LookupBase):
    """Reads the roles beside itself, in a checkout as in an installed collection."""

    def run(self, terms: list[str], variables: Optional[Mapping[str, Any]] = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        return [recipe(ROLES, terms, str(self.get_option("salt")))]
