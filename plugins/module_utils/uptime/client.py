# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to the uptime services: JSON over HTTP with a bearer token, one deadline, and nothing sent twice that may have happened."""

from __future__ import annotations

import http.client
import json
import random
import time
import typing as t
import urllib.error
import urllib.request

Json = dict[str, t.Any]
REPEATABLE = ("GET", "PATCH", "DELETE")


class UptimeError(Exception):
    """Something failed for good. `code` is a word or the status, `details` is for programs."""

    def __init__(self, message: str, *, code: str = "failed", details: t.Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.details = details

    def failure(self) -> Json:
        """The error as data."""
        return {"code": self.code, "details": self.details}


class UncertainError(UptimeError):
    """A write whose answer was lost: look at the state again before doing anything else."""


class _Trouble(Exception):
    """Something that may pass. `sent`: the call may have happened; `wait`: how long the service asks to wait."""

    def __init__(self, message: str, *, sent: bool, wait: float | None = None) -> None:
        super().__init__(message)
        self.sent = sent
        self.wait = wait


class Clock:
    """Time, as tests may replace it."""

    def now(self) -> float:
        """Seconds that only ever grow."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Client:
    """Calls one service; every answer is the raw JSON. `reasons` is the field in which the service says why it refuses."""

    def __init__(self, service: str, token: str, url: str, *, reasons: str, deadline: float = 60.0, clock: Clock | None = None) -> None:
        self.service = service
        self._reasons = reasons
        self._clock = clock or Clock()
        self._end = self._clock.now() + deadline
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": "quetrex.platform"}
        if not self._url.startswith(("http://", "https://")):
            raise UptimeError(f"{url!r} is not an address of an API: https://host/path is wanted.", code="invalid_url")
        self.requests = 0
        self.allowed_per_minute = 0
        """How many requests a minute the service said it takes, 0 while it said nothing."""

    def rest(self, seconds: float) -> bool:
        """Wait, if there is time for it."""
        if self._clock.now() + seconds >= self._end:
            return False
        self._clock.sleep(seconds)
        return True

    def call(self, method: str, path: str, body: Json | None = None) -> t.Any:
        """One call, repeated while that is safe and useful: reads and idempotent writes after trouble, any call after a 429."""
        what, tries, uncertain = f"{self.service} {method} {path}", 0, False
        while True:
            tries += 1
            try:
                return self._once(what, method, path, body)
            except UptimeError as error:
                if method == "DELETE" and uncertain and error.code == "404":
                    return None
                raise
            except _Trouble as trouble:
                if trouble.sent and method not in REPEATABLE:
                    raise UncertainError(f"{what}: the answer was lost ({trouble}); whether it happened is not known.", code="uncertain") from trouble
                uncertain = uncertain or trouble.sent
                self._wait(what, tries, trouble)

    def _once(self, what: str, method: str, path: str, body: Json | None) -> t.Any:
        left = self._end - self._clock.now()
        if left <= 0:
            raise UptimeError(f"{what}: no time left.", code="deadline")
        self.requests += 1
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers if data is None else {**self._headers, "Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        try:
            with urllib.request.build_opener().open(request, timeout=min(left, 20.0)) as answer:
                self.allowed_per_minute = int(_seconds(answer.headers.get("x-ratelimit-limit")) or 0)
                return _read(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            raise self._judge(what, error.code, error.headers.get("retry-after"), error.read()) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise _Trouble(str(reason) or type(reason).__name__, sent=not isinstance(reason, ConnectionRefusedError)) from error

    def _judge(self, what: str, status: int, retry_after: str | None, text: bytes) -> Exception:
        """Trouble that may pass, or a refusal with every reason the answer gives."""
        if status == 429:
            return _Trouble("429 too many requests", sent=False, wait=_seconds(retry_after))
        if status >= 500:
            return _Trouble(f"status {status}", sent=True)
        reasons = reasons_of(text, self._reasons)
        why = "; ".join(reasons) or "no reason was given"
        return UptimeError(f"{what} was refused ({status}): {why}.{ADVICE.get(status, '')}", code=str(status), details=reasons)

    def _wait(self, what: str, tries: int, trouble: _Trouble) -> None:
        backoff = min(0.5 * 2 ** (tries - 1), 10.0) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        pause = trouble.wait if trouble.wait is not None else backoff
        if self._clock.now() + pause >= self._end:
            raise UptimeError(f"{what} failed {tries} times, last with: {trouble}. Run again, or raise timeout.", code="deadline") from trouble
        self._clock.sleep(pause)


PLAN = ("402", "403")
"""The codes of refusals that may come from the account's plan."""
ADVICE = {
    401: " Make a new API token at the service, and give it as api_token.",
    402: " The account's plan does not include this.",
    403: " The token may not do this, or the account's plan does not include it; intervals of a minute and text messages are in paid plans.",
}


def _read(status: int, text: bytes) -> t.Any:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise _Trouble(f"status {status} without JSON", sent=True) from error


def reasons_of(text: bytes, field: str) -> list[str]:
    """Every reason in a refusal: text, a list of texts, or texts by the field they are about."""
    try:
        body = json.loads(text)
    except ValueError:
        return []
    given = body.get(field) if isinstance(body, dict) else None
    if isinstance(given, dict):
        return [f"{about} {reason}" for about, reasons in given.items() for reason in (reasons if isinstance(reasons, list) else [reasons])]
    return [str(item) for item in (given if isinstance(given, list) else [given]) if item]


def _seconds(text: str | None) -> float | None:
    """The seconds of a Retry-After header; a date or nothing is None."""
    try:
        return max(0.0, float(text)) if text is not None else None
    except ValueError:
        return None
