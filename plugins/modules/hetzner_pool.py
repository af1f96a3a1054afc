#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module hetzner_pool: what several servers share."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hetzner_pool
short_description: Keep network, placement group and load balancer of several servers at Hetzner Cloud
version_added: "1.1.0"
description:
  - One private network with one subnet, one placement group of the kind C(spread), and one load balancer in that network, which finds its targets
    by the labels of the servers. All three are found by their labels and read at the same time.
  - A resource that has the name and not the labels V(platform) and V(environment) is another's; the module fails then, before it changes anything.
  - The balancer has the second address of the network. Its services and targets are exactly those that are wanted, others are removed.
  - Nothing is ever deleted; M(quetrex.platform.hetzner_destroy) does that.
extends_documentation_fragment:
  - quetrex.platform.hetzner
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
  name:
    description: Name of all three.
    type: str
    required: true
  labels:
    description:
      - Labels of the servers, by which the balancer finds its targets. Network and placement group have them as well; the balancer has them with
        the role V(balancer).
    type: dict
    required: true
  location:
    description: Name of the location. The network is in its network zone.
    type: str
    required: true
  ip_range:
    description: Range of the network and of its subnet. A network that is there with another range is refused.
    type: str
    required: true
  balancer_type:
    description: Type of the load balancer.
    type: str
    default: lb11
  services:
    description: The balancer's services, as Hetzner's API takes them. Services on other ports are removed.
    type: list
    elements: dict
    required: true
    suboptions:
      protocol:
        description: Protocol of the service.
        type: str
        choices: [tcp]
        default: tcp
      listen_port:
        description: Port of the balancer.
        type: int
        required: true
      destination_port:
        description: Port of the servers.
        type: int
        required: true
      proxyprotocol:
        description: Whether the servers get the visitor's address in a PROXY line.
        type: bool
        default: false
      health_check:
        description: How the balancer asks whether a server serves.
        type: dict
        required: true
        suboptions:
          protocol:
            description: Whether a connection is enough, or a page has to be there.
            type: str
            choices: [tcp, http]
            default: http
          port:
            description: Port that is asked.
            type: int
            required: true
          interval:
            description: Seconds between two checks.
            type: int
            default: 5
          timeout:
            description: Seconds until a check has failed.
            type: int
            default: 3
          retries:
            description: Checks that have to fail in a row.
            type: int
            default: 2
          path:
            description: Page that is asked for with V(http); any answer of 200 to 299 is well.
            type: str
            default: /
          domain:
            description: Host that is asked for with V(http). nginx refuses a request without one.
            type: str
  parts:
    description: What is kept. The servers need the network and the placement group; the load balancer can be made while they boot.
    type: list
    elements: str
    choices: [network, placement_group, load_balancer]
    default: [network, placement_group, load_balancer]
  delete_protection:
    description: Whether network and balancer are protected against deletion. Left alone when not given.
    type: bool
  action_budget:
    description: Seconds to wait for each thing Hetzner does.
    type: float
    default: 300
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: What the application's servers share
  quetrex.platform.hetzner_pool:
    name: quetrex-production-app
    labels: {platform: quetrex, environment: production, role: app}
    location: ash
    ip_range: 10.77.0.0/24
    services:
      - listen_port: 443
        destination_port: 443
        proxyprotocol: true
        health_check: {port: 8087, path: /healthz}
"""

RETURN = r"""
network:
  description: C(id), C(name) and C(ip_range) of the network; null in check mode when it would be made.
  returned: success
  type: dict
  sample: {id: 4711, name: quetrex-production-app, ip_range: 10.77.0.0/24}
placement_group:
  description: Name of the placement group; null in check mode when it would be made.
  returned: success
  type: str
balancer:
  description:
    - The load balancer's C(id), C(name), C(ipv4), C(ipv6) and C(private_ipv4), and the network's range as C(network_range).
    - Empty in check mode when it would be made.
  returned: success
  type: dict
  sample: {id: 4712, name: quetrex-production-app, ipv4: 203.0.113.9, ipv6: "2001:db8::1", private_ipv4: 10.77.0.2, network_range: 10.77.0.0/24}
steps:
  description: What was done, or would be in check mode, in words.
  returned: success
  type: list
  elements: str
drift:
  description: Where something differs that is not changed.
  returned: success
  type: list
  elements: str
failure:
  description: The failure as data.
  returned: failure
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.arguments import ARGUMENTS, run
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.client import Client
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.pool import Service, Wanted
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.provision import keep_pool

PARTS = ["network", "placement_group", "load_balancer"]


def service_of(given: dict[str, t.Any]) -> Service:
    """Return a service as the API takes it."""
    asked = given["health_check"]
    check = {key: value for key, value in asked.items() if key not in ("path", "domain")}
    host = {"domain": asked["domain"]} if asked["domain"] else {}
    page = {"http": {"path": asked["path"], "status_codes": ["2??"], **host}} if check["protocol"] == "http" else {}
    return {**given, "health_check": {**check, **page}}


def keep(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """Look, plan, do, and look again until nothing is left."""
    params = module.params
    same = {key: params[key] for key in ("name", "location", "ip_range", "balancer_type", "delete_protection")}
    labels = {str(key): str(value) for key, value in params["labels"].items()}
    parts = tuple(one.replace("_", " ") for one in params["parts"])
    wanted = Wanted(labels=labels, services=tuple(map(service_of, params["services"])), parts=parts, **same)
    return keep_pool(client, wanted, check=module.check_mode, budget=params["action_budget"])


def main() -> None:
    """Run the module."""
    check = {
        "protocol": {"type": "str", "choices": ["tcp", "http"], "default": "http"},
        "port": {"type": "int", "required": True},
        "interval": {"type": "int", "default": 5},
        "timeout": {"type": "int", "default": 3},
        "retries": {"type": "int", "default": 2},
        "path": {"type": "str", "default": "/"},
        "domain": {"type": "str"},
    }
    service = {
        "protocol": {"type": "str", "choices": ["tcp"], "default": "tcp"},
        "listen_port": {"type": "int", "required": True},
        "destination_port": {"type": "int", "required": True},
        "proxyprotocol": {"type": "bool", "default": False},
        "health_check": {"type": "dict", "required": True, "options": check},
    }
    spec = {
        **ARGUMENTS,
        "name": {"type": "str", "required": True},
        "labels": {"type": "dict", "required": True},
        "location": {"type": "str", "required": True},
        "ip_range": {"type": "str", "required": True},
        "balancer_type": {"type": "str", "default": "lb11"},
        "services": {"type": "list", "elements": "dict", "required": True, "options": service},
        "parts": {"type": "list", "elements": "str", "choices": PARTS, "default": PARTS},
        "delete_protection": {"type": "bool"},
        "action_budget": {"type": "float", "default": 300},
    }
    run(AnsibleModule(argument_spec=spec, supports_check_mode=True), keep)


if __name__ == "__main__":
    main()
