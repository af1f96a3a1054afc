# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bounded, steady load on a lab's platform: keep-alive GETs and POSTs, three-second requests, sessions in Redis, event streams, websockets.

A program of its own, so that it can run in the namespace of the edge or of a visitor: it ends on SIGTERM or after
`--seconds` and then prints one JSON document with every answer's start and version, every loss, and every open socket's scenario.
With `--watch FILE` the number of answers so far stands in that file.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import http.client
import json
import os
import select
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BODY = b"0123456789abcdef" * 256
BODY_SUM = hashlib.sha256(BODY).hexdigest()
# A kind of request -> seconds between two of one client, times `--pace`.
PACE = {"get": 0.02, "post": 0.04, "slow": 0.1, "session": 0.05, "events": 0.1, "socket": 0.1}
DEFAULTS = {"get": 6, "post": 3, "slow": 4, "session": 2, "events": 2, "socket": 2}
EVENTS, EVERY_MS = 40, 250
OPEN, TEXT, CLOSE = 0x80, 0x1, 0x8


@dataclass
class Seen:
    """What the clients saw. Appending is atomic, so the threads share it."""

    answers: list[tuple[float, str]] = field(default_factory=list)
    lost: list[dict[str, Any]] = field(default_factory=list)
    streams: list[dict[str, Any]] = field(default_factory=list)
    sockets: list[dict[str, Any]] = field(default_factory=list)
    # visitor -> the last count that Redis acknowledged
    sessions: dict[str, int] = field(default_factory=dict)


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


class Socket:
    """A websocket, as far as a load needs one (RFC 6455): short text frames, and how it ended."""

    def __init__(self, connection: Connection, path: str) -> None:
        connection.connect()
        self.sock, self.ended = connection.sock, ""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: {connection.name}", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
        self.sock.sendall("\r\n".join([*lines, f"Sec-WebSocket-Key: {key}", "", ""]).encode())
        self.file = self.sock.makefile("rb")
        status = self.file.readline().split(b" ")
        while self.file.readline() not in (b"\r\n", b""):
            pass
        if len(status) < 2 or status[1] != b"101":
            raise ValueError(f"no websocket: {b' '.join(status)[:80]!r}")

    def send(self, text: str) -> None:
        """Sends a text of at most 125 bytes, masked as a client has to."""
        data, mask = text.encode(), os.urandom(4)
        self.sock.sendall(bytes([OPEN | TEXT, 0x80 | len(data)]) + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data)))

    def receive(self) -> str | None:
        """The next text; None when the socket ended: by a close frame with a code, or cut without one."""
        head = self.file.read(2)
        if len(head) < 2:
            self.ended = "cut"
            return None
        data = self.file.read(head[1] & 0x7F)
        if head[0] & 0x0F == CLOSE:
            self.ended = f"closed {int.from_bytes(data[:2], 'big')}"
            return None
        return data.decode()

    def close(self) -> None:
        """Ends it from this side."""
        with contextlib.suppress(OSError):
            self.sock.close()


