#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module hetzner_repair: power a server on, reset, rebuild, or remove it for a new one."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hetzner_repair
short_description: Power on, reset, rebuild or replace a server
version_added: "1.0.0"
description:
  - Powers a server on, resets it, puts a fresh image on its disk, or deletes it so that M(quetrex.platform.hetzner_server) makes another.
  - With O(action=relocate) the server, its volume and its Primary IPs get other names and the role C(retired), and the server is switched off if
    that can be done, so that all of them are recreated elsewhere while nothing that may hold data is deleted.
  - Takes a protection against deletion off where it is in the way; the next run of M(quetrex.platform.hetzner_server) puts it back.
  - Volumes and Primary IPs are not touched.
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
    support: partial
    details: A server is reset or rebuilt each time; power and deletion are idempotent.
options:
  name:
    description: Name of the server.
    type: str
    required: true
  labels:
    description: Labels that together name the one server.
    type: dict
    required: true
  action:
    description: What to do.
    type: str
    required: true
    choices: [power_on, reset, rebuild, recreate, relocate]
  images:
    description: Names or ids of images for a rebuild, the preferred first. The next is taken when one does not exist any more.
    type: list
    elements: str
    default: [debian-13]
  golden_labels:
    description: For a rebuild, labels of snapshots that are rather taken than O(images), as in M(quetrex.platform.hetzner_server).
    type: dict
  golden_max_age:
    description: Days after which a snapshot is not used any more; V(0) means never.
    type: float
    default: 0
  action_budget:
    description: Seconds to wait for what Hetzner does.
    type: float
    default: 300
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Cut its power and give it back
  quetrex.platform.hetzner_repair:
    name: quetrex-production-app
    labels: {platform: quetrex, environment: production, role: app}
    action: reset
"""

RETURN = r"""
steps:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
left:
  description: What stays behind after O(action=relocate) and goes on costing money, in words.
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

from ansible_collections.quetrex.platform.plugins.module_utils.hetzner import ownership
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.arguments import ARGUMENTS, run
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.client import Answer, Client
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.errors import HetznerError
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.images import Golden, look
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.server import Wanted, find

NO_SUCH_IMAGE = frozenset({"not_found", "invalid_input", "image_not_found"})


class Repair:
    """The actions on one server."""

    def __init__(self, client: Client, server: Answer, budget: float) -> None:
        self.client, self.server, self.budget = client, server, budget
        self.path = f"/servers/{server['id']}"

    def steps(self, action: str) -> list[str]:
        """Return what is to do, in words."""
        name = self.server["name"]
        if action == "power_on":
            return [] if self.server["status"] == "running" else [f"power {name} on"]
        unprotect = [f"take the protection off {name}"] if action in ("rebuild", "recreate") and self.server["protection"]["delete"] else []
        words = {"reset": f"reset {name}", "rebuild": f"put a fresh image on {name}", "recreate": f"delete {name}; its volume and address stay"}
        return [*unprotect, words[action]]

    def apply(self, action: str, images: t.Sequence[str]) -> None:
        """Do it and wait until it is done."""
        if action in ("rebuild", "recreate") and self.server["protection"]["delete"]:
            self._act("change_protection", {"delete": False, "rebuild": False}, "take its protection off")
        if action == "recreate":
            answer = self.client.request("DELETE", self.path)
            self.client.wait([answer["action"]], budget=self.budget, doing="delete it")
        elif action == "rebuild":
            self._rebuild(list(images))
        else:
            self._act({"power_on": "poweron", "reset": "reset"}[action], None, action.replace("_", " "))

    def _rebuild(self, images: list[str]) -> None:
        for position, image in enumerate(images):
            try:
                self._act("rebuild", {"image": image}, f"rebuild it from {image}")
            except HetznerError as error:
                broken = isinstance(error.details, dict) and "action" in error.details
                if (error.code not in NO_SUCH_IMAGE and not broken) or position + 1 == len(images):
                    raise
            else:
                return

    def _act(self, action: str, body: t.Any, doing: str) -> None:
        self.client.act(f"{self.path}/actions/{action}", body, budget=self.budget, doing=doing, repeatable=True)


