# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a URL from its parts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: url
short_description: Write a URL from its parts
version_added: "1.0.0"
author: Quetrex (@quetrex)
description:
  - Every part is encoded as a URL wants it, so that a password may hold any character; an IPv6 address gets its brackets.
options:
  _input:
    description: Its C(scheme), C(user), C(password), C(host), C(port), C(path) and C(query) (a mapping); all but the first and the host may be left out.
    type: dict
    required: true
"""

EXAMPLES = r"""
REDIS_URL: "{{ {'scheme': 'redis', 'user': 'web', 'password': password, 'host': 'redis', 'port': 6379} | quetrex.platform.url }}"
"""

RETURN = r"""
_value:
  description: The URL.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.quetrex.platform.plugins.module_utils.writing import url
from ansible_collections.quetrex.platform.plugins.plugin_utils.writing import filtered


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"url": filtered("url", url)}
