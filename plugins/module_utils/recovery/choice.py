# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was seen of a server to the mildest action that can work, and never to one without proof. Plain data in and out; nothing is asked here.

The table in docs/runbook.md says the same; a test holds the two together.
"""

from __future__ import annotations

import typing as t

UNSETTLED = frozenset({"initializing", "starting", "stopping", "migrating", "rebuilding"})
"""States of the vendor that end by themselves."""
MISSING = (None, "deleting")
"""States of a server that is not there any more."""
LADDER = ("power_on", "reset", "rebuild", "recreate", "relocate")
"""Actions from the mildest to the most thorough. From rebuild on they lose the disk, which holds nothing that cannot be made again; the last one leaves
address and volume behind as well, and lives from the off-site copy."""
PASSING = frozenset({"unreachable", "server_error", "service_error", "unavailable", "timeout", "rate_limit_exceeded", "bad_answer", "locked", "conflict"})
"""Answers of the API that are worth asking again."""
NEEDED = {"reset": 1, "rebuild": 2, "recreate": 2, "relocate": 2}
"""How many independent proofs that the server is dead an action wants."""
DISK_LOSING = frozenset({"rebuild", "recreate", "relocate"})
"""Actions after which every container image has to be pulled again."""
ORIGIN_DOWN = frozenset({520, 521, 522, 523, 524, 525})
"""With these the edge says that it got no answer out of the server. Not 526, for which the server had to show its certificate, and not 530, for
which the edge did not even try."""
DISK = ("disk full", "disk read-only", "disk broken")
"""What a login may find that makes the server useless."""
UNKNOWN_KEY, OTHER_KEY = "host key not known here", "another host key than recorded"
NO_ENTRY = ("silent", "denied", "no root", "unclear", UNKNOWN_KEY, OTHER_KEY)
"""Logins that say nothing about the disk."""


class Situation(t.NamedTuple):
    """What was seen, each from outside and without trusting the server.

    `api`: ok, or why Hetzner's API cannot be used. `server`: its status there, None when there is none. `ping`: None when nobody could ask.
    `ssh`: answers, refused or silent. `login`: ok, one of NO_ENTRY, or one of DISK.
    `origin` and `edge`: the status of the health page on the server itself and as a visitor sees it, 0 for no answer, None for not asked.
    `database`: answers, paused or silent. `young`: made so lately that it may still be at its first boot.
    `edge_marked`: whether that answer bears the mark of the edge; `challenged`: whether the edge gave it instead of asking the server.
    `kept`: whether Hetzner keeps an address for a server that is missing. `proxy`: whether this machine reaches the web by a proxy only.
    `trouble`: what the server says of itself that no action here can repair, with what to do; `parts`: containers that do not run.
    `images`: ok, why the container images cannot be pulled, or None when nobody asked.
    `shut`: whether Hetzner's firewall lets no visitor in, so that the edge gets no answer whatever the server does.
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
    edge_marked: bool = True
    challenged: bool = False
    kept: bool = True
    proxy: bool = False
    trouble: str = ""
    parts: str = ""
    images: t.Optional[str] = None
    shut: bool = False

    @property
    def served(self) -> bool:
        """Whether visitors get their page."""
        return self.edge == 200 and not self.challenged

    @property
    def origin_down(self) -> bool:
        """Whether the edge itself says that it got no answer out of the server, and no firewall explains it."""
        return self.edge in ORIGIN_DOWN and self.edge_marked and not self.challenged and not self.shut


class History(t.NamedTuple):
    """What this run attempted so far: all of it, what Hetzner reports as done, and what Hetzner reports as failed."""

    tried: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


NOTHING_YET = History()


class Proof(t.NamedTuple):
    """A positive sign that the server is dead, and whose word it is: vendor, edge, inside (the server's own), or outcome (of an earlier action)."""

    source: str
    says: str


class Choice(t.NamedTuple):
    """An action, why it is the one, and what proves that it harms nobody. `none` is healthy, `converge` is site.yml alone, `wait` comes by itself,
    `stop` needs a person."""

    cure: str
    reason: str
    proofs: tuple[Proof, ...] = ()


def line(seen: Situation) -> str:
    """Return the diagnosis in one line."""
    server = seen.server or "does not exist"
    ping = {True: "yes", False: "no", None: "not asked"}[seen.ping]
    parts = [
        f"API {seen.api}", f"server {server}", f"ping {ping}", f"SSH {seen.ssh}", f"login {seen.login}",
        f"on the server {_http(seen.origin)}", f"through the edge {_http(seen.edge)}{_whose(seen)}", f"database {seen.database}",
    ]  # fmt: skip
    parts += [f"containers: {seen.parts}"] if seen.parts else []
    parts += [f"images: {seen.images}"] if seen.images else []
    return ", ".join(parts)


