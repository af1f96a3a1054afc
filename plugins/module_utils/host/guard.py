# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that could lock the owner out, undone by the server itself unless they are confirmed.

Before the first write the old files are copied aside and a systemd timer is started that puts them back.
A proved new connection confirms the change. A controller that dies in between needs nothing: the timer fires.
A server that restarts in between loses the timer, so a unit for the next start puts the files back before anything reads them.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.quetrex.platform.plugins.module_utils.host.files import STATE, HostFileError, Run, stamp_path
from ansible_collections.quetrex.platform.plugins.module_utils.host.plan import Plan

UNITS = Path("/etc/systemd/system")


def folder(name: str) -> Path:
    """Return where the old files of a guarded change lie."""
    return STATE / "guard" / name


def unit(name: str) -> str:
    """Return the name of the timer that undoes the change."""
    return "platform-guard-" + name


def pending(name: str) -> bool:
    """Whether a change waits for its confirmation."""
    return folder(name).is_dir()


def boot_unit(name: str) -> Path:
    """Return the unit that puts the old files back when the server restarts before the confirmation."""
    return UNITS / f"platform-guard-boot-{name}.service"


def _boot_link(name: str) -> Path:
    return UNITS / "sysinit.target.wants" / boot_unit(name).name


def _boot_text(name: str) -> str:
    """Write the unit: after the disks are there, before any service reads the files."""
    return f"""[Unit]
Description=Return to the settings before the unproved change {name}
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target network-pre.target platform-firewall.service ssh.service

[Service]
Type=oneshot
ExecStart=/bin/sh {folder(name) / "restore"} boot
"""


def _forget(name: str) -> None:
    """Leave nothing that would undo the change."""
    _boot_link(name).unlink(missing_ok=True)
    boot_unit(name).unlink(missing_ok=True)
    shutil.rmtree(folder(name), ignore_errors=True)


Saved = Sequence["tuple[str, Path | None]"]


def _back(path: str, copy: Path | None) -> str:
    """Write the command that brings one path back; None means there was no file.

    By a new file and a rename: where the disk is full the file that is there stays whole. A file that never changed is not touched.
    """
    if copy is None:
        return shlex.join(["rm", "-f", path])
    old, new, scratch = (shlex.quote(text) for text in (str(copy), path, path + ".back"))
    return f"cmp -s {old} {new} || {{ cp -p {old} {scratch} && mv -f {scratch} {new}; }}"


def restore_script(name: str, saved: Saved, stamps: Saved, undo: Sequence[Sequence[str]]) -> str:
    """Write the way back as shell: files, activation of the files, stamps of that activation if it worked."""
    lines = ["#!/bin/sh", "# puts back what a change that nobody confirmed had replaced"]
    lines += [_back(path, copy) for path, copy in saved]
    lines += [shlex.join(["rm", "-f", path]) for path, _copy in stamps]
    # at boot everything starts from these files anyway, and a unit that waits for others would wait for ever
    lines += ['if [ "$1" != boot ]; then', "true"]
    lines += [shlex.join(command) + " || failed=1" for command in undo]
    lines += ['[ -n "$failed" ] || { ' + _back(path, copy) + "; }" for path, copy in stamps]
    lines += ["fi", shlex.join(["rm", "-f", str(_boot_link(name)), str(boot_unit(name))])]
    return "\n".join([*lines, shlex.join(["rm", "-rf", str(folder(name))]), ""])


def _save(path: str, copy: Path) -> tuple[str, Path | None]:
    """Copy a file aside with its owner and times."""
    if not Path(path).exists():
        return path, None
    shutil.copy2(path, copy)
    info = Path(path).stat()
    os.chown(copy, info.st_uid, info.st_gid)
    return path, copy


def arm(name: str, plan: Plan, undo: Sequence[Sequence[str]], seconds: int, run: Run) -> None:
    """Copy the old files aside and start the timer."""
    where = folder(name)
    where.mkdir(mode=0o700, parents=True, exist_ok=True)
    saved = [_save(item.path, where / f"file-{number}") for number, item in enumerate(plan.writes)]
    stamps = [_save(stamp_path(item), where / f"stamp-{number}") for number, item in enumerate(plan.activations)]
    script = where / "restore"
    script.write_text(restore_script(name, saved, stamps, undo or [item.command for item in plan.activations]), encoding="utf-8")
    _boot_link(name).parent.mkdir(parents=True, exist_ok=True)
    boot_unit(name).write_text(_boot_text(name), encoding="utf-8")
    _boot_link(name).unlink(missing_ok=True)
    _boot_link(name).symlink_to(boot_unit(name))
    # a power cut must not keep the change and lose the way back
    os.sync()
    # without an accuracy of its own systemd may let a timer fire a minute late
    timer = ["--on-active", f"{seconds}s", "--timer-property", "AccuracySec=1s"]
    code, output = run(["systemd-run", "--collect", "--quiet", "--unit", unit(name), *timer, "/bin/sh", str(script)])
    if code != 0:
        _forget(name)
        raise HostFileError(f"nothing was changed: the timer that would undo the change cannot be started: {output.strip()}")


def confirm(name: str, run: Run) -> None:
    """Keep the change: stop the timer, forget the old files."""
    run(["systemctl", "stop", unit(name) + ".timer"])
    if not pending(name):
        raise HostFileError(f"the change {name} was undone before it could be confirmed: run again, with a longer guard if the server is slow")
    _forget(name)


def restore(name: str, run: Run) -> None:
    """Undo the change now."""
    run(["systemctl", "stop", unit(name) + ".timer"])
    script = folder(name) / "restore"
    if not script.exists():
        # killed while the copies were being made: nothing had been written yet
        _forget(name)
        return
    code, output = run(["/bin/sh", str(script)])
    if code != 0:
        raise HostFileError(f"the old files could not be put back: {output.strip()}")
