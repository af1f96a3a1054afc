# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long-running processes of a lab.

Each lives in a control group of its own below `quetrex-<lab>`, so what the lab started, with all its children, can be
found and ended exactly, also after a crash and without trusting a recycled process id.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal as signals
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lab.config import Lab, LabError


def unified_root() -> Path:
    """Mount point of the unified control group hierarchy (beside the old ones on hybrid machines)."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _dash, right = line.partition(" - ")
        if right.split()[0] == "cgroup2":
            return Path(left.split()[4])
    raise LabError("No cgroup2 file system is mounted: the lab follows its processes with it.")


def legacy_roots() -> list[Path]:
    """Mount points of version 1 hierarchies; empty on a machine that has only the unified one."""
    lines = (line.partition(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return [Path(left.split()[4]) for left, _dash, right in lines if right.split()[0] == "cgroup"]


def group_name(lab: Lab, name: str = "") -> str:
    """Name of a process's control group, relative to a hierarchy's root."""
    return f"quetrex-{lab.name}/{name}" if name else f"quetrex-{lab.name}"


def group(lab: Lab, name: str = "") -> Path:
    """Control group of one process (or of the whole lab) in the unified hierarchy."""
    return unified_root() / group_name(lab, name)


def cpu_root() -> Path | None:
    """Mount point of version 1's hierarchy for processors; None on a machine without one."""
    return next((root for root in legacy_roots() if (root / "cpu.shares").exists() or "cpu" in root.name.split(",")), None)


def weigh(name: str, weight: int) -> None:
    """Moves this process, with what it starts from now on, into a control group with that share of the processors (1024 is usual).

    Nothing happens where the machine has no such groups, or this process no right to make one: the work is the same then, in another order.
    """
    root = cpu_root()
    if root is None:
        return
    with contextlib.suppress(OSError):
        folder = root / name
        folder.mkdir(exist_ok=True)
        (folder / "cpu.shares").write_text(str(weight))
        (folder / "cgroup.procs").write_text("0")


def unweigh(name: str) -> None:
    """Moves this process out again; the group goes when nothing else is in it."""
    root = cpu_root()
    if root is None:
        return
    with contextlib.suppress(OSError):
        (root / "cgroup.procs").write_text("0")
        (root / name).rmdir()


def members(folder: Path) -> list[int]:
    """Process ids in a control group and everything below it."""
    found: list[int] = []
    for listing in folder.rglob("cgroup.procs") if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            found += [int(pid) for pid in listing.read_text().split()]
    return found


def _forget_group(folder: Path) -> None:
    """Removes an empty control group, children first."""
    if not folder.is_dir():
        return
    for child in sorted((path for path in folder.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts)):
        with contextlib.suppress(OSError):
            child.rmdir()
    with contextlib.suppress(OSError):
        folder.rmdir()


def _pid_file(lab: Lab, name: str) -> Path:
    return lab.path("run", f"{name}.pid")


def log_file(lab: Lab, name: str) -> Path:
    return lab.path("log", f"{name}.log")