def _http(status: t.Optional[int]) -> str:
    if status is None:
        return "not asked"
    return f"HTTP {status}" if status else "no answer"


def _whose(seen: Situation) -> str:
    if seen.challenged:
        return " of the edge's own"
    return "" if seen.edge_marked or not seen.edge else " of something that is not the edge"


def proofs(seen: Situation, history: History = NOTHING_YET) -> tuple[Proof, ...]:
    """Return every positive sign that the server is dead, one for each source. What this machine cannot reach is none."""
    found = []
    if seen.api == "ok" and seen.server in MISSING:
        found.append(Proof("vendor", "Hetzner has no such server"))
    elif seen.api == "ok" and seen.server == "off":
        found.append(Proof("vendor", "Hetzner says that it is off"))
    if seen.origin_down:
        found.append(Proof("edge", f"the edge gets no answer from it (HTTP {seen.edge})"))
    if seen.server == "running" and seen.login in DISK:
        found.append(Proof("inside", f"a login finds its {seen.login}"))
    ended = _ended(seen, history)
    if found and ended:
        found.append(Proof("outcome", f"Hetzner reports {ended}, and that is still so"))
    return tuple(found)


def _ended(seen: Situation, history: History) -> str:
    """Return the last action that should have ended what is seen, with Hetzner's word for it. What only this machine took for no help is none."""
    if seen.server in MISSING:
        would_help: tuple[str, ...] = ("recreate",)
    elif seen.server == "off":
        would_help = ("power_on", "rebuild")
    elif seen.origin_down:
        would_help = ("power_on", "reset", "rebuild", "recreate")
    else:
        would_help = ("rebuild",)
    words = [f"{action} as {word}" for word, actions in (("done", history.done), ("failed", history.failed)) for action in actions if action in would_help]
    return words[-1] if words else ""


def choose(seen: Situation, history: History = NOTHING_YET, told: str = "", elsewhere: bool = False) -> Choice:
    """Return the mildest action that can still work. `told` is an action that the owner insists on; `elsewhere` says that there is another location
    to go to. Every answer goes through the one guard at the end.
    """
    if seen.api != "ok":
        return _for_silent_api(seen, history)
    if seen.server in UNSETTLED:
        return Choice("wait", f"something is being done to the server already ({seen.server})")
    if told and told not in history.tried and (seen.server not in MISSING or told in ("recreate", "relocate")):
        return _guarded(Choice(told, "its owner insists on it"), seen, history, insisted=True)
    return _guarded(_proposed(seen, history, elsewhere), seen, history)


def _guarded(wanted: Choice, seen: Situation, history: History, insisted: bool = False) -> Choice:
    """Return the choice with its proofs, or stop where they are not enough or the disk would go before its content can be had again."""
    needed = 1 if wanted.cure == "recreate" and seen.server in MISSING else NEEDED.get(wanted.cure, 0)
    found = proofs(seen, history)
    if len(found) < needed and not insisted:
        return Choice("stop", _unproven(wanted, seen, found, needed))
    if wanted.cure in DISK_LOSING and seen.server not in MISSING and seen.images not in (None, "ok"):
        unless = "-e platform_recovery_check_images=false does not ask"
        return Choice("stop", f"{wanted.cure.upper()} is the next step, but the server could not be filled again: {seen.images} ({unless})")
    return wanted._replace(proofs=found)


def _unproven(wanted: Choice, seen: Situation, found: tuple[Proof, ...], needed: int) -> str:
    """Say what this machine could not reach, what to check, and how to insist."""
    known = f"; the only sign is that {found[0].says}" if found else ""
    proof = "nothing proves that the server is dead" if needed == 1 else f"{wanted.cure.upper()} wants two independent proofs that the server is dead"
    views, checks = _views(seen)
    return f"{proof}{known}. {views}. {checks}. If it is dead all the same: -e platform_recovery_cure={wanted.cure}"


def _views(seen: Situation) -> tuple[str, str]:
    """Return what was seen that proves nothing, and what to check."""
    through = {True: f"HTTP {seen.edge} through the edge", False: "this machine gets no answer from the edge"}[seen.edge > 0]
    through += _whose(seen)
    login = {"silent": "SSH does not let this machine in", "denied": "SSH refuses the key", "no root": "the account may not become root",
             "unclear": "the login's answer is not understood"}  # fmt: skip
    views = f"{through}, and {login.get(seen.login, f'SSH: {seen.login}')}: none of that says anything about the server"
    checks = ["Ask for the page from another network"]
    if seen.edge == 0:
        checks.append("look at this machine's DNS and way to the edge" + (" (a proxy is set)" if seen.proxy else ""))
    if seen.challenged:
        checks.append("let this machine through at the edge, or switch its bot protection off")
    if seen.login == "silent":
        checks.append("see that hetzner_server_ssh_cidrs has this machine's address")
    if seen.login in (UNKNOWN_KEY, OTHER_KEY):
        checks.append("see that platform_state_dir is the folder that the server was made with")
    return views, ", ".join(checks)


