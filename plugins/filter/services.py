# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the services of a stack."""

from __future__ import annotations

DOCUMENTATION = r"""
name: services
short_description: Read the inventory's own services of a stack
version_added: "1.1.0"
author: Quetrex (@quetrex)
description:
  - Turns C(platform_services) into a list of complete services, in the order of their releases, with the addresses, folders and users that follow from
    each entry, and C(seen_at), the address at which its health is asked from outside. What is wrong is refused all at once, without a secret's value.
options:
  _input:
    description: Services by name, each a mapping as in the guide on services.
    type: dict
    required: true
  domain:
    description: The platform's domain, below which services have host names.
    type: str
    default: ""
"""

EXAMPLES = r"""
hosts: "{{ platform_services | quetrex.platform.services('example.com') | map(attribute='public') | flatten | map(attribute='host') }}"
"""

RETURN = r"""
_value:
  description: Services, each with all its values.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.quetrex.platform.plugins.module_utils.services.parse import parse
from ansible_collections.quetrex.platform.plugins.plugin_utils.described import plain


def services(given: Any, domain: str = "") -> list[dict[str, Any]]:
    """Every service of the inventory's own as templates read it."""
    found, wrong = parse(given, str(domain))
    if wrong:
        raise AnsibleFilterError("platform_services " + "; ".join(wrong))
    return [plain(one, str(domain)) for one in found]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"services": services}
