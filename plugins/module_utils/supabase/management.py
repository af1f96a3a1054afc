# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one client of the Supabase Management API: its budget of requests, and what its refusals mean. How a request is sent and repeated is in `..api`."""

from __future__ import annotations

import json
from typing import Any

from ..api import client as api
from ..api.errors import Failure, Uncertain
from ..api.policy import Clock, Policy, Trouble, too_many
from ..api.transport import Request, Response, Transport

API_URL = "https://api.supabase.com"
# The vendor's budget is 60 a minute for the whole account; who exceeds it is shut out for a minute. Leave some to people.
BUDGET, WINDOW, BLOCKED = 50, 60.0, 60.0
# For how long a request is repeated that the API has no answer for, and the longest pause between two.
PATIENCE, PAUSE = 70.0, 10.0
PAUSED, TOO_MANY = 540, 429

_MEANING: dict[int, tuple[str, str]] = {
    400: ("refused", ""),
    401: ("token", "The access token is not valid. Make one under Account > Access Tokens."),
    402: ("plan", "The organisation's plan does not include this."),
    403: ("forbidden", "The token's account may not do this."),
    404: ("not_found", "There is no such project, or the token's account may not see it."),
    PAUSED: ("paused", "The project is paused; supabase_project with wake=true wakes it."),
}


class Api(api.Client):
    """Calls below one token; all waiting together ends after `budget` seconds."""

    vendor = "Supabase"
    policy = Policy(repeatable=frozenset({"GET"}), connect=30.0, first=2.0, longest=PAUSE, limited=BLOCKED, patience=PATIENCE, patient_when_limited=False)

    def __init__(self, token: str, url: str = API_URL, *, budget: float = 600, secrets: tuple[str | None, ...] = (), clock: Clock | None = None) -> None:
        transport = Transport(url, {"Authorization": f"Bearer {token}"})
        super().__init__(transport=transport, deadline=budget, clock=clock, secrets=(token, *secrets))
        self._sent: list[float] = []

    def get(self, path: str, **query: Any) -> Any:
        """Read."""
        return self.ask(Request("GET", path, query))

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """POST, PUT, PATCH: repeated only when nothing was done."""
        return self.ask(Request(method, path, body=body))

    def wait(self, seconds: float, reason: str) -> None:
        """Sleep, unless that would go beyond the deadline."""
        if not self.rest(seconds):
            raise _out_of_time(reason)

    def before(self) -> None:
        """Stay below the budget instead of being shut out."""
        now = self.clock.now()
        self._sent = [moment for moment in self._sent if now - moment < WINDOW]
        if len(self._sent) >= BUDGET:
            self.wait(WINDOW - (now - self._sent[0]), "the budget of requests for this minute is used up")
        self._sent.append(self.clock.now())

    def read(self, request: Request, response: Response) -> Any:
        """The JSON of a good answer; everything else is trouble that may pass, or a refusal."""
        status, answer = response.status, _parsed(response.body)
        if status == TOO_MANY:
            self._sent = []
            raise too_many(response.headers.get("retry-after"), _out_of_time("Supabase allows 60 requests a minute and has shut this account out for a minute"))
        if status >= 500 and status != PAUSED:
            raise Trouble(self._words(answer) or str(status), sent=True)
        if status >= 300:
            code, advice = _MEANING.get(status, ("refused", ""))
            raise Failure(f"{request}: {self._words(answer) or status}. {advice}".strip(), code, status=status)
        return answer

    def _words(self, answer: Any) -> str:
        said = answer.get("message", "") if isinstance(answer, dict) else answer
        words = "; ".join(map(str, said)) if isinstance(said, list) else str(said or "")
        return self.clean(words)[:500].rstrip(".")

    def uncertain(self, request: Request, trouble: Trouble) -> Uncertain:
        """In this API's words."""
        return Uncertain(f"{request}: {trouble}. It may have been done all the same; run again.", "unanswered")

    def gave_up(self, request: Request, attempts: int, trouble: Trouble, *, late: bool) -> Failure:
        """In this API's words."""
        if late:
            return _out_of_time(f"{request} answers {trouble}")
        return Failure(f"{request}: {trouble}, {attempts} times.", "unavailable")


def _out_of_time(reason: str) -> Failure:
    return Failure(f"Out of time: {reason}.", "timeout", reason=reason)


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data) if data else None
    except ValueError:
        return {"message": data[:200].decode(errors="replace")}
