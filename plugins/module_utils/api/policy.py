# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a request is sent again, and how long to wait before. Pure but for the clock and the jitter."""

from __future__ import annotations

import random
import time
import typing as t
from email.utils import parsedate_to_datetime

from .errors import Failure

SPREAD = 0.5
"""Up to how many seconds are added to a wait that was asked for, so that not everybody who was sent away comes back at once."""


class Clock:
    """Time, as tests may replace it."""

    def now(self) -> float:
        """Seconds that only ever grow."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Policy(t.NamedTuple):
    """How one vendor is asked. Times are seconds."""

    repeatable: frozenset[str] = frozenset({"GET", "PUT", "PATCH", "DELETE"})
    """The methods that have the same effect twice: only such a request is sent again when it may have happened."""
    connect: float = 10.0
    answer: float = 30.0
    first: float = 0.5
    """The longest pause after the first attempt; each further one may take twice as long, up to `longest`."""
    longest: float = 15.0
    limited: float | None = None
    """The pause after a 429 that names none."""
    patience: float | None = None
    """For how long one request is repeated; without it until the client's deadline."""
    patient_when_limited: bool = True
    """Whether that holds after a 429 as well; otherwise only the deadline does."""


class Trouble(Exception):
    """One exchange that failed in a way that may pass.

    `sent`: the request may have taken effect; `wait`: how long the other side asks to wait; `limited`: there were too many requests;
    `failure`: what to raise when it does not pass.
    """

    def __init__(self, message: str, *, sent: bool, wait: float | None = None, limited: bool = False, failure: Failure | None = None) -> None:
        super().__init__(message)
        self.sent, self.wait, self.limited, self.failure = sent, wait, limited, failure


def too_many(retry_after: str | None, failure: Failure | None = None) -> Trouble:
    """A 429: nothing was done, and the other side may say when to come back."""
    return Trouble("429 too many requests", sent=False, wait=seconds(retry_after), limited=True, failure=failure)


def pause(policy: Policy, attempt: int, trouble: Trouble) -> float:
    """Seconds until the next attempt: as long as was asked for and a little, or a growing while with jitter."""
    jitter = random.random()  # noqa: S311 - spreads retries, guards nothing
    asked = policy.limited if trouble.limited and trouble.wait is None else trouble.wait
    if asked is not None:
        return asked + jitter * SPREAD
    return float(min(policy.first * 2 ** (attempt - 1), policy.longest) * (0.5 + jitter / 2))


def seconds(text: str | None) -> float | None:
    """The seconds of a Retry-After header, which is a number or a date; None for anything else."""
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
