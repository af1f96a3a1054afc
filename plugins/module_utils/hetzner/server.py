# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One labelled server: how it is found, what it should be, what is to do about it. reconciler.py does it."""

from __future__ import annotations

import typing as t

from . import ownership
from .client import Answer, Client
from .errors import HetznerError
from .images import Golden


class Wanted(t.NamedTuple):
    """The server as it should be. `types` in order of preference; names of firewalls, volumes and Primary IPs of this project; `ipv6` is
    such a name, or whether a new server gets a network that goes with it. A server of a pool has `private_address` in `network`, and is to run
    on another machine than the others of `placement_group`."""

    name: str
    labels: dict[str, str]
    identity: tuple[str, ...]
    types: tuple[str, ...]
    location: str
    image: str
    user_data: str = ""
    ssh_public_keys: tuple[str, ...] = ()
    firewalls: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    ipv4: str | None = None
    ipv6: str | bool = True
    delete_protection: bool | None = None
    resize: bool = False
    golden: Golden | None = None
    network: str | None = None
    private_address: str | None = None
    placement_group: str | None = None


class Step(t.NamedTuple):
    """One thing to do, in words and as data."""

    kind: str
    text: str
    value: t.Any = None


def find(client: Client, wanted: Wanted) -> Answer | None:
    """Return the one server with the identity's labels; refuse when it is not clear which, and one that has only the name."""
    selector = ownership.selector({key: wanted.labels[key] for key in wanted.identity if key != ownership.POSITION})
    found = client.all("/servers", "servers", [("label_selector", selector)]) if selector else []
    place = ownership.position(wanted.labels)
    found = [server for server in found if server["status"] != "deleting" and ownership.position(server["labels"]) == place]
    if len(found) > 1:
        names = ", ".join(f"{one['name']} (id {one['id']})" for one in found)
        raise HetznerError(
            "ambiguous",
            f"{len(found)} servers have the labels {selector}: {names}. Delete or relabel all but one",
            details={"ids": [one["id"] for one in found]},
        )
    if found:
        return found[0]
    for server in client.all("/servers", "servers", [("name", wanted.name)]):
        if server["status"] != "deleting":
            ownership.refuse("servers", server, wanted.labels)
    return None


class Offer(t.NamedTuple):
    """What a resize means, looked up before anything is touched: the type, monthly prices before tax, and GB of the disk that stays."""

    name: str
    price: str
    old_price: str
    disk: int

    def text(self, old: str) -> str:
        """Return the resize in words."""
        price = f"{self.price} instead of {self.old_price} a month before tax"
        return f"resize it from {old} to {self.name}: {price}, a restart, the disk stays at {self.disk} GB so that it can be made smaller again"


class Belongings(t.NamedTuple):
    """What the server is to have, as the API shows it: resources by name, None for one that does not exist yet."""

    firewalls: dict[str, Answer | None]
    volumes: dict[str, Answer | None]
    ipv4: Answer | None = None
    ipv6: Answer | None = None
    network: Answer | None = None
    placement_group: Answer | None = None


def plan(server: Answer | None, wanted: Wanted, belongings: Belongings, offer: Offer | None = None, snapshot: Answer | None = None) -> list[Step]:
    """Return what is to do. An `offer` is there when another type is wanted and a resize was asked for, a `snapshot` when one fits."""
    if server is None:
        image = f"golden image {snapshot['id']} (else {wanted.image})" if snapshot else wanted.image
        private = f", {wanted.private_address} in network {wanted.network}" if wanted.network else ""
        return [Step("create", f"create {wanted.name}: {wanted.types[0]} in {wanted.location} with {image}{private}")]
    steps = []
    labels = {**server["labels"], **wanted.labels}
    if labels != server["labels"]:
        steps.append(Step("label", f"label it {', '.join(f'{key}={value}' for key, value in sorted(wanted.labels.items()))}", labels))
    steps += _attachments(server, belongings) + join(server, wanted, belongings)
    if offer:
        steps.append(Step("resize", offer.text(server["server_type"]["name"]), offer.name))
    elif server["status"] != "running":
        steps.append(Step("start", "power it on"))
    if wanted.delete_protection not in (None, server["protection"]["delete"]):
        steps.append(Step("protect", f"{'protect it against' if wanted.delete_protection else 'allow its'} deletion", wanted.delete_protection))
    return steps


