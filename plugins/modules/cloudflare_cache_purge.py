#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module cloudflare_cache_purge: take answers out of the edge's cache."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudflare_cache_purge
short_description: Take answers out of the cache of a Cloudflare zone
version_added: "1.0.0"
description:
  - An order, not a state, so it is always a change. When an answer is lost the order is given again, which does no harm.
  - The token needs Zone Read and Cache Purge.
extends_documentation_fragment:
  - quetrex.platform.cloudflare
  - quetrex.platform.cloudflare.zone
  - quetrex.platform.attributes.no_diff
  - quetrex.platform.attributes
attributes:
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: none
options:
  everything:
    description: Purge the whole zone.
    type: bool
  files:
    description: Full addresses.
    type: list
    elements: str
  hosts:
    description: Host names.
    type: list
    elements: str
  prefixes:
    description: Beginnings of addresses without scheme, for example V(example.com/blog).
    type: list
    elements: str
  tags:
    description: Values of the header C(Cache-Tag).
    type: list
    elements: str
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Let visitors see the new price list
  quetrex.platform.cloudflare_cache_purge:
    api_token: "{{ cloudflare_token }}"
    zone: example.com
    files: ["https://example.com/prices.pdf"]
"""

RETURN = r"""
purged:
  description: The orders given, or in check mode those that would be.
  returned: success
  type: list
  elements: dict
zone_id:
  description: Identifier of the zone.
  returned: success
  type: str
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 2
failure:
  description: Why it failed. C(code) is Cloudflare's error code or a word, C(details) has more.
  returned: failure
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.errors import Uncertain
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.client import Client
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.module import CONNECTION, ZONE, Zone, run

KINDS = ("files", "hosts", "prefixes", "tags")
# The least that any plan takes in one order.
AT_ONCE = 30
TRIES = 3


def orders(params: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """The bodies to send: one kind each, no more items than every plan takes."""
    if params["everything"]:
        return [{"purge_everything": True}]
    return [{kind: params[kind][at : at + AT_ONCE]} for kind in KINDS if params[kind] for at in range(0, len(params[kind]), AT_ONCE)]


def send(client: Client, path: str, order: dict[str, t.Any]) -> None:
    """One order, again when its answer was lost."""
    for attempt in range(TRIES):
        try:
            client.call("POST", path, order)
        except Uncertain:
            if attempt == TRIES - 1:
                raise
        else:
            return


def work(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """Send what was ordered; in check mode only look the zone up."""
    todo, zone = orders(module.params), Zone(module, client)
    for order in [] if module.check_mode else todo:
        send(client, f"{zone.path}/purge_cache", order)
    return {"changed": bool(todo), "purged": todo, "zone_id": zone.id}


def main() -> None:
    """Run the module."""
    lists: dict[str, t.Any] = {kind: {"type": "list", "elements": "str"} for kind in KINDS}
    spec = {**CONNECTION, **ZONE, "everything": {"type": "bool"}, **lists}
    module = AnsibleModule(
        argument_spec=spec,
        supports_check_mode=True,
        required_one_of=[("everything", *KINDS)],
        mutually_exclusive=[("everything", kind) for kind in KINDS],
    )
    run(module, work)


if __name__ == "__main__":
    main()
