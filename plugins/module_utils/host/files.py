# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and atomically replacing files of a server."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import stat
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ansible_collections.quetrex.platform.plugins.module_utils.host.plan import Activation, FileState, Wanted

STATE = Path("/var/lib/platform-host")

Run = Callable[[Sequence[str]], "tuple[int, str]"]


class HostFileError(Exception):
    """A file or a command was refused; the message is for people."""


def _name(getter: Callable[[int], str], number: int) -> str:
    try:
        return getter(number)
    except KeyError:
        return str(number)


def read(path: str) -> FileState:
    """Return the state of a file on disk."""
    try:
        info = Path(path).stat()
        # newline="": the content as it is, so that a file with CRLF is the same as the CRLF that was written
        with Path(path).open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
            content = stream.read()
    except FileNotFoundError:
        return FileState(content=None)
    return FileState(
        content=content,
        owner=_name(lambda number: pwd.getpwuid(number).pw_name, info.st_uid),
        group=_name(lambda number: grp.getgrgid(number).gr_name, info.st_gid),
        mode=stat.S_IMODE(info.st_mode),
    )


def check(wanted: Wanted, run: Run) -> None:
    """Let the program that will read the content judge it in a scratch file first."""
    if not wanted.validate or wanted.state.content is None:
        return
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        stream.write(wanted.state.content)
        stream.flush()
        code, output = run([part.replace("%s", stream.name) for part in wanted.validate])
    if code != 0:
        raise HostFileError(f"{wanted.path} was not touched, its new content is refused by {wanted.validate[0]}: {output.strip()}")


def write(wanted: Wanted) -> None:
    """Replace, create or remove one file; a reader sees the old or the new content, never half of it."""
    state = wanted.state
    if state.content is None:
        Path(wanted.path).unlink()
        return
    folder = Path(wanted.path).parent
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    # a name no *.conf include picks up while it is being written
    handle, scratch = tempfile.mkstemp(dir=folder, prefix=".platform-", suffix=".new")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            stream.write(state.content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chown(scratch, pwd.getpwnam(state.owner).pw_uid, grp.getgrnam(state.group).gr_gid)
        Path(scratch).chmod(state.mode)
        Path(scratch).replace(wanted.path)
    except BaseException:
        Path(scratch).unlink()
        raise


def record_path(name: str) -> str:
    """Return where the paths written under a name are remembered."""
    return str(STATE / "written" / name)


def read_record(name: str) -> list[str]:
    """Return the paths that earlier calls wrote under a name."""
    return (read(record_path(name)).content or "").splitlines()


def write_record(name: str, paths: Sequence[str]) -> None:
    """Remember paths, if they differ from what is remembered."""
    if read_record(name) != sorted(paths):
        write(Wanted(record_path(name), FileState(content="".join(path + "\n" for path in sorted(paths)), mode=0o600)))


def stamp_path(activation: Activation) -> str:
    """Return where the stamp of an activation lies."""
    return str(STATE / "activated" / hashlib.sha256("\0".join(activation.command + activation.paths).encode()).hexdigest()[:20])


def read_stamp(activation: Activation) -> str:
    """Return the stamp of the last activation that worked, or nothing."""
    return (read(stamp_path(activation)).content or "").strip()


def write_stamp(activation: Activation, value: str) -> None:
    """Remember that an activation worked for these contents."""
    write(Wanted(stamp_path(activation), FileState(content=value + "\n", mode=0o600)))
