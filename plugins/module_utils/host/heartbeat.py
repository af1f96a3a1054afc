# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's own report: it looks at itself, keeps a sample, and tells a heartbeat monitor that all is well, or what is not.

Runs on the server by a timer, with the code that verify uses from outside. Nothing but Python's standard library.
"""

from __future__ import annotations

import datetime
import json
import sys
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

from ansible_collections.quetrex.platform.plugins.module_utils.host.inspection import Places, RunProgram, inspect
from ansible_collections.quetrex.platform.plugins.module_utils.reporting.findings import Expected, Finding, Limits, excused, server

Json = t.Dict[str, t.Any]  # noqa: UP006 - servers run 3.9
Send = t.Callable[[str, str], None]
# everything but the pending upgrades, which cost the most and are no reason to wake anybody
PARTS = ("base", "disks", "memory", "listeners", "firewall", "containers", "units", "certificates", "releases", "backups", "maintenance")
OWN_UNIT = "platform-heartbeat.service"
SAMPLE_SECONDS, SAMPLES = 3600, 24 * 90


class Settings(t.NamedTuple):
    """What the role writes for the program."""

    name: str
    url: str = ""
    fails: bool = False
    stack: str = "/opt/platform"
    state: str = "/srv/platform"
    sockets: tuple[str, ...] = Expected().sockets
    timers: tuple[str, ...] = ()
    units_allowed: tuple[str, ...] = ()
    limits: t.Mapping[str, float] = Limits()._asdict()
    sums: str = ""

    @classmethod
    def read(cls, path: Path) -> Settings:
        """From the role's file."""
        given = json.loads(path.read_text(encoding="utf-8"))
        known: Json = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if name in cls._fields}
        return cls(**known)


def drifted(run: RunProgram, sums: str) -> list[Finding]:
    """Files that changed since site last ran."""
    if not sums or not Path(sums).exists():
        return []
    status, output, complaints = run(["sha256sum", "--check", "--quiet", sums])
    if status == 0:
        return []
    names = [line.partition(":")[0] for line in output.splitlines() if line.endswith(("FAILED", "FAILED open or read"))]
    return [Finding("server", "problem", f"{name} was changed by hand", fix="Run site") for name in names] or [
        Finding("server", "problem", "files cannot be compared with what site left", complaints.strip()[-200:])
    ]


def look(run: RunProgram, settings: Settings) -> tuple[Json, list[Finding]]:
    """What is observed, and the problems in it."""
    observed = inspect(run, Places(settings.stack, settings.state, ("/", settings.state)), PARTS)
    expected = Expected(settings.sockets, settings.timers, (*settings.units_allowed, OWN_UNIT))
    limits = Limits(**{**Limits()._asdict(), **settings.limits})
    found = server(settings.name, observed, expected, limits) + drifted(run, settings.sums)
    return observed, [finding for finding in excused(found, observed.get("maintenance")) if finding.state == "problem"]


def text(name: str, found: t.Sequence[Finding]) -> str:
    """The report, as somebody reads it who was woken by it."""
    lines = [f"- {finding.what}" + (f" -> {finding.fix}" if finding.fix else "") for finding in found[:20]]
    return "\n".join([f"{name}: {len(found)} problem{'s' if len(found) != 1 else ''}", *lines]) + "\n"


def sample(observed: Json) -> Json:
    """The numbers of a look that have a limit."""
    disks = {disk["path"]: disk["share"] for disk in observed.get("disks") or [] if isinstance(disk, dict)}
    memory, base = observed.get("memory") or {}, observed.get("base") or {}
    used = 1 - memory["available"] / memory["total"] if memory.get("total") else None
    load = base["load"][2] / base["cores"] if base.get("load") else None
    return {"at": observed["at"], "disks": disks, "memory": used and round(used, 4), "load": load and round(load, 3)}


def remember(path: Path, taken: Json) -> None:
    """Add a sample unless the last one is younger than an hour; ninety days are kept."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    try:
        last = datetime.datetime.fromisoformat(json.loads(lines[-1])["at"])
        if (datetime.datetime.fromisoformat(taken["at"]) - last).total_seconds() < SAMPLE_SECONDS:
            return
    except (IndexError, ValueError, KeyError):
        pass
    scratch = path.with_suffix(".new")
    scratch.write_text("\n".join([*lines[-SAMPLES + 1 :], json.dumps(taken)]) + "\n", encoding="utf-8")
    scratch.replace(path)


def send(url: str, body: str) -> None:
    """Tell the service. Raises OSError."""
    request = urllib.request.Request(url, body.encode() or None, {"User-Agent": "quetrex.platform", "Content-Type": "text/plain; charset=utf-8"})
    # runs on the server, where none of ansible's own HTTP functions are
    with urllib.request.build_opener().open(request, timeout=10) as answer:
        answer.read()


def report(settings: Settings, found: t.Sequence[Finding], tell: Send, tries: int = 3) -> str:
    """What was reported: `well`, `failure`, `silence` where the service knows no failures, `nothing` without a service. Raises OSError."""
    if not settings.url:
        return "nothing"
    if found and not settings.fails:
        return "silence"
    url, body = (f"{settings.url}/fail", text(settings.name, found)) if found else (settings.url, "")
    for attempt in range(1, tries + 1):
        try:
            tell(url, body)
            break
        except OSError:
            if attempt == tries:
                raise
    return "failure" if found else "well"


def write(line: str) -> None:
    """A line for the journal."""
    sys.stdout.write(f"{line}\n")


def main(run: RunProgram, path: Path, tell: Send = send, say: t.Callable[[str], None] = write) -> int:
    """Exit code 0 also when there are problems: then they were reported. 1 when nobody could be told."""
    settings = Settings.read(path)
    observed, found = look(run, settings)
    # An empty one is the place of a volume that is not there: a file in it would keep the volume from being mounted.
    state = Path(settings.state)
    if state.is_dir() and any(state.iterdir()):
        remember(state / "history.jsonl", sample(observed))
    say(text(settings.name, found) if found else f"{settings.name}: all is well")
    if observed.get("maintenance"):
        say(f"in maintenance since {observed['maintenance'].get('since')}")
    try:
        say(f"told: {report(settings, found, tell)}")
    except OSError as error:
        say(f"nobody could be told: {error}")
        return 1
    return 0
