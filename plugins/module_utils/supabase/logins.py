# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords are tried sparingly: the pooler blocks an address after ten wrong ones in 150 seconds, the database's own host bans it after the third."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .database import Database, Target
from .errors import Failure


@dataclass(frozen=True)
class Pace:
    """Seconds between two attempts; how many wrong ones are allowed in how many seconds; and seconds before each further attempt with a new password."""

    pause: float
    wrong: int
    span: float
    later: tuple[float, ...]


# Others behind the same address need some attempts as well, and the pooler asks for a new password three times a minute at most.
POOLER = Pace(4.0, 6, 150.0, (4.0, 8.0, 15.0, 25.0, 35.0))
# The third wrong one in ten minutes is answered with half an hour in which nobody gets in from this address. This host knows a new one at once.
DIRECT = Pace(4.0, 2, 600.0, (4.0, 20.0))


def pace(login: Target) -> Pace:
    """The limits of whoever is asked: through the shared pooler users are called role.<project ref>."""
    return POOLER if "." in login.user else DIRECT


class Logins:
    """Attempts to log in at one place, counted. now and wait are a clock's; wait ends the run when its budget does not suffice."""

    def __init__(self, pace: Pace, now: Callable[[], float], wait: Callable[[float, str], None]) -> None:
        self.pace = pace
        self._now, self._wait = now, wait
        self._last: float | None = None
        self._wrong: list[float] = []

    def lets_in(self, login: Target) -> bool:
        """Whether the database takes the password; any other reason to refuse is an error."""
        self._slow_down()
        try:
            with Database(login):
                return True
        except Failure as error:
            if error.code != "password":
                raise
            self._wrong.append(self._now())
            return False
        finally:
            self._last = self._now()

    def comes_to_let_in(self, login: Target) -> bool:
        """Whether it does within the next attempts: as many as may be wrong, and the last one as late as it would be with all of them."""
        for seconds in self.pace.later[-max(1, self.pace.wrong - self._recent()) :]:
            self._wait(seconds, "the database does not take the password that it was given")
            if self.lets_in(login):
                return True
        return False

    def lets_in_if_harmless(self, login: Target) -> bool | None:
        """As lets_in; None where one more wrong password would have consequences for everybody at this address."""
        if self.pace is DIRECT and self._recent() >= self.pace.wrong:
            return None
        return self.lets_in(login)

    def _recent(self) -> int:
        self._wrong = [moment for moment in self._wrong if self._now() - moment < self.pace.span]
        return len(self._wrong)

    def _slow_down(self) -> None:
        now = self._now()
        rest = 0.0 if self._last is None else self._last + self.pace.pause - now
        if self._recent() >= self.pace.wrong:
            rest = max(rest, self._wrong[0] + self.pace.span - now)
        if rest > 0:
            self._wait(rest, "passwords are not tried faster, or this address would be blocked")
