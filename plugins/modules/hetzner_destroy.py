#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module hetzner_destroy: delete what one environment has at Hetzner Cloud."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hetzner_destroy
short_description: Delete what one environment has at Hetzner Cloud
version_added: "1.0.0"
description:
  - Deletes servers, firewalls, load balancers, private networks and placement groups with exactly the given labels.
  - Volumes, Primary IPs, snapshots and SSH keys with them stay unless they are
    named in O(also).
  - Honours delete protection. When part of what would go is protected, nothing is deleted unless O(lift_protection=true).
  - In check mode it tells what would go and what stays.
extends_documentation_fragment:
  - quetrex.platform.hetzner
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details: A protected resource is reported, not refused.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
options:
  labels:
    description: Labels of the environment. All of them have to be there.
    type: dict
    required: true
  also:
    description: What goes as well. V(volumes) are the data, V(addresses) are the Primary IPs, V(snapshots) are golden images.
    type: list
    elements: str
    choices: [addresses, snapshots, ssh_keys, volumes]
    default: []
  lift_protection:
    description: Whether delete protection is lifted.
    type: bool
    default: false
  action_budget:
    description: Seconds to wait for each thing Hetzner does.
    type: float
    default: 300
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Take the test environment away, with its data
  quetrex.platform.hetzner_destroy:
    labels: {platform: quetrex, environment: test}
    also: [volumes, addresses]
"""

RETURN = r"""
deleted:
  description: What went, or would go, in words.
  returned: success
  type: list
  elements: str
addresses:
  description: The Primary IPs among what goes, or would go.
  returned: success
  type: list
  elements: str
  version_added: "1.1.0"
kept:
  description: What stays, in words.
  returned: success
  type: list
  elements: str
servers:
  description: The servers that went, or would go, as C(name), C(labels) and C(addresses).
  returned: success
  type: list
  elements: dict
protected:
  description: What is, or was, protected of what goes.
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
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.destroy import find, refuse_protected, remove, server


def destroy(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """Find, refuse, delete."""
    params = module.params
    things = find(client, {str(key): str(value) for key, value in params["labels"].items()}, params["also"])
    going = [thing for thing in things if thing.goes]
    if going and not module.check_mode:
        if not params["lift_protection"]:
            refuse_protected(things)
        remove(client, things, params["action_budget"])
    deleted, kept = [thing.words for thing in going], [thing.words for thing in things if not thing.goes]
    diff = {"before": {"there": deleted + kept}, "after": {"there": kept}} if going else {}
    return {
        "changed": bool(going),
        "deleted": deleted,
        "kept": kept,
        "servers": [server(thing) for thing in going if thing.kind == "servers"],
        "addresses": [thing.row["ip"] for thing in going if thing.kind == "primary_ips"],
        "protected": [thing.words for thing in going if thing.protected],
        "diff": diff,
    }


def main() -> None:
    """Run the module."""
    spec = {
        **ARGUMENTS,
        "labels": {"type": "dict", "required": True},
        "also": {"type": "list", "elements": "str", "choices": ["addresses", "snapshots", "ssh_keys", "volumes"], "default": []},
        "lift_protection": {"type": "bool", "default": False},
        "action_budget": {"type": "float", "default": 300},
    }
    run(AnsibleModule(argument_spec=spec, supports_check_mode=True), destroy)


if __name__ == "__main__":
    main()
