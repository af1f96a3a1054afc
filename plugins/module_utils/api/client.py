# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A vendor's API as its modules see it: a request is repeated while that is safe and useful, one deadline covers everything, secrets stay hidden.

A vendor's client says how its answers are read (`read`) and, where it has words of its own, how giving up is told.
"""

from __future__ import annotations

import threading
import typing as t

from .errors import Failure, Uncertain, redact
from .policy import Clock, Policy, Trouble, pause
from .transport import Request, Response, Transport

Secrets = t.Sequence[t.Optional[str]]


class Attempt(t.NamedTuple):
    """How long one attempt may take to connect and to be answered, and whether it must not use a connection that was kept."""

    connect: float
    answer: float
    fresh: bool


class Client:
    """Requests to one API. `deadline` bounds all of them together, in seconds."""

    vendor = "The API"
    policy = Policy()

    def __init__(self, *, transport: Transport | None = None, deadline: float | None = None, clock: Clock | None = None, secrets: Secrets = ()) -> None:
        self.clock = clock or Clock()
        self._transport = transport
        self._end = None if deadline is None else self.clock.now() + deadline
        self._secrets = tuple(secrets)
        self._count = threading.Lock()
        self.requests = 0

    def ask(self, request: Request) -> t.Any:
        """One request, repeated: what has the same effect twice after any trouble, everything where nothing was done.

        Raises Uncertain when a write may have happened, Failure for everything else.
        """
        try:
            return self._repeated(request)
        except Failure as error:
            error.hide(*self._secrets)
            raise

    def _repeated(self, request: Request) -> t.Any:
        repeatable = request.method in self.policy.repeatable if request.repeatable is None else request.repeatable
        until = float("inf") if self.policy.patience is None else self.clock.now() + self.policy.patience
        attempt, lost = 0, False
        while True:
            attempt += 1
            try:
                return self._attempt(request, fresh=not repeatable)
            except Failure as error:
                if lost and request.method == "DELETE" and error.status == 404:
                    return None  # an earlier attempt, whose answer was lost, did it
                raise
            except Trouble as trouble:
                if trouble.sent and not repeatable:
                    raise _of(trouble) or self.uncertain(request, trouble) from trouble
                lost = lost or trouble.sent
                self._rest(request, attempt, trouble, until)

    def _attempt(self, request: Request, *, fresh: bool) -> t.Any:
        self.before()
        left = self.left()
        if left <= 0:
            raise Failure(f"{self.vendor} {request}: no time left.", code="deadline")
        with self._count:
            self.requests += 1
        return self.exchange(request, Attempt(min(left, self.policy.connect), min(left, self.policy.answer), fresh))

    def _rest(self, request: Request, attempt: int, trouble: Trouble, until: float) -> None:
        """Wait before the next attempt, or give up when that would take too long."""
        wait = pause(self.policy, attempt, trouble)
        late = wait >= self.left()
        bounded = self.policy.patient_when_limited or not trouble.limited
        if late or (bounded and self.clock.now() + wait > until):
            raise _of(trouble) or self.gave_up(request, attempt, trouble, late=late) from trouble
        self.clock.sleep(wait)

    def left(self) -> float:
        """Seconds until the deadline."""
        return float("inf") if self._end is None else self._end - self.clock.now()

    def rest(self, seconds: float) -> bool:
        """Wait, if there is time for it."""
        if seconds >= self.left():
            return False
        self.clock.sleep(seconds)
        return True

    def allow(self, seconds: float) -> None:
        """Time for what has to be done even when the deadline is over, such as a rollback."""
        if self._end is not None:
            self._end = max(self._end, self.clock.now() + seconds)

    def clean(self, text: str) -> str:
        """A text without this client's secrets."""
        return redact(text, *self._secrets)

    # --- what a vendor may say differently

    def before(self) -> None:
        """Called before each attempt."""

    def exchange(self, request: Request, attempt: Attempt) -> t.Any:
        """One attempt: what was answered, Trouble for what may pass, Failure for a refusal."""
        if self._transport is None:
            raise NotImplementedError
        return self.read(request, self._transport.exchange(request, connect=attempt.connect, answer=attempt.answer, fresh=attempt.fresh))

    def read(self, request: Request, response: Response) -> t.Any:
        """What an answer says."""
        raise NotImplementedError

    def uncertain(self, request: Request, trouble: Trouble) -> Uncertain:
        """What is said of a write that may have happened."""
        return Uncertain(f"{self.vendor} {request}: the answer was lost ({trouble}); whether it happened is not known.", code="uncertain")

    def gave_up(self, request: Request, attempts: int, trouble: Trouble, *, late: bool) -> Failure:
        """What is said when trouble did not pass; `late`: before the deadline, otherwise within the policy's patience."""
        more = ", or raise timeout" if late else ""
        text = f"{self.vendor} {request} failed {attempts} times, last with: {trouble}. {self.vendor} could not be reached in time; run again{more}."
        return Failure(text, code="deadline")


def _of(trouble: Trouble) -> Failure | None:
    """A vendor's own failure for trouble that did not pass, which knows whether the request may have taken effect."""
    if trouble.failure is not None:
        trouble.failure.maybe_done = trouble.sent
    return trouble.failure
