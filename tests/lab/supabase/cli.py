# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Supabase CLI itself, from npm into the lab's cache."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

from lab.config import LabError
from lab.supabase.cluster import cache_dir

VERSIONS = ("2.104.0", "3.1.0")


def install(version: str) -> Path:
    """The CLI's program for this machine."""
    if shutil.which("npm") is None:
        raise LabError("npm is not installed")
    place = cache_dir() / f"supabase-cli-{version}"
    found = place / "node_modules/@supabase/cli-linux-x64/bin/supabase"
    place.mkdir(parents=True, exist_ok=True)
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            words = ["npm", "install", "--prefix", str(place), "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", f"@supabase/cli-linux-x64@{version}"]
            done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
            if done.returncode or not found.exists():
                raise LabError(f"npm does not give the Supabase CLI {version}: {done.stderr[-300:]}")
    return found
