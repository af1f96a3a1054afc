# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all modules of this provider share: their arguments, a client, and failing well."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule, env_fallback

from ..api import module as api
from .client import ENDPOINT, Client
from .errors import HetznerError

ARGUMENTS: dict[str, t.Any] = {
    "api_token": {"type": "str", "no_log": True, "fallback": (env_fallback, ["HCLOUD_TOKEN"])},
    "api_endpoint": {"type": "str", "fallback": (env_fallback, ["HCLOUD_ENDPOINT"])},
}


def run(module: AnsibleModule, work: t.Callable[[AnsibleModule, Client], dict[str, t.Any]]) -> t.NoReturn:
    """Do a module's work with a client, and end with its result or with the failure as data."""
    api.run(module, lambda: work(module, connected(module.params)))


def connected(params: dict[str, t.Any]) -> Client:
    """The client that a module's options describe."""
    if not params["api_token"]:
        raise HetznerError("unauthorized", "no API token was given: set api_token or HCLOUD_TOKEN")
    return Client(params["api_token"], params["api_endpoint"] or ENDPOINT)
