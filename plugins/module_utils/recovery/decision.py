# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was observed of a server to the mildest action that can work, and never to one without proof. Plain data in and out; nothing is asked here.

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
    """What was observed, each from outside and without trusting the server.

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


class Decision(t.NamedTuple):
    """An action, why it is the one, and what proves that it harms nobody. `none` is healthy, `converge` is site.yml alone, `wait` comes by itself,
    `stop` needs a person."""

    action: str
    reason: str
    proofs: tuple[Proof, ...] = ()


def line(observed: Situation) -> str:
    """Return the diagnosis in one line."""
    server = observed.server or "does not exist"
    ping = {True: "yes", False: "no", None: "not asked"}[observed.ping]
    parts = [
        f"API {observed.api}", f"server {server}", f"ping {ping}", f"SSH {observed.ssh}", f"login {observed.login}",
        f"on the server {_http(observed.origin)}", f"through the edge {_http(observed.edge)}{_whose(observed)}", f"database {observed.database}",
    ]  # fmt: skip
    parts += [f"containers: {observed.parts}"] if observed.parts else []
    parts += [f"images: {observed.images}"] if observed.images else []
    return ", ".join(parts)


def _http(status: t.Optional[int]) -> str:
    if status is None:
        return "not asked"
    return f"HTTP {status}" if status else "no answer"


def _whose(observed: Situation) -> str:
    if observed.challenged:
        return " of the edge's own"
    return "" if observed.edge_marked or not observed.edge else " of something that is not the edge"


def proofs(observed: Situation, history: History = NOTHING_YET) -> tuple[Proof, ...]:
    """Return every positive sign that the server is dead, one for each source. What this machine cannot reach is none."""
    found = []
    if observed.api == "ok" and observed.server in MISSING:
        found.append(Proof("vendor", "Hetzner has no such server"))
    elif observed.api == "ok" and observed.server == "off":
        found.append(Proof("vendor", "Hetzner says that it is off"))
    if observed.origin_down:
        found.append(Proof("edge", f"the edge gets no answer from it (HTTP {observed.edge})"))
    if observed.server == "running" and observed.login in DISK:
        found.append(Proof("inside", f"a login finds its {observed.login}"))
    ended = _ended(observed, history)
    if found and ended:
        found.append(Proof("outcome", f"Hetzner reports {ended}, and that is still so"))
    return tuple(found)


def _ended(observed: Situation, history: History) -> str:
    """Return the last action that should have ended what is observed, with Hetzner's word for it. What only this machine took for no help is none."""
    if observed.server in MISSING:
        would_help: tuple[str, ...] = ("recreate",)
    elif observed.server == "off":
        would_help = ("power_on", "rebuild")
    elif observed.origin_down:
        would_help = ("power_on", "reset", "rebuild", "recreate")
    else:
        would_help = ("rebuild",)
    words = [f"{action} as {word}" for word, actions in (("done", history.done), ("failed", history.failed)) for action in actions if action in would_help]
    return words[-1] if words else ""


def decide(observed: Situation, history: History = NOTHING_YET, told: str = "", elsewhere: bool = False) -> Decision:
    """Return the mildest action that can still work. `told` is an action that the owner insists on; `elsewhere` says that there is another location
    to go to. Every answer goes through the one guard at the end.
    """
    if observed.api != "ok":
        return _for_silent_api(observed, history)
    if observed.server in UNSETTLED:
        return Decision("wait", f"something is being done to the server already ({observed.server})")
    if told and told not in history.tried and (observed.server not in MISSING or told in ("recreate", "relocate")):
        return _guarded(Decision(told, "its owner insists on it"), observed, history, insisted=True)
    return _guarded(_proposed(observed, history, elsewhere), observed, history)


def _guarded(wanted: Decision, observed: Situation, history: History, insisted: bool = False) -> Decision:
    """Return the decision with its proofs, or stop where they are not enough or the disk would go before its content can be had again."""
    needed = 1 if wanted.action == "recreate" and observed.server in MISSING else NEEDED.get(wanted.action, 0)
    found = proofs(observed, history)
    if len(found) < needed and not insisted:
        return Decision("stop", _unproven(wanted, observed, found, needed))
    if wanted.action in DISK_LOSING and observed.server not in MISSING and observed.images not in (None, "ok"):
        unless = "-e platform_recovery_check_images=false does not ask"
        return Decision("stop", f"{wanted.action.upper()} is the next step, but the server could not be filled again: {observed.images} ({unless})")
    return wanted._replace(proofs=found)


def _unproven(wanted: Decision, observed: Situation, found: tuple[Proof, ...], needed: int) -> str:
    """Say what this machine could not reach, what to check, and how to insist."""
    known = f"; the only sign is that {found[0].says}" if found else ""
    proof = "nothing proves that the server is dead" if needed == 1 else f"{wanted.action.upper()} wants two independent proofs that the server is dead"
    views, checks = _views(observed)
    return f"{proof}{known}. {views}. {checks}. If it is dead all the same: -e platform_recovery_action={wanted.action}"


