# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup of a template's text that does not copy every variable of the host first."""

from __future__ import annotations

DOCUMENTATION = r"""
name: role_template
short_description: Text of a template, without a deep copy of all variables
version_added: "1.0.0"
author:
  - Quetrex (@quetrex)
description:
  - Does what P(ansible.builtin.template#lookup) does, and is called in the same way.
  - That one makes a deep copy of all variables of the host for each template, which is a fifth of the controller's time in a run of C(site)
    that has nothing to do. Rendering changes no variable, so a shallow copy is enough.
options:
  _terms:
    description: Names of templates.
    type: list
    elements: str
    required: true
  template_vars:
    description: Further variables for the template.
    type: dict
    default: {}
seealso:
  - plugin: ansible.builtin.template
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: A file by its template
  quetrex.platform.host_files:
    files:
      - path: /etc/example.conf
        content: "{{ lookup('quetrex.platform.role_template', 'example.conf.j2') }}"
"""

RETURN = r"""
_raw:
  description: The text of each.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any, Optional

from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase


class Variables(dict[str, Any]):
    """Variables whose deep copy is a shallow one."""

    def __deepcopy__(self, memo: Mapping[int, Any]) -> dict[str, Any]:
        return dict(self)


class LookupModule(LookupBase):
    """Hands its work to ansible's own."""

    def run(self, terms: list[str], variables: Optional[Mapping[str, Any]] = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        found = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        return list(found.run(terms, Variables(variables or {}), template_vars=self.get_option("template_vars")))