def main_pid(lab: Lab, name: str) -> int | None:
    """Id of the process that was started, or None when it is gone."""
    try:
        pid = int(_pid_file(lab, name).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if pid in members(group(lab, name)) else None


def running(lab: Lab, name: str) -> bool:
    """Whether the process that was started under this name is still there."""
    _reap(lab, name)
    return main_pid(lab, name) is not None


def _reap(lab: Lab, name: str) -> None:
    with contextlib.suppress(FileNotFoundError, ValueError, ChildProcessError):
        os.waitpid(int(_pid_file(lab, name).read_text()), os.WNOHANG)


def until(condition: Callable[[], bool], budget: float, *, step: float = 0.05) -> bool:
    """Waits for a condition; False when `budget` seconds passed without it."""
    deadline = time.monotonic() + budget
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(step)
    return True


_ENTER = 'while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs" || exit 70; shift; done; shift; exec "$@"'


def _entering(lab: Lab, name: str, legacy: bool) -> list[str]:
    """Words before a command that make it walk into its control groups first (safe to start from a thread, unlike preexec_fn)."""
    folders = [group(lab, name)] + ([root / group_name(lab, name) for root in legacy_roots()] if legacy else [])
    for folder in folders:
        if folder.parent.parent.name == "cpuset":
            _own_cpuset(folder.parent)
        folder.mkdir(parents=True, exist_ok=True)
    return ["/bin/sh", "-c", _ENTER, "enter", *map(str, folders), "--"]


def _own_cpuset(folder: Path) -> None:
    """A cpuset takes no process before it has processors and memory nodes; children inherit them from the lab's."""
    folder.mkdir(exist_ok=True)
    (folder / "cgroup.clone_children").write_text("1")
    for key in ("cpuset.cpus", "cpuset.mems"):
        (folder / key).write_text((folder.parent / key).read_text())


def start(
    lab: Lab,
    name: str,
    argv: Sequence[str | Path],
    *,
    netns: str | None = None,
    user: str | None = None,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    ready: Callable[[], bool] | None = None,
    budget: float = 30.0,
    legacy_groups: bool = False,
) -> int:
    """Starts a process that outlives the caller, once: a running one of this name is left alone. Returns its pid.

    `ready` is asked until it says yes, the process dies, or `budget` seconds are over.
    """
    if (pid := main_pid(lab, name)) is not None:
        return pid
    stop(lab, name)
    words = _entering(lab, name, legacy_groups)
    words += ["nsenter", f"--net=/run/netns/{netns}", "--"] if netns else []
    words += ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"] if user else []
    with log_file(lab, name).open("ab") as log:
        child = subprocess.Popen(
            [*words, *(str(word) for word in argv)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=cwd or lab.root,
            env={**os.environ, **(env or {})},
            start_new_session=True,
            umask=0o022,
        )
    _pid_file(lab, name).write_text(str(child.pid))
    until(lambda: child.poll() is not None or child.pid in members(group(lab, name)), 5, step=0.005)
    if ready is not None and not until(lambda: child.poll() is not None or ready(), budget):
        raise LabError(f"{name} was not ready within {budget:.0f} s; its log ends with:\n{tail(lab, name)}")
    if child.poll() is not None:
        raise LabError(f"{name} ended at once ({child.returncode}); its log ends with:\n{tail(lab, name)}")
    return child.pid


def tail(lab: Lab, name: str, lines: int = 12) -> str:
    """The last lines of a process's log."""
    log = log_file(lab, name)
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(no log)"


def signal(lab: Lab, name: str, sig: int) -> bool:
    """Sends a signal to a process of the lab; False when it is not there."""
    pid = main_pid(lab, name)
    if pid is None:
        return False
    os.kill(pid, sig)
    return True


def stop(lab: Lab, name: str, grace: float = 5.0) -> None:
    """Asks a process to end, and after `grace` seconds ends it with all its children."""
    if grace > 0 and signal(lab, name, signals.SIGTERM):
        until(lambda: not running(lab, name), grace)
    kill(lab, name)
    _pid_file(lab, name).unlink(missing_ok=True)


def kill(lab: Lab, name: str = "") -> None:
    """Ends a process and its children, or with no name everything the lab runs, at once."""
    folder = group(lab, name)
    if folder.is_dir():
        with contextlib.suppress(OSError):
            (folder / "cgroup.freeze").write_text("0")
        (folder / "cgroup.kill").write_text("1")

    def gone() -> bool:
        if name:
            _reap(lab, name)
        return not members(folder)

    if not until(gone, 15):
        raise LabError(f"{folder}: processes {members(folder)} did not end.")
    for root in [unified_root(), *legacy_roots()]:
        _forget_group(root / group_name(lab, name))


def freeze(lab: Lab, name: str, frozen: bool) -> None:
    """Stops the clock of a process and its children (a hang), or lets them go on."""
    (group(lab, name) / "cgroup.freeze").write_text("1" if frozen else "0")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One at a time across processes, for as long as the block runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
