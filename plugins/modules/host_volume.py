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
  - With O(key) everything on it is encrypted by the kernel (ext4 only). That is decided while the volume is empty and cannot be changed later.
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
  key:
    description:
      - Words that the volume's key is made from, the same on every server the volume may come to. Without them nothing is encrypted.
      - A volume in use that is encrypted otherwise, or not, is refused and left as it is.
    type: str
  key_file:
    description: Where the key made from O(key) is kept for the server's next start; removed for a volume that is not encrypted.
    type: path
    default: /etc/platform/volume.key
  wait:
    description: Seconds in which the device has to appear. A volume that was attached a moment ago takes some. Check mode does not wait.
    type: float
    default: 30
attributes:
  check_mode:
    support: full
    description:
      - A device that is not attached yet counts as a change. Nothing is mounted for a look; whether O(key) is the one of a volume that is not mounted
        is therefore left open, with a warning.
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

- name: Mount the data volume, whose content nobody reads without the key
  quetrex.platform.host_volume:
    device: /dev/disk/by-id/scsi-0HC_Volume_4711
    path: /srv/platform
    key: "{{ vault_volume_key }}"
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
encrypted:
  description: Whether what is on it is encrypted.
  returned: always
  type: bool
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.host import encryption
from ansible_collections.quetrex.platform.plugins.module_utils.host import files as disk
from ansible_collections.quetrex.platform.plugins.module_utils.host.plan import FileState, Wanted
from ansible_collections.quetrex.platform.plugins.module_utils.host.volume import (
    EXT4_SUPERBLOCK,
    can_grow,
    ext4_can_encrypt,
    ext4_size,
    fstab_line,
    mounted_device,
    parse_probe,
    replace_mount,
    xfs_size,
)

FSTAB = "/etc/fstab"
MEBIBYTE = 1024 * 1024
ASIDE = Path("/run/platform-volume")


