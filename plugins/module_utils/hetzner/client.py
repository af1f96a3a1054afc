# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to the Hetzner Cloud API: connections that are kept, retries on what is safe to repeat, pages in parallel, actions.

Only the standard library is used, because an inventory is read at the start of every command and importing an HTTP library would be
the slowest part of it.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import ssl
import sys
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode, urlsplit

from .errors import RETRY_ALWAYS, RETRY_STATUS, HetznerError

ENDPOINT = "https://api.hetzner.cloud/v1"
PER_PAGE = 50
PARALLEL = 8
ACTIONS_PER_REQUEST = 25

Query = t.Sequence[tuple[str, t.Any]]
Answer = dict[str, t.Any]


class Client:
    """Speaks to one project. Times are seconds; `retry_budget` bounds how long one request is repeated."""

    def __init__(
        self,
        token: str,
        endpoint: str = ENDPOINT,
        *,
        timeout: float = 30.0,
        retry_budget: float = 60.0,
        clock: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        try:
            parts = urlsplit(endpoint.rstrip("/"))
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0 and endpoint.isascii() and endpoint.isprintable()
        except ValueError:
            usable = False
        if not usable:
            raise HetznerError("bad_address", f"{endpoint!r} is not the address of an API, which begins with https://")
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise HetznerError("unauthorized", "the API token is empty or holds a space, a line break or another character no token has")
        self._host, self._port, self._secure, self._base = parts.hostname or "", parts.port, parts.scheme == "https", parts.path
        self._headers = {"Authorization": f"Bearer {token}", "User-Agent": "quetrex.platform", "Accept": "application/json"}
        self._timeout, self._retry_budget, self.clock, self.sleep = timeout, retry_budget, clock, sleep
        self._local = threading.local()

    # --- requests

    def get(self, path: str, query: Query = ()) -> Answer:
        """Read."""
        return self.request("GET", path, query=query)

    def request(self, method: str, path: str, *, query: Query = (), body: t.Any = None, repeatable: bool | None = None) -> Answer:
        """Return the answer's JSON ({} when there is none), or raise HetznerError.

        `repeatable` says that the request has the same effect twice (default: all but POST). Only such a one is sent again after an
        answer that leaves open whether it took effect.
        """
        repeatable = method != "POST" if repeatable is None else repeatable
        doing, deadline, attempt = f"{method} {path}", self.clock() + self._retry_budget, 0
        while True:
            attempt += 1
            try:
                return self._once(method, path, query, body)
            except HetznerError as error:
                error.doing = doing
                again = error.code in RETRY_ALWAYS or (repeatable and (error.status in RETRY_STATUS or error.code == "unreachable"))
                wait = _pause(error, attempt)
                if not again or self.clock() + wait > deadline:
                    raise
                self.sleep(wait)

    def _once(self, method: str, path: str, query: Query, body: t.Any) -> Answer:
        target = f"{self._base}{path}{'?' + urlencode(query) if query else ''}"
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers if data is None else {**self._headers, "Content-Type": "application/json"}
        # A kept connection may have been closed by the other side at any time: only reading may run into that.
        connection = self._connection(fresh=method != "GET")
        try:
            connection.request(method, target, body=data, headers=headers)
            response = connection.getresponse()
            status, raw, retry_after = response.status, response.read(), response.headers.get("Retry-After")
        except (OSError, http.client.HTTPException) as error:
            self._forget()
            raise HetznerError("unreachable", f"no answer from {self._host}: {error or type(error).__name__}") from error
        return _decode(status, raw, retry_after)

    def _connection(self, fresh: bool) -> http.client.HTTPConnection:
        if fresh:
            self._forget()
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        return connection

    def _connect(self) -> http.client.HTTPConnection:
        proxy = _proxy(self._host, "https" if self._secure else "http")
        host, port = self._host, self._port
        tunnel = None
        if proxy:
            through = urlsplit(proxy if "//" in proxy else f"//{proxy}")
            tunnel, host, port = (host, port), through.hostname or "", through.port
        if self._secure:
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=ssl.create_default_context())
        else:
            connection = http.client.HTTPConnection(host, port, timeout=self._timeout)
        if tunnel:
            connection.set_tunnel(tunnel[0], tunnel[1])
        return connection

    def _forget(self) -> None:
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    # --- lists

    def all(self, path: str, kind: str, query: Query = ()) -> list[Answer]:
        """Return every resource of a list. The rest is asked for in parallel as soon as the number of pages is known."""
        first = self._page(path, query, 1)
        rows: list[Answer] = first[kind]
        last = (first.get("meta") or {}).get("pagination", {}).get("last_page")
        if last is None:
            return self._rest_in_turn(path, kind, query, first)
        if last > 1:
            with ThreadPoolExecutor(min(PARALLEL, last - 1)) as pool:
                for page in pool.map(lambda number: self._page(path, query, number), range(2, last + 1)):
                    rows += page[kind]
        # A list that moves between two pages shows a row twice; the first look wins.
        return list({row["id"]: row for row in reversed(rows)}.values())[::-1]

    def _rest_in_turn(self, path: str, kind: str, query: Query, page: Answer) -> list[Answer]:
        rows: list[Answer] = page[kind]
        following = (page.get("meta") or {}).get("pagination", {}).get("next_page")
        while following:
            page = self._page(path, query, following)
            rows += page[kind]
            following = page["meta"]["pagination"].get("next_page")
        return rows

    def _page(self, path: str, query: Query, number: int) -> Answer:
        return self.get(path, [*query, ("page", number), ("per_page", PER_PAGE)])

    # --- actions

    def wait(self, actions: t.Iterable[Answer], *, budget: float, doing: str) -> None:
        """Wait until all actions ended well; raise with the API's reason when one failed or time is over."""
        deadline, pause = self.clock() + budget, 0.5
        open_ids = _unfinished(actions, doing)
        while open_ids:
            if self.clock() > deadline:
                raise HetznerError("timeout", f"not finished after {budget:.0f} s", doing=doing)
            self.sleep(pause)
            pause = min(pause * 1.3, 3.0)
            answer = self.get("/actions", [("id", number) for number in open_ids[:ACTIONS_PER_REQUEST]])
            open_ids = _unfinished(answer["actions"], doing) + open_ids[ACTIONS_PER_REQUEST:]

    def act(self, path: str, body: t.Any = None, *, budget: float, doing: str, repeatable: bool = False) -> None:
        """Start an action and wait until it ended well."""
        answer = self.request("POST", path, body=body, repeatable=repeatable)
        self.wait(answer.get("actions") or [answer["action"]], budget=budget, doing=doing)

    def wait_for_all(self, path: str, *, budget: float, doing: str) -> None:
        """Wait until nothing is being done to a resource any more. How it ended does not matter here."""
        deadline = self.clock() + budget
        while self.get(f"{path}/actions", [("status", "running")])["actions"]:
            if self.clock() > deadline:
                raise HetznerError("timeout", f"not finished after {budget:.0f} s", doing=doing)
            self.sleep(1.0)


