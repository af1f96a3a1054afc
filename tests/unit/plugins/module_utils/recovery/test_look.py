# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a login's words mean, and how long it is looked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.recovery.choice import Choice, Situation, choose
from ansible_collections.quetrex.platform.plugins.module_utils.recovery.look import look_until, understood

HEALTHY = Situation("ok", "running", True, "answers", "ok", 200, 200, "answers")
DEAD = HEALTHY._replace(ping=False, ssh="silent", login="silent", origin=None, edge=522)


@pytest.mark.parametrize(
    ("code", "said", "complained", "meaning"),
    [
        (0, "disk ok\norigin 200", "", ("ok", 200)),
        (0, "disk ok\norigin 000", "", ("ok", 0)),
        (0, "disk ok\norigin ", "", ("ok", 0)),
        (0, "sh: 1: cannot create /var/tmp/.platform-diagnosis: Read-only file system\norigin 502", "", ("disk read-only", 502)),
        (0, "sh: echo: I/O error: No space left on device\norigin 200", "", ("disk full", 200)),
        (0, "sudo: a password is required\norigin 200", "", ("disk cannot be written", 200)),
        (255, "", "ops@192.0.2.1: Permission denied (publickey).", ("denied", None)),
        (255, "", "Host key verification failed.", ("denied", None)),
        (255, "", "ssh: connect to host 192.0.2.1 port 22: Connection timed out", ("silent", None)),
    ],
)
def test_what_a_login_means(code: int, said: str, complained: str, meaning: tuple[str, int | None]) -> None:
    assert understood(code, said, complained) == meaning


class Clock:
    """Time that passes only while somebody sleeps."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def seeing(situations: Iterator[Situation], tried: tuple[str, ...] = ()) -> Callable[[], tuple[Situation, Choice]]:
    def see() -> tuple[Situation, Choice]:
        seen = next(situations)
        return seen, choose(seen, tried)

    return see


def test_a_slow_answer_is_no_death() -> None:
    clock = Clock()
    seen, choice, looks = look_until(seeing(iter([DEAD, HEALTHY])), 0, 2, clock, clock.sleep)
    assert (seen, choice.cure, looks) == (HEALTHY, "none", 2)


def test_a_dead_server_is_dead_twice() -> None:
    clock = Clock()
    assert look_until(seeing(iter([DEAD, DEAD])), 0, 2, clock, clock.sleep)[1:] == (choose(DEAD), 2)


def test_after_a_cure_it_is_looked_until_the_server_works_or_time_is_over() -> None:
    clock = Clock()
    booting = HEALTHY._replace(login="denied", edge=522)
    looks = iter([DEAD, booting, booting, HEALTHY._replace(edge=521)])
    assert look_until(seeing(looks, ("reset",)), 60, 2, clock, clock.sleep)[1].cure == "converge"
    assert clock.now == 6
    late = Clock()
    assert look_until(seeing(iter([DEAD] * 50), ("reset",)), 60, 2, late, late.sleep)[1].cure == "rebuild"
    assert late.now == 60
