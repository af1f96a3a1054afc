# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was seen of a server to the cheapest cure that can work. Plain data in and out; nothing is asked here."""

from __future__ import annotations

import typing as t

UNSETTLED = frozenset({"initializing", "starting", "stopping", "migrating", "rebuilding"})
"""States of the vendor that end by themselves."""
LADDER = ("power_on", "reset", "rebuild", "recreate", "relocate")
"""Cures from the cheapest to the most thorough. From rebuild on they lose the disk, which holds nothing that is not made anew; the last one leaves
address and volume behind as well, and lives from the off-site copy."""
PASSING = frozenset({"unreachable", "server_error", "service_error", "unavailable", "timeout", "rate_limit_exceeded", "bad_answer", "locked", "conflict"})
"""Answers of the API that are worth asking again."""


class Situation(t.NamedTuple):
    """What was seen, each from outside and without trusting the server.

    `api`: ok, or why Hetzner's API cannot be used. `server`: its status there, None when there is none. `ping`: None when nobody could ask.
    `ssh`: answers, refused or silent. `login`: ok, denied, silent, or what the server cannot do any more (for example "disk full").
    `origin` and `edge`: the status of the health page on the server itself and as a visitor sees it, 0 for no answer, None for not asked.
    `database`: answers, paused or silent. `young`: made so lately that it may still be at its first boot.
    """

    api: str
    server: t.Optional[str]
    ping: t.Optional[bool]
    ssh: str
    login: str
    origin: t.Optional[int]
    edge: int
    database: str
    young: bool = False


class Choice(t.NamedTuple):
    """A cure and why it is the one. `none` is healthy, `converge` is site.yml alone, `wait` comes by itself, `stop` needs a person."""

    cure: str
    reason: str


def line(seen: Situation) -> str:
    """Return the diagnosis in one line."""
    server = seen.server or "does not exist"
    ping = {True: "yes", False: "no", None: "not asked"}[seen.ping]
    parts = [
        f"API {seen.api}", f"server {server}", f"ping {ping}", f"SSH {seen.ssh}", f"login {seen.login}",
        f"on the server {_http(seen.origin)}", f"through the edge {_http(seen.edge)}", f"database {seen.database}",
    ]  # fmt: skip
    return ", ".join(parts)


def _http(status: t.Optional[int]) -> str:
    if status is None:
        return "not asked"
    return f"HTTP {status}" if status else "no answer"


def choose(seen: Situation, tried: t.Sequence[str] = (), told: str = "", elsewhere: bool = False) -> Choice:
    """Return the cheapest cure that can still work. `tried` are cures that did not help; `told` is a cure somebody insists on; `elsewhere` says
    that there is another location to go to.
    """
    if seen.api != "ok":
        return _for_silent_api(seen, tried)
    if seen.server in UNSETTLED:
        return Choice("wait", f"something is being done to the server already ({seen.server})")
    if told and told not in tried and (seen.server not in (None, "deleting") or told == "relocate"):
        return Choice(told, "somebody insists on it")
    found = _for_off(tried) if seen.server == "off" else _for_missing(tried) if seen.server in (None, "deleting") else _for_running(seen, tried)
    if found.cure == "stop" and elsewhere:
        return Choice("relocate", f"{found.reason.partition(':')[0]}; another location is allowed")
    return found


def _for_silent_api(seen: Situation, tried: t.Sequence[str]) -> Choice:
    if seen.edge == 200:
        return Choice("none", f"visitors are served; only Hetzner's API cannot be used ({seen.api})")
    if seen.api in PASSING and "wait" not in tried:
        return Choice("wait", f"Hetzner's API cannot be used ({seen.api}); it is asked again for a while")
    return Choice("stop", f"Hetzner's API cannot be used ({seen.api}), so nothing can be done to the server; the same command goes on once it answers")


def _for_missing(tried: t.Sequence[str]) -> Choice:
    return _next(("recreate",), tried, "there is no server any more; its address, volume and identity are kept outside it")


def _for_off(tried: t.Sequence[str]) -> Choice:
    if "power_on" not in tried:
        return Choice("power_on", "it is switched off")
    return _next(("rebuild", "recreate"), tried, "it does not stay on")


def _for_running(seen: Situation, tried: t.Sequence[str]) -> Choice:
    if seen.edge == 200:
        return _for_served(seen)
    if seen.login == "ok":
        return Choice("converge", "the server itself works; what runs on it, or in front of it, does not")
    if seen.young and seen.login in ("silent", "denied") and "wait" not in tried:
        return Choice("wait", "it was made a moment ago and is still at its first boot")
    if seen.login not in ("silent", "denied"):
        return _next(("rebuild", "recreate"), tried, f"its disk is of no use ({seen.login})")
    if seen.login == "denied":
        return _next(("rebuild", "recreate"), tried, "it lives, but does not let its owner in")
    return _next(("reset", "rebuild", "recreate"), tried, "it has power, but does nothing")


def _for_served(seen: Situation) -> Choice:
    if seen.login == "ok":
        return Choice("none", "it is healthy")
    trouble = "its owner cannot log in" if seen.login in ("silent", "denied") else seen.login
    return Choice("none", f"visitors are served, only {trouble}: a cure would cut them off")


def _next(ladder: t.Sequence[str], tried: t.Sequence[str], reason: str) -> Choice:
    for cure in ladder:
        if cure not in tried:
            also = f", and {' and '.join(tried)} did not help" if tried else ""
            return Choice(cure, f"{reason}{also}")
    return Choice("stop", f"{reason}, and {', '.join(tried)} did not help: look at the server's console")
