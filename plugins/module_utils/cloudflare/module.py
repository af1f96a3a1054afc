# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all modules of this provider share: connection options, the zone, and how they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule, env_fallback

from ..api import module as api
from .client import Client

Json = dict[str, Any]

CONNECTION: Json = {
    "api_token": {"type": "str", "required": True, "no_log": True, "fallback": (env_fallback, ["CLOUDFLARE_API_TOKEN"])},
    "api_url": {"type": "str", "fallback": (env_fallback, ["CLOUDFLARE_BASE_URL"])},
    "timeout": {"type": "int", "default": 120, "fallback": (env_fallback, ["QUETREX_CLOUDFLARE_TIMEOUT"])},
}
ZONE: Json = {"zone": {"type": "str", "required": True}, "zone_id": {"type": "str"}}


class Zone:
    """The zone a module is about. What is known of it is not asked for, and its details only when they are needed."""

    def __init__(self, module: AnsibleModule, client: Client) -> None:
        self.name: str = module.params["zone"]
        self._client = client
        given: str | None = module.params["zone_id"]
        self._details: Json | None = None if given else client.zone(self.name)
        self.id: str = given or str(self._details["id"] if self._details else "")
        self.path = f"/zones/{self.id}"

    @property
    def details(self) -> Json:
        """The zone as the API describes it."""
        if self._details is None:
            self._details = dict(self._client.call("GET", self.path))
        return self._details


def run(module: AnsibleModule, work: Callable[[AnsibleModule, Client], Json]) -> NoReturn:
    """Do a module's work with a client, and end with its result and the number of requests."""

    def connected() -> Json:
        client = Client(module.params["api_token"], module.params["api_url"], deadline=module.params["timeout"])
        return {**work(module, client), "requests": client.requests}

    api.run(module, connected)
