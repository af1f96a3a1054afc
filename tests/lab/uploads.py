# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Senders of large bodies side by side, for a bounded time: as fast as they are taken, or slowly.

A program of its own, so that it can run in the namespace of the edge or of a stranger. It ends after `--seconds` and prints one JSON document: how
often each status or error was seen, how many bodies were still being sent at the end, and how many bytes left.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

PIECE = 64 * 1024


@dataclass
class Sent:
    """What became of all bodies."""

    seen: Counter[str] = field(default_factory=Counter)
    size: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: str, size: int) -> None:
        """Counts one body."""
        with self.lock:
            self.seen[what] += 1
            self.size += size


@dataclass
class Sender:
    """One visitor who sends bodies one after another."""

    options: argparse.Namespace
    context: ssl.SSLContext
    visitor: str
    end: float

    def run(self, sent: Sent) -> None:
        """Sends until the end."""
        while time.monotonic() < self.end:
            size = 0
            try:
                with self.connect() as plain:
                    size, answer = self.send(plain)
                what = answer or "unfinished"
            except OSError as error:
                what = type(error).__name__
            sent.add(what, size)
            if what not in ("200", "unfinished"):
                time.sleep(random.uniform(0.5, 1))  # a client that is refused tries again after a while

    def connect(self) -> ssl.SSLSocket:
        """A connection that asks for the platform's name."""
        plain = socket.create_connection((self.options.address, 443), timeout=30)
        return self.context.wrap_socket(plain, server_hostname=self.options.name)

    def send(self, plain: ssl.SSLSocket) -> tuple[int, str]:
        """Bytes of the body that left, and the status; no status when the time was over before."""
        words = [f"POST {self.options.path} HTTP/1.1", f"Host: {self.options.name}", f"Content-Length: {self.options.size}", "Connection: close"]
        words += [f"CF-Connecting-IP: {self.visitor}"] if self.options.certificate else []
        plain.sendall("\r\n".join([*words, "Content-Type: application/octet-stream", "", ""]).encode())
        size, piece = 0, b"x" * (self.options.rate or PIECE)
        while size < self.options.size and time.monotonic() < self.end:
            part = piece[: self.options.size - size]
            plain.sendall(part)
            size += len(part)
            if self.options.rate:
                time.sleep(1)
        if size < self.options.size:
            return size, ""
        plain.settimeout(max(1.0, self.end - time.monotonic()))
        try:
            return size, plain.recv(64).split(b" ")[1].decode(errors="replace")
        except (TimeoutError, IndexError):
            return size, ""


def main(argv: list[str]) -> int:
    """Runs the senders and prints what they saw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--certificate", default="", help="the edge's certificate and key: each sender is then a visitor of its own")
    parser.add_argument("--path", default="/api/echo")
    parser.add_argument("--senders", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--size", type=int, default=10 * 1024 * 1024)
    parser.add_argument("--rate", type=int, default=0, help="bytes a second of each sender; 0: as fast as they are taken")
    options = parser.parse_args(argv)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if options.certificate:
        context.load_cert_chain(options.certificate)
    sent, end = Sent(), time.monotonic() + options.seconds
    senders = [Sender(options, context, f"198.18.{number // 250}.{number % 250 + 1}", end) for number in range(options.senders)]
    threads = [threading.Thread(target=sender.run, args=(sent,), daemon=True) for sender in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()) + 40)
    print(json.dumps({"seen": dict(sent.seen), "bytes": sent.size}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
