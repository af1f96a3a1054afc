# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's shell programs, on files of their own: each comes to what its check wants, and a check changes nothing."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

FILES = Path(__file__).resolve().parents[3] / "roles" / "host_baseline" / "files"
SU = "auth       sufficient pam_rootok.so\nsession    required   pam_env.so\n"
FSTAB = "UUID=1 / ext4 defaults 0 1\n"


@dataclass
class Machine:
    """Folders in place of the system's, and programs that only note that they were called."""

    root: Path

    def __post_init__(self) -> None:
        for name in ("bin", "etc/pam.d"):
            (self.root / name).mkdir(parents=True)
        (self.root / "etc/pam.d/su").write_text(SU)
        (self.root / "etc/fstab").write_text(FSTAB)
        for name in ("groupadd", "mount", "swapoff", "mkswap", "systemctl"):
            program = self.root / "bin" / name
            program.write_text(f'#!/bin/sh\necho {name} "$@" >>{self.root}/called\n')
            program.chmod(0o755)

    def run(self, name: str, *words: str) -> int:
        text = (FILES / name).read_text()
        for place in ("/etc/pam.d/su", "/etc/fstab", "/swapfile"):
            text = text.replace(place, f"{self.root}{place}")
        environment = {**os.environ, "PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        return subprocess.run(["sh", "-c", text, *words], env=environment, cwd=self.root, capture_output=True, check=False).returncode

    def state(self) -> dict[str, tuple[int, bytes]]:
        files = [path for path in self.root.rglob("*") if path.is_file() and path.name != "called"]
        return {str(path.relative_to(self.root)): (path.stat().st_mode, path.read_bytes()) for path in files}

    def comes_to(self, name: str, *words: str) -> bool:
        """The check says no and leaves all as it is, the change is made, the check says yes; once more changes nothing."""
        before = self.state()
        assert self.run(name, "check", *words) != 0
        assert self.state() == before
        assert self.run(name, "set", *words) == 0
        made = self.state()
        assert self.run(name, "check", *words) == 0
        assert self.run(name, "set", *words) == 0
        assert self.state() == made
        return made != before


@pytest.fixture(name="machine")
def _machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_su_is_for_one_group(machine: Machine) -> None:
    assert machine.run("su.sh", "check", "") == 0
    assert machine.comes_to("su.sh", "sugroup")
    assert (machine.root / "etc/pam.d/su").read_text().splitlines()[1] == "auth required pam_wheel.so use_uid group=sugroup"
    assert machine.comes_to("su.sh", "wheel")
    assert "sugroup" not in (machine.root / "etc/pam.d/su").read_text()
    assert machine.comes_to("su.sh", "")
    assert (machine.root / "etc/pam.d/su").read_text() == SU


def test_shared_memory_runs_nothing(machine: Machine) -> None:
    assert machine.run("shm.sh", "check", "") == 0
    assert machine.comes_to("shm.sh", "nodev,nosuid,noexec")
    assert (machine.root / "etc/fstab").read_text() == f"{FSTAB}tmpfs /dev/shm tmpfs nodev,nosuid,noexec 0 0\n"
    assert machine.comes_to("shm.sh", "")
    assert (machine.root / "etc/fstab").read_text() == FSTAB


def test_swap_has_its_size(machine: Machine) -> None:
    assert machine.run("swap.sh", "check", "0") == 0
    assert machine.comes_to("swap.sh", "2")
    assert (machine.root / "swapfile").stat().st_size == 2 * 1024 * 1024
    assert (machine.root / "swapfile").stat().st_mode & 0o777 == 0o600
    assert (machine.root / "called").read_text().count("restart swapfile.swap") == 1, "swap in use is left in use"
    assert machine.comes_to("swap.sh", "1")
    assert machine.comes_to("swap.sh", "0")
    assert not (machine.root / "swapfile").exists()


def test_private_paths(machine: Machine) -> None:
    open_one, folder = machine.root / "a file", machine.root / "folder"
    open_one.write_text("x")
    open_one.chmod(0o644)
    folder.mkdir(0o755)
    assert machine.comes_to("private.sh", str(open_one), str(folder), str(machine.root / "missing"))
    assert (open_one.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
