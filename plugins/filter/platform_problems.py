# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that lists what is wrong with the platform's settings."""

from __future__ import annotations

DOCUMENTATION = r"""
name: platform_problems
short_description: List what is wrong with the platform's settings
version_added: "0.1.0"
author:
  - Quetrex (@quetrex)
description:
  - Looks at all C(platform_*) settings together and says for each wrong one what is wrong and how to put it right.
  - Unknown names are wrong as well. Values of secrets are never shown.
options:
  _input:
    description: The settings, by name.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ {'platform_tier': 'huge'} | quetrex.platform.platform_problems }}"
"""

RETURN = r"""
_value:
  description: One line per problem; an empty list when all is well.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.quetrex.platform.plugins.plugin_utils.settings import problems


def platform_problems(given: Any) -> list[str]:
    if not isinstance(given, Mapping):
        raise AnsibleFilterError(f"platform_problems wants a mapping of settings, not {type(given).__name__}")
    return problems(given)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"platform_problems": platform_problems}
