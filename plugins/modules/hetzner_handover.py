#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module hetzner_handover: a second server takes the first one's volume, name and labels."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hetzner_handover
short_description: Have a second Hetzner Cloud server take the first one's place
version_added: "1.0.0"
description:
  - Knows three servers of one platform by their label C(role) - the one that serves, its successor and its predecessor - and does one part of
    the exchange at a time. Each part is finished by the next call when a run was killed in it.
  - O(part=look) only tells how far the exchange is. O(part=volume) brings the volume to the server O(to); nothing may have it mounted.
    O(part=names) gives name, label, addresses' names and firewall to the successor. O(part=release) deletes the predecessor with its
    addresses. O(part=abandon) deletes a successor that has neither volume nor name yet, or what is left of one, with addresses and firewall.
extends_documentation_fragment:
  - quetrex.platform.hetzner
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details: Tells the next steps; what follows from them is planned when they are done.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
options:
  name:
    description: Name of the server that serves, of its volume, firewall and Primary IPs.
    type: str
    required: true
  labels:
    description: Labels of the server that serves. The others differ from it in C(role).
    type: dict
    required: true
  part:
    description: What is done.
    type: str
    choices: [look, volume, names, release, abandon]
    default: look
  to:
    description: Who gets the volume, needed with O(part=volume).
    type: str
    choices: [app, next]
    default: next
  next_role:
    description: Value of the label C(role) of the successor. Its resources are named O(name) with this behind a hyphen.
    type: str
    default: next
  old_role:
    description: Value of the label C(role) of the predecessor. Its resources are named O(name) with C(-old) behind.
    type: str
    default: retired
  action_budget:
    description: Seconds to wait for each thing Hetzner does.
    type: float
    default: 300
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: How far is it?
  quetrex.platform.hetzner_handover:
    name: quetrex-production-app
    labels: {platform: quetrex, environment: production, role: app}
  register: handover

- name: The volume, which nothing has mounted any more
  quetrex.platform.hetzner_handover:
    name: quetrex-production-app
    labels: {platform: quetrex, environment: production, role: app}
    part: volume
"""

RETURN = r"""
stage:
  description:
    - How far the exchange is afterwards. V(none), V(prepared) (a successor is there), V(moving) (nobody has the volume), V(moved) (the successor has
      it), V(renaming), V(kept) (done, the predecessor is still there).
  returned: success
  type: str
servers:
  description: Name, type, status and IPv4 address of what there is of C(app), C(next) and C(old).
  returned: success
  type: dict
volume:
  description: Id of the volume; null without one.
  returned: success
  type: int
steps:
  description: What was done, or would be next in check mode, in words.
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

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import Plan, converge
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.arguments import ARGUMENTS, run
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.client import Client
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.errors import HetznerError
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.handover import (
    ROUNDS,
    Current,
    Pair,
    Step,
    abandon,
    apply,
    fetch,
    move,
    release,
    rename,
    stage,
)
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.server import summary

SHOWN = ("id", "name", "server_type", "status", "ipv4", "ipv6")


def plan(current: Current, pair: Pair, params: dict[str, t.Any]) -> list[Step]:
    """Return what is to do now for one part."""
    part, to = params["part"], params["to"]
    if part == "volume":
        if to not in current.servers:
            raise HetznerError("not_found", f"there is no server with the part {to} to give the volume to")
        return move(current, to)
    parts: dict[str, t.Callable[[], list[Step]]] = {
        "look": list,
        "names": lambda: rename(current, pair),
        "release": lambda: release(current, pair),
        "abandon": lambda: abandon(current, pair),
    }
    return parts[part]()


def words(step: Step) -> str:
    """Return a step as people read it."""
    return step.text


def hand_over(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """Look, plan, do, and again until nothing is left."""
    params = module.params
    pair = Pair(params["name"], {str(key): str(value) for key, value in params["labels"].items()}, params["next_role"], params["old_role"])

    def write(todo: Plan[Current]) -> None:
        apply(client, list(todo.steps), params["action_budget"])

    outcome = converge(
        lambda: fetch(client, pair),
        lambda current: Plan(current, plan(current, pair, params)),
        write,
        check=module.check_mode,
        vendor=client.vendor,
        rounds=ROUNDS,
        shown=stage,
        told=words,
    )
    current = outcome.after
    return {
        "changed": outcome.changed,
        "stage": stage(current),
        "servers": {part: {key: summary(row)[key] for key in SHOWN} for part, row in current.servers.items()},
        "volume": current.volume["id"] if current.volume else None,
        "steps": [words(step) for step in outcome.steps],
    }


def main() -> None:
    """Run the module."""
    spec = {
        **ARGUMENTS,
        "name": {"type": "str", "required": True},
        "labels": {"type": "dict", "required": True},
        "part": {"type": "str", "choices": ["look", "volume", "names", "release", "abandon"], "default": "look"},
        "to": {"type": "str", "choices": ["app", "next"], "default": "next"},
        "next_role": {"type": "str", "default": "next"},
        "old_role": {"type": "str", "default": "retired"},
        "action_budget": {"type": "float", "default": 300},
    }
    run(AnsibleModule(argument_spec=spec, supports_check_mode=True), hand_over)


if __name__ == "__main__":
    main()
