# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the servers of a pool share: a private network, a spread placement group, a load balancer. A pure plan of requests, and reading for it."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_network

from .client import Answer, Client
from .errors import HetznerError
from .ownership import of_name, of_role, selector
from .resources import Step

KINDS = ("networks", "placement_groups", "load_balancers")
BALANCER, FIRST = 2, 10
"""Places in the private network: the vendor's gateway has the first, the balancer the second, server number n the (10 + n)th."""
ALGORITHM = {"type": "least_connections"}
"""The edge keeps connections for long and sends much over each: turns would not be equal shares."""

PARTS = ("network", "placement group", "load balancer")

Service = dict[str, t.Any]
Current = dict[str, t.Any]
"""network, placement_group, load_balancer: the API's resource or None; zone: the location's network zone."""


class Wanted(t.NamedTuple):
    """All by one name. `labels` are those of the servers; the balancer finds its targets by them. What is not among `parts` is left alone."""

    name: str
    labels: dict[str, str]
    location: str
    ip_range: str
    balancer_type: str
    services: tuple[Service, ...]
    delete_protection: bool | None = None
    parts: tuple[str, ...] = PARTS

    def balancer_labels(self) -> dict[str, str]:
        """Return the balancer's own labels: whoever looks for servers by their role does not mean it."""
        return {**self.labels, "role": "balancer"}

    def address(self) -> str:
        """Return the balancer's address in the network."""
        return place_of(self.ip_range, BALANCER)


def place_of(ip_range: str, place: int) -> str:
    """Return an address of a network by its number."""
    return str(ip_network(ip_range).network_address + place)


def private_address(ip_range: str, index: int) -> str:
    """Return the address of a server by its index, from 1."""
    return place_of(ip_range, FIRST + index)


def fetch(client: Client, wanted: Wanted) -> Current:
    """Read all at once; refuse another's with the name."""
    with ThreadPoolExecutor(len(KINDS) + 1) as pool:
        place = pool.submit(client.all, "/locations", "locations", [("name", wanted.location)])
        rows = dict(zip(KINDS, pool.map(lambda kind: client.all(f"/{kind}", kind), KINDS), strict=True))
        places = place.result()
    if not places:
        raise HetznerError("invalid_input", f"there is no location {wanted.location!r}")

    def one(kind: str, labels: dict[str, str]) -> Answer | None:
        found = of_name(kind, rows[kind], wanted.name, labels, lambda _row: False)
        return found or of_role(kind, rows[kind], wanted.name, labels)

    network, group = (one(kind, wanted.labels) for kind in KINDS[:2])
    balancer = one("load_balancers", wanted.balancer_labels())
    return {"network": network, "placement_group": group, "load_balancer": balancer, "zone": places[0]["network_zone"]}


def plan(current: Current, wanted: Wanted) -> list[Step]:
    """Return what is to do now. What can only be done to something that exists follows in the next plan."""
    steps = [*_network(current, wanted), *_group(current["placement_group"], wanted), *_balancer(current, wanted)]
    return [step for step in steps if step.kind in wanted.parts]


def foreseen(current: Current, wanted: Wanted) -> list[Step]:
    """Return all that is to do, also what has to wait for the network: for people, not to be sent."""
    steps = plan(current, wanted)
    if current["network"] is None and current["load_balancer"] is None and "load balancer" in wanted.parts:
        steps.append(_new_balancer(wanted))
    return steps


def refuse(current: Current, wanted: Wanted) -> None:
    """Refuse, before anything is changed, what cannot be put right while servers use it."""
    network, balancer = current["network"], current["load_balancer"]
    if network and network["ip_range"] != wanted.ip_range:
        raise HetznerError(
            "wrong_network",
            f"network {network['name']} has the range {network['ip_range']}, wanted is {wanted.ip_range}; the addresses of servers that are "
            "there cannot change. Nothing was touched. Set platform_network_range to what it has",
            details={"has": network["ip_range"]},
        )
    if balancer and balancer["location"]["network_zone"] != current["zone"]:
        raise HetznerError(
            "wrong_location",
            f"load balancer {balancer['name']} is in {balancer['location']['name']}, from where the network in {current['zone']} is not reached",
        )


