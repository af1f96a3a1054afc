# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What outlives a server: firewall, Primary IPs with their names in the DNS, volume. A pure plan of requests, and doing them.

A plan is made, done, and made again from what is there then, until nothing is left to do. So a lost answer and a run that was killed need
no care of their own: everything is found by its labels.
"""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

from .client import Answer, Client
from .errors import HetznerError
from .ownership import belongs_to_another, of_name, of_role

"""Create, then protect and name; one more for a lost answer, one to see that all is done."""
SECOND_LOOK = 2.0

Rule = dict[str, t.Any]
Current = dict[str, t.Any]
"""firewall, ipv4, ipv6, volume: the API's resource or None; server: the server they are for, or None; others: addresses of other owners."""


class Wanted(t.NamedTuple):
    """All by one name. None means left alone; a volume of 0 GB is none."""

    name: str
    labels: dict[str, str]
    location: str
    rules: tuple[Rule, ...] | None = None
    ipv4: bool = True
    ipv6: bool = True
    reverse_dns: str | None = None
    volume_size: int = 0
    volume_format: str = "ext4"
    delete_protection: bool | None = None

    def name_of(self, family: str) -> str:
        """Return the name of a Primary IP; names are unique over both families."""
        return self.name if family == "ipv4" else f"{self.name}-ipv6"


class Step(t.NamedTuple):
    """One request, in words and as data. Those of one kind are done in turn, kinds at the same time."""

    kind: str
    text: str
    method: str
    path: str
    body: t.Any


def plan(current: Current, wanted: Wanted) -> list[Step]:
    """Return what is to do now. What can only be done to something that exists follows in the next plan."""
    return [
        *_firewall(current["firewall"], wanted),
        *_address("ipv4", current, wanted),
        *_address("ipv6", current, wanted),
        *_volume(current["volume"], wanted),
    ]


def drift(current: Current, wanted: Wanted) -> list[str]:
    """Return where something differs that cannot be changed."""
    volume = current["volume"]
    if volume and volume["size"] > wanted.volume_size > 0:
        return [f"volume {volume['name']} has {volume['size']} GB, wanted are {wanted.volume_size}; a volume cannot shrink"]
    return []


def _labelled(kind: str, path: str, row: Answer, wanted: Wanted, **more: t.Any) -> list[Step]:
    """Return the step that puts labels, and other plain fields, right."""
    labels = {**row["labels"], **wanted.labels}
    fields = {"labels": labels, **more}
    wrong = {key: value for key, value in fields.items() if row[key] != value}
    words = ", ".join(key.replace("_", " ") for key in wrong)
    return [Step(kind, f"set {words} of {kind} {row['name']}", "PUT", path, wrong)] if wrong else []


def _firewall(row: Answer | None, wanted: Wanted) -> list[Step]:
    if wanted.rules is None:
        return []
    rules = [normal(rule) for rule in wanted.rules]
    if row is None:
        body = {"name": wanted.name, "labels": wanted.labels, "rules": _sent(rules)}
        return [Step("firewall", f"create firewall {wanted.name}: {'; '.join(map(_words, rules)) or 'nothing comes in'}", "POST", "/firewalls", body)]
    path = f"/firewalls/{row['id']}"
    steps = _labelled("firewall", path, row, wanted, name=wanted.name)
    present = [normal(rule) for rule in row["rules"]]
    new, gone = [one for one in rules if one not in present], [one for one in present if one not in rules]
    if new or gone:
        words = [f"add {_words(one)}" for one in new] + [f"remove {_words(one)}" for one in gone]
        steps.append(Step("firewall", f"change firewall {row['name']}: {'; '.join(words)}", "POST", f"{path}/actions/set_rules", {"rules": _sent(rules)}))
    return steps


def normal(rule: Rule) -> Rule:
    """Return a rule in one notation, so that two can be compared."""
    try:
        networks = {key: sorted(str(ip_network(one, strict=False)) for one in rule.get(key) or []) for key in ("source_ips", "destination_ips")}
    except ValueError as error:
        raise HetznerError("invalid_input", f"firewall rule {rule.get('description') or rule}: {error}") from error
    port = rule.get("port")
    return {
        "direction": rule["direction"],
        "protocol": rule["protocol"],
        "port": None if port is None else str(port),
        "description": rule.get("description") or None,
        **networks,
    }


def _sent(rules: list[Rule]) -> list[Rule]:
    """Return rules as the API takes them, which knows no empty port."""
    return [{key: value for key, value in rule.items() if value is not None} for rule in rules]


def _words(rule: Rule) -> str:
    """Return a rule in words; many networks are counted."""
    inward = rule["direction"] == "in"
    networks = rule["source_ips" if inward else "destination_ips"]
    where = ", ".join(networks) if len(networks) < 4 else f"{len(networks)} networks"
    return f"{rule['protocol']}{' ' + rule['port'] if rule['port'] else ''} {'from' if inward else 'to'} {where or 'nowhere'}"


def _address(family: str, current: Current, wanted: Wanted) -> list[Step]:
    row, server = current[family], current["server"]
    if not getattr(wanted, family):
        return []
    if row is None:
        # An existing server without IPv6 could only get it while it is off.
        return [] if server and family == "ipv6" else [_new_address(family, wanted)]
    path = f"/primary_ips/{row['id']}"
    steps = _labelled(family, path, row, wanted, auto_delete=False, name=wanted.name_of(family))
    if not row["protection"]["delete"]:
        steps.append(Step(family, f"protect {row['ip']} against deletion", "POST", f"{path}/actions/change_protection", {"delete": True}))
    address = row["ip"] if family == "ipv4" else row["ip"].partition("/")[0] + "1"
    pointer = next((one["dns_ptr"] for one in row["dns_ptr"] if one["ip"] == address), None)
    if wanted.reverse_dns is not None and pointer != wanted.reverse_dns:
        body = {"ip": address, "dns_ptr": wanted.reverse_dns}
        steps.append(Step(family, f"have {address} resolve to {wanted.reverse_dns}", "POST", f"{path}/actions/change_dns_ptr", body))
    return steps


