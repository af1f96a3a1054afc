#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module hetzner_server: one labelled server, created, started, resized."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hetzner_server
short_description: Keep exactly one labelled server at Hetzner Cloud
version_added: "1.0.0"
description:
  - Finds the server by the labels named in O(identity), or creates it with the first of O(types) that is in stock,
    on its Primary IP, with volumes, firewalls and cloud-init data given at creation.
    A server of the O(name) without these labels is refused before anything is changed; to have it adopted, label it first.
  - An existing server is started when it is off, labelled, put behind the firewalls, and gets missing volumes. Other differences (type,
    location, image) are reported as RV(drift) and never changed unasked.
  - With O(resize=true) the type is changed gracefully and reversibly. The stock is looked at before the server goes down, and it is powered
    on again in every case.
extends_documentation_fragment:
  - quetrex.platform.hetzner
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details: Firewalls, volumes and Primary IPs that would be made by earlier tasks may be missing in check mode.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
options:
  name:
    description: Name of the server.
    type: str
    required: true
  labels:
    description: Labels the server has. Other labels it has are left alone.
    type: dict
    required: true
  identity:
    description: Keys of those labels that together name the one server.
    type: list
    elements: str
    default: [platform, environment, role]
  types:
    description: Names of server types in the order of preference, usually from M(quetrex.platform.hetzner_plan).
    type: list
    elements: str
    required: true
  location:
    description: Name of the location.
    type: str
    required: true
  image:
    description: Name of the image.
    type: str
    default: debian-13
  golden_labels:
    description:
      - Labels of snapshots that a new server is rather made from than from O(image), the newest one that fits the type of server. A value of
        C(recipe) has to be that of the snapshot. When none fits, or a server cannot be made from it, O(image) is taken.
    type: dict
  golden_max_age:
    description: Days after which a snapshot is not used any more; V(0) means never.
    type: float
    default: 0
  user_data:
    description: Data for cloud-init, used at creation only.
    type: str
    default: ""
  ssh_public_keys:
    description: SSH public keys for the account that the image has. Registered in the project when they are not yet.
    type: list
    elements: str
    default: []
  firewalls:
    description: Names of firewalls.
    type: list
    elements: str
    default: []
  volumes:
    description: Names of volumes. They have to be at the same location.
    type: list
    elements: str
    default: []
  ipv4:
    description: Name of the Primary IPv4 given at creation. Without it a new address is taken that vanishes with the server.
    type: str
  ipv6:
    description: Whether a new server gets an IPv6 network.
    type: bool
    default: true
  ipv6_name:
    description: Name of the Primary IPv6 given at creation. Without it the network vanishes with the server.
    type: str
  delete_protection:
    description: Whether the server is protected against deletion and rebuild. Left alone when not given.
    type: bool
  resize:
    description: Whether an existing server is changed to the first of O(types).
    type: bool
    default: false
  shutdown_budget:
    description: Seconds a server has to go down by itself before a resize cuts its power.
    type: float
    default: 90
  action_budget:
    description: Seconds to wait for each thing Hetzner does.
    type: float
    default: 600
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: The application's server
  quetrex.platform.hetzner_server:
    name: quetrex-production-app
    labels: {platform: quetrex, environment: production, role: app}
    types: [cpx31, ccx23]
    location: ash
    ipv4: quetrex-production-app
    firewalls: [quetrex-production-app]
    volumes: [quetrex-production-app]
    ssh_public_keys: ["{{ lookup('file', '~/.ssh/id_ed25519.pub') }}"]
    delete_protection: true
"""

RETURN = r"""
server:
  description: The server as it is afterwards; null in check mode when it would be created.
  returned: success
  type: dict
  sample: {id: 4711, name: quetrex-production-app, status: running, server_type: cpx31, location: ash, ipv4: 203.0.113.7}
steps:
  description: What was done, or would be in check mode, in words.
  returned: success
  type: list
  elements: str
created:
  description: Whether there was no such server before.
  returned: success
  type: bool
drift:
  description: Where the server differs from what is wanted in what is not changed unasked.
  returned: success
  type: list
  elements: str
golden:
  description: The snapshot a new server was made from, or would be, by its id in C(used); C(refused) tells why others were not.
  returned: success
  type: dict
  sample: {used: 4711, refused: {"4700": "it is 40 days old, 35 are allowed; make a new one with image_build"}}
sold_out:
  description: Types that were sold out, with the API's words.
  returned: success
  type: dict
failure:
  description: The failure as data.
  returned: failure
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.arguments import ARGUMENTS, run
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.client import Client
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.images import Golden
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.provision import keep_server
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.reconciler import Budgets
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.server import Wanted


def wanted_of(params: dict[str, t.Any]) -> Wanted:
    """Return the options as a wish."""
    return Wanted(
        name=params["name"],
        labels={str(key): str(value) for key, value in params["labels"].items()},
        identity=tuple(key for key in params["identity"] if key in params["labels"]),
        types=tuple(params["types"]),
        location=params["location"],
        image=params["image"],
        user_data=params["user_data"],
        ssh_public_keys=tuple(params["ssh_public_keys"]),
        firewalls=tuple(params["firewalls"]),
        volumes=tuple(params["volumes"]),
        ipv4=params["ipv4"],
        ipv6=params["ipv6_name"] or params["ipv6"],
        delete_protection=params["delete_protection"],
        resize=params["resize"],
        golden=_golden(params),
    )


def _golden(params: dict[str, t.Any]) -> Golden | None:
    labels = params["golden_labels"]
    return Golden({str(key): str(value) for key, value in labels.items()}, params["golden_max_age"]) if labels else None


def keep(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """Look, plan, do, look again."""
    budgets = Budgets(module.params["action_budget"], module.params["shutdown_budget"])
    return keep_server(client, wanted_of(module.params), budgets, check=module.check_mode)


def main() -> None:
    """Run the module."""
    spec = {
        **ARGUMENTS,
        "name": {"type": "str", "required": True},
        "labels": {"type": "dict", "required": True},
        "identity": {"type": "list", "elements": "str", "default": ["platform", "environment", "role"]},
        "types": {"type": "list", "elements": "str", "required": True},
        "location": {"type": "str", "required": True},
        "image": {"type": "str", "default": "debian-13"},
        "golden_labels": {"type": "dict"},
        "golden_max_age": {"type": "float", "default": 0},
        "user_data": {"type": "str", "default": "", "no_log": True},
        "ssh_public_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "firewalls": {"type": "list", "elements": "str", "default": []},
        "volumes": {"type": "list", "elements": "str", "default": []},
        "ipv4": {"type": "str"},
        "ipv6": {"type": "bool", "default": True},
        "ipv6_name": {"type": "str"},
        "delete_protection": {"type": "bool"},
        "resize": {"type": "bool", "default": False},
        "shutdown_budget": {"type": "float", "default": 90},
        "action_budget": {"type": "float", "default": 600},
    }
    run(AnsibleModule(argument_spec=spec, supports_check_mode=True), keep)


if __name__ == "__main__":
    main()
