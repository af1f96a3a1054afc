# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Supavisor does and PgBouncer does not: a proxy in front of PgBouncer that refuses as the vendor's pooler refuses.

Users are `role.<project ref>`. One session more than the pool has is refused, not queued. Ten wrong passwords in 150 seconds block the address that they
came from, on every port, for 120 seconds. Network restrictions and enforcement of TLS are answered in words. Texts, their order and limits are those of
supabase/supavisor of 2026-08-20 (lib/supavisor/errors, circuit_breaker.ex, client_handler).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import re
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lab.supabase.bouncer import Bouncer

Mode = Literal["session", "transaction"]
WRONG, WINDOW, BLOCK = 10, 150.0, 120.0
MAX_CLIENTS = 200
PROTOCOL, CANCEL, TLS, GSS = 196608, 80877102, 80877103, 80877104


class Refusal(Exception):
    """What the client is told, and with which SQLSTATE."""

    def __init__(self, words: str, state: str = "XX000") -> None:
        super().__init__(words)
        self.words, self.state = words, state

    def message(self) -> bytes:
        fields = b"".join(code + text.encode() + b"\0" for code, text in ((b"S", "FATAL"), (b"V", "FATAL"), (b"C", self.state), (b"M", self.words)))
        return b"E" + struct.pack("!I", len(fields) + 5) + fields + b"\0"


@dataclass(frozen=True)
class Port:
    """Where clients come in, and the PgBouncer behind it."""

    number: int
    mode: Mode
    backend: str


@dataclass
class Rules:
    """What can change while it runs."""

    pool_size: int = 15
    allowed: list[str] | None = None
    tls_enforced: bool = False
    # For how many more logins the right password is still unknown here, as on a node that has cached the previous one.
    stale: int = 0


