#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module cloudflare_zone_settings: settings of a zone, bot fight mode included."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudflare_zone_settings
short_description: Bring settings of a Cloudflare zone to described values
version_added: "1.0.0"
description:
  - Reads and writes each setting by itself, compares first, and touches only what is given.
  - Values may be written as YAML likes them, V(true) for V(on) and V(1.2) for V("1.2").
  - A setting the zone's plan does not allow fails before anything is written.
  - The token needs Zone Read, Zone Settings Write, and Bot Management Write for O(bot_fight_mode).
extends_documentation_fragment:
  - quetrex.platform.cloudflare
  - quetrex.platform.cloudflare.zone
  - quetrex.platform.attributes
options:
  settings:
    description: Setting names and values, for example C(ssl), C(min_tls_version), C(tls_client_auth).
    type: dict
    default: {}
  bot_fight_mode:
    description:
      - Bot Fight Mode. When it is on, payment webhooks, uptime probes, checks of a pipeline and other clients that are no browsers may be challenged;
        only M(quetrex.platform.cloudflare_access_rules) lets an address through.
    type: bool
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Encrypt on both sides of the edge
  quetrex.platform.cloudflare_zone_settings:
    api_token: "{{ cloudflare_token }}"
    zone: example.com
    settings:
      ssl: strict
      always_use_https: true
      min_tls_version: 1.2
    bot_fight_mode: true
"""

RETURN = r"""
settings:
  description: Values of the settings given, afterwards.
  returned: success
  type: dict
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

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import Plan, converge, report
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare import settings as rules
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.client import Client
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.module import CONNECTION, ZONE, Zone, run

Settings = dict[str, dict[str, t.Any]]


def work(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """Fetch, plan, apply, fetch."""
    desired = dict(module.params["settings"])
    if module.params["bot_fight_mode"] is not None:
        desired[rules.BOT] = module.params["bot_fight_mode"]
    zone = Zone(module, client)
    base = zone.path
    written: set[str] = set()

    def read(name: str) -> dict[str, t.Any]:
        if name == rules.BOT:
            return {"id": name, "value": client.call("GET", f"{base}/bot_management")["fight_mode"]}
        return dict(client.call("GET", f"{base}/settings/{name}"))

    def apply(plan: Plan[Settings]) -> None:
        for step in plan.steps:
            written.add(step["setting"])
            if step["setting"] == rules.BOT:
                client.call("PUT", f"{base}/bot_management", {"fight_mode": step["value"]})
            else:
                client.call("PATCH", f"{base}/settings/{step['setting']}", {"value": step["value"]})

    outcome = converge(
        lambda: dict(zip(desired, client.together(read, desired))),
        lambda current: rules.plan(current, desired, written=frozenset(written)),
        apply,
        check=module.check_mode,
        vendor=client.vendor,
    )
    return report(module, outcome, rules.view, settings=rules.view(outcome.after), zone_id=zone.id)


def main() -> None:
    """Run the module."""
    spec = {**CONNECTION, **ZONE, "settings": {"type": "dict", "default": {}}, "bot_fight_mode": {"type": "bool"}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    run(module, work)


if __name__ == "__main__":
    main()
