# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the services of a stack."""

from __future__ import annotations

DOCUMENTATION = r"""
name: services
short_description: Read the services of a stack
version_added: "1.1.0"
author: Quetrex (@quetrex)
description:
  - Turns C(platform_services) into a list of complete services, in the order of their releases, with the addresses, folders and users that follow from
    each entry. What is wrong is refused all at once, without a secret's value.
options:
  _input:
    description: Services by name, each a mapping as in the guide on services.
    type: dict
    required: true
  domain:
    description: The platform's domain, below which services have host names.
    type: str
    default: ""
  places:
    description:
      - Where the stack lies on the server, with C(stack), C(state), and what all services share, C(log_size), C(log_files) and C(database_ca). With it
        each service has C(compose), its entries of a compose file, and C(told), what the release program is told of it; without it C(seen_at), the
        address at which its health is asked from outside.
    type: dict
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

from collections.abc import Callable, Mapping
from typing import Any, Optional

from ansible.errors import AnsibleFilterError

from ansible_collections.quetrex.platform.plugins.module_utils.services.compose import Places, compose
from ansible_collections.quetrex.platform.plugins.module_utils.services.model import Service
from ansible_collections.quetrex.platform.plugins.module_utils.services.parse import parse
from ansible_collections.quetrex.platform.plugins.module_utils.services.release import seen_at, told


def services(given: Any, domain: str = "", places: Optional[Mapping[str, Any]] = None) -> list[dict[str, Any]]:
    """Every service as templates read it."""
    found, wrong = parse(given, str(domain))
    if wrong:
        raise AnsibleFilterError("platform_services " + "; ".join(wrong))
    if places is None:
        return [{**one.plain(), "seen_at": _asked(one, str(domain))} for one in found]
    where = Places(
        stack=str(places["stack"]),
        state=str(places["state"]),
        log_size=str(places.get("log_size", "10m")),
        log_files=int(places.get("log_files", 5)),
        database_ca=str(places.get("database_ca", False)).lower() == "true",
    )
    return [{**one.plain(), "compose": compose(one, where), "told": told(one, str(domain))} for one in found]


def _asked(service: Service, domain: str) -> str:
    """The address at which anybody can see whether a public service answers; empty where there is none."""
    if not service.public:
        return ""
    place, path = seen_at(service)
    return "" if place.token else f"https://{place.host or domain}{path}"


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"services": services}