@dataclass
class Pooler:
    """`listen`: addresses. `rules`: asked for every connection."""

    ref: str
    listen: tuple[str, ...]
    ports: tuple[Port, ...]
    rules: Callable[[], Rules]
    certificate: tuple[Path, Path] | None = None
    clock: Callable[[], float] = time.monotonic
    wrong: dict[str, list[float]] = field(default_factory=dict)
    blocked: dict[str, float] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    # The most sessions at once, and all logins in the order they came: (mode, what became of it).
    peak: dict[str, int] = field(default_factory=dict)
    logins: list[tuple[str, str]] = field(default_factory=list)

    async def serve(self) -> list[asyncio.Server]:
        return [await asyncio.start_server(self._of(port), list(self.listen), port.number) for port in self.ports]

    def _of(self, port: Port) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
                await self._connection(port, reader, writer)
            writer.close()

        return handle

    async def _connection(self, port: Port, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _notice_the_dead(writer.get_extra_info("socket"))
        code, body = await _startup(reader)
        while code in {TLS, GSS}:
            encrypts = code == TLS and self.certificate is not None
            writer.write(b"S" if encrypts else b"N")
            await writer.drain()
            if encrypts:
                await writer.start_tls(self._context())
            code, body = await _startup(reader)
        near, far = await asyncio.open_unix_connection(port.backend)
        try:
            if code == CANCEL:
                far.write(_packet(code, body))
                await far.drain()
                return
            await self._session(port, body, (reader, writer), (near, far))
        finally:
            far.close()

    async def _session(
        self, port: Port, body: bytes, client: tuple[asyncio.StreamReader, asyncio.StreamWriter], backend: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> None:
        reader, writer = client
        near, far = backend
        peer = str(writer.get_extra_info("peername")[0])
        counted = False
        try:
            role, options = self._admitted(body, peer, encrypted=writer.get_extra_info("ssl_object") is not None)
            far.write(_packet(PROTOCOL, b"".join(f"{name}\0{value}\0".encode() for name, value in (options | {"user": role}).items()) + b"\0"))
            answers = asyncio.create_task(_copy(reader, far))
            try:
                counted = await self._authenticate(port, role, peer, near, writer)
                self.logins.append((port.mode, "ok"))
                await asyncio.wait([answers, asyncio.create_task(_copy(near, writer))], return_when=asyncio.FIRST_COMPLETED)
            finally:
                answers.cancel()
        except Refusal as refusal:
            self.logins.append((port.mode, refusal.words))
            writer.write(refusal.message())
            await writer.drain()
        finally:
            self.taken[port.mode] = self.taken.get(port.mode, 0) - counted

    def _admitted(self, body: bytes, peer: str, *, encrypted: bool) -> tuple[str, dict[str, str]]:
        """Role and other options of whoever may try a password; in the vendor's order of refusals."""
        words = [word.decode() for word in body.split(b"\0")]
        options = dict(zip(words[::2], words[1::2], strict=False))
        options.pop("", None)
        user, rules = options.get("user", ""), self.rules()
        match = re.fullmatch(r"(.+)\.([a-z]{20})", user)
        if not match:
            raise Refusal("(ENOIDENTIFIER) no tenant identifier provided (external_id or sni_hostname required)")
        if match[2] != self.ref:
            raise Refusal(f"(ENOTFOUND) tenant/user {user} not found")
        if rules.tls_enforced and not encrypted:
            raise Refusal(f"(ESSLREQUIRED) SSL connection is required for user: {match[1]}")
        if rules.allowed is not None and not _inside(peer, rules.allowed):
            raise Refusal(f"(EADDRNOTALLOWED) address not in tenant allow_list: {{{peer.replace('.', ', ')}}}")
        if self.blocked.get(peer, 0) > self.clock():
            raise Refusal("(ECIRCUITBREAKER) too many authentication failures, new connections are temporarily blocked")
        return match[1], options

    async def _authenticate(self, port: Port, role: str, peer: str, near: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Pass on what PgBouncer says until the client is in."""
        while True:
            kind, data = await _message(near)
            if kind == b"E":
                raise self._refused(role, peer, data)
            if kind == b"R" and data == struct.pack("!I", 0):
                rules = self.rules()
                if rules.stale > 0:
                    rules.stale -= 1
                    raise self._wrong_password(role, peer)
                self._take(port, rules)
                writer.write(kind + struct.pack("!I", len(data) + 4) + data)
                await writer.drain()
                return True
            writer.write(kind + struct.pack("!I", len(data) + 4) + data)
            await writer.drain()

    def _take(self, port: Port, rules: Rules) -> None:
        limit = rules.pool_size if port.mode == "session" else MAX_CLIENTS
        if self.taken.get(port.mode, 0) >= limit:
            if port.mode == "session":
                raise Refusal(f"(EMAXCONNSESSION) max clients reached in session mode - max clients are limited to pool_size: {limit}")
            raise Refusal(f"(EMAXCONN) max client connections reached, limit: {limit}")
        self.taken[port.mode] = self.taken.get(port.mode, 0) + 1
        self.peak[port.mode] = max(self.peak.get(port.mode, 0), self.taken[port.mode])

    def _refused(self, role: str, peer: str, data: bytes) -> Refusal:
        said = {part[:1]: part[1:].decode(errors="replace") for part in data.split(b"\0") if part}
        words = said.get(b"M", "")
        if said.get(b"C") == "28P01" or "authentication failed" in words:
            return self._wrong_password(role, peer)
        if "no such user" in words or "does not exist" in words:
            return Refusal("(EAUTHQUERY) user not found in the database")
        return Refusal(f"(EAUTHQUERY) authentication query failed: {words}")

    def _wrong_password(self, role: str, peer: str) -> Refusal:
        now = self.clock()
        self.wrong[peer] = [moment for moment in self.wrong.get(peer, []) if now - moment < WINDOW] + [now]
        if len(self.wrong[peer]) >= WRONG:
            self.blocked[peer] = now + BLOCK
        return Refusal(f'password authentication failed for user "{role}"', "28P01")

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        assert self.certificate is not None
        key, chain = self.certificate
        context.load_cert_chain(chain, key)
        return context


def _notice_the_dead(client: Any) -> None:
    """A client whose machine is gone keeps its session until the balancer in front of the pooler ends it, after minutes; here after one and a half."""
    for option, value in ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3)):
        client.setsockopt(socket.IPPROTO_TCP, option, value)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


async def _startup(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    size, code = struct.unpack("!II", await reader.readexactly(8))
    return code, await reader.readexactly(min(size, 10_000) - 8)


def _packet(code: int, body: bytes) -> bytes:
    return struct.pack("!II", len(body) + 8, code) + body


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    return head[:1], await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


def _inside(address: str, networks: list[str]) -> bool:
    one = ipaddress.ip_address(address)
    return any(one in network for network in map(ipaddress.ip_network, networks) if network.version == one.version)


@contextlib.contextmanager
def running(pooler: Pooler) -> Iterator[Pooler]:
    """The proxy in a thread, for the length of a `with` block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    servers = asyncio.run_coroutine_threadsafe(pooler.serve(), loop).result(10)
    try:
        yield pooler
    finally:
        for server in servers:
            loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(_end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _end() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def backend(folder: Path, sockets: Path, port: int, mode: Mode) -> Bouncer:
    """The PgBouncer behind one port, on a socket in its folder. It never has a client wait: the proxy in front refuses before."""
    return Bouncer(folder, str(sockets), port, "", mode=mode, auth_user="pgbouncer", pool_size=200 if mode == "session" else 15)


def read_rules(path: Path) -> Callable[[], Rules]:
    """Rules that a file holds; it is read for every connection."""
    return lambda: Rules(**json.loads(path.read_text())) if path.exists() else Rules()


def main(path: str) -> None:
    """Serve until killed. The file says how: ref, listen, ports, certificate, and where the rules are."""
    given = json.loads(Path(path).read_text())
    certificate = tuple(map(Path, given["certificate"]))
    pooler = Pooler(
        given["ref"], tuple(given["listen"]), tuple(Port(**port) for port in given["ports"]), read_rules(Path(given["rules"])), (certificate[0], certificate[1])
    )

    async def forever() -> None:
        servers = await pooler.serve()
        await asyncio.gather(*(server.serve_forever() for server in servers))

    asyncio.run(forever())


if __name__ == "__main__":
    main(sys.argv[1])
