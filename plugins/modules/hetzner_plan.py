#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module hetzner_plan: which server type to order, at which price."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hetzner_plan
short_description: Find the Hetzner Cloud server type for a capacity, with its price, before anything is bought
version_added: "1.0.0"
description:
  - Resolves a size (capacity and preferred names) against the catalogue as it is now for a location. The first preferred type that can be
    ordered is chosen, else the cheapest one that is big enough.
  - Names come and go and differ per location, prices differ several times over. The result tells the choice, its price with Primary IP and
    volume, what else could be ordered here, and what the same capacity costs elsewhere.
  - Fails when nothing that big can be ordered there now, or when the choice costs more than O(monthly_budget). It changes nothing.
extends_documentation_fragment:
  - quetrex.platform.hetzner
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
options:
  location:
    description: Name of the location, for example V(ash).
    type: str
    required: true
  tier:
    description:
      - A size by name. V(starter) and V(growth) are 4 vCPU and 8 GB, V(scale) 8 and 16, V(peak) 16 and 32, V(fleet) 8 and 16 for each of
        several servers.
      - Either this or O(cores) and O(memory) are needed. Given as well, O(cores), O(memory) and O(preferred) replace the tier's values.
    type: str
    choices: [starter, growth, scale, peak, fleet]
  cores:
    description: Number of vCPUs that are needed at least.
    type: int
  memory:
    description: GB of memory that are needed at least.
    type: float
  disk:
    description: GB of disk that are needed at least. For an existing server, the size of its disk.
    type: int
    default: 0
  preferred:
    description: Names of server types to prefer, best first.
    type: list
    elements: str
  architecture:
    description: Processor architecture.
    type: str
    choices: [x86, arm]
    default: x86
  volume_size:
    description: GB of the volume that goes with the server, for the price.
    type: int
    default: 0
  primary_ipv4:
    description: Whether a Primary IPv4 goes with the server, for the price.
    type: bool
    default: true
  prices:
    description: Whether prices and the budget are without or with the value added tax of the account.
    type: str
    choices: [net, gross]
    default: net
  monthly_budget:
    description: Fail when the choice costs more than this a month, in the currency of the account.
    type: float
  labels:
    description:
      - Labels of the server the plan is for. Where there is one already, it is shown as RV(current), and as nothing is bought then, neither stock nor
        O(monthly_budget) stop the run. While there are fewer than O(servers) they do.
    type: dict
  resize:
    description: Whether a server that is there is going to be changed to the choice, which then has to be in stock and within the budget.
    type: bool
    default: false
  servers:
    description:
      - How many servers of the type there are to be. The total, which the budget is compared with, is that of all.
      - Fails when a server with O(labels) has a higher number in its label C(index).
    type: int
    default: 1
  balancer_type:
    description: Type of the load balancer before them, for the price.
    type: str
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: What would the first size cost in Ashburn?
  quetrex.platform.hetzner_plan:
    location: ash
    tier: starter
    volume_size: 10
    monthly_budget: 80
  register: plan

- name: Show it
  ansible.builtin.debug:
    msg: "{{ plan.table }}"

- name: Any type with 8 vCPU and 16 GB on ARM
  quetrex.platform.hetzner_plan:
    location: fsn1
    cores: 8
    memory: 16
    architecture: arm
"""

RETURN = r"""
chosen:
  description: The type to order.
  returned: success
  type: dict
  contains:
    name: {description: Name of the server type., type: str, sample: cpx31, returned: always}
    location: {description: Name of the location., type: str, sample: ash, returned: always}
    cores: {description: Number of vCPUs., type: int, sample: 4, returned: always}
    memory: {description: GB of memory., type: float, sample: 8.0, returned: always}
    disk: {description: GB of local disk., type: int, sample: 160, returned: always}
    architecture: {description: Processor architecture., type: str, sample: x86, returned: always}
    cpu_type: {description: Whether vCPUs are shared or dedicated., type: str, sample: shared, returned: always}
    traffic_tb: {description: TB of outgoing traffic that are included a month., type: int, sample: 3, returned: always}
    server: {description: Monthly price of the server., type: float, sample: 62.99, returned: always}
    primary_ip: {description: Monthly price of the Primary IPv4., type: float, sample: 0.6, returned: always}
    volume: {description: Monthly price of the volume., type: float, sample: 0.57, returned: always}
    total: {description: Monthly price of all., type: float, sample: 64.16, returned: always}
    reason: {description: Empty for types that can be ordered., type: str, sample: "", returned: always}
