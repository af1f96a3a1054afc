#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module cloudflare_ips_info: the networks Cloudflare's edge speaks from."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudflare_ips_info
short_description: Tell the networks Cloudflare's edge speaks from
version_added: "0.1.0"
description:
  - Asks the API, which needs no token for this. When it cannot be asked, the list this collection was published with is returned, with a warning.
extends_documentation_fragment:
  - quetrex.platform.attributes.no_diff
  - quetrex.platform.attributes
options:
  api_url:
    description:
      - Address of the API.
      - Without it the environment variable E(CLOUDFLARE_BASE_URL) is used, then Cloudflare's own address.
    type: str
  etag:
    description: The RV(etag) of an earlier answer. RV(differs) then says whether the networks are others now.
    type: str
  timeout:
    description: Seconds after which the packaged list is used.
    type: int
    default: 15
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Learn who may speak to the origin
  quetrex.platform.cloudflare_ips_info:
  register: edge
"""

RETURN = r"""
ipv4_cidrs:
  description: IPv4 networks.
  returned: success
  type: list
  elements: str
ipv6_cidrs:
  description: IPv6 networks.
  returned: success
  type: list
  elements: str
cidrs:
  description: Both.
  returned: success
  type: list
  elements: str
etag:
  description: Changes when the networks do. Of the packaged list it is the date of publication.
  returned: success
  type: str
differs:
  description: Whether the networks are others than those with O(etag). Never true of the packaged list, which is no news.
  returned: when O(etag) is given
  type: bool
source:
  description: V(api) or V(packaged).
  returned: success
  type: str
  sample: api
"""

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule, env_fallback
from ansible.module_utils.urls import open_url

from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare import ips

DEFAULT_URL = "https://api.cloudflare.com/client/v4"


def ask(url: str, timeout: int) -> dict[str, t.Any]:
    """The published networks. No SDK: this needs no token and should cost nothing."""
    answer = json.loads(open_url(f"{url.rstrip('/')}/ips", timeout=timeout, headers={"Accept": "application/json"}).read())
    result = answer["result"]
    if answer["success"] is not True or not result["ipv4_cidrs"] or not result["ipv6_cidrs"]:
        raise ValueError("the answer has no networks")
    return {"ipv4_cidrs": result["ipv4_cidrs"], "ipv6_cidrs": result["ipv6_cidrs"], "etag": result["etag"], "source": "api"}


def main() -> None:
    """Run the module."""
    spec = {
        "api_url": {"type": "str", "fallback": (env_fallback, ["CLOUDFLARE_BASE_URL"])},
        "etag": {"type": "str"},
        "timeout": {"type": "int", "default": 15},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    try:
        found = ask(module.params["api_url"] or DEFAULT_URL, module.params["timeout"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        module.warn(f"Cloudflare's networks could not be asked for ({error}); those published on {ips.PUBLISHED} are used.")
        found = {"ipv4_cidrs": ips.IPV4, "ipv6_cidrs": ips.IPV6, "etag": ips.PUBLISHED, "source": "packaged"}
    if module.params["etag"]:
        found["differs"] = found["source"] == "api" and found["etag"] != module.params["etag"]
    module.exit_json(changed=False, cidrs=[*found["ipv4_cidrs"], *found["ipv6_cidrs"]], **found)


if __name__ == "__main__":
    main()