def _for_silent_api(seen: Situation, history: History) -> Choice:
    if seen.served:
        return Choice("none", f"visitors are served; only Hetzner's API cannot be used ({seen.api})")
    if seen.api in PASSING and "wait" not in history.tried:
        return Choice("wait", f"Hetzner's API cannot be used ({seen.api}); it is asked again for a while")
    return Choice("stop", f"Hetzner's API cannot be used ({seen.api}), so nothing can be done to the server; the same command goes on once it answers")


def _proposed(seen: Situation, history: History, elsewhere: bool) -> Choice:
    """Return what would be done if nothing had to be proven."""
    if seen.server == "running":
        return _for_running(seen, history, elsewhere)
    if seen.served:
        where = "has no such server" if seen.server in MISSING else f"says that it is {seen.server}"
        return Choice("stop", f"visitors are served, but Hetzner {where}: is the API token of the platform's own project, and does its name lead there?")
    if seen.server in MISSING:
        return _for_missing(seen, history, elsewhere)
    if seen.server == "off":
        return _next(("power_on", "rebuild", "recreate"), history, "it is switched off", elsewhere)
    return Choice("stop", f"Hetzner's word for the server is not known here: {seen.server}")


def _for_missing(seen: Situation, history: History, elsewhere: bool) -> Choice:
    if not seen.kept and not seen.origin_down:
        checks = "is the API token of the platform's own project? If all of it is gone: -e platform_recovery_cure=recreate"
        return Choice("stop", f"this project of Hetzner has neither the server nor an address of it: {checks}")
    return _next(("recreate",), history, "there is no server any more; its address, volume and identity are kept outside it", elsewhere)


def _for_running(seen: Situation, history: History, elsewhere: bool) -> Choice:
    if seen.login == "ok" and seen.trouble:
        return Choice("stop", f"{'visitors are served, but ' if seen.served else ''}{seen.trouble}")
    if seen.served:
        return _for_served(seen)
    if seen.login == "ok":
        return Choice("converge", f"the server itself works; what runs on it, or in front of it, does not{': ' if seen.parts else ''}{seen.parts}")
    if seen.shut:
        return Choice("converge", "Hetzner's firewall lets no visitor in, which site sets right; the server itself may be well")
    if seen.young and seen.login not in DISK and "wait" not in history.tried:
        return Choice("wait", "it was made a moment ago and is still at its first boot")
    if seen.login in DISK:
        return _next(("rebuild", "recreate"), history, f"it cannot be used ({seen.login})", elsewhere)
    if seen.login in (UNKNOWN_KEY, OTHER_KEY):
        views, checks = _views(seen)
        return Choice("stop", f"this machine does not know the server ({seen.login}), so it cannot judge or repair it. {views}. {checks}")
    reason = {"denied": "it is alive, but refuses the login", "no root": "it is alive, but sudo is refused there",
              "unclear": "it is alive, but a login does not answer as it should"}  # fmt: skip
    return _next(("reset", "rebuild", "recreate"), history, reason.get(seen.login, "it has power, but does nothing"), elsewhere)


def _for_served(seen: Situation) -> Choice:
    if seen.login == "ok":
        return Choice("none", "it is healthy")
    trouble = "its owner cannot log in" if seen.login in NO_ENTRY else seen.login
    return Choice("none", f"visitors are served, only {trouble}: a cure would cut them off")


def _next(ladder: t.Sequence[str], history: History, reason: str, elsewhere: bool) -> Choice:
    """Return the first step of a ladder that was not tried. A step that Hetzner neither did nor failed at is no reason for a stronger one."""
    also = f", and {' and '.join(history.tried)} did not help" if history.tried else ""
    for step in ladder:
        if step not in history.tried:
            return Choice(step, f"{reason}{also}")
        if step != ladder[-1] and step not in history.done + history.failed:
            return Choice("stop", f"{reason}, and {step} could not be done, which is no reason for a stronger action")
    if elsewhere:
        return Choice("relocate", f"{reason}{also}; another location is allowed")
    return Choice("stop", f"{reason}{also}: look at the server's console")
