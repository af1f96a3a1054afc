# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of blkid, mountinfo and fstab: pure functions."""

from __future__ import annotations

from collections.abc import Sequence


def parse_probe(output: str) -> dict[str, str]:
    """Turn ``blkid -p -o export`` into a dict, without the name of the device itself."""
    pairs = (line.split("=", 1) for line in output.splitlines() if "=" in line)
    return {key: value for key, value in pairs if key != "DEVNAME"}


def mounted_device(mountinfo: str, path: str) -> tuple[int, int] | None:
    """Return major and minor number of what is mounted at a path, None if nothing is (the last mount wins)."""
    found = None
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        if len(fields) > 4 and fields[4].replace("\\040", " ") == path:
            major, minor = fields[2].split(":")
            found = (int(major), int(minor))
    return found


def fstab_line(uuid: str, path: str, fstype: str, options: Sequence[str]) -> str:
    """Return the line of fstab for a filesystem."""
    return "UUID={} {} {} {} 0 2".format(uuid, path.replace(" ", "\\040"), fstype, ",".join(options))


def replace_mount(fstab: str, path: str, line: str) -> str:
    """Return fstab with exactly one entry for a mount point, the others untouched and in place."""
    lines = fstab.splitlines()
    places = [
        number
        for number, text in enumerate(lines)
        if not text.lstrip().startswith("#") and len(text.split()) > 1 and text.split()[1].replace("\\040", " ") == path
    ]
    kept = [text for number, text in enumerate(lines) if number not in places]
    kept.insert(places[0] if places else len(kept), line)
    return "\n".join(kept) + "\n"
