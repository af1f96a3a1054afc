# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server takes another's place: its volume, its name, its labels. A pure plan of requests over what the API shows.

The two are told apart by their label C(role): the one that serves, the one that is to serve, the one that has served. A plan is done, and made
again from what is there then, until nothing is left to do: a run that was killed anywhere is finished by the next one.
"""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

from .client import Answer, Client
from .errors import HetznerError
from .ownership import selector

ROUNDS = 12


class Pair(t.NamedTuple):
    """Names and labels: of the server that serves, its successor and its predecessor."""

    name: str
    labels: dict[str, str]
    next_role: str = "next"
    old_role: str = "retired"

    def role(self, row: Answer) -> str:
        """Return which of the three a server is: app, next, old, or nothing."""
        roles = {self.labels["role"]: "app", self.next_role: "next", self.old_role: "old"}
        return roles.get(str(row["labels"].get("role")), "")


class Current(t.NamedTuple):
    """What is there: servers by part, the volume, addresses by the id of their server, firewalls by name."""

    servers: dict[str, Answer]
    volume: Answer | None
    addresses: list[Answer]
    firewalls: dict[str, Answer]

    def holder(self) -> str:
        """Return which server has the volume; empty when none has."""
        number = self.volume["server"] if self.volume else None
        return next((part for part, row in self.servers.items() if row["id"] == number), "")

    def addresses_of(self, part: str) -> list[Answer]:
        """Return the Primary IPs of a server."""
        return [one for one in self.addresses if one["assignee_id"] == self.servers[part]["id"]]


class Step(t.NamedTuple):
    """One request, in words and as data."""

    text: str
    method: str
    path: str
    body: t.Any = None


def fetch(client: Client, pair: Pair) -> Current:
    """Read all at once."""
    ours = [("label_selector", selector({key: value for key, value in pair.labels.items() if key != "role"}))]
    kinds = {"servers": ours, "volumes": [*ours, ("name", pair.name)], "primary_ips": ours, "firewalls": ours}
    with ThreadPoolExecutor(len(kinds)) as pool:
        rows = dict(zip(kinds, pool.map(lambda kind: client.all(f"/{kind}", kind, kinds[kind]), kinds), strict=True))
    servers: dict[str, Answer] = {}
    for row in (one for one in rows["servers"] if one["status"] != "deleting"):
        part = pair.role(row)
        if part in servers:
            raise HetznerError("ambiguous", f"two servers are labelled role={row['labels']['role']}: {servers[part]['name']} and {row['name']}")
        if part:
            servers[part] = row
    return Current(servers, next(iter(rows["volumes"]), None), rows["primary_ips"], {one["name"]: one for one in rows["firewalls"]})


def stage(current: Current) -> str:
    """Return how far a handover is: none, prepared, moving, moved, renaming, or kept when only the predecessor is left to go."""
    if "next" not in current.servers:
        return "kept" if "old" in current.servers else "none"
    if "app" not in current.servers:
        return "renaming"
    return {"app": "prepared", "next": "moved"}.get(current.holder(), "moving" if current.volume else "prepared")


def move(current: Current, to: str) -> list[Step]:
    """Return the step that brings the volume to a server."""
    volume, holder = current.volume, current.holder()
    if volume is None or holder == to:
        return []
    path = f"/volumes/{volume['id']}/actions"
    if volume["server"]:
        return [Step(f"detach volume {volume['name']}", "POST", f"{path}/detach")]
    return [Step(f"attach volume {volume['name']} to {current.servers[to]['name']}", "POST", f"{path}/attach", attaching(current, to))]


def attaching(current: Current, to: str) -> dict[str, t.Any]:
    """Return the body of an attachment."""
    return {"server": current.servers[to]["id"], "automount": False}


def rename(current: Current, pair: Pair) -> list[Step]:
    """Return what is left until the successor bears the name, first of all giving the name up by the predecessor."""
    if "next" not in current.servers:
        return []
    if "app" in current.servers:
        return [*_renamed(current, "app", f"{pair.name}-old"), *_server(current, pair, "app", f"{pair.name}-old", pair.old_role)]
    return [*_walls(current, pair), *_renamed(current, "next", pair.name), *_server(current, pair, "next", pair.name, pair.labels["role"])]


def _renamed(current: Current, part: str, name: str) -> list[Step]:
    steps = []
    for row in current.addresses_of(part):
        wanted = name if row["type"] == "ipv4" else f"{name}-ipv6"
        if row["name"] != wanted:
            steps.append(Step(f"name {row['ip']} {wanted}", "PUT", f"/primary_ips/{row['id']}", {"name": wanted}))
    return steps


def _server(current: Current, pair: Pair, part: str, name: str, role: str) -> list[Step]:
    """Return the last step of a server, which ends its part: name and label in one request."""
    row = current.servers[part]
    return [
        Step(
            f"name {row['name']} {name}, role {role}", "PUT", f"/servers/{row['id']}", {"name": name, "labels": {**row["labels"], **pair.labels, "role": role}}
        )
    ]


def _walls(current: Current, pair: Pair) -> list[Step]:
    """Return the exchange of firewalls: the platform's before its own goes, so that there is no moment without."""
    row = current.servers["next"]
    applied = {one["id"] for one in row["public_net"].get("firewalls", [])}
    target = [{"type": "server", "server": {"id": row["id"]}}]
    wall, own, steps = current.firewalls.get(pair.name), current.firewalls.get(f"{pair.name}-{pair.next_role}"), []
    if wall and wall["id"] not in applied:
        steps.append(Step(f"put firewall {wall['name']} before it", "POST", f"/firewalls/{wall['id']}/actions/apply_to_resources", {"apply_to": target}))
    if own and own["id"] in applied:
        steps.append(Step(f"take firewall {own['name']} away", "POST", f"/firewalls/{own['id']}/actions/remove_from_resources", {"remove_from": target}))
    if own:
        steps.append(Step(f"delete firewall {own['name']}", "DELETE", f"/firewalls/{own['id']}"))
    return steps


