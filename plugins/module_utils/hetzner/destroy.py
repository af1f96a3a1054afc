# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything of one environment, found by its labels, and taking it away in the order the API wants."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

from .client import Answer, Client
from .errors import HetznerError

ORDER = ("load_balancers", "servers", "firewalls", "primary_ips", "volumes", "placement_groups", "networks", "images", "ssh_keys")
KEPT = {"primary_ips": "addresses", "volumes": "volumes", "images": "snapshots", "ssh_keys": "ssh_keys"}
"""What stays unless it is named: addresses are in DNS records, volumes are the data, a new server starts from a snapshot."""
_RETRIES = 20


class Thing(t.NamedTuple):
    """One resource: what it is called, and whether it goes."""

    kind: str
    id: int
    words: str
    protected: bool
    goes: bool
    row: Answer


def find(client: Client, labels: dict[str, str], also: t.Collection[str]) -> list[Thing]:
    """Return all that has the labels. `also` names kinds of what is kept otherwise."""
    if not labels or not all(labels.values()):
        raise HetznerError("invalid_input", "labels have to name one environment; without any, all of the project would be meant")
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    with ThreadPoolExecutor(len(ORDER)) as pool:
        # the catalogue of images has the vendor's own as well, which have no labels
        rows = list(pool.map(lambda kind: client.all(f"/{kind}", kind, [("label_selector", selector)]), ORDER))
    return [_thing(kind, row, also) for kind, found in zip(ORDER, rows, strict=True) for row in by_name(found) if row.get("status") != "deleting"]


def by_name(rows: list[Answer]) -> list[Answer]:
    """The API promises no order, and a list that is read twice should be the same."""
    return sorted(rows, key=lambda row: str(row["name"] or row["description"]))


def _thing(kind: str, row: Answer, also: t.Collection[str]) -> Thing:
    details = {
        "servers": lambda: f"server {row['name']} ({row['server_type']['name']}, its disk with all on it)",
        "load_balancers": lambda: f"load balancer {row['name']} ({row['public_net']['ipv4']['ip']})",
        "networks": lambda: f"network {row['name']} ({row['ip_range']})",
        "placement_groups": lambda: f"placement group {row['name']}",
        "firewalls": lambda: f"firewall {row['name']}",
        "primary_ips": lambda: f"Primary IP {row['name']} ({row['ip']})",
        "volumes": lambda: f"volume {row['name']} ({row['size']} GB)",
        "images": lambda: f"snapshot {row['id']} ({row['description']}, {row['image_size'] or 0:.1f} GB)",
        "ssh_keys": lambda: f"SSH key {row['name']}",
    }
    goes = kind not in KEPT or KEPT[kind] in also
    return Thing(kind, row["id"], details[kind](), bool(row.get("protection", {}).get("delete")), goes, row)


def server(thing: Thing) -> dict[str, t.Any]:
    """Return a server by name, labels and addresses: of an IPv6 network the one that the server has."""
    public = thing.row["public_net"]
    found = [public["ipv4"]["ip"]] if public["ipv4"] else []
    found += [f"{public['ipv6']['ip'].partition('/')[0]}1"] if public["ipv6"] else []
    return {"name": thing.row["name"], "labels": thing.row["labels"], "addresses": found}


def refuse_protected(things: list[Thing]) -> None:
    """Refuse before anything is deleted when part of it is protected."""
    protected = [thing.words for thing in things if thing.goes and thing.protected]
    if protected:
        raise HetznerError("protected", f"nothing was deleted, because of {', '.join(protected)}", details={"protected": protected})


def remove(client: Client, things: list[Thing], budget: float) -> None:
    """Delete what goes, lifting protection first. Something that is gone already is fine."""
    for thing in (one for one in things if one.goes):
        path = f"/{thing.kind}/{thing.id}"
        try:
            if thing.protected:
                body = {"delete": False, "rebuild": False} if thing.kind == "servers" else {"delete": False}
                client.act(f"{path}/actions/change_protection", body, budget=budget, doing=f"lift the protection of {thing.words}", repeatable=True)
            answer = _deleted(client, path)
            client.wait([answer["action"]] if answer.get("action") else [], budget=budget, doing=f"delete {thing.words}")
        except HetznerError as error:
            if error.code != "not_found":
                raise


def _deleted(client: Client, path: str) -> Answer:
    """Delete; what a server has is still in use for a moment after the server went."""
    for _try in range(_RETRIES):
        try:
            return client.request("DELETE", path)
        except HetznerError as error:
            if error.code not in ("resource_in_use", "must_be_unassigned"):
                raise
        client.clock.sleep(1.0)
    return client.request("DELETE", path)
