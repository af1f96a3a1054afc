# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of a lab: started once, found again, ended with their children, and nobody else's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from lab import cloud, process, slots
from lab.config import CHECKOUT, Lab, LabError

pytestmark = [pytest.mark.lab]


@pytest.fixture
def lab() -> Iterator[Lab]:
    slot = slots.take()
    made = slot.lab(14, "pro")
    cloud.down(made, abandoned=True)
    made.folder()
    yield made
    cloud.down(made)
    slot.lock.close()


def test_started_once_and_ended_with_its_children(lab: Lab) -> None:
    pid = process.start(lab, "nap", ["sh", "-c", "trap '' TERM; sleep 600 & sleep 600 & wait"])
    assert process.start(lab, "nap", ["sh", "-c", "exit 9"]) == pid
    assert process.until(lambda: len(process.members(process.group(lab, "nap"))) == 3, 5)
    process.stop(lab, "nap", grace=0.2)
    assert process.members(process.group(lab)) == []
    assert not process.running(lab, "nap")


def test_a_recycled_pid_is_not_ours(lab: Lab) -> None:
    with subprocess.Popen(["sleep", "600"]) as stranger:
        lab.path("run", "nap.pid").write_text(str(stranger.pid))
        assert not process.running(lab, "nap")
        process.stop(lab, "nap")
        assert stranger.poll() is None
        stranger.kill()


def test_one_that_ends_at_once_is_an_error_with_its_last_words(lab: Lab) -> None:
    with pytest.raises(LabError, match="no such luck"):
        process.start(lab, "nap", ["sh", "-c", "echo no such luck; exit 3"], ready=lambda: False)


def test_a_frozen_process_can_be_ended(lab: Lab) -> None:
    process.start(lab, "nap", ["sleep", "600"])
    process.freeze(lab, "nap", True)
    assert process.running(lab, "nap")
    process.stop(lab, "nap", grace=0.1)
    assert not process.running(lab, "nap")


def test_share_of_the_processors() -> None:
    """A process and what it starts are in the group while it is weighed; nothing is left of it."""
    root, name = process.cpu_root(), "quetrex-tests-weigh"
    if root is None:
        pytest.skip("no control groups of version 1 on this machine")
    look = "grep -E '[:,]cpu[:,]' /proc/self/cgroup"
    script = (
        f"import subprocess; from lab import process; process.weigh({name!r}, 300); print(subprocess.check_output(['sh', '-c', {look!r}], text=True));"
        f"print(open('{root}/{name}/cpu.shares').read()); process.unweigh({name!r})"
    )
    said = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT / "tests", capture_output=True, text=True, check=True).stdout.split()
    assert said[0].endswith(f":/{name}"), said
    assert said[-1] == "300"
    assert not (root / name).exists()
