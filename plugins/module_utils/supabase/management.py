# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one client of the Supabase Management API: budget, retries, deadline, redaction."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ansible.module_utils.urls import open_url

from .errors import Failure, redact

API_URL = "https://api.supabase.com"
# The vendor's budget is 60 a minute for the whole account; who exceeds it is shut out for a minute. Leave some to people.
BUDGET, WINDOW, BLOCKED = 50, 60.0, 60.0
# For how long a request is repeated that the API has no answer for, and the longest pause between two.
PATIENCE, PAUSE = 60.0, 10.0
PAUSED, TOO_MANY = 540, 429

_MEANING: dict[int, tuple[str, str]] = {
    400: ("refused", ""),
    401: ("token", "The access token is not valid. Make one under Account > Access Tokens."),
    402: ("plan", "The organisation's plan does not include this."),
    403: ("forbidden", "The token's account may not do this."),
    404: ("not_found", "There is no such project, or the token's account may not see it."),
    PAUSED: ("paused", "The project is paused; supabase_project with wake=true wakes it."),
}


@dataclass(frozen=True)
class Clock:
    """Replaced in tests, so that no test waits."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Unanswered(Failure):
    """Nobody knows whether the request took effect."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "unanswered")


class Api:
    """Calls below one token; all waiting together ends after `budget` seconds."""

    def __init__(
        self, token: str, url: str = API_URL, *, budget: float = 600, timeout: float = 30, secrets: tuple[str | None, ...] = (), clock: Clock | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self.clock = clock or Clock()
        self.deadline = self.clock.now() + budget
        self.timeout = timeout
        self._token = token
        self._secrets = (token, *secrets)
        self._sent: list[float] = []

    def get(self, path: str, **query: Any) -> Any:
        return self._call("GET", path + (f"?{urlencode(query, doseq=True)}" if query else ""), None)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """POST, PUT, PATCH: repeated only when the API said that nothing was done."""
        return self._call(method, path, body)

    def wait(self, seconds: float, reason: str) -> None:
        """Sleep, unless that would go beyond the deadline."""
        if self.clock.now() + seconds > self.deadline:
            raise Failure(f"Out of time: {reason}.", "timeout", reason=reason)
        self.clock.sleep(seconds)

    def allow(self, seconds: float) -> None:
        """Time for what has to be done even when the budget is used up, such as a rollback."""
        self.deadline = max(self.deadline, self.clock.now() + seconds)

    def _call(self, method: str, path: str, body: Any) -> Any:
        attempt, patient_until = 0, self.clock.now() + PATIENCE
        while True:
            attempt += 1
            self._pace()
            status, answer, retry_after = self._exchange(method, path, body)
            if status == TOO_MANY:
                self._sent = []
                self.wait(retry_after or BLOCKED, "Supabase allows 60 requests a minute and has shut this account out for a minute")
            elif status == 0 or (status >= 500 and status != PAUSED):
                words = self._words(answer)
                if method != "GET":
                    raise Unanswered(f"{method} {path}: {words or status}. It may have been done all the same; run again.")
                if self.clock.now() >= patient_until:
                    raise Failure(f"{method} {path}: {words or status}, {attempt} times.", "unavailable", status=status)
                self.wait(min(2.0**attempt, PAUSE), f"{method} {path} answers {status or 'nothing'}")
            elif status >= 400:
                raise self._refused(method, path, status, answer)
            else:
                return answer

    def _pace(self) -> None:
        """Stay below the budget instead of being shut out."""
        now = self.clock.now()
        self._sent = [moment for moment in self._sent if now - moment < WINDOW]
        if len(self._sent) >= BUDGET:
            self.wait(WINDOW - (now - self._sent[0]), "the budget of requests for this minute is used up")
        self._sent.append(self.clock.now())

    def _exchange(self, method: str, path: str, body: Any) -> tuple[int, Any, float]:
        """Status (0: no answer), answer, and the seconds the API wants us to stay away."""
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body)
        try:
            with open_url(self.url + path, data=data, headers=headers, method=method, timeout=self.timeout, http_agent="quetrex.platform") as answer:
                return answer.status, _parsed(answer.read()), 0
        except urllib.error.HTTPError as error:
            after = error.headers.get("Retry-After") or ""
            return error.code, _parsed(error.read()), float(after) if after.isdigit() else 0
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            return 0, {"message": str(error)}, 0

    def _refused(self, method: str, path: str, status: int, answer: Any) -> Failure:
        code, advice = _MEANING.get(status, ("refused", ""))
        return Failure(f"{method} {path}: {self._words(answer) or status}. {advice}".strip(), code, status=status)

    def _words(self, answer: Any) -> str:
        said = answer.get("message", "") if isinstance(answer, dict) else answer
        words = "; ".join(map(str, said)) if isinstance(said, list) else str(said or "")
        return redact(words[:500], *self._secrets).rstrip(".")


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data) if data else None
    except ValueError:
        return {"message": data[:200].decode(errors="replace")}
