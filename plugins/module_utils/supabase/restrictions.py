# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project's network restrictions: read, changed, and put back when a change is not applied or locks this machine out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..api.errors import Uncertain
from .database import Database, Target
from .errors import Failure
from .management import Api
from .networks import is_open, present

POLL = 5.0
# Seconds for Supabase to apply what it has stored. What takes longer is not applied at all, and its dashboard asks to try again.
SETTLE = 120.0
# How often a login is tried after the networks changed, and what may pass by itself meanwhile.
LOGINS = 4
PASSING = {"starting", "refused", "timeout", "connection", "auth_query", "checkout_timeout"}
# The nodes of the pooler hear of a longer list one after the other, later than the API calls it applied.
HEARING = 60.0
# Refusals of somebody who was let in: the networks are right, and another list would not help.
LET_IN = {"password", "blocked", "banned", "too_many_connections", "no_database", "no_role"}


@dataclass(frozen=True)
class Restrictions:
    """networks: what was asked for last. in_force: the same, unless Supabase has stored and not applied it."""

    networks: list[str]
    in_force: list[str]

    @property
    def pending(self) -> bool:
        return self.networks != self.in_force

    @property
    def known(self) -> list[str]:
        """On either list: whoever is may live by it."""
        return self.networks if is_open(self.in_force) else sorted({*self.networks, *self.in_force})


def read(api: Api, ref: str) -> Restrictions:
    answer = api.get(_path(ref))
    asked = present(answer)
    former = present({"config": answer.get("old_config") or {}, "status": "applied"}) if answer["status"] == "stored" else []
    return Restrictions(asked, former or asked)


def change(api: Api, ref: str, before: Sequence[str], after: Sequence[str], login: Target | None = None) -> None:
    """Let in `after` alone, and log in from here; or put back `before`, because who locks herself out cannot even say so any more."""
    send(api, ref, after)
    try:
        _settle(api, ref)
        if login:
            _prove(api, login)
    except Failure as error:
        raise _undone(api, ref, before, after, error) from error


def send(api: Api, ref: str, networks: Sequence[str]) -> None:
    """Ask for these networks; whether they are applied shows later."""
    if not networks:
        raise Failure("Two empty lists would shut out everybody, and are never sent.", "network")
    # A family that is not named would be left without any address, so both always are.
    body = {"dbAllowedCidrs": [one for one in networks if ":" not in one], "dbAllowedCidrsV6": [one for one in networks if ":" in one]}
    try:
        api.send("POST", f"{_path(ref)}/apply", body)
    except Uncertain:
        if present(api.get(_path(ref))) != sorted(networks):
            raise


def _path(ref: str) -> str:
    return f"/v1/projects/{ref}/network-restrictions"


def _settle(api: Api, ref: str) -> None:
    deadline = api.clock.now() + SETTLE
    while api.get(_path(ref))["status"] != "applied":
        if api.clock.now() + POLL > deadline:
            raise Failure(f"Supabase has stored them and not applied them in {SETTLE:.0f} seconds.", "stored")
        api.wait(POLL, "the network restrictions are stored and not applied yet")


def _prove(api: Api, login: Target) -> None:
    attempt, deadline = 0, api.clock.now() + HEARING
    while True:
        attempt += 1
        try:
            Database(login).close()
        except Failure as error:
            unheard = error.code == "address_not_allowed" and api.clock.now() < deadline
            if not unheard and (error.code not in PASSING or attempt >= LOGINS):
                raise
            api.wait(POLL, f"no login yet with the new networks: {error.message}")
        else:
            return


def _undone(api: Api, ref: str, before: Sequence[str], after: Sequence[str], error: Failure) -> Failure:
    """What is said once the former networks are back, or are not."""
    back, details = _put_back(api, ref, before), {"networks": list(after), "cause": error.code}
    shown = f"With the networks {', '.join(after)} this machine cannot log in to the database"
    if error.code in LET_IN:
        return Failure(f"{shown}, though its address is let in; {back}. {error.message}", error.code, details=details)
    if error.code in {"stored", "unavailable", "unanswered"} or "reason" in error.details:
        return Failure(
            f"The networks {', '.join(after)} are not in force: {error.message} To be safe {back}. Run again in a few minutes.", "stored", details=details
        )
    return Failure(f"{shown}, so {back}. Add this machine's address. {error.message}", "locked_out", details=details)


def _put_back(api: Api, ref: str, before: Sequence[str]) -> str:
    """Half a sentence about the former networks. They get time of their own, however little the run has left."""
    if not before:
        return "the former ones let in nobody and are not put back"
    api.allow(SETTLE + POLL)
    try:
        send(api, ref, before)
    except Failure as error:
        return f"the former ones ({', '.join(before)}) should be put back, which failed ({error.message}): do it in the dashboard, Database > Settings"
    try:
        _settle(api, ref)
    except Failure:
        return "the former ones were sent again, and are not applied yet either: look at the dashboard, Database > Settings > Network Restrictions"
    return "the former ones are back"
