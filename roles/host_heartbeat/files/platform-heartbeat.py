# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the heartbeat beside its library: the only part that runs programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, "/usr/local/lib/platform-heartbeat")

from ansible_collections.quetrex.platform.plugins.module_utils.host.heartbeat import main


def run(argv: list[str]) -> tuple[int, str, str]:
    """Status, output, complaints; -1 where the program is not there or does not end."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "LC_ALL": "C"})
    except (OSError, subprocess.SubprocessError) as error:
        return -1, "", str(error)
    return done.returncode, done.stdout, done.stderr


if __name__ == "__main__":
    sys.exit(main(run, Path(sys.argv[1] if len(sys.argv) > 1 else "/etc/platform/heartbeat.json")))
