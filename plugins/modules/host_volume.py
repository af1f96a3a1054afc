#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount a data volume by UUID, making its filesystem only on a device that is blank."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_volume
short_description: Mount a data volume, never formatting over data
version_added: "0.1.0"
description:
  - Makes a filesystem on a blank device, enters it by UUID in C(/etc/fstab) and mounts it.
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
  idempotent:
    support: full
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
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.host import files as disk
from ansible_collections.quetrex.platform.plugins.module_utils.host.plan import FileState, Wanted
from ansible_collections.quetrex.platform.plugins.module_utils.host.volume import fstab_line, mounted_device, parse_probe, replace_mount

FSTAB = "/etc/fstab"
MEBIBYTE = 1024 * 1024


class Volume:
    """One run of the module."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.path: str = module.params["path"].rstrip("/")
        self.fstype: str = module.params["fstype"]
        self.device: str = os.path.realpath(module.params["device"])

    def fail(self, msg: str, code: str) -> None:
        """Refuse, naming what to do."""
        self.module.fail_json(msg=msg, failure={"code": code, "details": {"device": self.module.params["device"], "path": self.path}})

    def probe(self) -> dict[str, str]:
        """Return what the device holds; nothing if it is blank."""
        code, out, err = self.module.run_command(["blkid", "-p", "-o", "export", self.device])
        if code not in (0, 2):
            self.fail("%s cannot be read (blkid: %s): it may hold more than one signature; look at it with wipefs" % (self.device, err.strip()), "unreadable")
        found = parse_probe(out)
        if not found and not self.zeros():
            self.fail("%s holds data without a known signature; if it can go: blkdiscard -z %s" % (self.device, self.device), "unknown_data")
        if found and found.get("TYPE") != self.fstype:
            self.fail(
                "%s holds %s, not %s; nothing was changed" % (self.device, found.get("TYPE") or "a %s partition table" % found.get("PTTYPE"), self.fstype),
                "other_data",
            )
        return found

    def zeros(self) -> bool:
        """Whether the first mebibyte of the device is blank."""
        with open(self.device, "rb") as stream:
            return not any(stream.read(MEBIBYTE))

    def must(self, argv: list[str]) -> None:
        """Run a command that has to work."""
        self.module.run_command(argv, check_rc=True)

    def is_mounted(self) -> bool:
        """Whether the device is at its place; anything else there is refused."""
        with open("/proc/self/mountinfo", encoding="utf-8") as stream:
            there = mounted_device(stream.read(), self.path)
        number = os.stat(self.device).st_rdev
        if there is not None and there != (os.major(number), os.minor(number)):
            self.fail("another filesystem is mounted at %s already" % self.path, "occupied")
        if there is None and os.path.isdir(self.path) and os.listdir(self.path):
            self.fail("%s is not empty: its files would be hidden by the volume; move them away first" % self.path, "not_empty")
        return there is not None

    def plan_fstab(self, uuid: str) -> tuple[FileState, str]:
        """Return fstab as it is and as it should be."""
        found = disk.read(FSTAB)
        line = fstab_line(uuid, self.path, self.fstype, self.module.params["options"])
        return found, replace_mount(found.content or "", self.path, line)

    def ensure(self) -> dict[str, Any]:
        """Format a blank device, enter it in fstab, mount it."""
        found = self.probe()
        mounted = self.is_mounted()
        blank = not found
        if blank and not self.module.check_mode:
            self.must(["mkfs." + self.fstype, "-q", self.device])
            found = self.probe()
        uuid = found.get("UUID", "made-with-the-filesystem")
        before, after = self.plan_fstab(uuid)
        entered = before.content == after
        if not self.module.check_mode:
            self.apply(before, None if entered else after, mounted)
        return {
            "changed": blank or not entered or not mounted,
            "formatted": blank,
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
            os.makedirs(self.path, mode=0o755, exist_ok=True)
            self.must(["mount", self.path])


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
    if not os.path.exists(volume.device):
        if module.check_mode:
            module.exit_json(changed=True, formatted=False, uuid=None, diff=[])
        volume.fail("the volume %s is not attached to this server" % module.params["device"], "not_attached")
    module.exit_json(**volume.ensure())


if __name__ == "__main__":
    main()
