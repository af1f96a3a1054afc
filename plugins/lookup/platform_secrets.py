# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup that lists the platform's secrets."""

from __future__ import annotations

DOCUMENTATION = r"""
name: platform_secrets
short_description: List the platform's secrets, what each is for, and whether it is there
version_added: "1.0.0"
author:
  - Quetrex (@quetrex)
description:
  - Looks at every secret among the C(platform_*) settings, wherever its value comes from.
  - Values are never returned.
options:
  _terms:
    description: Name prefixes of variables that are no settings, because they belong to roles.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Show which secrets are missing
  ansible.builtin.debug:
    msg: "{{ query('quetrex.platform.platform_secrets') | rejectattr('good') | map(attribute='name') }}"
"""

RETURN = r"""
_raw:
  description:
    - One entry per secret with C(name), C(purpose), C(rotation), C(state) (C(there), C(not used), C(missing), or what is wrong) and C(good).
  type: list
  elements: dict
"""

from collections.abc import Mapping
from typing import Any, Optional

from ansible.plugins.lookup import LookupBase

from ansible_collections.quetrex.platform.plugins.plugin_utils.reading import read_settings
from ansible_collections.quetrex.platform.plugins.plugin_utils.secrets import review


class LookupModule(LookupBase):
    """Reads each setting by itself, so that one that cannot be read does not hide the others."""

    def run(self, terms: list[str], variables: Optional[Mapping[str, Any]] = None, **kwargs: Any) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        return review(*read_settings(variables or {}, self._templar, terms))
