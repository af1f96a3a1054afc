# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does what server.py plans. Everything that waits has a budget, and a half-made server never stays."""

from __future__ import annotations

import base64
import hashlib
import typing as t
from concurrent.futures import ThreadPoolExecutor

from . import ownership
from .client import Answer, Client
from .errors import HetznerError
from .images import Choice
from .resize import Resize
from .server import Belongings, Step, Wanted, find, join

NEXT_CHOICE = frozenset({"resource_unavailable", "placement_error"})
"""Codes after which another type may be had."""
FIRST_LOOK = 2.0
"""Seconds after an answer got lost until it can be seen whether the order was taken."""


class Budgets(t.NamedTuple):
    """Seconds to wait: for ordering and other actions, and for a server to go down by itself."""

    action: float = 600.0
    shutdown: float = 90.0


class Reconciler:
    """Changes one server."""

    def __init__(self, client: Client, wanted: Wanted, budgets: Budgets) -> None:
        self.client, self.wanted, self.budgets = client, wanted, budgets
        self.sold_out: dict[str, str] = {}
        self.golden: Choice | None = None

    def belongings(self, required: bool) -> Belongings:
        """Return the named firewalls, volumes and addresses; a missing one is refused when it is required."""
        wanted = self.wanted
        named = [("firewalls", one) for one in wanted.firewalls] + [("volumes", one) for one in wanted.volumes]
        addresses = [("primary_ips", one) if isinstance(one, str) else None for one in (wanted.ipv4, wanted.ipv6)]
        with ThreadPoolExecutor(8) as pool:
            rows = dict(zip(named, pool.map(lambda one: self._named(one[0], one[1], required), named), strict=True))
            ips = list(pool.map(lambda one: self._named(one[0], one[1], required) if one else None, addresses))
        shared = self._shared(required)
        kinds = {kind: {name: row for (of, name), row in rows.items() if of == kind} for kind in ("firewalls", "volumes")}
        return Belongings(kinds["firewalls"], kinds["volumes"], *ips, *shared)

    def _shared(self, required: bool) -> list[Answer | None]:
        """Return what the servers of a pool have together: the network and the placement group."""
        named = (("networks", self.wanted.network), ("placement_groups", self.wanted.placement_group))
        return [self._named(kind, name, required) if name else None for kind, name in named]

    def _named(self, kind: str, name: str, required: bool) -> Answer | None:
        row = ownership.named(self.client, kind, name, self.wanted.labels, adopt=True)
        if not row and required:
            raise HetznerError("not_found", f"there is no {kind[:-1].replace('_', ' ')} named {name} in this project")
        return row

    def settled(self, server: Answer) -> Answer:
        """Return the server once nothing is being done to it any more, for example by a run that was killed."""
        self.client.wait_for_all(f"/servers/{server['id']}", budget=self.budgets.action, doing="wait for what is being done to it already")
        return self.reread(server)

    def apply(self, server: Answer | None, steps: list[Step], belongings: Belongings) -> Answer:
        """Do all steps and return the server as it is afterwards."""
        if server is None:
            # The only step of a server that is not there is to make it.
            server, steps = self.create(belongings), []
        for step in steps:
            server = self._do(server, step)
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
        elif step.kind == "network":
            self._act(f"{path}/actions/attach_to_network", step.value, step.text)
        elif step.kind == "start":
            self._act(f"{path}/actions/poweron", None, step.text, repeatable=True)
        elif step.kind == "protect":
            self._act(f"{path}/actions/change_protection", {"delete": step.value, "rebuild": step.value}, step.text, repeatable=True)
        elif step.kind == "resize":
            Resize(self.client, server, self.budgets.action, self.budgets.shutdown).to(str(step.value))
        return server

    def _act(self, path: str, body: t.Any, doing: str, repeatable: bool = False) -> None:
        self.client.act(path, body, budget=self.budgets.action, doing=doing, repeatable=repeatable)

    # --- create

    def create(self, belongings: Belongings) -> Answer:
        """Order the first type that is in stock; `sold_out` tells which were not."""
        body = self._order(belongings)
        for name in self.wanted.types:
            try:
                server = self._from_the_best_image({**body, "server_type": name})
            except HetznerError as error:
                if error.code not in NEXT_CHOICE:
                    raise
                self.sold_out[name] = error.message
                continue
            return self._completed(server, belongings)
        raise HetznerError("resource_unavailable", self._nothing_left(), details={"sold_out": self.sold_out})

    def _completed(self, server: Answer, belongings: Belongings) -> Answer:
        """Do what an order cannot say."""
        for step in join(server, self.wanted, belongings):
            self._do(server, step)
        return self._do(server, Step("protect", "protect it against deletion", True)) if self.wanted.delete_protection else server

    def _from_the_best_image(self, body: dict[str, t.Any]) -> Answer:
        """Order with the golden image that fits, and with the plain one when that does not work: the image is the speed, not a condition."""
        snapshot = self.golden.of(body["server_type"]) if self.golden else None
        if self.golden and snapshot:
            try:
                server = self._made({**body, "image": str(snapshot["id"])})
            except HetznerError as error:
                if error.maybe_done or error.code in ("timeout", "half_made", "unauthorized", "rate_limit_exceeded"):
                    raise
                self.golden.refused[str(snapshot["id"])] = f"a server could not be made from it: {error.message}"
            else:
                self.golden.used = snapshot
                return server
        return self._made(body)

    def _nothing_left(self) -> str:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in self.sold_out.items())
        return f"none of the types can be had in {self.wanted.location} now: {reasons}; nothing was bought"

    def _made(self, body: dict[str, t.Any]) -> Answer:
        """Order and wait. A server whose making failed is removed: it never ran, and it would be taken for the real one by the next run."""
        answer = self._ordered(body)
        server, doing = answer["server"], f"create {self.wanted.name}"
        try:
            self.client.wait([answer["action"]] if answer["action"] else [], budget=self.budgets.action, doing=doing)
        except HetznerError as error:
            if isinstance(error.details, dict) and "action" in error.details:
                self._remove(server, error)
            raise
        self.client.wait(answer["next_actions"], budget=self.budgets.action, doing=doing)
        return self.reread(server)

    def _remove(self, server: Answer, because: HetznerError) -> None:
        try:
            answer = self.client.request("DELETE", f"/servers/{server['id']}")
            self.client.wait([answer["action"]], budget=self.budgets.action, doing="remove the half-made server")
        except HetznerError as error:
            because.message += f"; the half-made server (id {server['id']}) could not be removed: {error.message}. Delete it before the next run"
            because.code = because.code if because.code not in NEXT_CHOICE else "half_made"

    def _order(self, belongings: Belongings) -> dict[str, t.Any]:
        wanted = self.wanted
        public: dict[str, t.Any] = {"enable_ipv4": True, "enable_ipv6": bool(wanted.ipv6)}
        public.update({family: row["id"] for family, row in (("ipv4", belongings.ipv4), ("ipv6", belongings.ipv6)) if row})
        return {
            "name": wanted.name,
            "location": wanted.location,
            "image": wanted.image,
            "labels": wanted.labels,
            "user_data": wanted.user_data,
            "ssh_keys": [self._key(key) for key in wanted.ssh_public_keys],
            "firewalls": [{"firewall": row["id"]} for row in belongings.firewalls.values() if row],
            "volumes": [row["id"] for row in belongings.volumes.values() if row],
            "public_net": public,
            **({"placement_group": belongings.placement_group["id"]} if belongings.placement_group else {}),
        }

    def _ordered(self, body: dict[str, t.Any]) -> Answer:
        """Order once. When it stays open whether the order was taken, look for a server of the name before it is ordered again."""
        try:
            return self.client.request("POST", "/servers", body=body)
        except HetznerError as error:
            if not error.maybe_done:
                raise
        self.client.clock.sleep(FIRST_LOOK)
        taken = self._taken()
        if taken:
            return taken
        try:
            return self.client.request("POST", "/servers", body=body)
        except HetznerError as error:
            taken = self._taken() if error.code == "uniqueness_error" else None
            if taken is None:
                raise
            return taken

    def _taken(self) -> Answer | None:
        """Return an earlier order as if its answer had not been lost."""
        server = find(self.client, self.wanted)
        if server is None:
            return None
        actions = self.client.all(f"/servers/{server['id']}/actions", "actions")
        first = next((one for one in actions if one["command"] == "create_server"), None)
        return {"server": server, "action": first, "next_actions": [one for one in actions if one is not first]}

    def _key(self, public_key: str) -> str:
        """Return the id of the account's SSH key with this content, registered when missing; names do not matter."""
        fingerprint = fingerprint_of(public_key)
        if number := self._registered(fingerprint):
            return number
        comment = (public_key.split(None, 2)[2:] or [""])[0].strip() or "key"
        name = f"{comment[:80]}-{fingerprint.replace(':', '')[:8]}"
        body = {"name": name, "public_key": public_key, "labels": ownership.owners(self.wanted.labels)}
        try:
            return str(self.client.request("POST", "/ssh_keys", body=body)["ssh_key"]["id"])
        except HetznerError as error:
            # another server of the pool, ordered at the same time, brought it
            number = self._registered(fingerprint) if error.code == "uniqueness_error" else None
            if number is None:
                raise
            return number

    def _registered(self, fingerprint: str) -> str | None:
        """Return the id of the account's key with a fingerprint."""
        rows = self.client.all("/ssh_keys", "ssh_keys", [("fingerprint", fingerprint)])
        return str(rows[0]["id"]) if rows else None


def fingerprint_of(public_key: str) -> str:
    """Return the MD5 fingerprint the API files a key under."""
    words = public_key.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, ValueError) as error:
        raise HetznerError("invalid_input", f"not an SSH public key: {public_key[:40]!r}") from error
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[position : position + 2] for position in range(0, 32, 2))
