# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to Cloudflare's API.

It goes through the official SDK with that library's traps closed: credentials of the environment do not replace the token, nothing is sent
twice behind our back, `success: false` and HTML are errors, `Retry-After` is obeyed whatever its length, and one deadline covers everything.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from .errors import CloudflareError, UncertainError, refusal

try:
    import httpx

    import cloudflare

    IMPORT_ERROR = None
except ImportError as error:
    IMPORT_ERROR = error

Json = dict[str, Any]
DEFAULT_URL = "https://api.cloudflare.com/client/v4"
LIST_PAGE = 5000
REPEATABLE = ("GET", "PUT", "PATCH", "DELETE")


class Clock:
    """Time, as tests may replace it."""

    def now(self) -> float:
        """Seconds that only ever grow."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Client:
    """Calls the API; every answer is the raw JSON `result`."""

    def __init__(self, token: str, url: str | None = None, *, deadline: float = 120.0, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._end = self._clock.now() + deadline
        self.requests = 0
        self._sdk = cloudflare.Cloudflare(api_token=token, base_url=url or DEFAULT_URL, max_retries=0)
        # The SDK prefers these over the token when the environment has them.
        self._sdk.api_email = None
        self._sdk.api_key = None
        self._sdk.user_service_key = None

    def call(self, method: str, path: str, body: Json | None = None, query: Json | None = None) -> Any:
        """One call, repeated while that is safe and useful: reads and idempotent writes after trouble, any call after a 429."""
        return self.envelope(method, path, body, query).get("result")

    def envelope(self, method: str, path: str, body: Json | None = None, query: Json | None = None) -> Json:
        """Like `call`, with the whole answer."""
        what, tries, uncertain = f"{method} {path}", 0, False
        while True:
            tries += 1
            try:
                return self._once(what, method, path, body, query)
            except _Missing:
                if method == "DELETE" and uncertain:
                    return {"result": None}
                raise
            except _Trouble as trouble:
                if trouble.sent and method not in REPEATABLE:
                    raise UncertainError(f"{what}: the answer was lost ({trouble}); whether it happened is not known.", code="uncertain") from trouble
                uncertain = uncertain or trouble.sent
                self._wait(what, tries, trouble)

    def pages(self, path: str, query: Json | None = None, size: int = LIST_PAGE) -> list[Json]:
        """All rows of a list."""
        rows: list[Json] = []
        page = 1
        while True:
            answer = self.envelope("GET", path, query={**(query or {}), "page": page, "per_page": size})
            rows += answer.get("result") or []
            info = answer.get("result_info") or {}
            total = info.get("total_pages")
            if total is None:
                total = -(-int(info.get("total_count", 0)) // size)
            if page >= total:
                return rows
            page += 1

    def zone(self, name: str) -> Json:
        """The zone of this name."""
        found = [zone for zone in self.call("GET", "/zones", query={"name": name}) if zone.get("name") == name]
        if not found:
            raise CloudflareError(
                f"There is no zone {name} that this token can see. Add the domain at Cloudflare, or give the token Zone Read for it.", code="zone_not_found"
            )
        zone: Json = found[0]
        return zone

    def _once(self, what: str, method: str, path: str, body: Json | None, query: Json | None) -> Json:
        """One exchange through the SDK."""
        left = self._end - self._clock.now()
        if left <= 0:
            raise CloudflareError(f"{what}: no time left.", code="deadline")
        options: Json = {"params": query or {}, "timeout": httpx.Timeout(min(left, 30.0), connect=min(left, 10.0))}
        self.requests += 1
        try:
            answer = _verb(self._sdk, method)(path, cast_to=httpx.Response, options=options, **({} if method == "GET" else {"body": body}))
        except cloudflare.APIStatusError as error:
            answer = error.response
        except cloudflare.APIConnectionError as error:
            cause = error.__cause__
            sent = not isinstance(cause, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
            raise _Trouble(str(cause or error) or type(cause or error).__name__, sent=sent) from error
        return self._judge(what, answer)

    @staticmethod
    def _judge(what: str, answer: Any) -> Json:
        """The envelope of a good answer; everything else is trouble that may pass, or a refusal."""
        status = answer.status_code
        if status == 429:
            raise _Trouble("429 too many requests", sent=False, wait=_seconds(answer.headers.get("retry-after")))
        try:
            body = answer.json()
        except ValueError as error:
            raise _Trouble(f"{status} without JSON", sent=True) from error
        if status >= 500:
            raise _Trouble(str(refusal(what, status, body if isinstance(body, dict) else {})), sent=True)
        if not isinstance(body, dict) or "success" not in body:
            raise _Trouble(f"{status} with JSON that is not Cloudflare's", sent=True)
        if status == 404:
            raise _Missing(refusal(what, status, body))
        if status >= 400 or body["success"] is not True:
            raise refusal(what, status, body)
        return body

    def _wait(self, what: str, tries: int, trouble: _Trouble) -> None:
        """Wait as long as asked, or a growing while with jitter; give up when that is past the deadline."""
        backoff = min(0.5 * 2 ** (tries - 1), 15.0) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        pause = trouble.wait if trouble.wait is not None else backoff
        if self._clock.now() + pause >= self._end:
            raise CloudflareError(
                f"{what} failed {tries} times, last with: {trouble}. Cloudflare could not be reached in time; run again, or raise timeout.", code="deadline"
            ) from trouble
        self._clock.sleep(pause)


class _Trouble(Exception):
    """Something that may pass. `sent` says whether the call may have happened, `wait` how long the other side asks to wait."""

    def __init__(self, message: str, *, sent: bool, wait: float | None = None) -> None:
        super().__init__(message)
        self.sent = sent
        self.wait = wait


class _Missing(CloudflareError):
    """The thing does not exist."""

    def __init__(self, error: CloudflareError) -> None:
        super().__init__(str(error), code=error.code, status=404, details=error.details)


MissingError = _Missing


def _verb(sdk: Any, method: str) -> Callable[..., Any]:
    verb: Callable[..., Any] = getattr(sdk, method.lower())
    return verb


def _seconds(text: str | None) -> float | None:
    """The seconds of a Retry-After header; a date or nothing is None."""
    try:
        return max(0.0, float(text)) if text is not None else None
    except ValueError:
        return None
