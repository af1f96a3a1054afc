# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to Cloudflare's API.

It speaks HTTP by itself: importing the official SDK takes longer than all of a module's calls, and everything in it that goes beyond HTTP
(credentials of the environment before the token, a POST sent twice, `success: false` as None, a limit on Retry-After) would have to be undone.
Here the token is what was passed, nothing that may have happened is sent twice, and one deadline covers everything.
"""

from __future__ import annotations

import base64
import http.client
import json
import random
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import unquote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

from .errors import CloudflareError, UncertainError, refusal

Json = dict[str, Any]
Item = TypeVar("Item")
Found = TypeVar("Found")
DEFAULT_URL = "https://api.cloudflare.com/client/v4"
LIST_PAGE = 5000
AT_ONCE = 4
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
    """Calls the API; every answer is the raw JSON `result`. Without a token it asks for what is public."""

    def __init__(self, token: str | None, url: str | None = None, *, deadline: float = 120.0, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._end = self._clock.now() + deadline
        self._url = urlsplit((url or DEFAULT_URL).rstrip("/"))
        if self._url.scheme not in ("http", "https") or not self._url.hostname:
            raise CloudflareError(f"{url!r} is not an address of an API: https://host/path is wanted.", code="invalid_url")
        self._headers = {"Accept": "application/json", "User-Agent": "quetrex.platform", **({"Authorization": f"Bearer {token}"} if token else {})}
        self._own = threading.local()
        self._count = threading.Lock()
        self.requests = 0

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

    def together(self, work: Callable[[Item], Found], items: Iterable[Item]) -> list[Found]:
        """Reads that do not depend on each other, a few at once, each with a connection of its own; results in the order of the items."""
        rows = list(items)
        if len(rows) < 2:
            return [work(row) for row in rows]
        with ThreadPoolExecutor(min(AT_ONCE, len(rows))) as pool:
            return list(pool.map(work, rows))

    def zone(self, name: str) -> Json:
        """The zone of this name."""
        found = [zone for zone in self.call("GET", "/zones", query={"name": name}) if zone.get("name") == name]
        if not found:
            raise CloudflareError(f"There is no zone {name} that this token can see. {self._instead_of(name)}", code="zone_not_found")
        zone: Json = found[0]
        return zone

    def _instead_of(self, name: str) -> str:
        """What to do about a zone that is not there: a name below a zone is no zone."""
        labels = name.split(".")
        for above in (".".join(labels[start:]) for start in range(1, len(labels) - 1)):
            if any(zone.get("name") == above for zone in self.call("GET", "/zones", query={"name": above})):
                return f"{name} is a name in the zone {above}: name the zone itself (platform_domain, cloudflare_zone_name), and {name} among its names."
        return "Add the domain at Cloudflare, or give the token Zone Read for it."

    def _once(self, what: str, method: str, path: str, body: Json | None, query: Json | None) -> Json:
        """One exchange."""
        left = self._end - self._clock.now()
        if left <= 0:
            raise CloudflareError(f"{what}: no time left.", code="deadline")
        with self._count:
            self.requests += 1
        target = self._url.path + path + (("&" if "?" in path else "?") + urlencode(query) if query else "")
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers if data is None else {**self._headers, "Content-Type": "application/json"}
        connection = self._connect(min(left, 10.0))
        try:
            connection.sock.settimeout(min(left, 30.0))
            connection.request(method, target, data, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise _Trouble(str(error) or type(error).__name__, sent=True) from error
        if answer.will_close:
            self._drop()
        return _judge(what, answer.status, answer.headers.get("retry-after"), text)

    def _connect(self, timeout: float) -> Any:
        """This thread's connection; what fails here was not sent."""
        connection = getattr(self._own, "connection", None)
        if connection is not None:
            return connection
        connection = self._make(timeout)
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as error:
            raise _Trouble(str(error) or type(error).__name__, sent=False) from error
        self._own.connection = connection
        return connection

    def _make(self, timeout: float) -> Any:
        """A connection to the API, through the environment's proxy where there is one."""
        url, secure = self._url, self._url.scheme == "https"
        proxy = None if proxy_bypass(str(url.hostname)) else getproxies().get(url.scheme)
        via = urlsplit(proxy if proxy and "://" in proxy else f"http://{proxy}") if proxy and secure else None
        host, port = (via.hostname, via.port) if via else (url.hostname, url.port)
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        made = kind(str(host), port, timeout=timeout, **({"context": ssl.create_default_context()} if secure else {}))  # type: ignore[arg-type]
        if via:
            made.set_tunnel(str(url.hostname), url.port or 443, _credentials(via.username, via.password))
        return made

    def _drop(self) -> None:
        """Forget this thread's connection."""
        connection = getattr(self._own, "connection", None)
        self._own.connection = None
        if connection is not None:
            connection.close()

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


def _judge(what: str, status: int, retry_after: str | None, text: bytes) -> Json:
    """The envelope of a good answer; everything else is trouble that may pass, or a refusal."""
    if status == 429:
        raise _Trouble("429 too many requests", sent=False, wait=_seconds(retry_after))
    try:
        body = json.loads(text)
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


def _credentials(name: str | None, password: str | None) -> dict[str, str]:
    """The header a proxy wants when its address has a name and a password."""
    if not name:
        return {}
    pair = f"{unquote(name)}:{unquote(password or '')}".encode()
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair).decode()}


def _seconds(text: str | None) -> float | None:
    """The seconds of a Retry-After header; a date or nothing is None."""
    try:
        return max(0.0, float(text)) if text is not None else None
    except ValueError:
        return None
