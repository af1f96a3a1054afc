#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module platform_capacity: what there is at the vendors, what of it is used, and what each tier costs today."""

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_capacity
short_description: Tell what the vendors give, how much of it is used, and what each tier costs today
version_added: "1.0.0"
description:
  - Resolves every tier against Hetzner's catalogue and prices, reads each server's traffic, and Cloudflare's page rules against their quota.
  - Everything at once, and nothing is changed. What cannot be read is left out and named in RV(missing).
extends_documentation_fragment:
  - quetrex.platform.hetzner
options:
  location:
    description: Location of the servers.
    type: str
    required: true
  labels:
    description: Labels of the servers.
    type: dict
    default: {}
  volume_size:
    description: GB of the volume, for the price.
    type: int
    default: 0
  count:
    description: How many servers the platform has. Several are counted with their load balancer, in each tier; with one only the tier V(fleet) is several.
    type: int
    default: 1
    version_added: "1.1.0"
  balancer_type:
    description: Type of the load balancer before several servers, for the price.
    type: str
    default: lb11
    version_added: "1.1.0"
  cloudflare_api_token:
    description: Token with Zone Read and Page Rules Read. Without it page rules are left out.
    type: str
  cloudflare_api_url:
    description: Address of Cloudflare's API, when it is not the vendor's own.
    type: str
  zone:
    description: Name of the zone.
    type: str
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: What is used, and what would more cost
  quetrex.platform.platform_capacity:
    location: ash
    labels: {platform: quetrex, environment: production}
    volume_size: 10
    cloudflare_api_token: "{{ vault_cloudflare_api_token }}"
    zone: example.com
  register: capacity
"""

RETURN = r"""
tiers:
  description: By tier, the server type that would be ordered now with its price, or why there is none.
  returned: success
  type: dict
  sample: {starter: {name: cpx31, cores: 4, memory: 8.0, disk: 160, total: 64.16}}
currency:
  description: Currency of the prices.
  returned: success
  type: str
servers:
  description: Each server's C(name), C(type), C(status), and outgoing traffic of this month with what is included, in bytes.
  returned: success
  type: list
  elements: dict
page_rules:
  description: C(used), C(quota) and the zone's C(plan).
  returned: when the zone can be read
  type: dict
missing:
  description: What could not be read, and why.
  returned: success
  type: dict
failure:
  description: Why there is no answer.
  returned: failure
  type: dict
"""

import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.errors import Failure
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.client import Client as Cloudflare
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.arguments import ARGUMENTS, run
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.client import Client
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.plan import TIERS, Extras, make_plan

Json = dict[str, t.Any]


def tiers(location: str, extras: Extras, types: list[Json], pricing: Json) -> Json:
    """Every tier as it would be ordered now."""
    found: Json = {}
    for name, size in TIERS.items():
        try:
            found[name] = make_plan(size, location, extras.of(name), types, pricing).chosen.data()
        except Failure as error:
            found[name] = {"reason": str(error)}
    return found


def described(server: Json) -> Json:
    """A server's type and traffic."""
    return {
        "name": server["name"],
        "type": (server.get("server_type") or {}).get("name"),
        "status": server.get("status"),
        "outgoing": server.get("outgoing_traffic") or 0,
        "included": server.get("included_traffic") or 0,
    }


def rules(params: Json) -> Json:
    """Page rules against their quota; disabled ones count."""
    client = Cloudflare(params["cloudflare_api_token"], params["cloudflare_api_url"], deadline=30)
    zone = client.zone(params["zone"])
    used = len(client.call("GET", f"/zones/{zone['id']}/pagerules"))
    return {"used": used, "quota": (zone.get("meta") or {}).get("page_rule_quota"), "plan": (zone.get("plan") or {}).get("legacy_id")}


def capacity(module: AnsibleModule, client: Client) -> Json:
    """All of it, the vendors side by side."""
    params = module.params
    selector = ",".join(f"{key}={value}" for key, value in sorted(params["labels"].items()))
    with ThreadPoolExecutor(1) as pool:
        edge = pool.submit(rules, params) if params["cloudflare_api_token"] and params["zone"] else None
        types, pricing = client.all("/server_types", "server_types"), client.get("/pricing")["pricing"]
        servers = client.all("/servers", "servers", [("label_selector", selector)] if selector else ())
        result: Json = {"changed": False, "currency": str(pricing.get("currency", "EUR")), "missing": {}}
        extras = Extras(True, params["volume_size"], "net", params["count"], params["balancer_type"])
        result["tiers"] = tiers(params["location"], extras, types, pricing)
        result["servers"] = [described(server) for server in servers]
        try:
            result |= {"page_rules": edge.result()} if edge else {}
        except Failure as error:
            result["missing"]["page_rules"] = str(error)
    return result


def main() -> None:
    """Run the module."""
    spec = {
        **ARGUMENTS,
        "location": {"type": "str", "required": True},
        "labels": {"type": "dict", "default": {}},
        "volume_size": {"type": "int", "default": 0},
        "count": {"type": "int", "default": 1},
        "balancer_type": {"type": "str", "default": "lb11"},
        "cloudflare_api_token": {"type": "str", "no_log": True},
        "cloudflare_api_url": {"type": "str"},
        "zone": {"type": "str"},
    }
    run(AnsibleModule(argument_spec=spec, supports_check_mode=True), capacity)


if __name__ == "__main__":
    main()