class Volume:
    """One run of the module."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.path = Path(module.params["path"])
        self.fstype: str = module.params["fstype"]
        self.device = Path(module.params["device"]).resolve()
        self.key = encryption.derive(module.params["key"]) if module.params["key"] else b""
        self.key_name = encryption.identifier(self.key) if self.key else b""
        self.key_file = FileState(self.key.hex() + "\n" if self.key else None, mode=0o600)

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
            names = sorted(entry.name for entry in self.path.iterdir())
            self.fail(
                f"{self.path} is not empty: its files would be hidden by the volume. There is {', '.join(names[:5])}{', …' if names[5:] else ''}, "
                f"written while the volume was away; look at it and move it away: mv {self.path} {self.path}.aside, then run again",
                "not_empty",
            )
        return there is not None

    def superblock(self) -> bytes:
        """What the device says of its ext4."""
        with self.device.open("rb") as stream:
            stream.seek(EXT4_SUPERBLOCK)
            return stream.read(EXT4_SUPERBLOCK)

    def is_small(self, mounted: bool) -> bool:
        """Whether the device has grown since its filesystem was made. A mounted XFS alone knows its size: what lies on the device may be older."""
        with self.device.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
        if self.fstype == "ext4":
            return can_grow(ext4_size(self.superblock()), size)
        geometry = self.module.run_command(["xfs_growfs", "-n", str(self.path)])[1] if mounted else ""
        return can_grow(xfs_size(geometry), size)

    def grow_unmounted(self) -> None:
        """Grow an ext4 before anybody uses it, which wants it checked first; 1 means that the check has put something right."""
        code, out, err = self.module.run_command(["e2fsck", "-f", "-p", str(self.device)])
        if code not in (0, 1):
            self.fail(f"{self.device} has errors that e2fsck -p does not repair: {(out + err).strip()}", "damaged")
        self.must(["resize2fs", str(self.device)])

    @contextlib.contextmanager
    def all_of_it(self) -> Iterator[Path]:
        """The whole filesystem, before it is at its place. A look that was killed is ended by the next."""
        if ASIDE.is_mount():
            self.must(["umount", str(ASIDE)])
        ASIDE.mkdir(mode=0o700, exist_ok=True)
        self.must(["mount", "-o", "noatime", str(self.device), str(ASIDE)])
        try:
            yield ASIDE
        finally:
            self.must(["umount", str(ASIDE)])
            ASIDE.rmdir()

    def look(self, mounted: bool) -> tuple[Optional[bytes], bool]:
        """The name of the key that the volume is encrypted with, and whether there is anything on it."""
        if mounted:
            name = encryption.policy(self.path)
            inside = self.path / encryption.FOLDER
            if name is None and inside.is_dir() and encryption.policy(inside) is not None:
                self.fail(
                    f"{self.device} is mounted with its root at {self.path}, not with its encrypted folder: umount {self.path}, run again", "root_mounted"
                )
            return name, True
        with self.all_of_it() as root:
            folder = root / encryption.FOLDER
            there = [path for path in root.iterdir() if path.name not in ("lost+found", encryption.FOLDER)]
            if not folder.is_dir():
                return None, bool(there)
            return encryption.policy(folder), bool(there) or any(folder.iterdir())

    def encrypted_as_wanted(self, mounted: bool) -> bool:
        """Whether a volume has the encryption that is wanted; False for an empty one that gets it. Anything else is refused."""
        if not self.key and not (self.fstype == "ext4" and ext4_can_encrypt(self.superblock())):
            return True
        if self.module.check_mode and not mounted:
            return self.unseen()
        name, used = self.look(mounted)
        if (name or b"") == self.key_name:
            return True
        if not self.key:
            self.fail(f"{self.device} is encrypted and there is no key; put the one it was made with back (platform_volume_key)", "key_missing")
        if name is not None:
            self.fail(f"{self.device} is encrypted with another key; put the one it was made with back (platform_volume_key)", "other_key")
        if used:
            way = "copy the state elsewhere, then have it restored to a new volume (docs/secrets.md), or take platform_volume_key out again"
            self.fail(f"{self.device} is in use without encryption, which cannot be added; nothing was changed. {way}", "not_encrypted")
        return False

    def unseen(self) -> bool:
        """What can be said of a volume that is not mounted, where nothing may be mounted to look inside."""
        self.module.warn(f"{self.device} is not mounted: whether it is empty and what key it has is only seen by a run that mounts it")
        return not self.key or ext4_can_encrypt(self.superblock())

    def encrypt(self) -> None:
        """Make the folder that is mounted from now on, while there is nothing on the volume."""
        if not ext4_can_encrypt(self.superblock()):
            self.must(["tune2fs", "-O", "encrypt", str(self.device)])
        with self.all_of_it() as root, self.by_the_kernel():
            encryption.add_key(root, self.key)
            folder = root / encryption.FOLDER
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)
            encryption.protect(folder, self.key_name)

    @contextlib.contextmanager
    def by_the_kernel(self) -> Iterator[None]:
        """What a kernel without encryption refuses."""
        try:
            yield
        except OSError as error:
            self.fail(f"the kernel does not encrypt {self.device}: {error.strerror}", "no_encryption")

    def unlock(self) -> bool:
        """See that what is mounted is the encrypted folder, and have the kernel know its key. Returns whether it has to be told."""
        if encryption.policy(self.path) != self.key_name:
            self.must(["umount", str(self.path)])
            self.fail("this system's mount does not know the option X-mount.subdir; it wants util-linux 2.38 or newer", "no_encryption")
        with self.by_the_kernel():
            if encryption.has_key(self.path, self.key_name):
                return False
            if not self.module.check_mode:
                encryption.add_key(self.path, self.key)
            return True

    def keep_key(self) -> bool:
        """Keep the key on the system's disk for the next start, or have none there. Returns whether that is a change."""
        path = self.module.params["key_file"]
        found = disk.read(path)
        if found == self.key_file or (found.content is None and self.key_file.content is None):
            return False
        if not self.module.check_mode:
            disk.write(Wanted(path, self.key_file))
        return True

    def plan_fstab(self, uuid: str) -> tuple[FileState, str]:
        """Return fstab as it is and as it should be."""
        found = disk.read(FSTAB)
        options = [*self.module.params["options"], *([f"X-mount.subdir={encryption.FOLDER}"] if self.key else [])]
        line = fstab_line(uuid, str(self.path), self.fstype, options)
        return found, replace_mount(found.content or "", str(self.path), line)

    def ensure(self) -> dict[str, Any]:
        """Format a blank device, enter it in fstab, mount it."""
        found = self.probe()
        mounted = self.is_mounted()
        blank = not found
        encrypted = not self.key if blank else self.encrypted_as_wanted(mounted)
        if blank and not self.module.check_mode:
            self.must(["mkfs." + self.fstype, "-q", str(self.device)])
            found = self.probe()
        uuid = found.get("UUID", "made-with-the-filesystem")
        before, after = self.plan_fstab(uuid)
        entered = before.content == after
        small = not blank and self.is_small(mounted)
        if small and not mounted and not self.module.check_mode:
            self.grow_unmounted()
        if not encrypted and not self.module.check_mode:
            self.encrypt()
        kept = self.keep_key()
        if not self.module.check_mode:
            self.apply(before, None if entered else after, mounted)
            small = small or (not blank and self.is_small(mounted=True))
        told = bool(self.key) and (mounted or not self.module.check_mode) and self.unlock()
        if small and (mounted or self.fstype == "xfs") and not self.module.check_mode:
            self.must(["resize2fs", str(self.device)] if self.fstype == "ext4" else ["xfs_growfs", str(self.path)])
        return {
            "changed": blank or not entered or not mounted or small or not encrypted or kept or told,
            "formatted": blank,
            "grown": small,
            "uuid": found.get("UUID"),
            "encrypted": bool(self.key),
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


def appears(device: Path, budget: float) -> bool:
    """Whether a device is there, or comes in time."""
    deadline = time.monotonic() + budget
    while not device.exists():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.5)
    return True


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "device": {"type": "path", "required": True},
            "path": {"type": "path", "required": True},
            "fstype": {"type": "str", "choices": ["ext4", "xfs"], "default": "ext4"},
            "options": {"type": "list", "elements": "str", "default": ["defaults", "noatime", "nofail"]},
            "key": {"type": "str", "no_log": True},
            "key_file": {"type": "path", "default": "/etc/platform/volume.key", "no_log": False},
            "wait": {"type": "float", "default": 30},
        },
        supports_check_mode=True,
    )
    if module.params["key"] and module.params["fstype"] != "ext4":
        module.fail_json(msg="only ext4 is encrypted; take the key out or the other filesystem", failure={"code": "no_encryption", "details": {}})
    volume = Volume(module)
    if not appears(volume.device, 0 if module.check_mode else module.params["wait"]):
        if module.check_mode:
            module.exit_json(changed=True, formatted=False, grown=False, uuid=None, encrypted=bool(volume.key), diff=[])
        volume.fail(f"the volume {module.params['device']} is not attached to this server, nor was it {module.params['wait']:.0f} s later", "not_attached")
    module.exit_json(**volume.ensure())


if __name__ == "__main__":
    main()
