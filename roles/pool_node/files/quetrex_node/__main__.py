# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line on a server of a pool. People read lines, programs read one JSON document (`--json`).

Exit codes: 0 what is desired is in effect, or nothing is desired yet; 1 there is a problem and what was before goes on; 3 another one is at work;
4 the desired state is refused; 2 wrong words.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from quetrex_release.docker import Docker
from quetrex_release.files import content
from quetrex_release.host import Host
from quetrex_release.outcome import ReleaseError

from quetrex_node.desired import Desired
from quetrex_node.node import Node, Observed, Settings
from quetrex_node.service import service, stack_file
from quetrex_node.swarm import Nodes

PROBLEM, LOCKED, REFUSED = 1, 3, 4
# after a problem that may pass: an nginx that is just starting, a registry that is away for a moment
ATTEMPTS, PAUSE_SECONDS = 5, 2
# longer than any worker of nginx may take to finish
FOLLOW_SECONDS = 3600


def parse(argv: list[str]) -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(prog="quetrex-node", description="What each server of a pool does by itself.")
    parser.add_argument("--settings", type=Path, default=Path("/etc/platform/node.json"), help="file that says where things are")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    commands = parser.add_subparsers(dest="command", required=True)
    apply = commands.add_parser("apply", help="bring what is desired into effect")
    apply.add_argument("--follow", action="store_true", help="until no old worker of nginx is left, and a passing problem is over")
    commands.add_parser("status", help="say what is in effect")
    commands.add_parser("desired", help="on a manager: name the configuration that says what is desired; an empty one is made if there is none")
    bring = commands.add_parser("service", help="on a manager: run the service that brings it to every server, and wait for all that are ready")
    bring.add_argument("--image", required=True, help="any image that every server can run, by digest")
    bring.add_argument("--check", action="store_true", help="only say whether there is anything to do")
    return parser.parse_args(argv)


@contextlib.contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Whether no other one is at work; the kernel lets the lock go with its process."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def follow(node: Node) -> Observed:
    """Converges until nothing is left to do."""
    deadline, attempts = node.host.clock() + FOLLOW_SECONDS, 0
    while True:
        seen, observed = node.present(), node.converge()
        settled = observed.ok and (observed.serving or not node.files())
        attempts = 0 if settled else attempts + 1
        if observed.code == "refused" or attempts >= ATTEMPTS:
            return observed
        while settled and observed.draining and node.present() == seen and node.host.clock() < deadline:
            node.host.wait(1)
            observed = replace(observed, draining=node.draining())
            node.report(observed)
        if settled and node.present() == seen:
            return observed
        node.host.wait(0 if settled else PAUSE_SECONDS)


def status(node: Node) -> Observed:
    """The last report, as far as it is about what is desired now."""
    text, present = content(node.observed_file), node.present()
    if not present and not text:
        return Observed()
    told = {name: value for name, value in json.loads(text or "{}").items() if name in Observed.__dataclass_fields__}
    observed = Observed(**{**told, "warnings": tuple(told.get("warnings", ()))})
    if observed.digest != present:
        return replace(observed, ok=False, code="pending", problem="What is desired is not in effect yet.")
    return observed


def sentence(observed: Observed) -> str:
    """For people."""
    if not observed.ok:
        return f"{observed.problem} What was before goes on."
    if not observed.digest:
        return "Nothing is desired of this server yet."
    serving = "nginx leads to it" if observed.serving else "nginx does not run or leads nowhere yet"
    draining = f", {observed.draining} worker(s) of before finish what they have" if observed.draining else ""
    return "\n".join([f"{observed.generation[:12]} is in effect: {serving}{draining}.", *observed.warnings])


def main(argv: list[str]) -> int:
    """Runs one command."""
    words = parse(argv)
    settings = Settings.read(words.settings)
    docker, host = Docker(settings.stack), Host()
    if words.command in ("desired", "service"):
        return _manage(Nodes(docker, host, stack=settings.name), settings, words)
    node = Node(settings, docker, host)
    if words.command == "status":
        observed = status(node)
    else:
        with alone(settings.outbox / "lock") as free:
            if not free:
                print("Another quetrex-node is at work on this server.", file=sys.stderr)
                return LOCKED
            observed = follow(node) if words.follow else node.converge()
    print(json.dumps(asdict(observed)) if words.json else sentence(observed))
    return 0 if observed.ok else REFUSED if observed.code == "refused" else PROBLEM


def _manage(nodes: Nodes, settings: Settings, words: argparse.Namespace) -> int:
    """What is said on a manager."""
    changed = False
    try:
        if words.command == "service":
            entry = service(words.image, str(settings.inbox), str(settings.outbox), settings.shell)
            changed = nodes.ensure(lambda config: stack_file(config, entry), check=words.check)
            if not words.check:
                nodes.settle(nodes.current())
        name = nodes.current_name()
        if not name and words.command == "desired":
            name, changed = nodes.create(Desired()), True
    except ReleaseError as error:
        failure = {"changed": changed, "failed": True, "msg": str(error), "failure": {"code": error.code}}
        print(json.dumps(failure) if words.json else error, file=sys.stdout if words.json else sys.stderr)
        return PROBLEM
    print(json.dumps({"changed": changed, "config": name}) if words.json else name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
