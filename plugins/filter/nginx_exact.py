# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the key of an nginx map that matches one value exactly."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nginx_exact
short_description: Write the key of an nginx map that matches one value exactly
version_added: "1.0.0"
author: Quetrex (@quetrex)
positional: before
description:
  - A plain key of a map ignores case and has to fit the map's hash. This one is a regular expression that matches the value and nothing else.
options:
  _input:
    description: The value.
    type: raw
    required: true
  before:
    description: What stands before the value, taken literally as well.
    type: str
    default: ""
"""

EXAMPLES = r"""
line: "{{ token | quetrex.platform.nginx_exact('Bearer ') }} 0;"
"""

RETURN = r"""
_value:
  description: The key, with its quotes.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.quetrex.platform.plugins.module_utils.writing import nginx_exact
from ansible_collections.quetrex.platform.plugins.plugin_utils.writing import filtered


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"nginx_exact": filtered("nginx_exact", nginx_exact)}
