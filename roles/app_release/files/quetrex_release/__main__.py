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
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from quetrex_release import jobs
from quetrex_release.engine import Engine
from quetrex_release.exchange import Exchanges
from quetrex_release.outcome import Outcome, ReleaseError, as_error
from quetrex_release.record import DIGEST, MAIN, RUNNER, Record, canonical
from quetrex_release.redact import redacted, words
from quetrex_release.server import Server
from quetrex_release.settings import Settings
from quetrex_release.writers import alone

BOOT_SECONDS = 60.0
STOPS = (signal.SIGTERM, signal.SIGINT)


def parse(argv: list[str]) -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(prog="quetrex-release", description="Blue/green releases of the web application.")
    parser.add_argument("--stack", type=Path, default=Path("/opt/platform"), help="folder of the stack")
    parser.add_argument("--alone", action="store_true", help="keep playbooks out meanwhile, and wait for none; for whoever is no playbook")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    commands = parser.add_subparsers(dest="command", required=True)
    deploy = commands.add_parser("deploy", help="make an image serve")
    deploy.add_argument("image", nargs="?", help="the web application's, by digest: name@sha256:…")
    deploy.add_argument("--runner", metavar="IMAGE", help="the runner's image, after the application's")
    deploy.add_argument("--service", metavar="NAME=IMAGE", action="append", default=[], help="the image of one of the inventory's own services")
    deploy.add_argument("--check", action="store_true", help="only say what would be done")
    deploy.add_argument("--inventory", action="store_true", help="the images are an inventory's: keep later releases than these")
    deploy.add_argument("--resume", action="store_true", help="with --inventory: what was released last, whatever the inventory asks for")
    deploy.add_argument("--last", default=None, help="with --inventory, on a server without a record: what served last")
    back = commands.add_parser("rollback", help="make the image before the current one serve")
    back.add_argument("--runner", action="store_true", help="the runner's instead of the application's")
    back.add_argument("--service", metavar="NAME", default="", help="one of the inventory's own services instead")
    back.add_argument("--check", action="store_true", help="only say what would be done")
    services = commands.add_parser("services", help="exchange what has one container, as nginx and Redis, for what the compose file wants")
    services.add_argument("names", nargs="*", help="only these")
    job = commands.add_parser("job", help="run a job now, with its output as this command's")
    job.add_argument("name", help="its name")
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


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """A request to stop waits for nothing here and changes nothing: what is being undone is undone to its end."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
    """One release at a time; the second learns who holds it. The lock ends with the process, however it ends.

    What the server does by itself after a reboot is waited for, at most `patience` seconds: nobody could know of it.
    """
    deadline = time.monotonic() + patience
    with (folder / "releases.lock").open("a+") as lock:
        while other := holder(lock):
            if not other.startswith("ensure ") or time.monotonic() >= deadline:
                raise ReleaseError("locked", f"Another release is going on: {other}", outcome=Outcome.locked)
            time.sleep(0.2)  # the kernel has no lock that is waited for with a deadline
        lock.truncate(0)
        lock.write(f"{command} by {who()} since {time.strftime('%H:%M:%S UTC', time.gmtime())} (process {os.getpid()})\n")
        lock.flush()
        yield


def status(server: Server) -> dict[str, Any]:
    """What serves, what is on record, how the containers are."""
    seen = server.service(MAIN).observe()
    containers = {colour: {"image": item.image, "running": item.running, "healthy": item.healthy} for colour, item in seen.containers.items()}
    others = {name: status_of(server, name) for name in server.settings.services}
    found: dict[str, Any] = {"changed": False, "serving": seen.serving, **serves(server), "containers": containers}
    for name, one in server.settings.exchanges.items():
        if one.released:
            previous = server.state.record().track(name).previous
            found = joined(found, name, {"current": server.docker.image(one.container), "previous": previous.image if previous else None})
    return joined_all(found, others)


def status_of(server: Server, name: str) -> dict[str, Any]:
    """The same of one of the inventory's own services. A job that runs another one's image has no release of its own."""
    track, settings = server.state.record().track(name), server.settings.of(name)
    found = {"current": track.image or None, "previous": track.previous.image if track.previous else None}
    if settings.job:
        return found | {"last": jobs.last(settings)}
    service = server.service(name)
    colour = service.serving()
    runs = service.container(colour) if colour else None
    return found | {"serving": colour, "running": bool(runs and runs.running), "healthy": bool(runs and runs.healthy)}


def joined(result: dict[str, Any], service: str, part: dict[str, Any]) -> dict[str, Any]:
    """An answer with one service more: the application's at the top, the runner's as such, the others' by name."""
    if service == MAIN:
        return result | part
    if service == RUNNER:
        return result | {RUNNER: part}
    return result | {"services": {**result.get("services", {}), service: part}}


