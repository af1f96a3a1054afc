#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module hetzner_resources: firewall, Primary IPs, reverse DNS and volume of one server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hetzner_resources
short_description: Keep what outlives a server at Hetzner Cloud
version_added: "1.0.0"
description:
  - One firewall, a Primary IPv4 and IPv6, their reverse DNS, and one volume, all found by their labels and read at the same time.
  - A resource that has one of the names and not the labels V(platform) and V(environment) is another's; the module fails then, before it changes
    anything. Something that was renamed is found by its labels and gets its name back.
  - The addresses of a server that exists already (found as M(quetrex.platform.hetzner_server) finds it) are kept as its Primary IPs, so that an
    adopted platform keeps its address.
  - Primary IPs are always protected and stay when their server goes. Nothing is ever deleted or made smaller.
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
    description: Name of all. The Primary IPv6 has C(-ipv6) behind it.
    type: str
    required: true
  labels:
    description:
      - Labels they have. Other labels are left alone. Those named V(platform) and V(environment) say whose they are; with V(role) they find
        the server, and what was renamed.
    type: dict
    required: true
  location:
    description: Name of the location of addresses and volume.
    type: str
    required: true
  firewall_rules:
    description:
      - All rules of the firewall, for both families, as Hetzner's API takes them. A rule that is not in the list is removed.
      - Without the list there is no firewall, or it is left alone.
    type: list
    elements: dict
    suboptions:
      direction:
        description: Whether it is about what comes in or what goes out.
        type: str
        choices: [in, out]
        default: in
      protocol:
        description: The protocol.
        type: str
        choices: [tcp, udp, icmp, esp, gre]
        required: true
      port:
        description: Port or range of ports, for V(tcp) and V(udp).
        type: str
      source_ips:
        description: Networks from which something may come in.
        type: list
        elements: str
        default: []
      destination_ips:
        description: Networks to which something may go out.
        type: list
        elements: str
        default: []
      description:
        description: What the rule is for.
        type: str
  ipv4:
    description: Whether there is a Primary IPv4.
    type: bool
    default: true
  ipv6:
    description: Whether there is a Primary IPv6. A server that was made without IPv6 stays without.
    type: bool
    default: true
  reverse_dns:
    description: Name that the addresses resolve to. Left alone when not given.
    type: str
  volume_size:
    description: GB of the volume. A bigger volume is left as it is; V(0) means no volume.
    type: int
    default: 0
  volume_format:
    description: Filesystem of a new volume.
    type: str
    choices: [ext4, xfs]
    default: ext4
  delete_protection:
    description: Whether the volume is protected against deletion. Left alone when not given.
    type: bool
  action_budget:
    description: Seconds to wait for each thing Hetzner does.
    type: float
    default: 300
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: What outlives the application's server
  quetrex.platform.hetzner_resources:
    name: quetrex-production-app
    labels: {platform: quetrex, environment: production, role: app}
    location: ash
    volume_size: 10
    delete_protection: true
    firewall_rules:
      - {protocol: tcp, port: "22", source_ips: ["198.51.100.0/24", "2001:db8::/48"], description: SSH}
      - {protocol: icmp, source_ips: ["0.0.0.0/0", "::/0"]}
"""

RETURN = r"""
firewall:
  description: The firewall as the API shows it; null when there is none yet.
  returned: success
  type: dict
ipv4:
  description: The Primary IPv4 as the API shows it; null when there is none yet.
  returned: success
  type: dict
ipv6:
  description: The Primary IPv6 as the API shows it; null when there is none yet.
  returned: success
  type: dict
volume:
  description: The volume as the API shows it; null when there is none yet.
  returned: success
  type: dict
other_addresses:
  description: Addresses in this project that are labelled as other platforms' or environments'.
  returned: success
  type: list
  elements: str
steps:
  description: What was done, or would be in check mode, in words.
  returned: success
  type: list
  elements: str
drift:
  description: Where something differs that cannot be changed.
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
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.provision import keep_resources
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.resources import Wanted


def wanted_of(params: dict[str, t.Any]) -> Wanted:
    """Return the options as a wish."""
    labels = {str(key): str(value) for key, value in params["labels"].items()}
    rules = None if params["firewall_rules"] is None else tuple(params["firewall_rules"])
    same = {key: params[key] for key in ("name", "location", "ipv4", "ipv6", "reverse_dns", "volume_size", "volume_format", "delete_protection")}
    return Wanted(labels=labels, rules=rules, **same)


def keep(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """Look, plan, do, and look again until nothing is left."""
    return keep_resources(client, wanted_of(module.params), check=module.check_mode, budget=module.params["action_budget"])


def main() -> None:
    """Run the module."""
    rule = {
        "direction": {"type": "str", "choices": ["in", "out"], "default": "in"},
        "protocol": {"type": "str", "choices": ["tcp", "udp", "icmp", "esp", "gre"], "required": True},
        "port": {"type": "str"},
        "source_ips": {"type": "list", "elements": "str", "default": []},
        "destination_ips": {"type": "list", "elements": "str", "default": []},
        "description": {"type": "str"},
    }
    spec = {
        **ARGUMENTS,
        "name": {"type": "str", "required": True},
        "labels": {"type": "dict", "required": True},
        "location": {"type": "str", "required": True},
        "firewall_rules": {"type": "list", "elements": "dict", "options": rule},
        "ipv4": {"type": "bool", "default": True},
        "ipv6": {"type": "bool", "default": True},
        "reverse_dns": {"type": "str"},
        "volume_size": {"type": "int", "default": 0},
        "volume_format": {"type": "str", "choices": ["ext4", "xfs"], "default": "ext4"},
        "delete_protection": {"type": "bool"},
        "action_budget": {"type": "float", "default": 300},
    }
    run(AnsibleModule(argument_spec=spec, supports_check_mode=True), keep)


if __name__ == "__main__":
    main()
