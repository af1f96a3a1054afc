# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading blkid and mountinfo, writing fstab."""

from __future__ import annotations

from ansible_collections.quetrex.platform.plugins.module_utils.host.volume import (
    can_grow,
    ext4_size,
    fstab_line,
    mounted_device,
    parse_probe,
    replace_mount,
    xfs_size,
)

# blkid 2.41, Debian 13
PROBED = "DEVNAME=/dev/sdb\nUUID=0a1b\nBLOCK_SIZE=4096\nTYPE=ext4\nUSAGE=filesystem\n"
MOUNTS = "22 1 254:0 / / rw shared:1 - ext4 /dev/root rw\n40 22 8:16 / /srv/platform rw,noatime - ext4 /dev/sdb rw\n"
LINE = fstab_line("0a1b", "/srv/platform", "ext4", ["defaults", "nofail"])


def test_probe_leaves_out_the_name_of_the_device() -> None:
    assert parse_probe(PROBED)["TYPE"] == "ext4"
    assert parse_probe("DEVNAME=/dev/sdb\n") == {}


def test_mounted_device_is_found_by_mount_point() -> None:
    assert mounted_device(MOUNTS, "/srv/platform") == (8, 16)
    assert mounted_device(MOUNTS, "/srv") is None


def test_fstab_gets_one_entry_and_keeps_the_others() -> None:
    others = "# comment /srv/platform\nUUID=root / ext4 defaults 0 1\n"
    assert replace_mount(others, "/srv/platform", LINE) == others + LINE + "\n"


def test_fstab_entries_for_the_same_place_are_replaced_in_place() -> None:
    before = "UUID=old /srv/platform ext4 defaults 0 2\nUUID=root / ext4 defaults 0 1\nUUID=twice /srv/platform ext4 defaults 0 2\n"
    after = replace_mount(before, "/srv/platform", LINE)
    assert after == f"{LINE}\nUUID=root / ext4 defaults 0 1\n"
    assert replace_mount(after, "/srv/platform", LINE) == after


# xfsprogs 6.13, Debian 13
GEOMETRY = (
    "meta-data=/dev/sdb               isize=512    agcount=4, agsize=655360 blks\n"
    "         =                       sectsz=512   attr=2, projid32bit=1\n"
    "data     =                       bsize=4096   blocks=2621440, imaxpct=25\n"
    "         =                       sunit=0      swidth=0 blks\n"
    "log      =internal log           bsize=4096   blocks=16384, version=2\n"
)


def test_a_filesystem_that_fills_its_device_cannot_grow() -> None:
    assert xfs_size(GEOMETRY) == 10 * 2**30
    assert not can_grow(xfs_size(GEOMETRY), 10 * 2**30)
    assert can_grow(xfs_size(GEOMETRY), 11 * 2**30)
    assert not can_grow(xfs_size("xfs_growfs: /srv is not a mounted XFS filesystem"), 11 * 2**30)
    assert ext4_size(bytes(1024)) == 0
