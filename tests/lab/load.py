# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bounded, steady load on a lab's platform: keep-alive GETs and POSTs, three-second requests and event streams.

A program of its own, so that it can run in the namespace of the edge or of a visitor: it ends on SIGTERM or after
`--seconds` and then prints one JSON document with every answer's start and version and every loss.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.client
import json
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

BODY = b"0123456789abcdef" * 256
BODY_SUM = hashlib.sha256(BODY).hexdigest()
# A kind of request -> seconds between two of one client.
PACE = {"get": 0.02, "post": 0.04, "slow": 0.1, "events": 0.1}


@dataclass
class Seen:
    """What the clients saw. Appending is atomic, so the threads share it."""

    answers: list[tuple[float, str]] = field(default_factory=list)
    lost: list[dict[str, Any]] = field(default_factory=list)
    streams_whole: int = 0
    streams_cut: int = 0


class Connection(http.client.HTTPSConnection):
    """A keep-alive connection to an address that asks for a name."""

    def __init__(self, address: str, name: str, context: ssl.SSLContext) -> None:
        super().__init__(address, 443, timeout=30, context=context)
        self.name, self.context = name, context

    def connect(self) -> None:
        """Connects, asking for the name."""
        plain = socket.create_connection((self.host, self.port), self.timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self.context.wrap_socket(plain, server_hostname=self.name)


class Client:
    """One visitor that keeps its connection as long as the other side does."""

    def __init__(self, make: Callable[[], Connection], seen: Seen, kind: str) -> None:
        self.make, self.seen, self.kind = make, seen, kind
        self.connection = make()

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body. An idle connection that was closed before anything was answered is opened again once, as browsers do, but never for a POST."""
        for attempt in (1, 2):
            fresh = self.connection.sock is None
            try:
                self.connection.request(method, path, body=body, headers={"Host": self.connection.name})
                answer = self.connection.getresponse()
                return answer.status, answer.read()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self.connection.close()
                if fresh or attempt == 2 or method == "POST":
                    raise
        raise AssertionError("unreachable")

    def once(self) -> str:
        """One request; the version that answered it."""
        if self.kind == "post":
            status, text = self.ask("POST", "/api/echo", BODY)
            good = status == 200 and json.loads(text)["sha256"] == BODY_SUM
        elif self.kind == "slow":
            status, text = self.ask("GET", "/api/slow?ms=3000")
            good = status == 200
        else:
            status, text = self.ask("GET", "/api/slow?ms=0")  # the health check asks the database: not what is measured here
            good = status == 200
        if not good:
            raise ValueError(f"HTTP {status}: {text[:200]!r}")
        return str(json.loads(text)["version"])

    def stream(self) -> None:
        """An event stream of ten seconds; a cut is no loss, browsers reconnect, but it is counted."""
        connection = self.make()
        try:
            connection.request("GET", "/api/events?every=250&count=40", headers={"Host": connection.name})
            events = connection.getresponse().read().count(b"data: ")
        except (OSError, http.client.HTTPException):
            events = 0
        finally:
            connection.close()
        if events == 40:
            self.seen.streams_whole += 1
        else:
            self.seen.streams_cut += 1

    def run(self, end: threading.Event) -> None:
        """Requests until the end."""
        while not end.is_set():
            began = time.time()
            try:
                if self.kind == "events":
                    self.stream()
                else:
                    self.seen.answers.append((round(began, 3), self.once()))
            except (OSError, ValueError, http.client.HTTPException) as error:
                self.connection.close()
                self.seen.lost.append({"at": began, "seconds": round(time.time() - began, 2), "kind": self.kind, "error": f"{type(error).__name__}: {error}"})
            end.wait(PACE[self.kind])
        with contextlib.suppress(OSError):
            self.connection.close()


def main(argv: list[str]) -> int:
    """Runs the clients and prints what they saw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--ca", default="", help="authority of the certificate; without it the certificate is not judged")
    parser.add_argument("--seconds", type=float, default=600)
    for kind, number in (("get", 6), ("post", 3), ("slow", 4), ("events", 2)):
        parser.add_argument(f"--{kind}", type=int, default=number)
    options = parser.parse_args(argv)
    context = ssl.create_default_context(cafile=options.ca or None)
    if not options.ca:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    seen, end = Seen(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_arguments: end.set())
    kinds = [kind for kind in PACE for _number in range(getattr(options, kind))]

    def make() -> Connection:
        return Connection(options.address, options.name, context)

    threads = [threading.Thread(target=Client(make, seen, kind).run, args=(end,), daemon=True) for kind in kinds]
    for thread in threads:
        thread.start()
    end.wait(options.seconds)
    end.set()
    for thread in threads:
        thread.join(45)
    print(json.dumps(seen.__dict__))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
