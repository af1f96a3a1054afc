# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all modules of this provider share: their arguments, a client, and failing well."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule, env_fallback

from .client import ENDPOINT, Client
from .errors import HetznerError

ARGUMENTS: dict[str, t.Any] = {
    "api_token": {"type": "str", "no_log": True, "fallback": (env_fallback, ["HCLOUD_TOKEN"])},
    "api_endpoint": {"type": "str", "fallback": (env_fallback, ["HCLOUD_ENDPOINT"])},
}


def run(module: AnsibleModule, main: t.Callable[[AnsibleModule, Client], dict[str, t.Any]]) -> t.NoReturn:
    """Run a module's own part with a client and end the module with its result or with the failure as data."""
    try:
        if not module.params["api_token"]:
            raise HetznerError("unauthorized", "no API token was given: set api_token or HCLOUD_TOKEN")
        client = Client(module.params["api_token"], module.params["api_endpoint"] or ENDPOINT)
        result = main(module, client)
    except HetznerError as error:
        module.fail_json(msg=str(error), failure=error.failure())
    module.exit_json(**result)
