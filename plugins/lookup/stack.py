# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup that reads the whole stack: the platform's own services and the inventory's."""

from __future__ import annotations

DOCUMENTATION = r"""
name: stack
short_description: Read all services of a platform
version_added: "1.1.0"
author: Quetrex (@quetrex)
description:
  - The platform's own services, as they are by default with what C(platform_services) says of them, and the inventory's own, complete and by name.
  - What is wrong is refused all at once, without a secret's value. A service that the inventory does without is not there.
options:
  services:
    description: The description. By default C(platform_services).
    type: dict
  domain:
    description: The platform's domain. By default C(platform_domain).
    type: str
  settings:
    description:
      - What settings of roles say of the platform's own services, by name, in the keys of the description. By default C(platform_web_health_path) and the
        images.
    type: dict
  places:
    description:
      - Where the stack lies on the server, with C(stack), C(state), what all services share, C(log_size), C(log_files) and C(database_ca), and with
        C(restart_on), by name, what a restart hangs on. With it each service has C(compose), its entries of a compose file, C(networks), and C(told), what
        the release program is told of it.
      - With C(pool), which has C(servers), C(home), C(inside) and C(sockets), C(swarm) holds its stack files by name instead.
    type: dict
"""

EXAMPLES = r"""
- name: Show where the application says whether it is well
  ansible.builtin.debug:
    msg: "{{ lookup('quetrex.platform.stack').web.health.path }}"
"""

RETURN = r"""
_raw:
  description: Services by name, each with all its values, and C(seen_at), the address at which its health is asked from outside.
  type: list
  elements: dict
"""

from collections.abc import Mapping
from typing import Any, Optional

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.quetrex.platform.plugins.module_utils.services.model import BUILT_IN
from ansible_collections.quetrex.platform.plugins.module_utils.services.parse import stack
from ansible_collections.quetrex.platform.plugins.plugin_utils.described import placed, plain


class LookupModule(LookupBase):
    """Reads what is not given from the variables of the platform."""

    def run(self, terms: list[str], variables: Optional[Mapping[str, Any]] = None, **kwargs: Any) -> list[dict[str, Any]]:  # noqa: ARG002
        self.set_options(var_options=variables, direct=kwargs)
        given = variables or {}
        services, domain, settings, places = (self.get_option(name) for name in ("services", "domain", "settings", "places"))
        services = services if services is not None else self._value(given, "platform_services", {})
        domain = str(domain if domain is not None else self._value(given, "platform_domain", ""))
        found, wrong = stack(services, domain, settings=self._settings(given, services) if settings is None else settings)
        if wrong:
            raise AnsibleError("platform_services " + "; ".join(wrong))
        return [{one.name: plain(one, domain) if places is None else placed(one, domain, places, found) for one in found}]

    def _settings(self, given: Mapping[str, Any], services: Any) -> dict[str, Any]:
        """What the platform's settings say of its own services; a description of the health path comes first."""
        found: dict[str, Any] = {}
        for name in BUILT_IN:
            image = self._value(given, f"platform_{name}_image", "")
            found[name] = {"image": image} if image else {}
        return found | {"web": found["web"] | self._health(given, services)}

    def _health(self, given: Mapping[str, Any], services: Any) -> dict[str, Any]:
        described = ((services.get("web") or {}) if isinstance(services, Mapping) else {}).get("health") or {}
        path = self._value(given, "platform_web_health_path", "")
        return {"health": {"path": path}} if path and not described else {}

    def _value(self, given: Mapping[str, Any], name: str, default: Any) -> Any:
        """A setting as the inventory gives it."""
        if name not in given:
            return default
        return self._templar.template(given[name]) if self._templar else given[name]
