# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at a server from outside: each look is bounded in time, believes nothing, and raises nothing."""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ..http_probe import ProbeError, Question, ask, proxy_for
from ..run_command import RunCommand, run_within
from ..writing import ssh_files
from .decision import DISK_LOSING, MISSING, OTHER_KEY, UNKNOWN_KEY, Decision, Situation

PAUSED = 540
"""Status with which Supabase answers for a paused project."""
DEAD_PATIENCE = 2.0
"""Seconds for an edge whose origin Hetzner says is gone: that is not asked of the edge."""
EDGE_PATIENCE = 105.0
"""Seconds for an edge that tries an origin: Cloudflare says 522 after 19 s without a connection, and 524 after 100 s without an answer."""
LONG_LOOK = 15.0
"""Seconds after which one look is worth two: the edge itself has tried for that long."""
LOGIN_WORK = 9.0
"""Seconds for what is run on the server, its timeouts together."""
SETTLING = frozenset({"none", "converge"})
"""Choices after which nothing more is gained by waiting."""
CONFIRMED = frozenset({"reset", "stop"}) | DISK_LOSING
"""Choices that hang on what was observed of a server that may only have been slow: they want two looks that agree."""
MOST_LOOKS = 6
"""How often two looks may differ before nothing is believed."""
LEAST_FREE_KB, LEAST_FREE_INODES = 16 * 1024, 64
"""Below this nothing that writes to the volume works."""

