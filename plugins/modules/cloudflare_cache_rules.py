#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module cloudflare_cache_rules: the ordered set of cache rules."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudflare_cache_rules
short_description: Bring the cache rules of a Cloudflare zone to a described order and content
version_added: "1.0.0"
description:
  - List order is precedence, the first rule that matches decides, as with page rules. At Cloudflare the last one wins, so the set is stored in
    reverse.
  - The whole set is one write. Rules that are not in the list keep their places unless O(exclusive=true).
  - Cache rules win over page rules. Where both match, a warning says so.
  - The token needs Zone Read and Cache Rules Write.
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
      match:
        description: Pattern of addresses as in a page rule, V([scheme://]host/path) with asterisks.
        type: str
      expression:
        description: Expression of Cloudflare's rules language, instead of O(rules[].match).
        type: str
      mode:
        description: V(bypass) keeps answers out of the cache, V(everything) caches all of them.
        type: str
        choices: [bypass, everything]
        default: bypass
      edge_ttl:
        description: How long the edge keeps an answer whatever the origin says, for example V(1 month), which is 28 days. Without it the origin decides.
        type: str
      state:
        description: V(absent) removes the rule with this match or expression.
        type: str
        choices: [present, absent]
        default: present
  exclusive:
    description: Remove rules that are not in the list.
    type: bool
    default: false
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Never cache the API, keep static files
  quetrex.platform.cloudflare_cache_rules:
    api_token: "{{ cloudflare_token }}"
    zone: example.com
    rules:
      - match: example.com/api/*
        mode: bypass
      - match: example.com/_next/static/*
        mode: everything
        edge_ttl: 1 month
"""

RETURN = r"""
rules:
  description: All cache rules of the zone afterwards, highest precedence first.
  returned: success
  type: list
  elements: dict
overlaps:
  description: Page rules over which a cache rule decides, C(target) and C(expression). Empty when the token may not see page rules.
  returned: success
  type: list
  elements: dict
steps:
  description: What was written, or in check mode would be.
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
  sample: 3
failure:
  description: Why it failed. C(code) is Cloudflare's error code or a word, C(details) has more.
  returned: failure
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import Plan, converge, report, unmoved
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare import cache_rules, zone
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.client import Client
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.module import CONNECTION, ZONE, Zone, run

Rules = list[dict[str, t.Any]]


def shown(rules: Rules) -> Rules:
    """The rules without what is Cloudflare's business."""
    return [cache_rules.essence(rule) for rule in rules]


def work(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """Fetch, plan, apply, fetch, and tell which page rules do not decide."""
    given, exclusive = module.params["rules"], module.params["exclusive"]
    desired = [cache_rules.normalise(rule) for rule in given if rule["state"] == "present"]
    absent = {rule["expression"] or cache_rules.expression(rule["match"]) for rule in given if rule["state"] == "absent"}
    found = Zone(module, client)
    base = found.path
    seen: dict[str, t.Any] = {}

    def fetch() -> Rules:
        seen.update(zone.entrypoint(client, base))
        return zone.rules_of(seen)

    def plan(current: Rules) -> Plan[Rules]:
        made = cache_rules.plan(current, desired, absent=absent, exclusive=exclusive)
        if made.steps:
            cache_rules.check_quota(made.after, (found.details.get("plan") or {}).get("legacy_id", ""))
        return made

    def apply(plan: Plan[Rules]) -> None:
        unmoved("cache rules", seen["version"], zone.entrypoint(client, base)["version"])
        client.call("PUT", f"{base}/rulesets/phases/{cache_rules.PHASE}/entrypoint", {"rules": plan.steps[0]["rules"]})

    outcome = converge(fetch, plan, apply, check=module.check_mode, vendor=client.vendor)
    overlaps = cache_rules.overlaps(zone.readable_page_rules(client, base), outcome.after)
    outcome.warnings += cache_rules.overlap_warnings(overlaps)
    return report(module, outcome, shown, rules=shown(outcome.after), overlaps=overlaps, zone_id=found.id)


def main() -> None:
    """Run the module."""
    rule = {
        "match": {"type": "str"},
        "expression": {"type": "str"},
        "mode": {"type": "str", "choices": ["bypass", "everything"], "default": "bypass"},
        "edge_ttl": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }
    one_of = {"mutually_exclusive": [("match", "expression")], "required_one_of": [("match", "expression")]}
    spec = {
        **CONNECTION,
        **ZONE,
        "rules": {"type": "list", "elements": "dict", "required": True, "options": rule, **one_of},
        "exclusive": {"type": "bool", "default": False},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    run(module, work)


if __name__ == "__main__":
    main()