def joined_all(result: dict[str, Any], parts: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The same with several."""
    for name, part in parts.items():
        result = joined(result, name, part)
    return result


def serves(server: Server) -> dict[str, Any]:
    """What is on record as serving, and as served before."""
    plain = server.state.record().web.plain()
    return {"current": plain["current"], "previous": plain["previous"]}


def preview(engine: Engine, image: str, service: str) -> dict[str, Any]:
    """What a deploy would do."""
    if one := engine.settings.exchanges.get(service):
        changed = engine.server.docker.image(one.container) != image
        return {"changed": changed, "image": image, "refused": engine.refusal(image, service) if changed else ""}
    plan, _config = engine.plan(image, service)
    found = {"changed": plan.changed, "image": image, "steps": list(plan.steps), "reason": plan.reason}
    current = {"current": serves(engine.server)["current"]} if service == MAIN else {}
    return found | current | {"refused": engine.refusal(image, service, plan)}


def by_digest(image: str) -> str:
    """The image in the form that is recorded, if it is named by digest."""
    if not DIGEST.fullmatch(image):
        raise ReleaseError("not_a_digest", f"{image!r}: an image is released by digest (name@sha256:…), so that it can be found again.")
    return canonical(image)


@dataclass(frozen=True)
class Wish:
    """One image to be released of one service, for an inventory whose own image it need not be."""

    image: str
    service: str = MAIN
    inventory: str | None = None
    kept: str | None = None


def wishes(engine: Engine, arguments: argparse.Namespace) -> list[Wish]:
    """The images to be released, the application's first. Nothing is begun while one of them would be refused."""
    settings = engine.settings
    if arguments.command == "rollback":
        service = RUNNER if arguments.runner else arguments.service or MAIN
        own_image([service], settings)
        found = [Wish(by_digest(engine.rollback_image(service)), service)]
    else:
        named = [(name, image) if sign else ("", name) for name, sign, image in (text.partition("=") for text in arguments.service)]
        pairs = [(MAIN, arguments.image), (RUNNER, arguments.runner), *named]
        pairs = [(service, image) for service, image in pairs if image is not None]
        own_image([service for service, _image in pairs], settings)
        pairs.sort(key=lambda pair: settings.released.index(pair[0]))
        found = [wish(engine, by_digest(image), service, arguments) for service, image in pairs]
    if not found:
        raise ReleaseError("nothing_named", "Name the application's image, or the runner's with --runner, or both, or --service NAME=IMAGE.")
    for one in found if not arguments.check else ():
        engine.permit(one.image, one.service)
    return found


def own_image(names: Sequence[str], settings: Settings) -> None:
    """Refuses services that are not there, are named twice, or have no image of their own."""
    for name in names:
        if followed := settings.followers.get(name) or settings.services.get(name, {}).get("follows"):
            raise ReleaseError("follows", f"{name} runs the image of {followed}: release or roll back {followed}, and {name} follows.")
        if name in settings.exchanges and not settings.exchanges[name].released:
            raise ReleaseError("unknown_service", f"{name}'s image is the inventory's alone: change it there and run site.")
        if name not in settings.released:
            raise ReleaseError("unknown_service", f"{name!r} is no service of platform_services ({', '.join(settings.released)}).")
        if names.count(name) > 1:
            raise ReleaseError("named_twice", f"{name} is named twice; one image of each service.")


def wish(engine: Engine, image: str, service: str, arguments: argparse.Namespace) -> Wish:
    """What is to be released for an image that was named."""
    if not arguments.inventory:
        return Wish(image, service)
    last = canonical(arguments.last) if arguments.last and service == MAIN else None
    chosen, kept = engine.choose(image, last, service, arguments.resume)
    # what an inventory asks for and does not get is not what it asked for before
    return Wish(chosen, service, None if arguments.resume else image, kept)


def followers(engine: Engine, images: Mapping[str, str]) -> list[Wish]:
    """Services that run another one's image, which is the recorded one, or one of `images`."""
    record = engine.state.record()
    found = {name: images.get(followed) or record.track(followed).image for name, followed in engine.settings.followers.items()}
    return [Wish(image, name) for name, image in found.items() if image]


def foresee(engine: Engine, arguments: argparse.Namespace) -> dict[str, Any]:
    """What a deploy or a rollback would do."""
    result: dict[str, Any] = {"changed": False, "current": serves(engine.server)["current"], "kept": None}
    wanted = wishes(engine, arguments)
    for one in [*wanted, *followers(engine, {one.service: one.image for one in wanted})]:
        result = merged(result, one.service, preview(engine, one.image, one.service) | {"kept": one.kept})
    left = [one for name in engine.settings.services for one in engine.server.former_kind(name)]
    if getattr(arguments, "inventory", False) and (gone := engine.server.gone() + left):
        result |= {"changed": True, "removed": gone}
    return result


def merged(result: dict[str, Any], service: str, done: dict[str, Any]) -> dict[str, Any]:
    """The result with what was done for one more service."""
    return joined(result, service, done) | {"changed": result["changed"] or done["changed"]}


def release(engine: Engine, arguments: argparse.Namespace) -> dict[str, Any]:
    """A deploy or a rollback: the application first, then the runner and the others. However it ends, what serves is published and returned."""
    result: dict[str, Any] = {"changed": False, "kept": None}
    error: ReleaseError | None = None
    before: Record | None = None
    try:
        engine.adopt()
        before = engine.state.record()
        for one in wishes(engine, arguments):
            result = merged(result, one.service, engine.deploy(one.image, one.inventory, one.service) | {"kept": one.kept})
        for one in followers(engine, {}):
            result = merged(result, one.service, engine.deploy(one.image, service=one.service))
        if getattr(arguments, "inventory", False):
            gone, stays = engine.retire()
            result |= {"changed": True, "removed": gone, "stays": stays} if gone else {}
    except Exception as problem:  # noqa: BLE001  # whatever it is, what serves is reported
        error = as_error(problem)
    with shielded():
        return ended(engine, result, error, before)


def ended(engine: Engine, result: dict[str, Any], error: ReleaseError | None, before: Record | None) -> dict[str, Any]:
    """What serves is remembered, published and returned. `before` is the record that the release began with."""
    left = [part["left"] for part in (result, result.get(RUNNER, {}), *result.get("services", {}).values()) if "left" in part]
    if error is None:
        try:
            Exchanges(engine.server, say, engine.by).remember()
        except (ReleaseError, OSError) as problem:
            left.append(f"remember: {problem}")
    result |= serves(engine.server) | {"kept_off_server": engine.publish()}
    if error is not None:
        if error.outcome is None and before not in (None, engine.state.record()):  # asked to stop when all was done
            error.outcome = Outcome.unclean
        partly = result["changed"] and error.outcome in (Outcome.failed, None)
        return result | failure(error, Outcome.partly if partly else error.outcome, left)
    if left:
        return result | failure(ReleaseError("left", ""), Outcome.unclean, left)
    return result | {"outcome": Outcome.done.name}


def failure(error: ReleaseError, outcome: Outcome | None, left: list[str] | None = None) -> dict[str, Any]:
    """How a command ended that did not do all that it was asked for."""
    known = outcome or Outcome.refused
    words = [str(error), *(left or []), known.sentence]
    return {
        "failed": True,
        "outcome": known.name,
        "msg": " ".join(word for word in words if word),
        "failure": {"code": error.code, "logs": error.logs},
    }


def perform(arguments: argparse.Namespace, server: Server) -> dict[str, Any]:
    """Runs one command."""
    engine = Engine(server, say, who(), shielded)
    if arguments.command == "status":
        return status(server)
    server.require_state()
    if arguments.command == "job":
        return jobs.run(server, arguments.name)
    if getattr(arguments, "check", False):
        return foresee(engine, arguments)
    with contextlib.ExitStack() as held:
        if arguments.alone:
            held.enter_context(alone(arguments.stack, arguments.command, who(), say))
        held.enter_context(only_one(server.settings.state_dir, arguments.command))
        server.require_state()
        if arguments.command == "ensure":
            return engine.ensure()
        if arguments.command == "services":
            exchanges = Exchanges(server, say, who(), shielded)
            if unknown := [name for name in arguments.names if name not in exchanges.kinds]:
                raise ReleaseError("unknown_service", f"{unknown[0]!r} is not exchanged in place ({', '.join(exchanges.kinds)} are).")
            return exchanges.apply(arguments.names)
        return release(engine, arguments)


def platform(settings: Settings) -> Server:
    """One server, or several."""
    if not settings.sockets:
        return Server(settings)
    from quetrex_release.pool import Pool  # a single server has no programs of a pool

    return Pool(settings)


def main(argv: list[str]) -> int:
    """Runs a command; the exit code is its outcome's."""
    arguments = parse(argv)
    by_itself = False
    for number in STOPS:
        signal.signal(number, interrupted)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        server = platform(Settings.read(arguments.stack))
        by_itself = arguments.command == "ensure"
        result = perform(arguments, server)
    except ReleaseError as error:
        result = {"changed": False} | failure(error, error.outcome)
    except Exception as problem:  # noqa: BLE001  # one form of answer, whatever happens
        print(redacted(traceback.format_exc(), words(arguments.stack)), file=sys.stderr)
        result = {"changed": False} | failure(as_error(problem), Outcome.unknown if by_itself else Outcome.refused)
    # what quotes others; everything else is ours, and is read by programs
    quoted = {name: result[name] for name in ("msg", "failure") if name in result}
    result |= redacted(quoted, words(arguments.stack)) if quoted else {}
    if arguments.json:
        print(json.dumps(result))
    else:
        print("\n".join(f"{name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in result.items()))
    return Outcome[result.get("outcome", Outcome.done.name)].code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
