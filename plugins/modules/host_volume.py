#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount a data volume by UUID, making its filesystem only on a device that is blank."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_volume
short_description: Mount a data volume, never formatting over data
version_added: "1.0.0"
description:
  - Makes a filesystem on a blank device, enters it by UUID in C(/etc/fstab) and mounts it. A filesystem follows a device that was grown.
  - A device with another filesystem, a partition table, or anything but zeros at its beginning is refused and left as it is.
author:
  - Quetrex (@quetrex)
options:
  device:
    description: The block device, best as a stable name below C(/dev/disk/by-id).
    type: path
    required: true
  path:
    description: Where it is mounted. An unmounted folder of that name has to be empty, so that no file is hidden.
    type: path
    required: true
  fstype:
    description: The filesystem made on a blank device and expected on one in use.
    type: str
    choices: [ext4, xfs]
    default: ext4
  options:
    description: Mount options. With C(nofail) a server whose volume is missing still boots and can be reached.
    type: list
    elements: str
    default: [defaults, noatime, nofail]
attributes:
  check_mode:
    support: full
    description: A device that is not attached yet counts as a change.
  diff_mode:
    support: full
    description: Shows fstab before and after.
  idempotent:
    support: full
    description: A second run changes nothing.
"""

EXAMPLES = r"""
- name: Mount the data volume
  quetrex.platform.host_volume:
    device: /dev/disk/by-id/scsi-0HC_Volume_4711
    path: /srv/platform
"""

RETURN = r"""
uuid:
  description: UUID of the filesystem; none while it has not been made.
  returned: always
  type: str
formatted:
  description: Whether the filesystem was made now.
  returned: always
  type: bool
grown:
  description: Whether the filesystem was grown to a device that is bigger now.
  returned: always
  type: bool
