#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module cloudflare_access_rules: addresses that the edge lets through unasked."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudflare_access_rules
short_description: Allow named addresses past a Cloudflare zone's bot protection
version_added: "1.0.0"
description:
  - Keeps one IP Access rule for each address. These rules are the only thing that Bot Fight Mode heeds.
  - Rules with another note than O(notes) are left alone. One of them that lets an address through is enough; one that blocks or challenges it is an
    error, and nothing is written.
  - An address that is let through passes the zone's firewall rules and challenges unasked, so name single addresses where that is possible.
  - The token needs Zone Read, and Firewall Services Edit.
extends_documentation_fragment:
  - quetrex.platform.cloudflare
  - quetrex.platform.cloudflare.zone
  - quetrex.platform.attributes
options:
  addresses:
    description: Addresses, IPv4 networks of /16 or /24, and IPv6 networks of /32, /48 or /64. Rules of O(notes) about others are removed.
    type: list
    elements: str
    required: true
  notes:
    description: By this note the rules are known as ours.
    type: str
    default: quetrex.platform
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Let the controller and the build server through
  quetrex.platform.cloudflare_access_rules:
    api_token: "{{ cloudflare_token }}"
    zone: example.com
    addresses: [192.0.2.10, "2001:db8:1::/64"]
    notes: example production
"""

RETURN = r"""
addresses:
  description: What the rules of O(notes) do with each address, afterwards.
  returned: success
  type: dict
  sample: {"192.0.2.10": whitelist}
steps:
  description: What was written, or in check mode would be, in order.
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
failure:
  description: Why it failed. C(code) is Cloudflare's error code or a word, C(details) has more.
  returned: failure
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import Plan, converge, report
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare import access_rules as rules
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.client import Client
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.module import CONNECTION, ZONE, Zone, run

Rules = list[dict[str, t.Any]]
METHODS = {"create": "POST", "update": "PATCH", "delete": "DELETE"}
PAGE = 1000


def work(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """Fetch, plan, apply, fetch."""
    addresses, notes = module.params["addresses"], module.params["notes"]
    rules.plan([], addresses, notes)  # what no rule can be about is refused before anything is asked
    zone = Zone(module, client)
    path = f"{zone.path}/firewall/access_rules/rules"

    def apply(plan: Plan[Rules]) -> None:
        for step in plan.steps:
            client.call(METHODS[step["action"]], f"{path}/{step['id']}" if step["id"] else path, step.get("body"))

    outcome = converge(
        lambda: [rules.view(row) for row in client.pages(path, size=PAGE)],
        lambda current: rules.plan(current, addresses, notes),
        apply,
        check=module.check_mode,
        vendor=client.vendor,
    )
    return report(
        module,
        outcome,
        lambda rows: rules.shown(rows, notes),
        addresses=rules.shown(outcome.after, notes),
        zone_id=zone.id,
    )


def main() -> None:
    """Run the module."""
    spec = {
        **CONNECTION,
        **ZONE,
        "addresses": {"type": "list", "elements": "str", "required": True},
        "notes": {"type": "str", "default": "quetrex.platform"},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    run(module, work)


if __name__ == "__main__":
    main()
