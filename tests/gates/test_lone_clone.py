# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clone that lies alone passes: nothing beside it, an empty home, none of the caller's environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gates import kit

# What needs neither servers nor a database nor a browser, and is over in half a minute: the contracts, the stand-ins and a client of theirs.
CHEAP = ("tests/contract", "tests/unit/lab/api", "tests/unit/plugins/module_utils/hetzner")
AUTHOR = ("-c", "user.name=test", "-c", "user.email=test@example.org")


def clone(folder: Path) -> Path:
    """What would be committed now, as a repository of one commit."""
    for name in kit.tracked_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(kit.ROOT / name, folder / name)
    for step in (["init", "--quiet"], ["add", "--all"], [*AUTHOR, "commit", "--quiet", "--message", "all"]):
        subprocess.run(["git", *step], cwd=folder, check=True)
    return folder


@pytest.mark.gate
def test_clone_that_lies_alone_passes(tmp_path: Path) -> None:
    """The cheap tests pass, and the only ones that are skipped compare with documents that are not part of the project.

    The interpreter with its packages is this run's: `make venv` would make the same from the same lock file in minutes.
    """
    home, scratch = tmp_path / "home", tmp_path / "tmp"
    for folder in (home, scratch):
        folder.mkdir()
    environment = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin", "/usr/sbin"]),
        "HOME": str(home), "TMPDIR": str(scratch), "LANG": "C.UTF-8",
    }  # fmt: skip
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not long", *CHEAP]
    done = subprocess.run(words, cwd=clone(tmp_path / "alone" / "clone"), env=environment, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    skipped = re.findall(r"^SKIPPED .*", done.stdout, re.MULTILINE)
    assert [one for one in skipped if "CONTRACTS_DIR" not in one] == []
    assert skipped, "the vendors' documents were found, so the clone does not lie alone"