# Writes as root, because that is what everything on the server does; asks the volume and the containers; then the stack as its release engine does.
# The file's name cannot be foreseen, so nobody else can have put something in its place.
_AS_ROOT = """
f=$(mktemp /var/tmp/platform-diagnosis.XXXXXXXXXX) && echo works > "$f" && grep -q works "$f" && echo disk ok
[ -z "$f" ] || rm -f "$f"
printf 'volume '; df -Pk {mount} | awk 'END {{ printf "%s ", $4 }}'; df -Pi {mount} | awk 'END {{ print $4 }}'
timeout 2 docker inspect --format 'container {{{{.Name}}}} {{{{.State.Status}}}} {{{{if .State.Health}}}}{{{{.State.Health.Status}}}}{{{{end}}}}' \
  $(timeout 2 docker ps --all --quiet --filter label=platform.part=base)
timeout 2 docker logs --tail 40 platform-redis 2>&1 | sed 's/^/redis: /'
"""
_SCRIPT = (
    "sudo -n sh -c {as_root} 2>&1;"
    " printf 'origin '; curl --silent --insecure --max-time 4 --output /dev/null --write-out '%{{http_code}}'"
    " --resolve {name}:443:127.0.0.1 {url} || true"
)
# What Redis 7 says before it gives up on its files: the base file, the manifest, or a file of commands.
_DAMAGED = re.compile(
    r"Bad file format reading the append only file|Unexpected end of file reading the append only file|Short read or OOM loading DB"
    r"|Wrong signature trying to load DB|Wrong RDB checksum|Internal error in RDB|Invalid object type|Unknown RDB encoding type"
    r"|Can't handle RDB format|AOF manifest file|AOF loading didn't succeed|error reading the append only file|The AOF .*doesn't exist"
    r"|Unable to obtain the AOF file"
    r"|Unknown command .* reading the append only file"
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
    mount: str = "/srv/platform"


class Inside(t.NamedTuple):
    """What a login found: whether it works, the health page on the server, what no action here can repair, and containers that do not run."""

    login: str
    origin: t.Optional[int] = None
    trouble: str = ""
    parts: str = ""


class Edge(t.NamedTuple):
    """The answer a visitor gets: its status (0 for none), whether it bears the mark of the edge, whether the edge gave it by itself, and whether it
    may only have been late."""

    status: int = 0
    marked: bool = True
    challenged: bool = False
    late: bool = False


def look(
    command: RunCommand, api: str, server: t.Optional[str], address: t.Optional[str], target: Target, young: bool = False, patient: bool = True
) -> Situation:
    """Look at everything at once. `server` is the vendor's status; without an address only the edge and the database are asked. Not `patient` is
    for a server that is expected to come back: what takes longer than its answer is not waited for.
    """
    alive = address is not None and server == "running"
    gone = api == "ok" and (server == "off" or (server in MISSING and address is not None))
    patience = min(target.timeout + 1, DEAD_PATIENCE) if gone else target.timeout + 1
    with ThreadPoolExecutor(5) as pool:
        edge, database = pool.submit(_edge, target, patience), pool.submit(_database, target)
        pinged = pool.submit(_ping, command, str(address)) if alive else None
        banner = pool.submit(_banner, str(address), target.timeout) if alive else None
        login = pool.submit(_login, command, str(address), target) if alive else None
        inside = login.result() if login else Inside("silent")
        visitors, proxy = edge.result(), proxy_for(_question(target, patience), target.name, "https") is not None
        # Asked for longer only where its word decides.
        if visitors.late and patient and inside.login != "ok" and api == "ok" and not gone and (alive or server in MISSING):
            visitors = _edge(target, EDGE_PATIENCE)
        return Situation(
            api, server, pinged.result() if pinged else None, banner.result() if banner else "silent", inside.login, inside.origin, visitors.status,
            database.result(), young, visitors.marked, visitors.challenged, address is not None, proxy, inside.trouble, inside.parts,
        )  # fmt: skip


def observe_until(
    see: t.Callable[[bool], tuple[Situation, Decision]], wait: float, pause: float, clock: t.Callable[[], float], sleep: t.Callable[[float], None]
) -> tuple[Situation, Decision, int]:
    """Look until the decision is one that waiting cannot better, at most `wait` seconds; then what was observed, the decision, and how many looks.

    Only the looks at its end are patient ones. A server that seems dead is looked at twice in any case, and nothing is done while no two looks agree.
    """
    start, looks, last, before = clock(), 0, 0, ""
    while True:
        looks += 1
        began = clock()
        over = began - start >= wait
        observed, decision = see(over)
        last = last + 1 if over else 0
        # Hetzner's own word for one that is gone, or for an API that cannot be used, wants no second look.
        gone = observed.api != "ok" or (decision.action == "recreate" and observed.server in MISSING)
        sure = decision.action not in CONFIRMED or decision.action == before or gone or clock() - began >= LONG_LOOK
        if decision.action in SETTLING or (decision.action == "stop" and observed.api != "ok") or (over and sure):
            return observed, decision, looks
        if last >= MOST_LOOKS:
            return observed, Decision("stop", f"no two looks agree ({before}, then {decision.action}): run it again in a minute"), looks
        before = decision.action
        sleep(pause)


def _question(target: Target, patience: float) -> Question:
    url = f"https://{target.name}{target.path}"
    return Question(url, connect_to=target.edge, ca_path=target.ca_path, timeout=min(patience, target.timeout + 1), answer_timeout=patience)


def _edge(target: Target, patience: float) -> Edge:
    try:
        answer = ask(_question(target, patience))
    except ProbeError as error:
        return Edge(late=error.code == "timeout")
    return Edge(answer.status, answer.edge_marked, bool(answer.mitigated))


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


def script(target: Target) -> str:
    """Return the words for the server's shell. Everything that came from outside is quoted for it."""
    as_root = _AS_ROOT.format(mount=shlex.quote(target.mount))
    return _SCRIPT.format(as_root=shlex.quote(as_root), name=shlex.quote(target.name), url=shlex.quote(f"https://{target.name}{target.path}"))


def _login(command: RunCommand, address: str, target: Target) -> Inside:
    options = {
        "BatchMode": "yes", "ConnectTimeout": f"{target.timeout:.0f}", "ControlPath": "none", "IdentitiesOnly": "yes", "LogLevel": "ERROR",
        "StrictHostKeyChecking": "yes", "UserKnownHostsFile": ssh_files(*target.known_hosts),
    }  # fmt: skip
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    argv = ["ssh", "-n", *words, "-i", target.key_file, f"{target.user}@{address}", script(target)]
    try:
        done = run_within(command, argv, 2 * target.timeout + LOGIN_WORK)
    except OSError:
        done = None
    return understood(*done, mount=target.mount) if done else Inside("silent")


def understood(code: int, said: str, complained: str, mount: str = "/srv/platform") -> Inside:
    """Return what a login's output means."""
    if code == 255:
        return Inside(_refused(complained))
    words = said.rpartition("origin ")[2].strip()
    origin = int(words) if words.isdecimal() else None
    disk = said.partition("\nvolume ")[0]
    if "disk ok" in disk:
        return Inside("ok", origin, _trouble(said, mount), _parts(said))
    known = {"No space left on device": "disk full", "Read-only file system": "disk read-only", "Input/output error": "disk broken", "sudo:": "no root"}
    return Inside(next((meaning for text, meaning in known.items() if text in disk), "unclear"), origin)


def _refused(complained: str) -> str:
    """Return why SSH did not let this machine in. A key that is not known here is this machine's lack, and no word of the server."""
    known = {
        "IDENTIFICATION HAS CHANGED": OTHER_KEY, "host key is known for": UNKNOWN_KEY, "Host key verification failed": UNKNOWN_KEY,
        "Permission denied": "denied",
    }  # fmt: skip
    return next((meaning for text, meaning in known.items() if text in complained), "silent")


def _containers(said: str) -> dict[str, tuple[str, str]]:
    """Return status and health of each container that is there."""
    found = re.findall(r"^container /(\S+) (\S*) ?(\S*)$", said, flags=re.MULTILINE)
    return {name: (status, health) for name, status, health in found}


def _parts(said: str) -> str:
    """Name the containers that do not run, or are not well."""
    states = {name: status if status != "running" else health for name, (status, health) in _containers(said).items()}
    return ", ".join(f"{name} {state}" for name, state in states.items() if state not in ("", "healthy"))


def _trouble(said: str, mount: str) -> str:
    """Name what no action here can repair, and what to do about it."""
    space = re.search(r"^volume (\d+) (\d+)$", said, flags=re.MULTILINE)
    if space and int(space[1]) < LEAST_FREE_KB:
        advice = f"see du -xh -d 2 {mount} on the server, delete what is not needed, or raise platform_volume_size_gb and run site"
        return f"the volume is full ({int(space[1]) // 1024} MB free on {mount}), so Redis and releases cannot write: {advice}"
    if space and int(space[2]) < LEAST_FREE_INODES:
        advice = f"see du --inodes -x -d 2 {mount} on the server, and delete what made so many files"
        return f"the volume is full ({space[2]} inodes free on {mount}), so Redis and releases cannot write: {advice}"
    status, health = _containers(said).get("platform-redis", ("", ""))
    # A container that was stopped may have been repaired since it wrote its last words.
    if status == "restarting" or (status == "running" and health == "unhealthy"):
        damaged = [one for one in re.findall(r"^redis: (.*)$", said, flags=re.MULTILINE) if _DAMAGED.search(one)]
        if damaged:
            return f"Redis cannot read its files in {mount}/redis ({damaged[-1].partition('# ')[2] or damaged[-1]}): docs/runbook.md says how to repair them"
    return ""
