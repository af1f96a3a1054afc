# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What blkid, mountinfo, fstab and superblocks say: pure functions."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence

EXT4_SUPERBLOCK = 1024
EXT4_MAGIC, EXT4_64BIT, EXT4_ENCRYPT = 0xEF53, 0x80, 0x10000
GROUP = 128 * 1024 * 1024
"""One block group of ext4: less than that is left over by mkfs itself, and no volume grows by so little."""


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


def ext4_size(superblock: bytes) -> int:
    """Return how many bytes an ext4 filesystem has, from its superblock; 0 if it is none."""
    low, log_size = struct.unpack_from("<I", superblock, 0x4)[0], struct.unpack_from("<I", superblock, 0x18)[0]
    magic, features = struct.unpack_from("<H", superblock, 0x38)[0], struct.unpack_from("<I", superblock, 0x60)[0]
    high = struct.unpack_from("<I", superblock, 0x150)[0] if features & EXT4_64BIT else 0
    return int((low | high << 32) * (1024 << log_size)) if magic == EXT4_MAGIC else 0


def ext4_can_encrypt(superblock: bytes) -> bool:
    """Return whether an ext4 filesystem was told that it may hold encrypted folders."""
    return bool(struct.unpack_from("<I", superblock, 0x60)[0] & EXT4_ENCRYPT)


def xfs_size(geometry: str) -> int:
    """Return how many bytes of data a mounted XFS has, from what ``xfs_growfs -n`` prints; 0 if it does not say."""
    found = re.search(r"^data\s+=\s+bsize=(\d+)\s+blocks=(\d+)", geometry, flags=re.MULTILINE)
    return int(found[1]) * int(found[2]) if found else 0


def can_grow(filesystem: int, device: int) -> bool:
    """Whether a device has room behind its filesystem that is worth having."""
    return filesystem > 0 and device - filesystem >= GROUP