alternatives:
  description: What else could be ordered at this location, in the order of preference. The same keys as RV(chosen).
  returned: success
  type: list
  elements: dict
current:
  description: The server with O(labels) at today's price, null when there is none. The same keys as RV(chosen).
  returned: success
  type: dict
elsewhere:
  description: The best choice at each other location, cheapest first. The same keys as RV(chosen).
  returned: success
  type: list
  elements: dict
refused:
  description: Preferred names that cannot be had, with the reason.
  returned: success
  type: dict
  sample: {cx32: no longer in the catalogue, cx33: not sold in ash}
currency:
  description: Currency of the account.
  returned: success
  type: str
  sample: EUR
table:
  description: The plan as lines of text for a person.
  returned: success
  type: list
  elements: str
failure:
  description: Why there is no plan. C(details) has the alternatives.
  returned: failure
  type: dict
"""

import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.arguments import ARGUMENTS, run
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.client import Answer, Client
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.errors import HetznerError
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.ownership import position
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.plan import TIERS, Extras, Plan, Size, make_plan, table, with_current


def wanted(params: dict[str, t.Any]) -> Size:
    """Return the size the options ask for."""
    tier = TIERS.get(params["tier"] or "", Size(0, 0))
    return Size(
        cores=tier.cores if params["cores"] is None else params["cores"],
        memory=tier.memory if params["memory"] is None else params["memory"],
        preferred=tier.preferred if params["preferred"] is None else tuple(params["preferred"]),
        disk=params["disk"],
        architecture=params["architecture"],
    )


def refuse_leftovers(servers: t.Sequence[Answer], count: int) -> None:
    """Refuse fewer servers than there are: those beyond the number would stay behind the balancer and be prepared as if they had no volume."""
    numbers = {one["name"]: int(label) for one in servers if (label := position(one["labels"])).isdecimal()}
    left = sorted(name for name, number in numbers.items() if number > count)
    if left:
        raise HetznerError(
            "too_many",
            f"{', '.join(left)} would be left over: {count} servers are wanted, and there are numbers up to {max(numbers.values())}. Nothing was touched. "
            f"Set platform_servers to {max(numbers.values())}; no playbook takes servers out of a pool yet",
            details={"left": left},
        )


def plan(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """Fetch the catalogue and the prices, and resolve."""
    size, params = wanted(module.params), module.params
    extras = Extras(params["primary_ipv4"], params["volume_size"], params["prices"], params["servers"], params["balancer_type"] or "")
    selector = ",".join(f"{key}={value}" for key, value in sorted((params["labels"] or {}).items()))
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(client.get, "/pricing")
        there = pool.submit(client.all, "/servers", "servers", [("label_selector", selector)]) if selector else None
        server_types = client.all("/server_types", "server_types")
        pricing, servers = asked.result()["pricing"], there.result() if there else []

    refuse_leftovers(servers, params["servers"])

    def make(budget: float | None) -> Plan:
        return make_plan(size, params["location"], extras, server_types, pricing, budget)

    budget = params["monthly_budget"]
    # which of several is meant is for hetzner_server to refuse
    found = with_current(make, size, servers, budget, extras, pricing, resize=params["resize"]) if servers else make(budget)
    return {
        "changed": False,
        "chosen": found.chosen.data(),
        "alternatives": [one.data() for one in found.alternatives],
        "elsewhere": [one.data() for one in found.elsewhere],
        "refused": found.refused,
        "current": found.current.data() if found.current else None,
        "currency": found.currency,
        "table": table(found, extras.side),
    }


def main() -> None:
    """Run the module."""
    spec = {
        **ARGUMENTS,
        "location": {"type": "str", "required": True},
        "tier": {"type": "str", "choices": list(TIERS)},
        "cores": {"type": "int"},
        "memory": {"type": "float"},
        "disk": {"type": "int", "default": 0},
        "preferred": {"type": "list", "elements": "str"},
        "architecture": {"type": "str", "choices": ["x86", "arm"], "default": "x86"},
        "volume_size": {"type": "int", "default": 0},
        "primary_ipv4": {"type": "bool", "default": True},
        "prices": {"type": "str", "choices": ["net", "gross"], "default": "net"},
        "monthly_budget": {"type": "float"},
        "labels": {"type": "dict"},
        "resize": {"type": "bool", "default": False},
        "servers": {"type": "int", "default": 1},
        "balancer_type": {"type": "str"},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True, required_one_of=[("tier", "cores")], required_if=[("tier", None, ("cores", "memory"))])
    run(module, plan)


if __name__ == "__main__":
    main()
