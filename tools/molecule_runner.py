# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs molecule scenarios in labs whose names nobody else on the machine uses; whatever happens, no lab is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from lab import cloud, slots
from lab.config import Lab

ROOT = Path(__file__).resolve().parents[1]
FIRST_LAB = 8  # of a slot's sixteen; the lower ones belong to the integration tests


def scenarios() -> list[str]:
    return sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))


def environment(lab: Lab) -> dict[str, str]:
    """A home of its own keeps molecule's state apart from other checkouts of the same name."""
    home = lab.folder("molecule")
    return {
        **os.environ,
        "LAB_NAME": lab.name,
        "LAB_SUBNET": str(lab.prefix),
        "MOLECULE_GLOB": "molecule/*/molecule.yml",
        "ANSIBLE_HOME": str(ROOT / ".cache" / "molecule" / lab.name),
        "XDG_CACHE_HOME": str(home),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "tree"),
    }


def run(scenario: str, lab: Lab) -> bool:
    cloud.down(lab, abandoned=True)
    try:
        # Tests on a platform go through the pooler; here the database's own host is taken.
        cloud.up(lab, print, direct=True)
        return subprocess.run(["molecule", "test", "--scenario-name", scenario], cwd=ROOT, env=environment(lab), check=False).returncode == 0
    finally:
        cloud.down(lab, abandoned=True)


def end(number: int, _frame: FrameType | None) -> None:
    """So that a `kill` takes the lab down too."""
    sys.exit(128 + number)


def main() -> None:
    known = scenarios()
    chosen = sys.argv[1:] or known
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        sys.exit(f"no such scenario: {', '.join(unknown)}; there are: {', '.join(known)}")
    signal.signal(signal.SIGTERM, end)
    slot = slots.take()
    failed = [name for name in chosen if not run(name, slot.lab(FIRST_LAB + known.index(name), f"m{known.index(name)}"))]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
