# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server itself: its time, its memory, its disks."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from pathlib import Path

from quetrex_release.files import content, listed
from quetrex_release.outcome import ReleaseError

# What has to be mounted, and what is.
FSTAB, MOUNTS = Path("/etc/fstab"), Path("/proc/self/mountinfo")
# A record, static files and Redis have to find room on the volume after the switch as well.
LEAST_STATE_MB = 64


class Host:
    """Time, memory and disks of this server."""

    def now(self) -> str:
        """The time, for people."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def wait(self, seconds: float) -> None:
        """Lets time pass."""
        time.sleep(seconds)

    def clock(self) -> float:
        """Seconds on a clock that never jumps."""
        return time.monotonic()

    def memory_mb(self) -> int:
        """Memory that can be had without swapping."""
        match = re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())
        return int(match.group(1)) // 1024 if match else 0

    def used_mb(self, process: int) -> int:
        """Memory that the container of a process really uses, without what the kernel would give up; 0 when that cannot be told."""
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process}/cgroup").read_text().splitlines():
                _number, controllers, place = line.split(":", 2)
                if "memory" in controllers.split(",") or not controllers:
                    root, inside = Path("/sys/fs/cgroup") / ("memory" if controllers else ""), place.lstrip("/")
                    # a container's control group may be told from further up than this system sees
                    for folder in (root / inside, root / "/".join(inside.split("/")[-2:])):
                        match = re.search(r"^(?:anon|total_rss) (\d+)$", content(folder / "memory.stat") or "", flags=re.MULTILINE)
                        if match:
                            return int(match.group(1)) >> 20
        return 0

    def disk_mb(self) -> int:
        """Free space where images go."""
        folder = Path("/var/lib/docker")
        return shutil.disk_usage(folder if folder.is_dir() else "/").free >> 20

    def free_mb(self, folder: Path) -> int:
        """Free space where a folder is."""
        return shutil.disk_usage(folder).free >> 20

    def require_mounted(self, folder: Path) -> None:
        """Refuses while the volume is away: what was written now would lie under it later."""
        if listed(FSTAB, 1, folder) and not listed(MOUNTS, 4, folder):
            raise ReleaseError("not_mounted", f"The volume is not mounted at {folder}: nothing is released without it. Run site, or mount {folder}.")
        if not folder.is_dir():
            raise ReleaseError("no_state", f"{folder} does not exist: site makes it.")

    def require_disk(self, least_mb: int, state_dir: Path) -> None:
        """Refuses when images or the record would find no room."""
        disk, state = self.disk_mb(), self.free_mb(state_dir)
        if disk < least_mb:
            raise ReleaseError("not_enough_disk", f"{disk} MB are free for images, {least_mb} MB are needed.")
        if state < LEAST_STATE_MB:
            raise ReleaseError("not_enough_disk", f"{state} MB are free in {state_dir}, {LEAST_STATE_MB} MB are needed.")
