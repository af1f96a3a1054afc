# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another server type, gracefully and reversibly: looked up first, shut down softly, and powered on again in every case."""

from __future__ import annotations

import typing as t

from .client import Answer, Client
from .errors import HetznerError
from .server import Offer

POLL = 1.0
SECOND_TRY = 5.0
OFF = "IT MAY BE OFF. Power it on in the Console or run again"


def offer_of(client: Client, server: Answer, types: t.Sequence[str]) -> Offer:
    """Return what changing to the first type means; refuse here what the API would refuse when the server is already off."""
    rows = {row["name"]: row for row in client.all("/server_types", "server_types")}
    problem = _problem(rows.get(types[0]), server, types[0])
    if problem:
        fitting = [name for name in types[1:] if not _problem(rows.get(name), server, name)]
        instead = f"; what would fit: {', '.join(fitting)}" if fitting else ""
        code = "resource_unavailable" if "now" in problem else "invalid_server_type"
        raise HetznerError(code, f"{problem}; the server was left as it is{instead}", details={"fitting": fitting})
    place = server["location"]["name"]
    return Offer(types[0], _price(rows[types[0]], place), _price(server["server_type"], place), int(server["primary_disk_size"]))


def _problem(row: Answer | None, server: Answer, name: str) -> str:
    place = server["location"]["name"]
    if row is None:
        return f"{name} is not in the catalogue"
    if row["architecture"] != server["server_type"]["architecture"]:
        return f"{name} is {row['architecture']}, the server is {server['server_type']['architecture']}"
    if row["disk"] < server["primary_disk_size"]:
        return f"{name} has {row['disk']} GB of disk, the server's disk is {server['primary_disk_size']} GB"
    offered = next((one for one in row["locations"] if one["name"] == place), None)
    return "" if offered and offered["available"] else f"{name} cannot be had in {place} now"


def _price(row: Answer, place: str) -> str:
    price = next((one["price_monthly"]["net"] for one in row["prices"] if one["location"] == place), None)
    return f"{float(price):.2f}" if price else "an unknown price"


class Resize:
    """One resize of one server."""

    def __init__(self, client: Client, server: Answer, action_budget: float, shutdown_budget: float) -> None:
        self._client, self._server, self._path = client, server, f"/servers/{server['id']}"
        self._action_budget, self._shutdown_budget = action_budget, shutdown_budget

    def to(self, server_type: str) -> None:
        """Change the type. Whatever goes wrong, the server runs afterwards, or the error says that it does not."""
        try:
            self._stop()
            self._act("change_type", {"server_type": server_type, "upgrade_disk": False}, f"change the type to {server_type}")
        except BaseException as error:
            left = self._put_back()
            if isinstance(error, HetznerError):
                error.message += f"; {left}"
            raise
        left = self._put_back()
        if left.endswith(OFF):
            raise HetznerError("still_off", f"the type was changed to {server_type}; {left}")

    def _put_back(self) -> str:
        """Power on, twice if need be, and say how the server was left."""
        try:
            try:
                self._start()
            except HetznerError:
                self._client.clock.sleep(SECOND_TRY)
                self._start()
            return f"the server runs as {self._read()['server_type']['name']}"
        except HetznerError as error:
            return f"the server could not be powered on again ({error.message}): {OFF}"

    def _stop(self) -> None:
        deadline = self._client.clock.now() + self._shutdown_budget
        if self._read()["status"] == "off":
            return
        self._act_unless_open("shutdown", "shut it down")
        while self._read()["status"] != "off":
            if self._client.clock.now() > deadline:
                self._act("poweroff", None, "power it off, because it did not go down by itself", repeatable=True)
                return
            self._client.clock.sleep(POLL)

    def _act_unless_open(self, action: str, doing: str) -> None:
        """Do something whose failure shows in the server's status anyway."""
        try:
            self._act(action, None, doing)
        except HetznerError as error:
            if not error.maybe_done and error.status and error.status < 500:
                raise

    def _start(self) -> None:
        """Power on once nothing else is being done to the server, and see it running."""
        self._client.wait_for_all(self._path, budget=self._action_budget, doing="wait until it may be powered on again")
        self._act("poweron", None, "power it on again", repeatable=True)
        deadline = self._client.clock.now() + self._action_budget
        while self._read()["status"] != "running":
            if self._client.clock.now() > deadline:
                raise HetznerError("timeout", "it was powered on and is not running", doing="power it on again")
            self._client.clock.sleep(POLL)

    def _read(self) -> Answer:
        return t.cast("Answer", self._client.get(self._path)["server"])

    def _act(self, action: str, body: t.Any, doing: str, repeatable: bool = False) -> None:
        self._client.act(f"{self._path}/actions/{action}", body, budget=self._action_budget, doing=doing, repeatable=repeatable)
