# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that could lock the owner out, undone by the server itself unless they are confirmed.

Before the first write the old files are copied aside and a systemd timer is started that puts them back.
A proved new connection confirms the change. A controller that dies in between needs nothing: the timer fires.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence

from ansible_collections.quetrex.platform.plugins.module_utils.host.files import STATE, HostFileError, Run, stamp_path
from ansible_collections.quetrex.platform.plugins.module_utils.host.plan import Plan


def folder(name: str) -> str:
    """Return where the old files of a guarded change lie."""
    return os.path.join(STATE, "guard", name)


def unit(name: str) -> str:
    """Return the name of the timer that undoes the change."""
    return "platform-guard-" + name


def pending(name: str) -> bool:
    """Whether a change waits for its confirmation."""
    return os.path.isdir(folder(name))


def restore_script(name: str, saved: Sequence[tuple[str, str | None]], stamps: Sequence[str], undo: Sequence[Sequence[str]]) -> str:
    """Write the way back as shell: ``saved`` pairs each path with its copy, or None if there was no file."""
    lines = ["#!/bin/sh", "# puts back what a change that nobody confirmed had replaced"]
    lines += ["cp -p %s %s" % (shlex.quote(copy), shlex.quote(path)) if copy else "rm -f %s" % shlex.quote(path) for path, copy in saved]
    lines += ["rm -f %s" % shlex.quote(path) for path in stamps]
    lines += [" ".join(shlex.quote(part) for part in command) for command in undo]
    return "\n".join([*lines, "rm -rf %s" % shlex.quote(folder(name)), ""])


def arm(name: str, plan: Plan, undo: Sequence[Sequence[str]], seconds: int, run: Run) -> None:
    """Copy the old files aside and start the timer."""
    where = folder(name)
    os.makedirs(where, mode=0o700, exist_ok=True)
    saved: list[tuple[str, str | None]] = []
    for number, item in enumerate(plan.writes):
        copy = os.path.join(where, str(number))
        exists = os.path.exists(item.path)
        if exists:
            shutil.copy2(item.path, copy)
            info = os.stat(item.path)
            os.chown(copy, info.st_uid, info.st_gid)
        saved.append((item.path, copy if exists else None))
    script = os.path.join(where, "restore")
    with open(script, "w", encoding="utf-8") as stream:
        stream.write(restore_script(name, saved, [stamp_path(item) for item in plan.activations], undo or [item.command for item in plan.activations]))
    code, output = run(["systemd-run", "--collect", "--quiet", "--unit", unit(name), "--on-active", "%ds" % seconds, "/bin/sh", script])
    if code != 0:
        shutil.rmtree(where)
        raise HostFileError("nothing was changed: the timer that would undo the change cannot be started: %s" % output.strip())


def confirm(name: str, run: Run) -> None:
    """Keep the change: stop the timer, forget the old files."""
    run(["systemctl", "stop", unit(name) + ".timer"])
    if not pending(name):
        raise HostFileError("the change %s was undone before it could be confirmed: run again, with a longer guard if the server is slow" % name)
    shutil.rmtree(folder(name))


def restore(name: str, run: Run) -> None:
    """Undo the change now."""
    run(["systemctl", "stop", unit(name) + ".timer"])
    script = os.path.join(folder(name), "restore")
    if not os.path.exists(script):
        # killed while the copies were being made: nothing had been written yet
        shutil.rmtree(folder(name), ignore_errors=True)
        return
    code, output = run(["/bin/sh", script])
    if code != 0:
        raise HostFileError("the old files could not be put back: %s" % output.strip())