def drift(current: Current, wanted: Wanted) -> list[str]:
    """Return where something differs that is not changed unasked."""
    balancer = current["load_balancer"]
    if balancer is None:
        return []
    found = []
    if balancer["location"]["name"] != wanted.location:
        found.append(f"load balancer {balancer['name']} is in {balancer['location']['name']}, wanted is {wanted.location}; it cannot move")
    number = (current["network"] or {}).get("id")
    has = next((one["ip"] for one in balancer["private_net"] if one["network"] == number), wanted.address())
    if has != wanted.address():
        found.append(f"load balancer {balancer['name']} has the private address {has}, wanted is {wanted.address()}")
    return found


def _network(current: Current, wanted: Wanted) -> list[Step]:
    row = current["network"]
    subnet = {"type": "cloud", "ip_range": wanted.ip_range, "network_zone": current["zone"]}
    if row is None:
        body = {"name": wanted.name, "ip_range": wanted.ip_range, "subnets": [subnet], "labels": wanted.labels}
        return [Step("network", f"create network {wanted.name}: {wanted.ip_range} in {current['zone']}", "POST", "/networks", body)]
    path = f"/networks/{row['id']}"
    steps = _named("network", path, row, wanted.name, wanted.labels)
    if not any(one["ip_range"] == wanted.ip_range for one in row["subnets"]):
        steps.append(Step("network", f"add the subnet {wanted.ip_range} to network {row['name']}", "POST", f"{path}/actions/add_subnet", subnet))
    return steps + _protected("network", path, row, wanted)


def _group(row: Answer | None, wanted: Wanted) -> list[Step]:
    if row is None:
        body = {"name": wanted.name, "type": "spread", "labels": wanted.labels}
        return [Step("placement group", f"create placement group {wanted.name}: each server on another machine", "POST", "/placement_groups", body)]
    return _named("placement group", f"/placement_groups/{row['id']}", row, wanted.name, wanted.labels)


def _balancer(current: Current, wanted: Wanted) -> list[Step]:
    row, network = current["load_balancer"], current["network"]
    if row is None:
        return [_new_balancer(wanted)] if network else []
    path = f"/load_balancers/{row['id']}"
    steps = _named("load balancer", path, row, wanted.name, wanted.balancer_labels())
    if row["load_balancer_type"]["name"] != wanted.balancer_type:
        words = f"change load balancer {row['name']} from {row['load_balancer_type']['name']} to {wanted.balancer_type}"
        steps.append(Step("load balancer", words, "POST", f"{path}/actions/change_type", {"load_balancer_type": wanted.balancer_type}))
    if row["algorithm"] != ALGORITHM:
        words = f"have load balancer {row['name']} choose by {ALGORITHM['type'].replace('_', ' ')}"
        steps.append(Step("load balancer", words, "POST", f"{path}/actions/change_algorithm", ALGORITHM))
    joined = network is not None and any(one["network"] == network["id"] for one in row["private_net"])
    if network and not joined:
        body = {"network": network["id"], "ip": wanted.address()}
        words = f"join load balancer {row['name']} to network {network['name']} as {wanted.address()}"
        steps.append(Step("load balancer", words, "POST", f"{path}/actions/attach_to_network", body))
    steps += _services(path, row, wanted)
    # what is reached by private addresses can only be named once the balancer is in the network
    return steps + (_targets(path, row, wanted) if joined else []) + _protected("load balancer", path, row, wanted)


def _new_balancer(wanted: Wanted) -> Step:
    body = {
        "name": wanted.name,
        "load_balancer_type": wanted.balancer_type,
        "location": wanted.location,
        "algorithm": ALGORITHM,
        "services": list(wanted.services),
        "labels": wanted.balancer_labels(),
    }
    words = f"{'; '.join(map(_service_words, wanted.services))}, to servers labelled {selector(wanted.labels)}, {wanted.address()} in network {wanted.name}"
    return Step("load balancer", f"create load balancer {wanted.name}: {wanted.balancer_type} in {wanted.location}: {words}", "POST", "/load_balancers", body)