class Client:
    """One visitor that keeps its connection as long as the other side does."""

    def __init__(self, make: Callable[[], Connection], seen: Seen, kind: str, number: int = 0, looks: bool = False, pace: float = 1) -> None:
        self.make, self.seen, self.kind, self.looks, self.pause = make, seen, kind, looks, PACE[kind] * pace
        self.connection, self.visitor = make(), f"{os.getpid()}-{number}"

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body. An idle connection that was closed before anything was answered is opened again once, as browsers do, but never for a POST."""
        for attempt in (1, 2):
            if self.looks and self.connection.sock is not None and select.select([self.connection.sock], [], [], 0)[0]:
                self.connection.close()  # the other side has ended it, or says what nobody asked for
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
        elif self.kind == "session":
            status, text = self.ask("POST", f"/api/session?id={self.visitor}", b"")
            count = json.loads(text)["count"] if status == 200 else -1
            # what Redis had acknowledged is still counted; the client library may repeat what it got no answer to
            good = count > self.seen.sessions.get(self.visitor, 0)
            if status == 200:
                self.seen.sessions[self.visitor] = count
        else:
            status, text = self.ask("GET", "/api/slow?ms=0")  # the health check asks the database: not what is measured here
            good = status == 200
        if not good:
            raise ValueError(f"HTTP {status}: {text[:200]!r}")
        return str(json.loads(text)["version"])

    def stream(self) -> None:
        """An event stream of ten seconds. A cut is no loss, browsers reconnect by themselves, but that it could be opened is wanted."""
        began, events, status = time.time(), 0, 0
        connection = self.make()
        try:
            connection.request("GET", f"/api/events?every={EVERY_MS}&count={EVENTS}", headers={"Host": connection.name})
            answer = connection.getresponse()
            status = answer.status
            while line := answer.readline():
                events += line.startswith(b"data: ")
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        if status != 200 or not events:
            raise ValueError(f"the event stream did not open: HTTP {status}")
        self.seen.streams.append({"opened": round(began, 3), "seconds": round(time.time() - began, 2), "events": events, "whole": events == EVENTS})

    def hold(self, end: threading.Event) -> None:
        """A websocket kept open until the other side ends it, with an echo four times a second."""
        began, sent, back = time.time(), 0, 0
        socket_ = Socket(self.make(), "/api/socket")
        version = str(json.loads(socket_.receive() or "{}").get("version"))
        try:
            while not end.is_set():
                socket_.send(str(sent))
                sent += 1
                if socket_.receive() is None:
                    break
                back += 1
                end.wait(EVERY_MS / 1000)
        except OSError as error:
            socket_.ended = f"cut: {type(error).__name__}"
        finally:
            socket_.close()
        scenario = {"opened": round(began, 3), "ended": round(time.time(), 3), "how": socket_.ended or "by the client", "version": version}
        self.seen.sockets.append(scenario | {"sent": sent, "echoed": back})

    def run(self, end: threading.Event) -> None:
        """Requests until the end."""
        while not end.is_set():
            began = time.time()
            try:
                if self.kind == "events":
                    self.stream()
                elif self.kind == "socket":
                    self.hold(end)
                else:
                    self.seen.answers.append((round(began, 3), self.once()))
            except (OSError, ValueError, http.client.HTTPException) as error:
                self.connection.close()
                self.seen.lost.append({"at": began, "seconds": round(time.time() - began, 2), "kind": self.kind, "error": f"{type(error).__name__}: {error}"})
            end.wait(self.pause)
        with contextlib.suppress(OSError):
            self.connection.close()


def main(argv: list[str]) -> int:
    """Runs the clients and prints what they saw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--ca", default="", help="authority of the certificate; without it the certificate is not judged")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--certificate", default="", help="what the client shows: the edge's certificate and key in one file")
    parser.add_argument("--looks", action="store_true", help="clients see before they send whether a kept connection was closed, as browsers do")
    parser.add_argument("--pace", type=float, default=1, help="how many times longer than usual a client rests between two requests")
    parser.add_argument("--watch", type=Path, help="file for the number of answers so far")
    for kind, number in DEFAULTS.items():
        parser.add_argument(f"--{kind}", type=int, default=number)
    options = parser.parse_args(argv)
    context = ssl.create_default_context(cafile=options.ca or None)
    if not options.ca:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if options.certificate:
        context.load_cert_chain(options.certificate)
    seen, end = Seen(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_arguments: end.set())
    kinds = [kind for kind in PACE for _number in range(getattr(options, kind))]

    def make() -> Connection:
        return Connection(options.address, options.name, context)

    clients = [Client(make, seen, kind, number, options.looks, options.pace) for number, kind in enumerate(kinds)]
    threads = [threading.Thread(target=client.run, args=(end,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + options.seconds
    while not end.wait(0.5) and time.monotonic() < deadline:
        if options.watch:
            options.watch.write_text(str(len(seen.answers)))
    end.set()
    for thread in threads:
        thread.join(45)
    print(json.dumps(seen.__dict__))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
