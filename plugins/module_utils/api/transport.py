# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One exchange over HTTP: connections that are kept, the environment's proxy, and whether what failed may have happened."""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import sys
import threading
import typing as t
from types import MappingProxyType
from urllib.parse import SplitResult, unquote, urlencode, urlsplit

from .errors import Failure
from .policy import Trouble

AGENT = "quetrex.platform"
Query = t.Union[t.Mapping[str, t.Any], t.Sequence[tuple[str, t.Any]]]


class Request(t.NamedTuple):
    """What is asked. `path` begins behind the API's address; `body` is sent as JSON; `repeatable` overrides what the method says."""

    method: str
    path: str
    query: Query = ()
    body: t.Any = None
    repeatable: bool | None = None
    headers: t.Mapping[str, str] = MappingProxyType({})

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Response(t.NamedTuple):
    """What was answered. Names of headers are in any case."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Proxy(t.NamedTuple):
    """Where a proxy listens, and the headers by which it knows its user."""

    host: str
    port: int
    headers: dict[str, str]


def address_of(url: str) -> SplitResult:
    """The parts of an API's address."""
    try:
        parts = urlsplit(url.rstrip("/"))
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0 and url.isascii() and url.isprintable()
    except ValueError:
        usable = False
    if not usable:
        raise Failure(f"{url!r} is not the address of an API: https://host/path is wanted.", code="invalid_url")
    return parts


def proxy_of(host: str, scheme: str) -> Proxy | None:
    """The proxy that the environment, or the desktop, names for a host. Raises ValueError when that is no address."""
    if sys.platform == "linux" and not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    # for the few who have a proxy: this import takes as long as a request
    from urllib.request import getproxies, proxy_bypass

    named = None if proxy_bypass(host) else getproxies().get(scheme)
    return proxy_parts(named) if named else None


def proxy_parts(named: str) -> Proxy:
    """A proxy's address taken apart. Raises ValueError when it is none."""
    through = urlsplit(named if "//" in named else f"//{named}")
    word = f"{unquote(through.username or '')}:{unquote(through.password or '')}"
    headers = {"Proxy-Authorization": f"Basic {base64.b64encode(word.encode()).decode()}"} if through.username else {}
    return Proxy(through.hostname or "", through.port or 80, headers)


class Transport:
    """Exchanges with one API. Each thread keeps a connection of its own."""

    def __init__(self, url: str, headers: t.Mapping[str, str] | None = None) -> None:
        self.url = address_of(url)
        self._headers = {"Accept": "application/json", "User-Agent": AGENT, **(headers or {})}
        self._own = threading.local()

    def exchange(self, request: Request, *, connect: float, answer: float, fresh: bool = False) -> Response:
        """Send once and read the answer. Raises Trouble when there is none.

        `fresh` is for what must not be sent twice: a connection that was kept may have been closed by the other side at any time.
        """
        query = f"{'&' if '?' in request.path else '?'}{urlencode(request.query, doseq=True)}" if request.query else ""
        data = None if request.body is None else json.dumps(request.body).encode()
        kind = {} if data is None else {"Content-Type": "application/json"}
        if fresh:
            self._drop()
        connection = self._connected(connect)
        try:
            connection.sock.settimeout(answer)
            connection.request(request.method, f"{self.url.path}{request.path}{query}", data, {**self._headers, **kind, **request.headers})
            got = connection.getresponse()
            body = got.read()
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise Trouble(str(error) or type(error).__name__, sent=True) from error
        if got.will_close:
            self._drop()
        return Response(got.status, got.headers, body)

    def _connected(self, timeout: float) -> http.client.HTTPConnection:
        """This thread's connection; what fails here was not sent."""
        connection: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if connection is not None:
            return connection
        connection = self._new(timeout)
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Trouble(str(error) or type(error).__name__, sent=False) from error
        self._own.connection = connection
        return connection

    def _new(self, timeout: float) -> http.client.HTTPConnection:
        name, secure = str(self.url.hostname), self.url.scheme == "https"
        try:
            proxy = proxy_of(name, self.url.scheme)
        except ValueError as error:
            raise Failure("The proxy that the environment names (https_proxy, http_proxy) is no address.", code="invalid_proxy") from error
        host, port = (proxy.host, proxy.port) if proxy else (name, self.url.port)
        if secure:
            made: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl.create_default_context())
        else:
            made = http.client.HTTPConnection(host, port, timeout=timeout)
        if proxy:
            made.set_tunnel(name, self.url.port or (443 if secure else 80), proxy.headers)
        return made

    def _drop(self) -> None:
        connection = getattr(self._own, "connection", None)
        self._own.connection = None
        if connection is not None:
            connection.close()
