# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords are tried sparingly: the pooler blocks an address after ten wrong ones in 150 seconds, and the direct host bans it."""

from __future__ import annotations

from collections.abc import Callable

from .database import Database, Target
from .errors import Failure

# Seconds between two attempts, and how many wrong ones are allowed in how many seconds: others behind the same address need some as well.
PAUSE, WRONG, SPAN = 4.0, 6, 150.0
# Seconds before each further attempt with a new password, within both limits: the pooler asks for it again three times a minute at most.
LATER = (PAUSE, 8.0, 15.0, 25.0, 35.0)


class Logins:
    """Attempts to log in, counted. now and wait are a clock's; wait ends the run when its budget does not suffice."""

    def __init__(self, now: Callable[[], float], wait: Callable[[float, str], None]) -> None:
        self._now, self._wait = now, wait
        self._last: float | None = None
        self._wrong: list[float] = []

    def lets_in(self, login: Target) -> bool:
        """Whether the database takes the password; any other reason to refuse is an error."""
        self._pace()
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
        """Whether it does within the next minute and a half; half a dozen attempts, spread."""
        for seconds in LATER:
            self._wait(seconds, "the database does not take the password that it was given")
            if self.lets_in(login):
                return True
        return False

    def _pace(self) -> None:
        now = self._now()
        self._wrong = [moment for moment in self._wrong if now - moment < SPAN]
        rest = 0.0 if self._last is None else self._last + PAUSE - now
        if len(self._wrong) >= WRONG:
            rest = max(rest, self._wrong[0] + SPAN - now)
        if rest > 0:
            self._wait(rest, "passwords are not tried faster, or the pooler would block this address")
