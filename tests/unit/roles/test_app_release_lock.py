# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One release at a time: a second one is refused by name, and what the server does after a reboot is waited for."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))

from quetrex_release.__main__ import only_one
from quetrex_release.outcome import Outcome, ReleaseError


def test_a_second_release_is_told_who_is_at_it(tmp_path: Path) -> None:
    words = r"Another release is going on: deploy by \S+ since"
    with only_one(tmp_path, "deploy"), pytest.raises(ReleaseError, match=words) as refused, only_one(tmp_path, "rollback"):
        pass
    assert (refused.value.code, refused.value.outcome) == ("locked", Outcome.locked)
    with only_one(tmp_path, "rollback"):
        pass


def test_the_end_of_a_boot_is_waited_for(tmp_path: Path) -> None:
    booted = threading.Event()
    order: list[str] = []

    def deploy() -> None:
        booted.wait()
        with only_one(tmp_path, "deploy"):
            order.append("deploy")

    waiting = threading.Thread(target=deploy)
    waiting.start()
    with only_one(tmp_path, "ensure"):
        booted.set()
        waiting.join(0.5)
        order.append("ensure")
    waiting.join(10)
    assert order == ["ensure", "deploy"]


def test_a_boot_that_does_not_end_is_told(tmp_path: Path) -> None:
    with only_one(tmp_path, "ensure"), pytest.raises(ReleaseError, match="ensure by"), only_one(tmp_path, "deploy", patience=0.3):
        pass