def _new_address(family: str, wanted: Wanted) -> Step:
    name = wanted.name_of(family)
    body = {"name": name, "type": family, "assignee_type": "server", "location": wanted.location, "auto_delete": False, "labels": wanted.labels}
    named = f", resolving to {wanted.reverse_dns}" if wanted.reverse_dns else ""
    return Step(family, f"create Primary IP{family[2:]} {name} in {wanted.location}{named}, protected", "POST", "/primary_ips", body)


def _volume(row: Answer | None, wanted: Wanted) -> list[Step]:
    if not wanted.volume_size:
        return []
    if row is None:
        body = {"name": wanted.name, "size": wanted.volume_size, "location": wanted.location, "format": wanted.volume_format, "labels": wanted.labels}
        return [Step("volume", f"create volume {wanted.name}: {wanted.volume_size} GB {wanted.volume_format} in {wanted.location}", "POST", "/volumes", body)]
    path = f"/volumes/{row['id']}"
    steps = _labelled("volume", path, row, wanted, name=wanted.name)
    if row["size"] < wanted.volume_size:
        grow = f"grow volume {row['name']} from {row['size']} to {wanted.volume_size} GB"
        steps.append(Step("volume", grow, "POST", f"{path}/actions/resize", {"size": wanted.volume_size}))
    if wanted.delete_protection not in (None, row["protection"]["delete"]):
        words = f"{'protect' if wanted.delete_protection else 'no longer protect'} volume {row['name']}"
        steps.append(Step("volume", words, "POST", f"{path}/actions/change_protection", {"delete": wanted.delete_protection}))
    return steps


def fetch(client: Client, wanted: Wanted, server: t.Callable[[], Answer | None]) -> Current:
    """Read all at once. An address that the server has already stands for one that is not there."""
    kinds = ("firewalls", "primary_ips", "volumes", "load_balancers")
    with ThreadPoolExecutor(len(kinds) + 1) as pool:
        # a firewall may be shared by many servers
        owner = pool.submit(server if wanted.ipv4 or wanted.ipv6 or wanted.volume_size else lambda: None)
        rows = dict(zip(kinds, pool.map(lambda kind: client.all(f"/{kind}", kind), kinds), strict=True))
        found = owner.result()
    return {"server": found, "others": addresses_of_others(rows, wanted.labels), **choose(rows, wanted, found)}


def choose(rows: dict[str, list[Answer]], wanted: Wanted, server: Answer | None) -> Current:
    """Return which of a project's resources are the server's, by kind; refuse another's with one of its names."""
    number = (server or {"id": None})["id"]

    def attached(key: str) -> t.Callable[[Answer], bool]:
        return lambda row: number is not None and row[key] == number

    def guarded(row: Answer) -> bool:
        return number is not None and any((one.get("server") or {}).get("id") == number for one in row["applied_to"])

    def one(kind: str, mine: t.Callable[[Answer], bool]) -> Answer | None:
        found = of_name(kind, rows[kind], wanted.name, wanted.labels, mine)
        return found or of_role(kind, rows[kind], wanted.name, wanted.labels)

    def address(family: str) -> Answer | None:
        name, all_of_them = wanted.name_of(family), [row for row in rows["primary_ips"] if row["type"] == family]
        has = [row for row in all_of_them if attached("assignee_id")(row)]
        # what another server has is not this one's: one that was replaced keeps its own until it goes
        free = [row for row in all_of_them if row["assignee_id"] is None]
        found = of_name("primary_ips", all_of_them, name, wanted.labels, attached("assignee_id"))
        return found or (has[0] if has else of_role("primary_ips", free, name, wanted.labels))

    current: Current = {"firewall": one("firewalls", guarded), "volume": one("volumes", attached("server"))}
    return {**current, "ipv4": address("ipv4"), "ipv6": address("ipv6")}


def addresses_of_others(rows: dict[str, list[Answer]], labels: dict[str, str]) -> list[str]:
    """Return the project's addresses that other platforms and environments have: DNS records may lead to them for a reason."""
    theirs = [row for row in rows["primary_ips"] if belongs_to_another(row, labels)]
    balancers = [row["public_net"] for row in rows["load_balancers"] if belongs_to_another(row, labels)]
    found = [row["ip"] if row["type"] == "ipv4" else row["ip"].partition("/")[0] + "1" for row in theirs]
    return sorted(found + [public[family]["ip"] for public in balancers for family in ("ipv4", "ipv6") if public[family]["ip"]])


def apply(client: Client, steps: list[Step], budget: float) -> None:
    """Do the steps of one plan; after a lost answer or a name that is taken the next plan looks again."""
    kinds = {step.kind: [one for one in steps if one.kind == step.kind] for step in steps}

    def in_turn(kind: str) -> None:
        for step in kinds[kind]:
            answer = client.request(step.method, step.path, body=step.body)
            actions = answer.get("actions") or [answer.get("action")]
            client.wait([one for one in actions if one], budget=budget, doing=step.text)

    with ThreadPoolExecutor(len(kinds)) as pool:
        failures = [one for one in (future.exception() for future in [pool.submit(in_turn, kind) for kind in kinds]) if one]
    for failure in failures:
        if not (isinstance(failure, HetznerError) and (failure.maybe_done or failure.code == "uniqueness_error")):
            raise failure
    if failures:
        client.clock.sleep(SECOND_LOOK)
