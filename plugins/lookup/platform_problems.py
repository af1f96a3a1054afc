# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup that lists what is wrong with the platform's settings."""

from __future__ import annotations

DOCUMENTATION = r"""
name: platform_problems
short_description: List what is wrong with the platform's settings
version_added: "1.0.0"
author:
  - Quetrex (@quetrex)
description:
  - Looks at all C(platform_*) settings together and says for each wrong one what is wrong and how to put it right.
  - Values for the roles' own variables are looked at by their specifications, on every host - text that is no switch, number, list or mapping where one is
    wanted would mean something else to the role.
  - Unknown names are wrong as well, and so are values that cannot be made, as when a file is not there. Values of secrets are never shown.
options:
  _terms:
    description: Name prefixes of variables that are no settings, because they belong to roles.
    type: list
    elements: str
  given_only:
    description: Whether settings that are missing, or cannot be read here, are passed over, for a playbook that needs few of them.
    type: bool
    default: false
    version_added: "1.1.0"
"""

EXAMPLES = r"""
- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ query('quetrex.platform.platform_problems', 'platform_verify_') }}"
"""

RETURN = r"""
_raw:
  description: One line per problem; an empty list when all is well.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any, Optional

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.quetrex.platform.plugins.plugin_utils import options
from ansible_collections.quetrex.platform.plugins.plugin_utils.capacity import memory_problems
from ansible_collections.quetrex.platform.plugins.plugin_utils.reading import read_settings
from ansible_collections.quetrex.platform.plugins.plugin_utils.settings import problems, wrong_values


class LookupModule(LookupBase):
    """Reads each setting by itself, so that one that cannot be read does not hide the others."""

    def run(self, terms: list[str], variables: Optional[Mapping[str, Any]] = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        given = variables or {}
        read, unreadable = read_settings(given, self._templar, terms)
        found = wrong_values(read) if self.get_option("given_only") else problems(read, unreadable)
        found += memory_problems(read, *(self._value(given, name) for name in ("app_stack_limits", "app_stack_system_memory_mb")))
        return found + options.problems(options.given_for_roles(given), options.specifications())

    def _value(self, given: Mapping[str, Any], name: str) -> Any:
        """A role's variable as the inventory gives it; None where it does not, or cannot be read here."""
        try:
            return self._templar.template(given[name]) if self._templar else given[name]
        except (KeyError, AnsibleError):
            return None