def _proxy(host: str, scheme: str) -> str | None:
    """Return the proxy that the environment, or the desktop, names for a host."""
    if sys.platform == "linux" and not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    # a tenth of what an inventory of few servers takes, for the few who have a proxy
    from urllib.request import getproxies, proxy_bypass

    return None if proxy_bypass(host) else getproxies().get(scheme)


def _unfinished(actions: t.Iterable[Answer], doing: str) -> list[int]:
    running = []
    for action in actions:
        if action["status"] == "error":
            error = action.get("error") or {}
            code, message = str(error.get("code", "action_failed")), str(error.get("message", action["command"]))
            raise HetznerError(code, message, doing=doing, details={"action": action["id"], "command": action["command"]})
        if action["status"] == "running":
            running.append(int(action["id"]))
    return running


def _pause(error: HetznerError, attempt: int) -> float:
    """Return the seconds until the next try. The rate limit gives one request back a second, so a second is enough there."""
    jitter = random.random()  # noqa: S311 - spreads retries, guards nothing
    if error.code == "rate_limit_exceeded":
        told = (error.details or {}).get("retry_after") if isinstance(error.details, dict) else None
        return float(told or 1.0) + jitter / 2
    return float(min(0.5 * 2 ** (attempt - 1), 8.0)) * (0.75 + jitter / 2)


def _decode(status: int, raw: bytes, retry_after: str | None) -> Answer:
    try:
        answer = json.loads(raw) if raw else {}
    except ValueError:
        answer = None
    if status < 400 and isinstance(answer, dict):
        return answer
    if status < 400:
        raise HetznerError("bad_answer", "the answer is not the API's JSON; is a proxy in between?", status=502)
    error = answer.get("error") if isinstance(answer, dict) else None
    error = error if isinstance(error, dict) else {}
    code = str(error.get("code") or {429: "rate_limit_exceeded", 401: "unauthorized", 404: "not_found"}.get(status, f"http_{status}"))
    details = {"retry_after": int(retry_after)} if status == 429 and retry_after and retry_after.isdecimal() else error.get("details")
    raise HetznerError(code, str(error.get("message") or http.client.responses.get(status, "refused")), status=status, details=details)
