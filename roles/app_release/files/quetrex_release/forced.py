# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the deploy key may ask for: deploy, rollback, status, and nothing else.

The SSH server starts this as the deploy user, whatever was asked. It calls itself through sudo, and the words are judged
again as root: who found a way around the SSH server gains nothing.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from quetrex_release.__main__ import main
from quetrex_release.record import DIGEST, MAIN, RUNNER, repository

PROGRAM = "/usr/local/sbin/platform-deploy"
HELP = (
    "Allowed: deploy [--check] [<web@sha256:…>] [--runner <runner@sha256:…>] | deploy [--check] --service <name>=<image@sha256:…> | "
    "rollback [--runner | --service <name>] [--check] | status"
)


class Refused(Exception):
    """Not one of the allowed commands."""


def judge(words: Sequence[str], web: Sequence[str], runner: Sequence[str], services: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """The arguments of quetrex-release, when the words are one of the allowed commands. `services`: repositories by name."""
    others = {MAIN: web, RUNNER: runner, **(services or {})}
    match list(words):
        case ["rollback", "--service", name] | ["rollback", "--service", name, "--check"] if name in others:
            return list(words)
        case ["deploy", "--check", "--service", text] | ["deploy", "--service", text]:
            name, _sign, image = text.partition("=")
            known(image, others.get(name, ()))
            return list(words)
        case ["status"] | ["rollback"] | ["rollback", "--check"] | ["rollback", "--runner"] | ["rollback", "--runner", "--check"]:
            return list(words)
        case ["deploy", "--check", *rest] | ["deploy", *rest]:
            match rest:
                case ["--runner", image]:
                    known(image, runner)
                case [image, "--runner", second]:
                    known(image, web)
                    known(second, runner)
                case [image]:
                    known(image, web)
                case _:
                    raise Refused(HELP)
            return list(words)
    raise Refused(HELP)


def known(image: str, repositories: Sequence[str]) -> None:
    """Refuses what is not an image by digest of these repositories."""
    if not DIGEST.fullmatch(image) or repository(image) not in repositories:
        raise Refused(f"{image[:200]!r} is not an image of {', '.join(repositories) or 'any allowed repository'} by digest. {HELP}")


def run(argv: Sequence[str], asked: str) -> int:
    """As the deploy user: become root with the same words. As root: judge and do them."""
    if os.geteuid() != 0:
        words = shlex.split(asked) if not argv else list(argv)
        os.execv("/usr/bin/sudo", ["sudo", "-n", PROGRAM, *words])  # noqa: S606  # without a shell is what is wanted
    stack = Path("/opt/platform")
    if (marker := Path(PROGRAM + ".json")).exists():
        stack = Path(json.loads(marker.read_text())["stack"])
    told = json.loads((stack / "release.json").read_text())
    words = judge(argv, told["repositories"], told.get("runner_repositories", []), told.get("service_repositories", {}))
    return main(["--stack", str(stack), "--json", "--alone", *words])


if __name__ == "__main__":
    try:
        sys.exit(run(sys.argv[1:], os.environ.get("SSH_ORIGINAL_COMMAND", "")))
    except (Refused, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(64)
