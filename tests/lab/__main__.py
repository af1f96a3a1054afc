# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m lab …`: the local cloud from the command line. LAB_NAME and LAB_SUBNET choose which one."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import urllib.request
from typing import Any

from lab import cloud, process
from lab.api.contract import VENDORS
from lab.config import Lab, LabError
from lab.machine import Machines


def _up(lab: Lab, _args: argparse.Namespace) -> int:
    began = time.monotonic()
    chosen = {"direct": os.environ.get("LAB_SUPABASE_WAY") == "direct", "ifupdown": os.environ.get("LAB_NETWORK") == "ifupdown"}
    cloud.up(lab, lambda line: print(f"lab {lab.name}: {line}", flush=True), **chosen)
    print(f"lab {lab.name}: up after {time.monotonic() - began:.1f} s")
    return 0


def _down(lab: Lab, _args: argparse.Namespace) -> int:
    cloud.down(lab)
    print(f"lab {lab.name}: nothing is left of it")
    return 0


def _status(lab: Lab, args: argparse.Namespace) -> int:
    facts = cloud.status(lab)
    if args.json:
        print(json.dumps(facts, indent=2))
        return 0
    state = "up" if facts["up"] else "down"
    print(f"lab {facts['name']} ({facts['subnet']}): {state}, {facts['memory_mib']} MiB, contract violations: {facts['contract_violations']}")
    for name, running in {**facts["processes"], **{f"server {number}": on for number, on in facts["servers"].items()}}.items():
        print(f"  {name:<16} {'running' if running else 'stopped'}")
    print(f"  {facts['curl']}")
    return 0


def _address(lab: Lab, _args: argparse.Namespace) -> int:
    print(f"\n  https://{lab.domain}/   (through the lab's edge)\n\n  {cloud.curl_line(lab, '/api/health')}\n")
    return 0


def _fault(lab: Lab, args: argparse.Namespace) -> int:
    method = "DELETE" if args.clear else "POST" if args.rules else "GET"
    body = args.rules.encode() if args.rules and not args.clear else None
    request = urllib.request.Request(f"{lab.origin(args.api)}/_lab/faults", data=body, method=method, headers={"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        print(answer.read().decode())
    return 0


def _server_ids(lab: Lab, wanted: str | None) -> list[int]:
    present = sorted(int(path.parent.name) for path in (lab.root / "servers").glob("*/server.json"))
    chosen = present if wanted is None else [number for number in present if str(number) == wanted]
    if not chosen:
        raise LabError(f"No server {wanted or ''} in lab {lab.name}; there are: {', '.join(map(str, present)) or 'none'}.")
    return chosen


def _kill_server(lab: Lab, args: argparse.Namespace) -> int:
    for number in _server_ids(lab, args.server):
        Machines(lab).hang(number) if args.hang else Machines(lab).power_off(number)
        print(f"server {number}: {'hanging' if args.hang else 'dead'}")
    return 0


def _logs(lab: Lab, args: argparse.Namespace) -> int:
    logs = sorted(path.stem for path in (lab.root / "log").glob("*.log"))
    if args.process is None:
        print("\n".join(logs))
    else:
        print(process.tail(lab, args.process, args.lines))
    return 0


def _exec(lab: Lab, args: argparse.Namespace) -> int:
    return cloud.shell(lab, args.node, args.argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        return made

    command("up", _up, "start what is not running")
    command("down", _down, "end and remove everything but the cache")
    command("status", _status, "what runs, and how to look at it").add_argument("--json", action="store_true")
    command("address", _address, "where the platform answers, and a curl line that works as printed")
    fault = command("fault", _fault, "show, set (a JSON list) or clear the faults of one API")
    fault.add_argument("api", choices=sorted(VENDORS))
    fault.add_argument("rules", nargs="?")
    fault.add_argument("--clear", action="store_true")
    kill = command("kill-server", _kill_server, "cut a server's power (default: every server's)")
    kill.add_argument("server", nargs="?")
    kill.add_argument("--hang", action="store_true", help="stop its clock instead")
    logs = command("logs", _logs, "the last lines of a process's log, or the names of all logs")
    logs.add_argument("process", nargs="?")
    logs.add_argument("--lines", type=int, default=40)
    inside = command("exec", _exec, "run a command on a node's network: edge, db, s<id>, or outside as a stranger")
    inside.add_argument("node")
    inside.add_argument("argv", nargs=argparse.REMAINDER)
    return parser


def main() -> int:
    """Runs one command; what goes wrong is one line on standard error."""
    args = _parser().parse_args()
    # servers and services of their own users are made of these files
    os.umask(0o022)
    try:
        return int(args.run(Lab.from_env(), args))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; run the command again to go on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    sys.exit(main())