class Retirement:
    """Takes name and role from everything that belongs to a location: what is made elsewhere needs them. Safe to repeat."""

    KINDS = ("servers", "volumes", "primary_ips")

    def __init__(self, client: Client, name: str, labels: dict[str, str], budget: float) -> None:
        self.client, self.labels, self.budget = client, labels, budget
        wanted = {"servers": (name,), "volumes": (name,), "primary_ips": (name, f"{name}-ipv6")}
        rows = [(kind, ownership.named(client, kind, one, labels)) for kind in self.KINDS for one in wanted[kind]]
        self.rows = [(kind, row) for kind, row in rows if row]

    def steps(self) -> list[str]:
        """Return what is to do, in words."""
        return [f"retire {self._words(kind, row)}" for kind, row in self.rows] + [f"switch off {one['name']}" for one in self._living()]

    def left(self) -> list[str]:
        """Return what is retired now, of this or an earlier time."""
        return [self._words(kind, row) for kind in self.KINDS for row in self._retired(kind)]

    def _retired(self, kind: str) -> list[Answer]:
        selector = ",".join(f"{key}={value}" for key, value in {**self.labels, "role": "retired"}.items())
        return self.client.all(f"/{kind}", kind, [("label_selector", selector)])

    def _living(self) -> list[Answer]:
        return [server for server in self._retired("servers") if server["status"] != "off"]

    def do(self) -> None:
        """Rename all, then switch off what is not, if its location still listens."""
        for kind, row in self.rows:
            body = {"name": f"{row['name']}-retired-{row['id']}", "labels": {**row["labels"], **self.labels, "role": "retired"}}
            self.client.request("PUT", f"/{kind}/{row['id']}", body=body)
        for server in self._living():
            self._switch_off(server)

    def _switch_off(self, server: Answer) -> None:
        try:
            self.client.act(f"/servers/{server['id']}/actions/poweroff", None, budget=self.budget, doing="cut it off", repeatable=True)
        except HetznerError:
            return  # what cannot be reached cannot be switched off; it is reported as left behind

    @staticmethod
    def _words(kind: str, row: Answer) -> str:
        what = {"servers": "server", "volumes": "volume", "primary_ips": "Primary IP"}[kind]
        state = f", {row['status']}" if kind == "servers" else ""
        return f"{what} {row['name']} (id {row['id']}, {row['location']['name']}{state})"


def golden(client: Client, server: Answer, given: dict[str, t.Any]) -> list[str]:
    """Return the snapshot that fits the server, if there is one."""
    if not given["golden_labels"]:
        return []
    wanted = Golden({str(key): str(value) for key, value in given["golden_labels"].items()}, given["golden_max_age"])
    found = look(client, wanted).of(server["server_type"]["name"])
    return [str(found["id"])] if found else []


def apply(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """Find the server and do what was asked for."""
    given = module.params
    labels = {str(key): str(value) for key, value in given["labels"].items()}
    if given["action"] == "relocate":
        retirement = Retirement(client, given["name"], labels, given["action_budget"])
        steps = retirement.steps()
        if steps and not module.check_mode:
            retirement.do()
        return {"changed": bool(steps), "steps": steps, "left": retirement.left()}
    server = find(client, Wanted(given["name"], labels, tuple(labels), (), "", ""))
    if server is None:
        if given["action"] != "recreate":
            raise HetznerError("not_found", f"there is no server {given['name']} to {given['action'].replace('_', ' ')}")
        return {"changed": False, "steps": [], "left": []}
    repair = Repair(client, server, given["action_budget"])
    steps = repair.steps(given["action"])
    if steps and not module.check_mode:
        repair.apply(given["action"], [*golden(client, server, given), *given["images"]] if given["action"] == "rebuild" else [])
    return {"changed": bool(steps), "steps": steps, "left": []}


def main() -> None:
    """Run the module."""
    spec = {
        **ARGUMENTS,
        "name": {"type": "str", "required": True},
        "labels": {"type": "dict", "required": True},
        "action": {"type": "str", "required": True, "choices": ["power_on", "reset", "rebuild", "recreate", "relocate"]},
        "images": {"type": "list", "elements": "str", "default": ["debian-13"]},
        "golden_labels": {"type": "dict"},
        "golden_max_age": {"type": "float", "default": 0},
        "action_budget": {"type": "float", "default": 300},
    }
    run(AnsibleModule(argument_spec=spec, supports_check_mode=True), apply)


if __name__ == "__main__":
    main()
