# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes: sparse files behind loop devices, so that mkfs, mount and a pulled disk are the real thing."""

from __future__ import annotations

import os
from pathlib import Path

from lab.config import Lab, LabError
from lab.shell import run

COPIES = 50


def volume_file(lab: Lab, volume_id: int) -> Path:
    """The file behind a volume."""
    return lab.path("volumes", f"{volume_id}.img")


def make(lab: Lab, volume_id: int, gigabytes: int) -> Path:
    """An empty volume of that size, or the present one grown to it."""
    path = volume_file(lab, volume_id)
    with path.open("ab") as file:
        if path.stat().st_size < gigabytes * 2**30:
            file.truncate(gigabytes * 2**30)
    for device in loop_devices(path):
        run("losetup", "--set-capacity", device)
    return path


def loop_devices(path: Path) -> list[str]:
    """The loop devices that stand for a file."""
    return [line.partition(":")[0] for line in run("losetup", "--associated", path, check=False).splitlines()]


def plug(path: Path) -> tuple[str, int, int]:
    """A loop device for the file: its path, major and minor number."""
    devices = loop_devices(path) or [run("losetup", "--find", "--show", path).strip()]
    number = Path(devices[0]).stat().st_rdev
    return devices[0], os.major(number), os.minor(number)


def unplug(path: Path) -> None:
    """Takes the loop devices of a file away (a device still mounted goes when its mount does)."""
    for device in loop_devices(path):
        run("losetup", "--detach", device, check=False)


def at_this_moment(path: Path) -> Path:
    """A copy of what has reached the disk; what is still in the server's memory is not in it.

    The kernel writes on while it is copied. A copy of half one moment and half another is what no disk ever holds, and is recreated.
    """
    copy = path.with_suffix(".cut")
    for _try in range(COPIES):
        before = path.stat().st_mtime_ns
        run("cp", "--sparse=always", path, copy)
        if path.stat().st_mtime_ns == before:
            return copy
    raise LabError(f"{path} was written to all the time while it was copied.")


def put_back(path: Path, copy: Path) -> None:
    """Has the volume be what the copy is; a device that still stands for what was is another's from now on."""
    unplug(path)
    copy.replace(path)


def remove(lab: Lab, volume_id: int) -> None:
    """Deletes a volume with its data."""
    unplug(volume_file(lab, volume_id))
    volume_file(lab, volume_id).unlink(missing_ok=True)


def down(root: Path) -> None:
    """Detaches every loop device of the lab in this folder."""
    for path in (root / "volumes").glob("*.img"):
        unplug(path)