def _views(observed: Situation) -> tuple[str, str]:
    """Return what was observed that proves nothing, and what to check."""
    through = {True: f"HTTP {observed.edge} through the edge", False: "this machine gets no answer from the edge"}[observed.edge > 0]
    through += _whose(observed)
    login = {"silent": "SSH does not let this machine in", "denied": "SSH refuses the key", "no root": "the account may not become root",
             "unclear": "the login's answer is not understood"}  # fmt: skip
    views = f"{through}, and {login.get(observed.login, f'SSH: {observed.login}')}: none of that says anything about the server"
    checks = ["Ask for the page from another network"]
    if observed.edge == 0:
        checks.append("look at this machine's DNS and way to the edge" + (" (a proxy is set)" if observed.proxy else ""))
    if observed.challenged:
        checks.append("let this machine through at the edge, or switch its bot protection off")
    if observed.login == "silent":
        checks.append("see that hetzner_server_ssh_cidrs has this machine's address")
    if observed.login in (UNKNOWN_KEY, OTHER_KEY):
        checks.append("see that platform_state_dir is the folder that the server was made with")
    return views, ", ".join(checks)


def _for_silent_api(observed: Situation, history: History) -> Decision:
    if observed.served:
        return Decision("none", f"visitors are served; only Hetzner's API cannot be used ({observed.api})")
    if observed.api in PASSING and "wait" not in history.tried:
        return Decision("wait", f"Hetzner's API cannot be used ({observed.api}); it is asked again for a while")
    return Decision("stop", f"Hetzner's API cannot be used ({observed.api}), so nothing can be done to the server; the same command goes on once it answers")


def _proposed(observed: Situation, history: History, elsewhere: bool) -> Decision:
    """Return what would be done if nothing had to be proven."""
    if observed.server == "running":
        return _for_running(observed, history, elsewhere)
    if observed.served:
        where = "has no such server" if observed.server in MISSING else f"says that it is {observed.server}"
        return Decision("stop", f"visitors are served, but Hetzner {where}: is the API token of the platform's own project, and does its name lead there?")
    if observed.server in MISSING:
        return _for_missing(observed, history, elsewhere)
    if observed.server == "off":
        return _next(("power_on", "rebuild", "recreate"), history, "it is switched off", elsewhere)
    return Decision("stop", f"Hetzner's word for the server is not known here: {observed.server}")


def _for_missing(observed: Situation, history: History, elsewhere: bool) -> Decision:
    if not observed.kept and not observed.origin_down:
        checks = "is the API token of the platform's own project? If all of it is gone: -e platform_recovery_action=recreate"
        return Decision("stop", f"this project of Hetzner has neither the server nor an address of it: {checks}")
    return _next(("recreate",), history, "there is no server any more; its address, volume and identity are kept outside it", elsewhere)


def _for_running(observed: Situation, history: History, elsewhere: bool) -> Decision:
    if observed.login == "ok" and observed.trouble:
        return Decision("stop", f"{'visitors are served, but ' if observed.served else ''}{observed.trouble}")
    if observed.served:
        return _for_served(observed)
    if observed.login == "ok":
        return Decision("converge", f"the server itself works; what runs on it, or in front of it, does not{': ' if observed.parts else ''}{observed.parts}")
    if observed.shut:
        return Decision("converge", "Hetzner's firewall lets no visitor in, which site sets right; the server itself may be well")
    if observed.young and observed.login not in DISK and "wait" not in history.tried:
        return Decision("wait", "it was made a moment ago and is still at its first boot")
    if observed.login in DISK:
        return _next(("rebuild", "recreate"), history, f"it cannot be used ({observed.login})", elsewhere)
    if observed.login in (UNKNOWN_KEY, OTHER_KEY):
        views, checks = _views(observed)
        return Decision("stop", f"this machine does not know the server ({observed.login}), so it cannot judge or repair it. {views}. {checks}")
    reason = {"denied": "it is alive, but refuses the login", "no root": "it is alive, but sudo is refused there",
              "unclear": "it is alive, but a login does not answer as it should"}  # fmt: skip
    return _next(("reset", "rebuild", "recreate"), history, reason.get(observed.login, "it has power, but does nothing"), elsewhere)


def _for_served(observed: Situation) -> Decision:
    if observed.login == "ok":
        return Decision("none", "it is healthy")
    trouble = "its owner cannot log in" if observed.login in NO_ENTRY else observed.login
    return Decision("none", f"visitors are served, only {trouble}: an action would cut them off")


def _next(ladder: t.Sequence[str], history: History, reason: str, elsewhere: bool) -> Decision:
    """Return the first step of a ladder that was not tried. A step that Hetzner neither did nor failed at is no reason for a stronger one."""
    also = f", and {' and '.join(history.tried)} did not help" if history.tried else ""
    for step in ladder:
        if step not in history.tried:
            return Decision(step, f"{reason}{also}")
        if step != ladder[-1] and step not in history.done + history.failed:
            return Decision("stop", f"{reason}, and {step} could not be done, which is no reason for a stronger action")
    if elsewhere:
        return Decision("relocate", f"{reason}{also}; another location is allowed")
    return Decision("stop", f"{reason}{also}: look at the server's console")
