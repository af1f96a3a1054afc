# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at a server from outside: each look is bounded in time, believes nothing, and raises nothing."""

from __future__ import annotations

import shutil
import socket
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ..http_probe import ProbeError, Question, ask
from ..run_command import RunCommand, run_within
from .choice import Choice, Situation

PAUSED = 540
"""Status with which Supabase answers for a paused project."""
DEAD_PATIENCE = 1.0
"""Seconds for an edge whose origin is known to be gone."""
SETTLING = frozenset({"none", "converge", "stop"})
"""Choices after which nothing more is gained by waiting."""
CONFIRMED = frozenset({"reset", "rebuild"})
"""Cures of a server that may only have been slow: they want two looks that agree."""

# Writes as root, because that is what everything on the server does; then asks the stack as its release engine does.
_SCRIPT = (
    "sudo -n sh -c 'f=/var/tmp/.platform-diagnosis; echo works > $f && grep -q works $f && rm $f' 2>&1 && echo disk ok;"
    " printf 'origin '; curl --silent --insecure --max-time 4 --output /dev/null --write-out '%{{http_code}}'"
    " --resolve {name}:443:127.0.0.1 https://{name}{path} || true"
)


class Target(t.NamedTuple):
    """Where to look. Addresses are IPv4; `known_hosts` are files; `edge` and `ca_path` only where the DNS and the public authorities are not to be asked."""

    name: str
    path: str
    edge: t.Optional[str]
    ca_path: t.Optional[str]
    user: str
    key_file: str
    known_hosts: tuple[str, ...]
    database: t.Optional[str]
    database_port: int
    supabase_url: t.Optional[str]
    timeout: float = 5.0


def look(command: RunCommand, api: str, server: t.Optional[str], address: t.Optional[str], target: Target, young: bool = False) -> Situation:
    """Look at everything at once. `server` is the vendor's status; without an address only the edge and the database are asked."""
    alive = address is not None and server == "running"
    # An edge without an origin takes long to say so, and is only told then.
    patience = min(target.timeout, DEAD_PATIENCE) if api == "ok" and not alive else target.timeout
    with ThreadPoolExecutor(5) as pool:
        edge, database = pool.submit(_edge, target, patience + 1), pool.submit(_database, target)
        pinged = pool.submit(_ping, command, str(address)) if alive else None
        banner = pool.submit(_banner, str(address), target.timeout) if alive else None
        login = pool.submit(_login, command, str(address), target) if alive else None
        said, origin = login.result() if login else ("silent", None)
        return Situation(
            api, server, pinged.result() if pinged else None, banner.result() if banner else "silent", said, origin, edge.result(), database.result(), young
        )


def look_until(
    see: t.Callable[[], tuple[Situation, Choice]], wait: float, pause: float, clock: t.Callable[[], float], sleep: t.Callable[[float], None]
) -> tuple[Situation, Choice, int]:
    """Look until the choice is one that waiting cannot better, at most `wait` seconds; then what was seen, the choice, and how many looks.

    A server that seems dead is looked at twice in any case.
    """
    start, looks, before = clock(), 0, ""
    while True:
        looks += 1
        seen, choice = see()
        over = clock() - start >= wait
        confirmed = choice.cure not in CONFIRMED or choice.cure == before
        if choice.cure in SETTLING or (over and confirmed):
            return seen, choice, looks
        before = choice.cure
        sleep(pause)


def _edge(target: Target, timeout: float) -> int:
    return _status(Question(f"https://{target.name}{target.path}", connect_to=target.edge, ca_path=target.ca_path, timeout=timeout))


def _status(question: Question) -> int:
    try:
        return ask(question).status
    except ProbeError:
        return 0


def _database(target: Target) -> str:
    if not target.database:
        return "not asked"
    if target.supabase_url and _status(Question(f"{target.supabase_url.rstrip('/')}/auth/v1/health", timeout=target.timeout)) == PAUSED:
        return "paused"
    try:
        socket.create_connection((target.database, target.database_port), timeout=target.timeout).close()
    except OSError:
        return "silent"
    return "answers"


def _ping(command: RunCommand, address: str) -> t.Optional[bool]:
    program = shutil.which("ping")
    if not program:
        return None
    done = run_within(command, [program, "-n", "-c", "1", "-W", "2", address], 4)
    return done is not None and done[0] == 0


def _banner(address: str, timeout: float) -> str:
    try:
        with socket.create_connection((address, 22), timeout=timeout) as connection:
            return "answers" if connection.recv(64).startswith(b"SSH-") else "silent"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "silent"


def _login(command: RunCommand, address: str, target: Target) -> tuple[str, t.Optional[int]]:
    options = {
        "BatchMode": "yes", "ConnectTimeout": f"{target.timeout:.0f}", "ControlPath": "none", "IdentitiesOnly": "yes", "LogLevel": "ERROR",
        "StrictHostKeyChecking": "yes", "UserKnownHostsFile": " ".join(f'"{file}"' for file in target.known_hosts),
    }  # fmt: skip
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    argv = ["ssh", "-n", *words, "-i", target.key_file, f"{target.user}@{address}", _SCRIPT.format(name=target.name, path=target.path)]
    try:
        done = run_within(command, argv, 2 * target.timeout + 4)
    except OSError:
        done = None
    return understood(*done) if done else ("silent", None)


def understood(code: int, said: str, complained: str) -> tuple[str, t.Optional[int]]:
    """Return what a login's output means, and the status of the health page on the server."""
    if code == 255:
        refused = ("Permission denied", "Host key verification failed", "HOST IDENTIFICATION HAS CHANGED")
        return ("denied" if any(text in complained for text in refused) else "silent"), None
    words = said.rpartition("origin ")[2].strip()
    origin = int(words) if words.isdecimal() else 0
    if "disk ok" in said:
        return "ok", origin
    known = {"No space left on device": "disk full", "Read-only file system": "disk read-only", "Input/output error": "disk broken"}
    return next((meaning for text, meaning in known.items() if text in said), "disk cannot be written"), origin
