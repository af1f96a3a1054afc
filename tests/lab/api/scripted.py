# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that answers each connection from a script, byte for byte, and remembers what it was sent: for what no well-behaved API does."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence

SILENCE = b"silence"
"""Read the request and never answer."""
DROP = b""
"""Read the request and close the connection."""


class Scripted:
    """`sent` is what came in, a text for each connection; the last line of the script is repeated."""

    def __init__(self, script: Sequence[bytes], listener: socket.socket) -> None:
        self.script, self.listener = list(script), listener
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.sent: list[str] = []
        self._open: list[socket.socket] = []

    def serve(self) -> None:
        """Answer until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                connection, _peer = self.listener.accept()
                self._open.append(connection)
                connection.settimeout(5)
                self.sent.append(connection.recv(65536).decode())
                line = self.script[min(len(self.sent), len(self.script)) - 1]
                if line != SILENCE:
                    connection.sendall(line)
                    connection.close()

    def close(self) -> None:
        """End all connections."""
        for one in [self.listener, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def answer(status: str, body: str = "{}", *headers: str) -> bytes:
    """The bytes of an answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", "Connection: close", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


@contextlib.contextmanager
def scripted(*script: bytes) -> Iterator[Scripted]:
    """Serve a script on an address of its own."""
    server = Scripted(script, socket.create_server(("127.0.0.1", 0)))
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(5)
