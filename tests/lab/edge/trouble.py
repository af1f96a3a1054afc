# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the 52x apart: nginx knows only 502 and 504, so after a failure this looks at the origin itself, step by step.

`python -m lab.edge.trouble SOCKET TRUST REVOKED PULL_CERT PULL_KEY` answers HTTP on a unix socket, inside the edge's namespace.
521 refused · 522 no answer · 523 unreachable · 525 handshake failed · 526 certificate not valid · 520 something else · 524 answer took too long.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TEXTS = {
    520: "Web server is returning an unknown error",
    521: "Web server is down",
    522: "Connection timed out",
    523: "Origin is unreachable",
    524: "A timeout occurred",
    525: "SSL handshake failed",
    526: "Invalid SSL certificate",
}
PATIENCE = 5.0


@dataclass(frozen=True)
class Trust:
    """What a valid origin certificate leads to, what was revoked, and the edge's own certificate for origin pulls."""

    trusted: Path
    revoked: Path
    pull_cert: Path
    pull_key: Path

    def context(self, *, verify: bool, pull: bool) -> ssl.SSLContext:
        """A client context that verifies like nginx does, or not at all."""
        context = ssl.create_default_context(cafile=str(self.trusted))
        if verify:
            context.load_verify_locations(cafile=str(self.revoked))
            context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if pull:
            context.load_cert_chain(self.pull_cert, self.pull_key)
        return context


async def connect(address: str, name: str, context: ssl.SSLContext | None) -> int | None:
    """Connect, with a handshake when there is a context; the status that describes a failure, or None."""
    host, _colon, port = address.rpartition(":")
    try:
        server = name if context else None
        _reader, writer = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), int(port), ssl=context, server_hostname=server), PATIENCE)
    except ssl.SSLCertVerificationError:
        return 526
    except ConnectionRefusedError:
        return 521 if context is None else 525
    except TimeoutError:
        return 522 if context is None else 525
    except (ssl.SSLError, ConnectionError, EOFError):
        return 525 if context else 520
    except OSError as error:
        return 523 if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH) else 522
    writer.close()
    return None


async def diagnose(headers: Mapping[str, str], trust: Trust) -> int:
    """The status for a request that nginx could not get an answer for."""
    attempts = headers.get("x-origin", "").replace(" : ", ", ").split(", ")
    address, mode = attempts[-1], headers.get("x-mode", "full")
    if headers.get("x-status", "").endswith("504"):
        return 522 if headers.get("x-connect", "-").endswith("-") else 524
    if (found := await connect(address, headers["x-name"], None)) is not None:
        return found
    if mode in ("off", "flexible"):
        return 520
    pull = headers.get("x-pull") == "on"
    if (found := await connect(address, headers["x-name"], trust.context(verify=False, pull=pull))) is not None:
        return found
    if mode == "strict" and (found := await connect(address, headers["x-name"], trust.context(verify=True, pull=pull))) is not None:
        return found
    return 520


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trust: Trust) -> None:
    """One request from nginx."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:]
    headers = {key.lower(): value for key, _colon, value in (line.partition(": ") for line in head)}
    status = await diagnose(headers, trust)
    body = f"<!DOCTYPE html>\n<title>{headers.get('x-name', '')} | {status}: {TEXTS[status]}</title>\n<h1>Error {status}</h1>\n<p>{TEXTS[status]}</p>\n"
    head_lines = (f"HTTP/1.1 {status} {TEXTS[status]}", "Content-Type: text/html; charset=UTF-8", "Cache-Control: no-store", f"Content-Length: {len(body)}")
    answer = "\r\n".join((*head_lines, "Connection: close", "", body))
    writer.write(answer.encode())
    await writer.drain()
    writer.close()


async def main(socket: Path, trust: Trust) -> None:
    """Serve until told to end."""
    socket.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(lambda reader, writer: serve(reader, writer, trust), path=socket)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Trust(*(Path(word) for word in sys.argv[2:6]))))
