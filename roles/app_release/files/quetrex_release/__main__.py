# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: deploy, rollback, status, ensure, services. People read lines, programs read one JSON document (`--json`)."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from quetrex_release.engine import Engine
from quetrex_release.server import BASE, ReleaseError, Server, Settings
from quetrex_release.services import Services

LOCKED = 3
BOOT_SECONDS = 60.0
STOPS = (signal.SIGTERM, signal.SIGINT)
DIGEST = re.compile(r"^[a-z0-9][a-z0-9.:_/-]*@sha256:[0-9a-f]{64}$")


def parse(argv: list[str]) -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(prog="quetrex-release", description="Blue/green releases of the web application.")
    parser.add_argument("--stack", type=Path, default=Path("/opt/platform"), help="folder of the stack")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    commands = parser.add_subparsers(dest="command", required=True)
    deploy = commands.add_parser("deploy", help="make an image serve")
    deploy.add_argument("image", nargs="?", help="the web application's, by digest: name@sha256:…")
    deploy.add_argument("--runner", metavar="IMAGE", help="the runner's image, after the application's")
    deploy.add_argument("--check", action="store_true", help="only say what would be done")
    deploy.add_argument("--inventory", action="store_true", help="the images are an inventory's: keep later releases than these")
    deploy.add_argument("--last", default=None, help="with --inventory, on a server without a record: what served last")
    back = commands.add_parser("rollback", help="make the image before the current one serve")
    back.add_argument("--runner", action="store_true", help="the runner's instead of the application's")
    back.add_argument("--check", action="store_true", help="only say what would be done")
    services = commands.add_parser("services", help="exchange nginx, Redis and the runner for what the compose file wants")
    services.add_argument("names", nargs="*", choices=[*BASE, []], help="only these")
    commands.add_parser("status", help="say what serves")
    commands.add_parser("ensure", help="after a reboot: run what was released")
    return parser.parse_args(argv)


def who() -> str:
    """The person or the machine that asked, as far as the system knows."""
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or str(os.getuid())


def say(line: str) -> None:
    """Progress. A reader that went away, as a lost SSH connection, is no reason to stop in the middle."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def interrupted(_number: int, _frame: object) -> None:
    """Asked to stop: what was begun is undone, and a second request does not disturb that."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    raise ReleaseError("interrupted", "The release was asked to stop.")


def holder(lock: TextIO) -> str:
    """Take the lock and return "", or return who has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        return lock.read().strip() or "unknown"
    return ""


@contextlib.contextmanager
def only_one(folder: Path, command: str, patience: float = BOOT_SECONDS) -> Iterator[None]:
    """One release at a time; the second is told who is at it. The lock ends with the process, however it ends.

    What the server does by itself after a reboot is waited for, at most `patience` seconds: nobody could know of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience
    with (folder / "releases.lock").open("a+") as lock:
        while other := holder(lock):
            if not other.startswith("ensure ") or time.monotonic() >= deadline:
                raise ReleaseError("locked", f"Another release is going on: {other}")
            time.sleep(0.2)  # the kernel has no lock that is waited for with a deadline
        lock.truncate(0)
        lock.write(f"{command} by {who()} since {time.strftime('%H:%M:%S UTC', time.gmtime())} (process {os.getpid()})\n")
        lock.flush()
        yield


def status(server: Server) -> dict[str, Any]:
    """What serves, what is on record, how the containers are."""
    seen = server.observe()
    record = server.record()
    runner = record.get("runner") or {}
    containers = {colour: {"image": item.image, "running": item.running, "healthy": item.healthy} for colour, item in seen.containers.items()}
    return {
        "changed": False,
        "serving": seen.serving,
        "current": record.get("current"),
        "previous": record.get("previous"),
        "containers": containers,
        "runner": {"current": server.runner_image(), "previous": (runner.get("previous") or {}).get("image")},
    }


def preview(engine: Engine, image: str) -> dict[str, Any]:
    """What a deploy would do."""
    plan, _config = engine.plan(image)
    found = {"changed": plan.changed, "image": image, "steps": list(plan.steps), "reason": plan.reason, "current": engine.server.record().get("current")}
    return found | {"refused": engine.refusal(plan)}


def by_digest(image: str) -> str:
    """The image, if it is named by digest."""
    if not DIGEST.match(image):
        raise ReleaseError("not_a_digest", f"{image!r}: an image is released by digest (name@sha256:…), so that it can be found again.")
    return image


def release(engine: Engine, arguments: argparse.Namespace) -> dict[str, Any]:
    """A deploy or a rollback, or what it would do: the application first, then the runner."""
    back, inventory = arguments.command == "rollback", getattr(arguments, "inventory", False)
    if not arguments.check:
        engine.adopt()
    web, runner = (arguments.image, arguments.runner) if not back else (None, None)
    if back:
        web, runner = (None, engine.rollback_image(runner=True)) if arguments.runner else (engine.rollback_image(), None)
    if not web and not runner:
        raise ReleaseError("nothing_named", "Name the application's image, or the runner's with --runner, or both.")
    result: dict[str, Any] = {"changed": False, "current": engine.server.record().get("current"), "kept": None}
    for image, of_runner in ((web, False), (runner, True)):
        if image:
            done = one(engine, by_digest(image), of_runner, arguments.check, inventory, getattr(arguments, "last", None))
            result = result | {"changed": result["changed"] or done["changed"], "runner": done} if of_runner else result | done
    if arguments.check:
        return result
    Services(engine.server, say, engine.by).remember()
    return result | {"kept_off_server": engine.publish()}


def one(engine: Engine, image: str, runner: bool, check: bool, inventory: bool, last: str | None) -> dict[str, Any]:
    """One image: the application's or the runner's."""
    wanted, kept = image, None
    if inventory:
        image, kept = engine.choose(image, None if runner else last, runner)
    if check:
        done = {"changed": engine.server.runner_image() != image, "image": image} if runner else preview(engine, image)
    else:
        done = engine.deploy_runner(image) if runner else engine.deploy(image)
        if inventory:
            engine.remember_inventory(wanted, runner)
    return done | {"kept": kept}


def perform(arguments: argparse.Namespace, server: Server) -> dict[str, Any]:
    """Runs one command."""
    engine = Engine(server, say, who())
    if arguments.command == "status":
        return status(server)
    if getattr(arguments, "check", False):
        return release(engine, arguments)
    with only_one(server.settings.state_dir, arguments.command):
        if arguments.command == "ensure":
            return engine.ensure()
        if arguments.command == "services":
            return Services(server, say, who()).apply(tuple(arguments.names) or BASE)
        return release(engine, arguments)


def main(argv: list[str]) -> int:
    """Exit code 0: done; 1: refused or failed, the old release serves; 3: another one is at work."""
    arguments = parse(argv)
    code = 0
    for number in STOPS:
        signal.signal(number, interrupted)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        result = perform(arguments, Server(Settings.read(arguments.stack)))
    except ReleaseError as error:
        code = LOCKED if error.code == "locked" else 1
        result = {"changed": False, "failed": True, "msg": str(error), "failure": {"code": error.code, "logs": error.logs}}
    if arguments.json:
        print(json.dumps(result))
    else:
        print("\n".join(f"{name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in result.items()))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