def release(current: Current, pair: Pair) -> list[Step]:
    """Return what deletes the predecessor and its addresses."""
    return _gone(current, "old", f"{pair.name}-old")


def abandon(current: Current, pair: Pair) -> list[Step]:
    """Return what deletes a successor that has nothing yet, or what is left of one, with its addresses and its firewall."""
    name = f"{pair.name}-{pair.next_role}"
    if current.holder() == "next" or ("next" in current.servers and "app" not in current.servers):
        raise HetznerError("resource_in_use", f"{name} has the volume or the name already; finish the exchange")
    wall = current.firewalls.get(name)
    return [*_gone(current, "next", name), *([Step(f"delete firewall {name}", "DELETE", f"/firewalls/{wall['id']}")] if wall else [])]


def _gone(current: Current, part: str, name: str) -> list[Step]:
    """Return what deletes a server and the addresses that are named after it, protection first."""
    steps = []
    if part in current.servers:
        row = current.servers[part]
        if row["protection"]["delete"]:
            body = {"delete": False, "rebuild": False}
            steps.append(Step(f"lift the protection of {row['name']}", "POST", f"/servers/{row['id']}/actions/change_protection", body))
        steps.append(Step(f"delete {row['name']}", "DELETE", f"/servers/{row['id']}"))
    for row in (one for one in current.addresses if one["name"] in (name, f"{name}-ipv6")):
        if row["protection"]["delete"]:
            steps.append(Step(f"lift the protection of {row['ip']}", "POST", f"/primary_ips/{row['id']}/actions/change_protection", {"delete": False}))
        steps.append(Step(f"delete {row['ip']}", "DELETE", f"/primary_ips/{row['id']}"))
    return steps


def apply(client: Client, steps: list[Step], budget: float) -> None:
    """Do steps one after the other. What is gone already is fine, and so is an address that its server lets go in a moment."""
    for step in steps:
        deadline = client.clock.now() + budget
        while True:
            try:
                answer = client.request(step.method, step.path, body=step.body)
                actions = answer.get("actions") or [answer.get("action")]
                client.wait([one for one in actions if one], budget=budget, doing=step.text)
            except HetznerError as error:
                if step.method == "DELETE" and error.code == "not_found":
                    break
                if step.method != "DELETE" or error.code not in ("resource_in_use", "must_be_unassigned") or client.clock.now() > deadline:
                    raise
                client.clock.sleep(1.0)
            else:
                break
