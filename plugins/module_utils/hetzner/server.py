# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One labelled server: what it should be, what is to do about it, and doing it."""

from __future__ import annotations

import base64
import hashlib
import time
import typing as t

from .client import Answer, Client
from .errors import HetznerError

NEXT_CHOICE = frozenset({"resource_unavailable", "placement_error"})
"""Codes after which another type may be had."""
MAYBE_DONE = frozenset({"unreachable", "timeout", "http_502", "http_504", "bad_gateway", "server_error", "unavailable"})
"""After these nobody knows whether an order was taken."""


class Wanted(t.NamedTuple):
    """The server as it should be. `types` in order of preference; names of firewalls, volumes and the Primary IP of this project."""

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
    ipv6: bool = True
    delete_protection: bool | None = None
    resize: bool = False


class Step(t.NamedTuple):
    """One thing to do, in words and as data."""

    kind: str
    text: str
    value: t.Any = None


class Budgets(t.NamedTuple):
    """Seconds to wait: for ordering and other actions, and for a server to go down by itself."""

    action: float = 600.0
    shutdown: float = 90.0


def find(client: Client, wanted: Wanted) -> Answer | None:
    """Return the one server with the identity's labels, or an unlabelled one of the name to adopt; refuse when it is not clear."""
    selector = ",".join(f"{key}={wanted.labels[key]}" for key in wanted.identity)
    found = client.all("/servers", "servers", [("label_selector", selector)]) if selector else []
    found = [server for server in found if server["status"] != "deleting"]
    if len(found) > 1:
        names = ", ".join(f"{one['name']} (id {one['id']})" for one in found)
        raise HetznerError(
            "ambiguous",
            f"{len(found)} servers have the labels {selector}: {names}. Delete or relabel all but one",
            details={"ids": [one["id"] for one in found]},
        )
    if found:
        return found[0]
    named = client.all("/servers", "servers", [("name", wanted.name)])
    if not named:
        return None
    other = {key: named[0]["labels"][key] for key in wanted.identity if named[0]["labels"].get(key, wanted.labels[key]) != wanted.labels[key]}
    if other:
        raise HetznerError("uniqueness_error", f"a server named {wanted.name} exists and is labelled as another's: {other}", details={"id": named[0]["id"]})
    return named[0]


def plan(server: Answer | None, wanted: Wanted, ids: dict[str, dict[str, int | None]]) -> list[Step]:
    """Return what is to do. `ids` has the ids of the named firewalls and volumes; None for one that does not exist yet."""
    if server is None:
        return [Step("create", f"create {wanted.name}: {wanted.types[0]} in {wanted.location} with {wanted.image}")]
    steps = []
    labels = {**server["labels"], **wanted.labels}
    if labels != server["labels"]:
        steps.append(Step("label", f"label it {', '.join(f'{key}={value}' for key, value in sorted(wanted.labels.items()))}", labels))
    applied = {one["id"] for one in server["public_net"].get("firewalls", [])}
    steps += [Step("firewall", f"put firewall {name} before it", number) for name, number in ids["firewalls"].items() if number not in applied]
    steps += [Step("volume", f"attach volume {name}", number) for name, number in ids["volumes"].items() if number not in server["volumes"]]
    if wanted.resize and server["server_type"]["name"] != wanted.types[0]:
        steps.append(Step("resize", f"resize it from {server['server_type']['name']} to {wanted.types[0]} (a restart)", wanted.types[0]))
    elif server["status"] == "off":
        steps.append(Step("start", "power it on"))
    if wanted.delete_protection not in (None, server["protection"]["delete"]):
        steps.append(Step("protect", f"{'protect it against' if wanted.delete_protection else 'allow its'} deletion", wanted.delete_protection))
    return steps