def _service_words(service: Service) -> str:
    check = service["health_check"]
    asked = f"{check['protocol']} {check['port']}{check.get('http', {}).get('path', '')}"
    return f"{service['protocol']} {service['listen_port']} to {service['destination_port']}, checked by {asked} every {check['interval']} s"


def _services(path: str, row: Answer, wanted: Wanted) -> list[Step]:
    present = {one["listen_port"]: one for one in row["services"]}
    steps = []
    for one in wanted.services:
        there = present.pop(one["listen_port"], None)
        if there is None:
            steps.append(Step("load balancer", f"add {_service_words(one)} to load balancer {row['name']}", "POST", f"{path}/actions/add_service", one))
        elif not _covers(there, one):
            words = f"change load balancer {row['name']}: {_service_words(one)}"
            steps.append(Step("load balancer", words, "POST", f"{path}/actions/update_service", one))
    for port in sorted(present):
        words = f"remove port {port} of load balancer {row['name']}"
        steps.append(Step("load balancer", words, "POST", f"{path}/actions/delete_service", {"listen_port": port}))
    return steps


def _covers(there: t.Any, wanted: t.Any) -> bool:
    """Return whether all that is wanted is as wanted; what is not spoken of is left alone."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(_covers(there.get(key), value) for key, value in wanted.items())
    return bool(there == wanted)


def _targets(path: str, row: Answer, wanted: Wanted) -> list[Step]:
    """Have it find servers by their labels, and nothing else: a target that somebody named by hand would get visitors as well."""
    chosen = selector(wanted.labels)
    ours = [one for one in row["targets"] if one["type"] == "label_selector" and one["label_selector"]["selector"] == chosen and one.get("use_private_ip")]
    steps = []
    for one in row["targets"]:
        if one not in ours:
            body = {"type": one["type"], one["type"]: {key: one[one["type"]][key] for key in _NAMES[one["type"]]}}
            words = f"no longer send visitors of load balancer {row['name']} to {one['type'].replace('_', ' ')} {next(iter(body[one['type']].values()))}"
            steps.append(Step("load balancer", words, "POST", f"{path}/actions/remove_target", body))
    if not ours:
        body = {"type": "label_selector", "label_selector": {"selector": chosen}, "use_private_ip": True}
        words = f"send visitors of load balancer {row['name']} to servers labelled {chosen}"
        steps.append(Step("load balancer", words, "POST", f"{path}/actions/add_target", body))
    return steps


_NAMES = {"server": ("id",), "label_selector": ("selector",), "ip": ("ip",)}


def _named(kind: str, path: str, row: Answer, name: str, labels: dict[str, str]) -> list[Step]:
    """Return the step that puts name and labels right."""
    fields = {"name": name, "labels": {**row["labels"], **labels}}
    wrong = {key: value for key, value in fields.items() if row[key] != value}
    return [Step(kind, f"set {', '.join(wrong)} of {kind} {row['name']}", "PUT", path, wrong)] if wrong else []


def _protected(kind: str, path: str, row: Answer, wanted: Wanted) -> list[Step]:
    if wanted.delete_protection in (None, row["protection"]["delete"]):
        return []
    words = f"{'protect' if wanted.delete_protection else 'no longer protect'} {kind} {row['name']} against deletion"
    return [Step(kind, words, "POST", f"{path}/actions/change_protection", {"delete": wanted.delete_protection})]


def summary(balancer: Answer | None, network: Answer | None) -> dict[str, t.Any]:
    """Return a balancer, and the network its servers are in, as modules and inventory show it; empty when there is none."""
    if balancer is None or network is None:
        return {}
    public = balancer["public_net"]
    private = [one["ip"] for one in balancer["private_net"] if one["network"] == network["id"]]
    return {
        "id": balancer["id"],
        "name": balancer["name"],
        "ipv4": public["ipv4"]["ip"] if public["enabled"] else None,
        "ipv6": str(ip_address(public["ipv6"]["ip"])) if public["enabled"] and public["ipv6"]["ip"] else None,
        "private_ipv4": private[0] if private else None,
        "network_range": network["ip_range"],
    }
