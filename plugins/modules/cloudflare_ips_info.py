#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module cloudflare_ips_info: the networks Cloudflare's edge speaks from."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudflare_ips_info
short_description: Tell the networks Cloudflare's edge speaks from
version_added: "1.0.0"
description:
  - Asks the API, which needs no token for this. When it cannot be asked, the last answer in O(keep) is returned, and without one the list this
    collection was published with, each with a warning.
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
    description: The RV(etag) of an earlier answer, RV(differs) then says whether the networks are others now. By default that of O(keep).
    type: str
  keep:
    description:
      - File in which the API's answer is kept, except in check mode. A list kept by the last run is newer than the packaged one, so that an hour
        without an answer does not close the firewalls to networks that were added since.
    type: path
  timeout:
    description: Seconds for asking the API, waiting for rate limits and repeating included.
    type: int
    default: 15
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Learn who may speak to the origin
  quetrex.platform.cloudflare_ips_info:
    keep: ~/.local/state/platform/edge.json
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
  description: Whether the networks are others than those with O(etag). Only an answer of the API is news.
  returned: when there is an earlier answer to compare with
  type: bool
source:
  description: V(api), V(kept) or V(packaged).
  returned: success
  type: str
  sample: api
"""

import json
import os
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, env_fallback

from ansible_collections.quetrex.platform.plugins.module_utils.api.errors import Failure
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare import ips
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.client import Client

KEYS = ("ipv4_cidrs", "ipv6_cidrs", "etag")


def networks(answer: t.Any) -> dict[str, t.Any]:
    """What matters of an answer. A list without networks would close the platform to everybody: it is no answer."""
    if not isinstance(answer, dict) or not all(answer.get(key) for key in KEYS):
        raise Failure("the answer has no networks", code="unexpected_answer")
    return {key: answer[key] for key in KEYS}


def read(path: str | None) -> dict[str, t.Any] | None:
    """The answer an earlier run kept; None without one, or when the file is none."""
    try:
        return networks(json.loads(Path(path).read_text(encoding="utf-8"))) if path else None
    except (OSError, ValueError, Failure):
        return None


def write(path: str, found: dict[str, t.Any]) -> None:
    """Keep an answer: a reader sees the old or the new one."""
    place = Path(path)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = place.with_name(f"{place.name}.{os.getpid()}")
    draft.write_text(json.dumps(found), encoding="utf-8")
    draft.replace(place)


def fallback(module: AnsibleModule, kept: dict[str, t.Any] | None, error: Failure) -> dict[str, t.Any]:
    """What to use without the API, told with a warning."""
    which = f"those of its last answer, kept in {module.params['keep']}," if kept else f"those published on {ips.PUBLISHED}, packaged with this collection,"
    module.warn(f"Cloudflare's networks could not be asked for ({error}); {which} are used.")
    packaged = {"ipv4_cidrs": ips.IPV4, "ipv6_cidrs": ips.IPV6, "etag": ips.PUBLISHED}
    return {**kept, "source": "kept"} if kept else {**packaged, "source": "packaged"}


def main() -> None:
    """Run the module."""
    spec = {
        "api_url": {"type": "str", "fallback": (env_fallback, ["CLOUDFLARE_BASE_URL"])},
        "etag": {"type": "str"},
        "keep": {"type": "path"},
        "timeout": {"type": "int", "default": 15},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    path = module.params["keep"]
    kept = read(path)
    earlier = module.params["etag"] or (kept["etag"] if kept else None)
    try:
        answer = networks(Client(None, module.params["api_url"], deadline=module.params["timeout"]).call("GET", "/ips"))
        found = {**answer, "source": "api"}
        if path and answer != kept and not module.check_mode:
            write(path, answer)
    except Failure as error:
        found = fallback(module, kept, error)
    except OSError as error:
        module.fail_json(msg=f"Cloudflare's networks cannot be kept in {path}: {error}")
    if earlier:
        found["differs"] = found["source"] == "api" and found["etag"] != earlier
    module.exit_json(changed=False, cidrs=[*found["ipv4_cidrs"], *found["ipv6_cidrs"]], **found)


if __name__ == "__main__":
    main()