def drift(server: Answer, wanted: Wanted) -> list[str]:
    """Return where an existing server differs in what is never changed unasked."""
    found = []
    if server["server_type"]["name"] != wanted.types[0] and not wanted.resize:
        found.append(f"type is {server['server_type']['name']}, the plan's is {wanted.types[0]}; changing it needs a restart and is today's price")
    if server["location"]["name"] != wanted.location:
        found.append(f"location is {server['location']['name']}, wanted is {wanted.location}; a server cannot move, it can be recreated")
    image = (server["image"] or {}).get("name")
    if image and image != wanted.image:
        found.append(f"image is {image}, wanted is {wanted.image}; changing it destroys the disk")
    return found


class Keeper:
    """Does the steps. Everything that waits has a budget."""

    def __init__(
        self, client: Client, wanted: Wanted, budgets: Budgets, clock: t.Callable[[], float] = time.monotonic, sleep: t.Callable[[float], None] = time.sleep
    ) -> None:
        self.client, self.wanted, self.budgets, self._clock, self._sleep = client, wanted, budgets, clock, sleep
        self.sold_out: dict[str, str] = {}

    def ids(self, kind: str, names: t.Iterable[str], required: bool) -> dict[str, int | None]:
        """Return the ids of named resources; None for a missing one, which is refused when it is required."""
        found: dict[str, int | None] = {}
        for name in names:
            rows = self.client.all(f"/{kind}", kind, [("name", name)])
            if not rows and required:
                raise HetznerError("not_found", f"there is no {kind[:-1].replace('_', ' ')} named {name} in this project")
            found[name] = rows[0]["id"] if rows else None
        return found

    def apply(self, server: Answer | None, steps: list[Step]) -> Answer:
        """Do all steps and return the server as it is afterwards."""
        for step in steps:
            server = self.create() if server is None else self._do(server, step)
        assert server is not None
        return self.reread(server)

    def reread(self, server: Answer) -> Answer:
        """Return the server as it is now."""
        return t.cast("Answer", self.client.get(f"/servers/{server['id']}")["server"])

    def _do(self, server: Answer, step: Step) -> Answer:
        path = f"/servers/{server['id']}"
        if step.kind == "label":
            self.client.request("PUT", path, body={"labels": step.value})
        elif step.kind == "firewall":
            target = {"apply_to": [{"type": "server", "server": {"id": server["id"]}}]}
            self._act(f"/firewalls/{step.value}/actions/apply_to_resources", target, step.text)
        elif step.kind == "volume":
            self._act(f"/volumes/{step.value}/actions/attach", {"server": server["id"], "automount": False}, step.text)
        elif step.kind == "start":
            self._act(f"{path}/actions/poweron", None, step.text)
        elif step.kind == "protect":
            self._act(f"{path}/actions/change_protection", {"delete": step.value, "rebuild": step.value}, step.text)
        elif step.kind == "resize":
            self.resize(server, str(step.value))
        return server

    def _act(self, path: str, body: t.Any, doing: str) -> None:
        answer = self.client.request("POST", path, body=body)
        self.client.wait(answer.get("actions") or [answer["action"]], budget=self.budgets.action, doing=doing)

    # --- create

    def create(self) -> Answer:
        """Order the first type that is in stock; `sold_out` tells which were not."""
        body = self._order()
        for name in self.wanted.types:
            try:
                answer = self._ordered({**body, "server_type": name})
            except HetznerError as error:
                if error.code not in NEXT_CHOICE:
                    raise
                self.sold_out[name] = error.message
                continue
            self.client.wait([answer["action"], *answer["next_actions"]], budget=self.budgets.action, doing=f"create {self.wanted.name}")
            server = self.reread(answer["server"])
            return self._protected(server)
        reasons = "; ".join(f"{name}: {reason}" for name, reason in self.sold_out.items())
        raise HetznerError(
            "resource_unavailable", f"none of the types can be had in {self.wanted.location} now: {reasons}", details={"sold_out": self.sold_out}
        )

    def _protected(self, server: Answer) -> Answer:
        if self.wanted.delete_protection:
            self._do(server, Step("protect", "protect it against deletion", True))
        return server

    def _order(self) -> dict[str, t.Any]:
        wanted = self.wanted
        public: dict[str, t.Any] = {"enable_ipv4": True, "enable_ipv6": wanted.ipv6}
        if wanted.ipv4:
            public["ipv4"] = self.ids("primary_ips", [wanted.ipv4], required=True)[wanted.ipv4]
        return {
            "name": wanted.name,
            "location": wanted.location,
            "image": wanted.image,
            "labels": wanted.labels,
            "user_data": wanted.user_data,
            "ssh_keys": [self._key(key) for key in wanted.ssh_public_keys],
            "firewalls": [{"firewall": number} for number in self.ids("firewalls", wanted.firewalls, required=True).values()],
            "volumes": list(self.ids("volumes", wanted.volumes, required=True).values()),
            "public_net": public,
        }

    def _ordered(self, body: dict[str, t.Any]) -> Answer:
        """Order once. When it stays open whether the order was taken, look for a server of the name before it is ordered again."""
        try:
            return self.client.request("POST", "/servers", body=body)
        except HetznerError as error:
            if error.code not in MAYBE_DONE and error.status < 500:
                raise
            self._sleep(2)
            server = find(self.client, self.wanted)
            if server is None:
                return self.client.request("POST", "/servers", body=body)
            actions = self.client.all(f"/servers/{server['id']}/actions", "actions")
            return {"server": server, "action": actions[0], "next_actions": actions[1:]}

    def _key(self, public_key: str) -> str:
        """Return the id of the account's SSH key with this content, registered when missing; names do not matter."""
        fingerprint = fingerprint_of(public_key)
        rows = self.client.all("/ssh_keys", "ssh_keys", [("fingerprint", fingerprint)])
        if rows:
            return str(rows[0]["id"])
        comment = (public_key.split(None, 2)[2:] or [""])[0].strip() or "key"
        name = f"{comment[:80]}-{fingerprint.replace(':', '')[:8]}"
        return str(self.client.request("POST", "/ssh_keys", body={"name": name, "public_key": public_key})["ssh_key"]["id"])

    # --- resize

    def resize(self, server: Answer, server_type: str) -> None:
        """Change the type with the server going down by itself if it can, and power it on in every case."""
        self._require_stock(server, server_type)
        path = f"/servers/{server['id']}"
        try:
            self._stop(server)
            self._act(f"{path}/actions/change_type", {"server_type": server_type, "upgrade_disk": False}, f"change the type to {server_type}")
        finally:
            if self.reread(server)["status"] == "off":
                self._act(f"{path}/actions/poweron", None, "power it on again")

    def _require_stock(self, server: Answer, server_type: str) -> None:
        """Refuse before the server is touched what the API would refuse when it is already off."""
        rows = self.client.all("/server_types", "server_types", [("name", server_type)])
        place = next((one for row in rows for one in row["locations"] if one["name"] == server["location"]["name"]), None)
        if place is None or not place["available"]:
            raise HetznerError("resource_unavailable", f"{server_type} cannot be had in {server['location']['name']} now; the server was left as it is")
        if rows[0]["disk"] < server["primary_disk_size"]:
            raise HetznerError("invalid_server_type", f"{server_type} has {rows[0]['disk']} GB of disk, the server's disk is {server['primary_disk_size']} GB")

    def _stop(self, server: Answer) -> None:
        path, deadline = f"/servers/{server['id']}", self._clock() + self.budgets.shutdown
        if self.reread(server)["status"] == "off":
            return
        self._act(f"{path}/actions/shutdown", None, "shut it down")
        while self.reread(server)["status"] != "off":
            if self._clock() > deadline:
                self._act(f"{path}/actions/poweroff", None, "power it off")
                return
            self._sleep(1)


def fingerprint_of(public_key: str) -> str:
    """Return the MD5 fingerprint the API files a key under."""
    words = public_key.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, ValueError) as error:
        raise HetznerError("invalid_input", f"not an SSH public key: {public_key[:40]!r}") from error
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[position : position + 2] for position in range(0, 32, 2))


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
        "delete_protection": server["protection"]["delete"],
    }