"""

import os
from pathlib import Path
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.host import files as disk
from ansible_collections.quetrex.platform.plugins.module_utils.host.plan import FileState, Wanted
from ansible_collections.quetrex.platform.plugins.module_utils.host.volume import (
    EXT4_SUPERBLOCK,
    can_grow,
    ext4_size,
    fstab_line,
    mounted_device,
    parse_probe,
    replace_mount,
    xfs_size,
)

FSTAB = "/etc/fstab"
MEBIBYTE = 1024 * 1024


class Volume:
    """One run of the module."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.path = Path(module.params["path"])
        self.fstype: str = module.params["fstype"]
        self.device = Path(module.params["device"]).resolve()

    def fail(self, msg: str, code: str) -> NoReturn:
        """Refuse, naming what to do."""
        self.module.fail_json(msg=msg, failure={"code": code, "details": {"device": str(self.device), "path": str(self.path)}})
        raise AssertionError("fail_json returned")

    def probe(self) -> dict[str, str]:
        """Return what the device holds; nothing if it is blank."""
        code, out, err = self.module.run_command(["blkid", "-p", "-o", "export", str(self.device)])
        if code not in (0, 2):
            self.fail(f"{self.device} cannot be read (blkid: {err.strip()}): it may hold more than one signature; look at it with wipefs", "unreadable")
        found = parse_probe(out)
        if not found and not self.zeros():
            self.fail(f"{self.device} holds data without a known signature; if it can go: blkdiscard -z {self.device}", "unknown_data")
        if found and found.get("TYPE") != self.fstype:
            content = found.get("TYPE") or "a {} partition table".format(found.get("PTTYPE", "foreign"))
            self.fail(f"{self.device} holds {content}, not {self.fstype}; nothing was changed", "other_data")
        return found

    def zeros(self) -> bool:
        """Whether the first mebibyte of the device is blank."""
        with self.device.open("rb") as stream:
            return not any(stream.read(MEBIBYTE))

    def must(self, argv: list[str]) -> None:
        """Run a command that has to work."""
        self.module.run_command(argv, check_rc=True)

    def is_mounted(self) -> bool:
        """Whether the device is at its place; anything else there is refused."""
        there = mounted_device(Path("/proc/self/mountinfo").read_text(encoding="utf-8"), str(self.path))
        number = self.device.stat().st_rdev
        if there is not None and there != (os.major(number), os.minor(number)):
            self.fail(f"another filesystem is mounted at {self.path} already", "occupied")
        if there is None and self.path.is_dir() and any(self.path.iterdir()):
            self.fail(f"{self.path} is not empty: its files would be hidden by the volume; move them away first", "not_empty")
        return there is not None

    def is_small(self, mounted: bool) -> bool:
        """Whether the device has grown since its filesystem was made. A mounted XFS alone knows its size: what lies on the device may be older."""
        with self.device.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(EXT4_SUPERBLOCK)
            superblock = stream.read(EXT4_SUPERBLOCK)
        if self.fstype == "ext4":
            return can_grow(ext4_size(superblock), size)
        geometry = self.module.run_command(["xfs_growfs", "-n", str(self.path)])[1] if mounted else ""
        return can_grow(xfs_size(geometry), size)

    def grow_unmounted(self) -> None:
        """Grow an ext4 before anybody uses it, which wants it checked first; 1 means that the check has put something right."""
        code, out, err = self.module.run_command(["e2fsck", "-f", "-p", str(self.device)])
        if code not in (0, 1):
            self.fail(f"{self.device} has errors that e2fsck -p does not mend: {(out + err).strip()}", "damaged")
        self.must(["resize2fs", str(self.device)])

    def plan_fstab(self, uuid: str) -> tuple[FileState, str]:
        """Return fstab as it is and as it should be."""
        found = disk.read(FSTAB)
        line = fstab_line(uuid, str(self.path), self.fstype, self.module.params["options"])
        return found, replace_mount(found.content or "", str(self.path), line)

    def ensure(self) -> dict[str, Any]:
        """Format a blank device, enter it in fstab, mount it."""
        found = self.probe()
        mounted = self.is_mounted()
        blank = not found
        if blank and not self.module.check_mode:
            self.must(["mkfs." + self.fstype, "-q", str(self.device)])
            found = self.probe()
        uuid = found.get("UUID", "made-with-the-filesystem")
        before, after = self.plan_fstab(uuid)
        entered = before.content == after
        small = not blank and self.is_small(mounted)
        if small and not mounted and not self.module.check_mode:
            self.grow_unmounted()
        if not self.module.check_mode:
            self.apply(before, None if entered else after, mounted)
            small = small or (not blank and self.is_small(mounted=True))
        if small and (mounted or self.fstype == "xfs") and not self.module.check_mode:
            self.must(["resize2fs", str(self.device)] if self.fstype == "ext4" else ["xfs_growfs", str(self.path)])
        return {
            "changed": blank or not entered or not mounted or small,
            "formatted": blank,
            "grown": small,
            "uuid": found.get("UUID"),
            "diff": [{"before_header": FSTAB, "after_header": FSTAB, "before": before.content or "", "after": after}],
        }

    def apply(self, before: FileState, fstab: str | None, mounted: bool) -> None:
        """Write fstab if it differs, mount if it is not."""
        if fstab is not None:
            mode = before.mode if before.content is not None else 0o644
            disk.write(Wanted(FSTAB, FileState(fstab, before.owner, before.group, mode)))
            self.must(["systemctl", "daemon-reload"])
        if not mounted:
            self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
            self.must(["mount", str(self.path)])


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "device": {"type": "path", "required": True},
            "path": {"type": "path", "required": True},
            "fstype": {"type": "str", "choices": ["ext4", "xfs"], "default": "ext4"},
            "options": {"type": "list", "elements": "str", "default": ["defaults", "noatime", "nofail"]},
        },
        supports_check_mode=True,
    )
    volume = Volume(module)
    if not volume.device.exists():
        if module.check_mode:
            module.exit_json(changed=True, formatted=False, grown=False, uuid=None, diff=[])
        volume.fail(f"the volume {module.params['device']} is not attached to this server", "not_attached")
    module.exit_json(**volume.ensure())


if __name__ == "__main__":
    main()
