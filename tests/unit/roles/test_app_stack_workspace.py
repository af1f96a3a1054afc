# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workspace on a real volume: a user's code fills its own file system, and no file of before is lost at whatever step a run is killed."""

from __future__ import annotations

import errno
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

PROGRAM = Path(__file__).parents[3] / "roles/app_stack/files/platform-workspace"
NEEDS = ("mkfs.ext4", "losetup", "fallocate", "resize2fs", "findmnt")
READY = os.geteuid() == 0 and all(shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") for name in NEEDS)
needs_root = pytest.mark.skipif(not READY, reason="needs root and loop devices")
OWNER = 70001


def program() -> ModuleType:
    """The program as a module."""
    loader = importlib.machinery.SourceFileLoader("platform_workspace", str(PROGRAM))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module


@pytest.fixture(name="state")
def _state(tmp_path: Path) -> Iterator[Path]:
    """A volume of 600 MB, mounted."""
    image, state = tmp_path / "volume.img", tmp_path / "state"
    state.mkdir()
    with image.open("wb") as file:
        file.truncate(600 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, state], check=True)
    try:
        yield state
    finally:
        subprocess.run(["umount", "--recursive", state], check=True)


@pytest.fixture(name="tool")
def _tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, for small volumes and without an engine."""
    tool = program()
    monkeypatch.setattr(tool, "SPARED_MB", 16)
    monkeypatch.setattr(tool.Workspace, "stop_runner", lambda _self: None)
    return tool


def held(state: Path) -> dict[str, str]:
    """Path -> content of what is in the workspace."""
    folder = state / "workspace"
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def leave(state: Path) -> dict[str, str]:
    """A workspace of before: a folder with files of a user number that the server knows."""
    (state / "workspace" / "job").mkdir(parents=True)
    for name in (".env", "job/result"):
        (state / "workspace" / name).write_text(name)
    subprocess.run(["chown", "-R", "1000:1000", state / "workspace"], check=True)
    return held(state)


@pytest.mark.parametrize(
    ("wanted", "total", "free", "now", "size"),
    [
        (20480, 40960, 39000, 0, 20480),
        (20480, 10240, 9000, 0, 5120),
        (20480, 40960, 5000, 0, 3976),
        (20480, 40960, 100, 8000, 8000),
        (64, 40960, 9000, 500, 500),
    ],
)
def test_it_takes_half_of_a_volume_at_most_and_leaves_room(wanted: int, total: int, free: int, now: int, size: int) -> None:
    assert program().size_mb(wanted, total, free, now) == size


def fills(place: Path, size: int, most: int) -> int | None:
    """Writes pieces to a file, or empty files to a folder, until one is refused: why."""
    try:
        if size:
            with place.open("wb", buffering=0) as file:
                for _number in range(most):
                    file.write(b"x" * size)
        for number in range(0 if size else most):
            (place / str(number)).touch()
    except OSError as error:
        return error.errno
    return None


@pytest.mark.service
@needs_root
def test_a_full_workspace_fills_nothing_else(state: Path, tool: ModuleType) -> None:
    workspace = tool.Workspace(state, 100, OWNER)
    assert not workspace.as_wanted()
    workspace.ensure()
    assert workspace.as_wanted()
    free = os.statvfs(state).f_bavail
    assert fills(state / "workspace" / "file", 1 << 20, 300) == errno.ENOSPC
    assert os.statvfs(state).f_bavail == free
    (state / "redis").write_bytes(b"x" * (50 << 20))
    (state / "workspace" / "file").unlink()
    inodes = os.statvfs(state).f_ffree
    assert fills(state / "workspace", 0, 200_000) == errno.ENOSPC
    assert os.statvfs(state).f_ffree == inodes
    assert os.statvfs(state / "workspace").f_flag & (os.ST_NOSUID | os.ST_NODEV) == os.ST_NOSUID | os.ST_NODEV


@needs_root
def test_what_was_there_moves_and_changes_hands(state: Path, tool: ModuleType) -> None:
    before = leave(state)
    tool.Workspace(state, 100, OWNER).ensure()
    assert held(state) == before
    assert {path.stat().st_uid for path in (state / "workspace").rglob("*")} == {OWNER}
    assert (state / "workspace").stat().st_mode & 0o777 == 0o750
    assert sorted(path.name for path in state.iterdir()) == ["lost+found", "workspace", "workspace.img"]
    subprocess.run(["umount", state / "workspace"], check=True)
    assert (state / "workspace").stat().st_uid == 0, "without its file system the runner has no place to write"
    tool.Workspace(state, 100, OWNER).ensure()
    assert held(state) == before, "after a reboot"


@needs_root
def test_it_grows_and_never_shrinks(state: Path, tool: ModuleType) -> None:
    before = leave(state)
    tool.Workspace(state, 80, OWNER).ensure()
    larger = tool.Workspace(state, 200, OWNER)
    assert not larger.as_wanted()
    larger.ensure()
    assert larger.as_wanted()
    seen = os.statvfs(state / "workspace")
    assert seen.f_blocks * seen.f_frsize > 150 << 20
    assert held(state) == before
    assert tool.Workspace(state, 80, OWNER).as_wanted()


@needs_root
def test_too_small_a_volume_is_refused_and_nothing_is_touched(state: Path, tool: ModuleType) -> None:
    leave(state)
    (state / "workspace" / "large").write_bytes(b"x" * (300 << 20))
    with pytest.raises(tool.WorkspaceError, match="holds 301 MB: clear it up, or raise platform_volume_size_gb"):
        tool.Workspace(state, 100, OWNER).ensure()
    assert sorted(path.name for path in state.iterdir()) == ["lost+found", "workspace"]


class Killed(Exception):
    """The machine ends here."""


@needs_root
@pytest.mark.parametrize("step", range(1, 12))
def test_a_kill_at_any_step_loses_nothing(state: Path, tool: ModuleType, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Dies before the n-th program it starts or file it moves; the runner of before then writes on, where its folder is still in its place."""
    before, counted, programs, move = leave(state), [0], tool.run, Path.replace

    def count() -> None:
        counted[0] += 1
        if counted[0] == step:
            raise Killed

    def dying(*words: str, check: bool = True) -> str:
        count()
        output: str = programs(*words, check=check)
        return output

    def moving(source: Path, target: Path) -> Path:
        count()
        return move(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(tool, "run", dying)
        patch.setattr(Path, "replace", moving)
        with pytest.raises(Killed):
            tool.Workspace(state, 100, OWNER).ensure()
    folder = state / "workspace"
    if folder.is_dir() and not folder.is_mount() and folder.stat().st_uid == 1000:
        (folder / "later").write_text("later")
        os.chown(folder / "later", 1000, 1000)
        before["later"] = "later"
    again = tool.Workspace(state, 100, OWNER)
    again.ensure()
    assert again.as_wanted()
    assert held(state) == before
    assert sorted(path.name for path in state.iterdir()) == ["lost+found", "workspace", "workspace.img"]
