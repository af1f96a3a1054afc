#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module hetzner_image: a snapshot of a prepared server, and as many older ones as are to be kept."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hetzner_image
short_description: Make a snapshot of a prepared server at Hetzner Cloud and keep the newest ones
version_added: "1.0.0"
description:
  - With O(state=present) waits until the server has switched itself off, makes a snapshot of its disk with the O(labels), and deletes the
    snapshots with the same labels that are older than the newest O(keep). The new one is there before an old one goes.
  - With O(state=broken) labels one snapshot, so that M(quetrex.platform.hetzner_server) does not use it again.
  - The server stays as it is, switched off.
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
    details: Each call with O(state=present) makes another snapshot.
options:
  state:
    description: Whether a snapshot is made, or one is not to be used any more.
    type: str
    choices: [present, broken]
    default: present
  labels:
    description: Labels of the snapshots. All but C(recipe) tell which older ones belong to them.
    type: dict
    required: true
  server:
    description: Name of the server, needed with O(state=present).
    type: str
  description:
    description: Words for people in the Console.
    type: str
    default: ""
  keep:
    description: How many are kept, the new one included.
    type: int
    default: 2
  id:
    description: The snapshot, needed with O(state=broken).
    type: int
  off_budget:
    description: Seconds the server has to switch itself off.
    type: float
    default: 120
  action_budget:
    description: Seconds to wait for each thing Hetzner does.
    type: float
    default: 900
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Keep what is on the prepared server's disk
  quetrex.platform.hetzner_image:
    server: quetrex-production-image
    labels: {platform: quetrex, environment: production, role: image, recipe: 3f2a90c1d4e5b677}
    keep: 2
"""

RETURN = r"""
image:
  description: The snapshot; null in check mode when one would be made.
  returned: success
  type: dict
  sample: {id: 4711, description: quetrex-production-image, disk_size: 40, image_size: 1.2, labels: {role: image}}
steps:
  description: What was done, or would be in check mode.
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
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.images import BROKEN, Golden, surplus

POLL = 1.0
SHOWN = ("id", "description", "status", "created", "disk_size", "image_size", "architecture", "labels")


class SnapshotBuilder:
    """Makes one snapshot."""

    def __init__(self, client: Client, params: dict[str, t.Any]) -> None:
        self.client, self.params = client, params
        self.labels = {str(key): str(value) for key, value in params["labels"].items()}

    def images(self) -> list[Answer]:
        """Return all snapshots of these labels."""
        return self.client.all("/images", "images", [("type", "snapshot"), ("label_selector", Golden(self.labels).selector)])

    def server(self) -> Answer:
        """Return the server."""
        row = ownership.named(self.client, "servers", self.params["server"], self.labels)
        if not row:
            raise HetznerError("not_found", f"there is no server named {self.params['server']}")
        return row

    def wait_until_off(self, server: Answer) -> None:
        """Wait until the server has switched itself off: what still runs still writes."""
        deadline = self.client.clock.now() + self.params["off_budget"]
        while self.client.get(f"/servers/{server['id']}")["server"]["status"] != "off":
            if self.client.clock.now() > deadline:
                raise HetznerError("timeout", f"{server['name']} has not switched itself off within {self.params['off_budget']:.0f} s; no snapshot was made")
            self.client.clock.sleep(POLL)

    def make(self, server: Answer) -> Answer:
        """Make the snapshot and wait until it can be used."""
        doing, known = f"make a snapshot of {server['name']}", {one["id"] for one in self.images()}
        body = {"type": "snapshot", "description": self.params["description"] or server["name"], "labels": self.labels}
        try:
            number = self._ordered(f"/servers/{server['id']}/actions/create_image", body, doing)
        except HetznerError as error:
            if not error.maybe_done:
                raise
            # The answer was lost: it is there, or it was never ordered.
            self.client.wait_for_all(f"/servers/{server['id']}", budget=self.params["action_budget"], doing=doing)
            found = [one for one in self.images() if one["id"] not in known]
            if not found:
                raise
            number = found[0]["id"]
        return t.cast("Answer", self.client.get(f"/images/{number}")["image"])

    def _ordered(self, path: str, body: dict[str, t.Any], doing: str) -> int:
        answer = self.client.request("POST", path, body=body)
        self.client.wait([answer["action"]], budget=self.params["action_budget"], doing=doing)
        return int(answer["image"]["id"])

    def remove(self, images: list[Answer]) -> None:
        """Delete snapshots; one that is gone already is fine."""
        for image in images:
            try:
                self.client.request("DELETE", f"/images/{image['id']}")
            except HetznerError as error:
                if error.code != "not_found":
                    raise


def shown(image: Answer) -> dict[str, t.Any]:
    """Return a snapshot as the module shows it."""
    return {key: image[key] for key in SHOWN}


def words(image: Answer) -> str:
    """Return a snapshot in words."""
    return f"snapshot {image['id']} of {image['created'][:16].replace('T', ' ')}"


def present(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """Make one and let old ones go."""
    builder, keep = SnapshotBuilder(client, module.params), max(module.params["keep"], 1)
    if module.check_mode:
        old = surplus(builder.images(), keep - 1)
        return {"changed": True, "image": None, "steps": [f"make a snapshot of {module.params['server']}", *(f"delete {words(one)}" for one in old)]}
    server = builder.server()
    builder.wait_until_off(server)
    made = builder.make(server)
    old = [one for one in surplus(builder.images(), keep) if one["id"] != made["id"]]
    builder.remove(old)
    return {"changed": True, "image": shown(made), "steps": [f"made {words(made)}", *(f"deleted {words(one)}" for one in old)]}


def broken(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """Label one so that it is not used again."""
    image = client.get(f"/images/{module.params['id']}")["image"]
    if BROKEN in image["labels"]:
        return {"changed": False, "image": shown(image), "steps": []}
    if not module.check_mode:
        image = client.request("PUT", f"/images/{image['id']}", body={"labels": {**image["labels"], BROKEN: "true"}})["image"]
    return {"changed": True, "image": shown(image), "steps": [f"do not use {words(image)} again"]}


def main() -> None:
    """Run the module."""
    spec = {
        **ARGUMENTS,
        "state": {"type": "str", "choices": ["present", "broken"], "default": "present"},
        "labels": {"type": "dict", "required": True},
        "server": {"type": "str"},
        "description": {"type": "str", "default": ""},
        "keep": {"type": "int", "default": 2},
        "id": {"type": "int"},
        "off_budget": {"type": "float", "default": 120},
        "action_budget": {"type": "float", "default": 900},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True, required_if=[("state", "present", ("server",)), ("state", "broken", ("id",))])
    run(module, present if module.params["state"] == "present" else broken)


if __name__ == "__main__":
    main()
