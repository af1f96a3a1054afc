# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and private addresses of the servers of a pool."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pool_members
short_description: Names and private addresses of several servers
version_added: "1.1.0"
author: Quetrex (@quetrex)
positional: count, ip_range
description:
  - The first server has the name itself, so that a single one keeps it when it gets others; further ones have their number behind it.
options:
  _input:
    description: Name of the first server.
    type: str
    required: true
  count:
    description: How many there are.
    type: int
    required: true
  ip_range:
    description: Range of the private network, in which server number n has the (10 + n)th address.
    type: str
    required: true
"""

EXAMPLES = r"""
members: "{{ 'shop-production-app' | quetrex.platform.pool_members(3, '10.77.0.0/24') }}"
# [{index: 1, name: shop-production-app, private_address: 10.77.0.11}, {index: 2, name: shop-production-app-2, private_address: 10.77.0.12}, ...]
"""

RETURN = r"""
_value:
  description: The servers, each as C(index), C(name) and C(private_address).
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.pool import private_address


def pool_members(name: str, count: Any, ip_range: str) -> list[dict[str, Any]]:
    """The servers of a pool, in order."""
    numbers = range(1, int(count) + 1)
    return [{"index": number, "name": name if number == 1 else f"{name}-{number}", "private_address": private_address(ip_range, number)} for number in numbers]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"pool_members": pool_members}