def _attachments(server: Answer, belongings: Belongings) -> list[Step]:
    """Return the steps that put missing firewalls before it and plug missing volumes in."""
    applied = {one["id"] for one in server["public_net"].get("firewalls", [])}
    walls = {name: (row or {}).get("id") for name, row in belongings.firewalls.items()}
    volumes = {name: (row or {}).get("id") for name, row in belongings.volumes.items()}
    steps = [Step("firewall", f"put firewall {name} before it", number) for name, number in walls.items() if number not in applied]
    return steps + [Step("volume", f"attach volume {name}", number) for name, number in volumes.items() if number not in server["volumes"]]


def join(server: Answer, wanted: Wanted, belongings: Belongings) -> list[Step]:
    """Return the step that gives a server its address in the private network."""
    number = (belongings.network or {}).get("id")
    if not wanted.network or any(one["network"] == number for one in server["private_net"]):
        return []
    return [Step("network", f"join network {wanted.network} as {wanted.private_address}", {"network": number, "ip": wanted.private_address})]


def refuse_what_belongs_to_others(server: Answer | None, wanted: Wanted, belongings: Belongings) -> None:
    """Refuse, before anything is changed, volumes and addresses that another server has or that are somewhere else."""
    own = server["id"] if server else None
    place = server["location"]["name"] if server else wanted.location
    for name, row in belongings.volumes.items():
        if row and row["server"] not in (None, own):
            raise HetznerError(
                "volume_already_attached", f"volume {name} is attached to the server with the id {row['server']}", details={"server": row["server"]}
            )
    addresses = {"Primary IPv4": belongings.ipv4, "Primary IPv6": belongings.ipv6}
    for what, row in [*(("volume", row) for row in belongings.volumes.values()), *addresses.items()]:
        if row and row["location"]["name"] != place:
            raise HetznerError("wrong_location", f"{what} {row['name']} is in {row['location']['name']}, the server's location is {place}")
    for what, row in addresses.items():
        if row:
            _refuse_address(server, what, row)


def _refuse_address(server: Answer | None, what: str, row: Answer) -> None:
    own = server["id"] if server else None
    if row["assignee_id"] not in (None, own):
        raise HetznerError(
            "primary_ip_assigned",
            f"{what} {row['name']} ({row['ip']}) belongs to the server with the id {row['assignee_id']}",
            details={"server": row["assignee_id"]},
        )
    if server and row["assignee_id"] is None:
        has = (server["public_net"][row["type"]] or {}).get("ip", "none")
        raise HetznerError(
            "wrong_primary_ip",
            f"server {server['name']} (id {server['id']}) has the address {has} and not {what} {row['name']} ({row['ip']})",
            details={"has": has, "wanted": row["ip"]},
        )


def drift(server: Answer, wanted: Wanted, belongings: Belongings | None = None) -> list[str]:
    """Return where an existing server differs in what is never changed unasked."""
    found = _drift_of_the_pool(server, wanted, belongings) if belongings else []
    if server["server_type"]["name"] != wanted.types[0] and not wanted.resize:
        found.append(f"type is {server['server_type']['name']}, the plan's is {wanted.types[0]}; changing it needs a restart and is today's price")
    if server["location"]["name"] != wanted.location:
        found.append(f"location is {server['location']['name']}, wanted is {wanted.location}; a server cannot move, it can be recreated")
    image = (server["image"] or {}).get("name")
    if image and image != wanted.image:
        found.append(f"image is {image}, wanted is {wanted.image}; changing it destroys the disk")
    return found


def _drift_of_the_pool(server: Answer, wanted: Wanted, belongings: Belongings) -> list[str]:
    found, group, network = [], belongings.placement_group, belongings.network
    if group and server["id"] not in group["servers"]:
        found.append(f"it is not in placement group {group['name']}, so it may share a machine with another; it can only join while it is off")
    has = next((one["ip"] for one in server["private_net"] if network and one["network"] == network["id"]), wanted.private_address)
    if has != wanted.private_address:
        found.append(f"its private address is {has}, wanted is {wanted.private_address}; detach it from the network, and the next run joins it with that")
    return found


def summary(server: Answer) -> dict[str, t.Any]:
    """Return a server as the modules show it."""
    public = server["public_net"]
    return {
        "id": server["id"],
        "name": server["name"],
        "status": server["status"],
        "server_type": server["server_type"]["name"],
        "location": server["location"]["name"],
        "image": (server["image"] or {}).get("name"),
        "ipv4": (public["ipv4"] or {}).get("ip"),
        "ipv6": (public["ipv6"] or {}).get("ip"),
        "labels": server["labels"],
        "volumes": server["volumes"],
        "firewalls": [one["id"] for one in public.get("firewalls", [])],
        "private_net": [{"network": one["network"], "ip": one["ip"]} for one in server["private_net"]],
        "delete_protection": server["protection"]["delete"],
    }
