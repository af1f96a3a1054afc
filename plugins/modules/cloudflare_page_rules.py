#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module cloudflare_page_rules: the page rules of a zone as one ordered list."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudflare_page_rules
short_description: Bring the page rules of a Cloudflare zone to a described order
version_added: "1.0.0"
description:
  - The list's order is precedence, the first rule wins. A rule is known by its target, normalised as Cloudflare does.
  - Quota and allowed values of the zone's plan are checked before the first write, in check mode too.
  - Rules are replaced in place, so the quota is never exceeded and no rule is missing in between. The fewest writes are made.
  - The token needs Zone Read and Page Rules Write.
extends_documentation_fragment:
  - quetrex.platform.cloudflare
  - quetrex.platform.cloudflare.zone
  - quetrex.platform.attributes
options:
  rules:
    description: The rules, highest precedence first.
    type: list
    elements: dict
    required: true
    suboptions:
      target:
        description: Pattern of addresses, V([scheme://]host[:port]/path) with asterisks.
        type: str
        required: true
      actions:
        description:
          - Settings by name, for example C(cache_level), C(edge_cache_ttl), C(forwarding_url).
          - Durations may be written as V(2 hours) or V(1 month), which is 28 days at Cloudflare.
        type: dict
        default: {}
      state:
        description:
          - V(absent) takes the actions named in O(rules[].actions) away from the rule, and the rule with its last one. Without actions it goes at once.
        type: str
        choices: [present, absent]
        default: present
      status:
        description: Whether the rule is in force.
        type: str
        choices: [active, disabled]
        default: active
  exclusive:
    description: Remove rules that are not in the list.
    type: bool
    default: false
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Never cache the API, keep static files
  quetrex.platform.cloudflare_page_rules:
    api_token: "{{ cloudflare_token }}"
    zone: example.com
    rules:
      - target: example.com/api/*
        actions: {cache_level: bypass}
      - target: example.com/_next/static/*
        actions: {cache_level: cache_everything, edge_cache_ttl: 1 month}
"""

RETURN = r"""
rules:
  description: All page rules of the zone afterwards, highest precedence first.
  returned: success
  type: list
  elements: dict
overlaps:
  description: Page rules over which a cache rule decides, C(target) and C(expression). Empty when the token may not see cache rules.
  returned: success
  type: list
  elements: dict
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
  sample: 2
failure:
  description: Why it failed. C(code) is Cloudflare's error code or a word, C(details) has more.
  returned: failure
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import Plan, converge, report, unmoved
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare import cache_rules, page_rules
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.client import Client
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.module import CONNECTION, ZONE, Zone, run
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.zone import readable_cache_rules

Rules = list[dict[str, t.Any]]
METHODS = {"delete": "DELETE", "replace": "PUT", "create": "POST"}


class Run:
    """Fetch, plan, apply, fetch: the parts, sharing what they know of the zone."""

    def __init__(self, module: AnsibleModule, client: Client) -> None:
        given = module.params["rules"]
        self.client, self.exclusive = client, module.params["exclusive"]
        self.desired = [page_rules.normalise(rule) for rule in given if rule["state"] == "present"]
        self.absent = {page_rules.normalise_target(rule["target"]): set(rule["actions"]) for rule in given if rule["state"] == "absent"}
        self.zone = Zone(module, client)
        self.path = f"{self.zone.path}/pagerules"
        self.allowed: dict[str, t.Any] = {}
        self.seen: Rules = []

    def read(self) -> Rules:
        """The rules, highest precedence first."""
        return [page_rules.view(rule) for rule in self.client.call("GET", self.path, query={"order": "priority", "direction": "desc"})]

    def fetch(self) -> Rules:
        """The rules, remembered for comparing."""
        self.seen = self.read()
        return self.seen

    def plan(self, current: Rules) -> Plan[Rules]:
        """The plan, checked against what the zone allows."""
        found = page_rules.plan(current, self.desired, exclusive=self.exclusive, absent=self.absent)
        if found.steps:
            page_rules.check_quota(found.after, (self.zone.details.get("meta") or {}).get("page_rule_quota"))
        if found.steps and self.desired and not self.allowed:
            self.allowed = {row["id"]: row for row in self.client.call("GET", f"{self.path}/settings")}
            page_rules.check(self.desired, self.allowed)
        return found

    def apply(self, plan: Plan[Rules]) -> None:
        """Write, unless somebody else wrote since the rules were read."""
        unmoved("page rules", self.seen, self.read())
        for step in plan.steps:
            self.client.call(METHODS[step["action"]], f"{self.path}/{step['id']}" if step["id"] else self.path, step.get("body"))


def shown(rules: Rules) -> Rules:
    """The rules without what is Cloudflare's business."""
    return [{key: rule[key] for key in ("target", "actions", "status")} for rule in rules]


def work(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """Converge, and tell which rules do not decide."""
    rules = Run(module, client)
    outcome = converge(rules.fetch, rules.plan, rules.apply, check=module.check_mode, vendor=client.vendor)
    found = cache_rules.overlaps(outcome.after, readable_cache_rules(client, rules.zone.path))
    outcome.warnings += cache_rules.overlap_warnings(found)
    return report(module, outcome, shown, rules=shown(outcome.after), overlaps=found, zone_id=rules.zone.id)


def main() -> None:
    """Run the module."""
    rule = {
        "target": {"type": "str", "required": True},
        "actions": {"type": "dict", "default": {}},
        "status": {"type": "str", "choices": ["active", "disabled"], "default": "active"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }
    spec = {
        **CONNECTION,
        **ZONE,
        "rules": {"type": "list", "elements": "dict", "required": True, "options": rule},
        "exclusive": {"type": "bool", "default": False},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    run(module, work)


if __name__ == "__main__":
    main()
