#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module hetzner_servers: several labelled servers, made at the same time."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hetzner_servers
short_description: Keep several labelled servers at Hetzner Cloud, each with its addresses and its volume
version_added: "1.1.0"
description:
  - Does for each of O(members) what M(quetrex.platform.hetzner_resources) and M(quetrex.platform.hetzner_server) do for one server, for all of them
    at the same time. Each has Primary IPs and a volume with its own name, and its label V(index).
  - The first is also found without that label, so that a platform of one server keeps it when it gets more.
  - When one cannot be had the others are finished, and the module fails with all reasons. The next run goes on from there.
  - The network, the placement group and the firewalls have to be there, see M(quetrex.platform.hetzner_pool). A server that is not in the placement
    group is left running and reported as RV(drift), as it can only join while it is off.
extends_documentation_fragment:
  - quetrex.platform.hetzner
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details: What would be made by earlier tasks may be missing in check mode.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
options:
  members:
    description: The servers.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the server, its addresses and its volume.
        type: str
        required: true
      index:
        description: Number of the server, from 1.
        type: int
        required: true
      private_address:
        description: Address in O(network).
        type: str
        required: true
  labels:
    description: Labels that all of them have, beside V(index). Other labels are left alone.
    type: dict
    required: true
  types:
    description: Names of server types in the order of preference, usually from M(quetrex.platform.hetzner_plan).
    type: list
    elements: str
    required: true
  location:
    description: Name of the location.
    type: str
    required: true
  network:
    description: Name of the private network.
    type: str
    required: true
  placement_group:
    description: Name of the placement group that new servers are made in.
    type: str
    required: true
  firewalls:
    description: Names of firewalls.
    type: list
    elements: str
    default: []
  user_data:
    description: Data for cloud-init by the server's name, used at creation only.
    type: dict
    default: {}
  image:
    description: Name of the image.
    type: str
    default: debian-13
  golden_labels:
    description: Labels of snapshots that a new server is rather made from than from O(image), as in M(quetrex.platform.hetzner_server).
    type: dict
  golden_max_age:
    description: Days after which a snapshot is not used any more; V(0) means never.
    type: float
    default: 0
  ssh_public_keys:
    description: SSH public keys for the account that the image has.
    type: list
    elements: str
    default: []
  ipv6:
    description: Whether a new server gets a Primary IPv6.
    type: bool
    default: true
  volume_size:
    description: GB of each server's volume. A bigger volume is left as it is; V(0) means no volume.
    type: int
    default: 0
  volume_format:
    description: Filesystem of a new volume.
    type: str
    choices: [ext4, xfs]
    default: ext4
  delete_protection:
    description: Whether servers and volumes are protected against deletion. Left alone when not given.
    type: bool
  action_budget:
    description: Seconds to wait for each thing Hetzner does.
    type: float
    default: 600
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: The application's servers
  quetrex.platform.hetzner_servers:
    labels: {platform: quetrex, environment: production, role: app}
    members:
      - {name: quetrex-production-app, index: 1, private_address: 10.77.0.11}
      - {name: quetrex-production-app-2, index: 2, private_address: 10.77.0.12}
      - {name: quetrex-production-app-3, index: 3, private_address: 10.77.0.13}
    types: [cpx41]
    location: ash
    network: quetrex-production-app
    placement_group: quetrex-production-app
    firewalls: [quetrex-production-app]
    volume_size: 10
    ssh_public_keys: ["{{ lookup('file', '~/.ssh/id_ed25519.pub') }}"]
"""

RETURN = r"""
servers:
  description:
    - One for each of O(members), in their order, with C(name), C(server), C(volume), C(created), C(golden), C(sold_out), C(steps) and C(drift), as
      M(quetrex.platform.hetzner_server) and M(quetrex.platform.hetzner_resources) return them.
  returned: success
  type: list
  elements: dict
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
  description: Where servers differ from what is wanted in what is not changed unasked.
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

from ansible_collections.quetrex.platform.plugins.module_utils.hetzner import resources, server
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.arguments import ARGUMENTS, connected, run
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.client import Client
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.images import Golden
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.ownership import POSITION
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.provision import Member, keep_members
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.reconciler import Budgets


def member_of(params: dict[str, t.Any], one: dict[str, t.Any]) -> Member:
    """Return one server of the pool, and what outlives it, as wishes."""
    shared = {str(key): str(value) for key, value in params["labels"].items()}
    labels = {**shared, POSITION: str(one["index"])}
    golden = params["golden_labels"]
    kept = resources.Wanted(
        name=one["name"],
        labels=labels,
        location=params["location"],
        ipv6=params["ipv6"],
        volume_size=params["volume_size"],
        volume_format=params["volume_format"],
        delete_protection=params["delete_protection"],
    )
    wanted = server.Wanted(
        name=one["name"],
        labels=labels,
        identity=tuple(shared),
        types=tuple(params["types"]),
        location=params["location"],
        image=params["image"],
        user_data=str(params["user_data"].get(one["name"], "")),
        ssh_public_keys=tuple(params["ssh_public_keys"]),
        firewalls=tuple(params["firewalls"]),
        volumes=(one["name"],) if params["volume_size"] else (),
        ipv4=one["name"],
        ipv6=params["ipv6"],
        delete_protection=params["delete_protection"],
        golden=Golden({str(key): str(value) for key, value in golden.items()}, params["golden_max_age"]) if golden else None,
        network=params["network"],
        private_address=one["private_address"],
        placement_group=params["placement_group"],
    )
    return Member(kept, wanted)


def keep(module: AnsibleModule, _client: Client) -> dict[str, t.Any]:
    """Keep all of them, and tell of all of them together."""
    params = module.params
    members = [member_of(params, one) for one in params["members"]]
    found = keep_members(lambda: connected(params), members, Budgets(params["action_budget"]), check=module.check_mode)
    diffs = {one["name"]: one.pop("diff") for one in found}
    return {
        "changed": any(one["changed"] for one in found),
        "servers": found,
        "other_addresses": sorted({address for one in found for address in one["other_addresses"]}),
        "steps": [step for one in found for step in one["steps"]],
        "drift": [words for one in found for words in one["drift"]],
        "diff": {side: {name: diff[side] for name, diff in diffs.items() if diff} for side in ("before", "after")} if any(diffs.values()) else {},
    }


def main() -> None:
    """Run the module."""
    member = {
        "name": {"type": "str", "required": True},
        "index": {"type": "int", "required": True},
        "private_address": {"type": "str", "required": True},
    }
    spec = {
        **ARGUMENTS,
        "members": {"type": "list", "elements": "dict", "required": True, "options": member},
        "labels": {"type": "dict", "required": True},
        "types": {"type": "list", "elements": "str", "required": True},
        "location": {"type": "str", "required": True},
        "network": {"type": "str", "required": True},
        "placement_group": {"type": "str", "required": True},
        "firewalls": {"type": "list", "elements": "str", "default": []},
        "user_data": {"type": "dict", "default": {}, "no_log": True},
        "image": {"type": "str", "default": "debian-13"},
        "golden_labels": {"type": "dict"},
        "golden_max_age": {"type": "float", "default": 0},
        "ssh_public_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "ipv6": {"type": "bool", "default": True},
        "volume_size": {"type": "int", "default": 0},
        "volume_format": {"type": "str", "choices": ["ext4", "xfs"], "default": "ext4"},
        "delete_protection": {"type": "bool"},
        "action_budget": {"type": "float", "default": 600},
    }
    run(AnsibleModule(argument_spec=spec, supports_check_mode=True), keep)


if __name__ == "__main__":
    main()
