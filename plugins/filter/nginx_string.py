# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a value as one parameter of nginx.conf."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nginx_string
short_description: Write a value as one parameter of nginx.conf
version_added: "1.0.0"
author: Quetrex (@quetrex)
description:
  - In quotes, with what nginx would read as something else escaped. A dollar sign is refused where nginx would expand a variable.
options:
  _input:
    description: The value.
    type: raw
    required: true
"""

EXAMPLES = r"""
line: "proxy_set_header X-Name {{ name | quetrex.platform.nginx_string }};"
"""

RETURN = r"""
_value:
  description: The parameter, with its quotes.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.quetrex.platform.plugins.module_utils.writing import nginx_string
from ansible_collections.quetrex.platform.plugins.plugin_utils.writing import filtered


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"nginx_string": filtered("nginx_string", nginx_string)}
