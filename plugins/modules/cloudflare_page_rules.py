#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module cloudflare_page_rules: the page rules of a zone as one ordered list."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudflare_page_rules
short_description: Bring the page rules of a Cloudflare zone to a described order
version_added: "0.1.0"
description:
  - The list's order is precedence, the first rule wins. A rule is known by its target, normalised as Cloudflare does.
  - Quota and allowed values of the zone's plan are checked before the first write, in check mode too.
  - Rules are replaced in place, so the quota is never exceeded and no rule is missing in between. The fewest writes are made.
  - The token needs Zone Read and Page Rules Write.
extends_documentation_fragment:
  - quetrex.platform.cloudflare
  - quetrex.platform.cloudflare.zone
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
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
        required: true
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
steps:
  description: What was written, or in check mode would be, in order.
  returned: success
  type: list
  elements: dict
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

from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare import page_rules
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.client import Client
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.errors import CloudflareError
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.module import CONNECTION, Plan, connect, converge, fail, finish

Rules = list[dict[str, t.Any]]
METHODS = {"delete": "DELETE", "replace": "PUT", "create": "POST"}


def run(module: AnsibleModule, client: Client) -> None:
    """Fetch, plan, apply, fetch."""
    desired = [page_rules.normalise(rule) for rule in module.params["rules"]]
    zone = client.zone(module.params["zone"])
    path, quota = f"/zones/{zone['id']}/pagerules", zone["meta"]["page_rule_quota"]
    allowed: dict[str, t.Any] = {}

    def fetch() -> Rules:
        return [page_rules.view(rule) for rule in client.call("GET", path, query={"order": "priority", "direction": "desc"})]

    def plan(current: Rules) -> Plan[Rules]:
        found = page_rules.plan(current, desired, quota=quota, exclusive=module.params["exclusive"])
        if found.steps and not allowed:
            allowed.update({row["id"]: row for row in client.call("GET", f"{path}/settings")})
            page_rules.check(desired, allowed)
        return found

    def apply(plan: Plan[Rules]) -> None:
        for step in plan.steps:
            client.call(METHODS[step["action"]], f"{path}/{step['id']}" if step["id"] else path, step.get("body"))

    def shown(rules: Rules) -> Rules:
        return [{key: rule[key] for key in ("target", "actions", "status")} for rule in rules]

    outcome = converge(fetch, plan, apply, check=module.check_mode)
    finish(module, outcome, shown, client.requests, rules=shown(outcome.after))


def main() -> None:
    """Run the module."""
    rule = {
        "target": {"type": "str", "required": True},
        "actions": {"type": "dict", "required": True},
        "status": {"type": "str", "choices": ["active", "disabled"], "default": "active"},
    }
    spec = {
        **CONNECTION,
        "zone": {"type": "str", "required": True},
        "rules": {"type": "list", "elements": "dict", "required": True, "options": rule},
        "exclusive": {"type": "bool", "default": False},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    try:
        run(module, connect(module))
    except CloudflareError as error:
        fail(module, error)


if __name__ == "__main__":
    main()
