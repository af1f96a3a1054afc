# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every local API shares: an exchange log, contract checks, fault switches and a store that survives a crash.

`wrap(app, lab, "hetzner")` goes around a Starlette application. Every exchange is appended to `log/<api>.jsonl` in the lab's state
folder; each one that the vendor's contract (`meta/contracts`, docs/contracts.md) objects to is appended to `contract-violations.jsonl`,
which fails a test run. A request is only held to the contract when the API accepted it: refusing a bad one is right.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .contract import contract_of, contracts
from .faults import FaultError, Faults, response_of

LOGGED_BODY = 16_384
CONTROL_PATH, TOKENS_PATH = "/_lab/faults", "/_lab/tokens"


class LabPaths(Protocol):
    """The part of `lab.config.Lab` the APIs need."""

    def path(self, *parts: str) -> Path:
        """Return a path below the lab's state folder; its folders exist."""


class Store:
    """The state of one API: a JSON document in memory, saved atomically.

    Change `data` inside `with store.edit():`. The file is written when the block ends well, so a killed process restarts with the last
    finished change. Keys are strings, as in JSON.
    """

    def __init__(self, lab: LabPaths, api: str) -> None:
        self._file = lab.path("api", f"{api}.json")
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self.data: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8")) if self._file.exists() else {}

    @contextlib.contextmanager
    def edit(self) -> Iterator[dict[str, Any]]:
        """Give the data for changing and save it afterwards."""
        with self.lock:
            yield self.data
            self.save()

    def save(self) -> None:
        """Write the data so that a reader sees the old or the new file, never half of one."""
        with self.lock:
            # The thread's id keeps two writers of one process apart.
            draft = self._file.with_suffix(f".{os.getpid()}.{threading.get_ident()}.tmp")
            draft.write_text(json.dumps(self.data, separators=(",", ":")), encoding="utf-8")
            draft.replace(self._file)


def wrap(app: Starlette, lab: LabPaths, api: str) -> ASGIApp:
    """Return `app` with log, contract checks and faults around it; the app finds its faults in `app.state.faults`."""
    faults: Faults = getattr(app.state, "faults", None) or Faults()
    app.state.faults = faults
    return _Exchange(app, Recorder(lab, api, contract_of(api)), faults)


# Where the recorders of this process note violations.
_VIOLATIONS: set[Path] = set()


def violations_files() -> list[Path]:
    """The files that this process may have noted violations in."""
    return sorted(_VIOLATIONS)


class Recorder:
    """Appends exchanges and violations to the lab's files."""

    def __init__(self, lab: LabPaths, api: str, contract: contracts.Contract) -> None:
        self._api = api
        self._contract = contract
        self._log = lab.path("log", f"{api}.jsonl")
        self._violations = lab.path("contract-violations.jsonl")
        _VIOLATIONS.add(self._violations)
        self._log.parent.mkdir(parents=True, exist_ok=True)

    def record(self, seen: _Seen) -> None:
        """Log one exchange and note where the contract objects to it."""
        line: dict[str, Any] = seen.describe()
        verdict = self._verdict(seen)
        objections = [f"request accepted: {one}" for one in verdict.request] if seen.status < 400 else []
        objections += verdict.response
        if objections:
            line["violations"] = objections
            self._append(self._violations, {"api": self._api, **line})
        self._append(self._log, line)

    def _verdict(self, seen: _Seen) -> contracts.Verdict:
        """An answer a fault made up, or one that was never given, is not the API's own and is not checked."""
        unserved = seen.fault is not None and response_of(seen.fault) is not None
        if unserved or seen.status == 0:
            return contracts.Verdict()
        return self._contract.check(contracts.Exchange(seen.method, seen.path, seen.query, bytes(seen.request_body), seen.status, bytes(seen.response_body)))

    @staticmethod
    def _append(path: Path, line: dict[str, Any]) -> None:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, separators=(",", ":")) + "\n")


class _Seen:
    """One exchange while it passes."""

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: str = scope["query_string"].decode("latin-1")
        self.request_headers = _headers(scope["headers"])
        self.request_body = bytearray()
        self.status = 0
        self.response_headers: dict[str, str] = {}
        self.response_body = bytearray()
        self.fault: dict[str, Any] | None = None
        self.started = time.time()

    def describe(self) -> dict[str, Any]:
        """Return the log line: no headers, because they hold tokens."""
        line = {
            "time": round(self.started, 3),
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "agent": self.request_headers.get("user-agent", ""),
            "request": _body(self.request_body),
            "status": self.status,
            "response": _body(self.response_body),
            "ms": round((time.time() - self.started) * 1000, 1),
        }
        return line if self.fault is None else {**line, "fault": self.fault}


class _Exchange:
    """The middleware itself. It has to be outermost: dropping a connection needs the server's own `send`."""

    def __init__(self, app: ASGIApp, recorder: Recorder, faults: Faults) -> None:
        self._app = app
        self._recorder = recorder
        self._faults = faults
        # a token that was made since -> the first one, whose rights it has; a token that was deleted -> one that no API knows
        self._tokens: dict[bytes, bytes] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one exchange."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == CONTROL_PATH:
            await self._control(scope, receive, send)
        elif scope["path"] == TOKENS_PATH:
            await self._change_tokens(receive, send)
        else:
            await self._serve(self._known_token(scope), receive, send)

    async def _change_tokens(self, receive: Receive, send: Send) -> None:
        """What the owner does in a vendor's console: `{"make": token, "like": first}` and `{"delete": token}`."""
        told = json.loads(await _read(receive))
        if "make" in told:
            self._tokens[told["make"].encode()] = told["like"].encode()
        else:
            self._tokens[told["delete"].encode()] = b"deleted" * 6
        await _answer(send, 200, {"content-type": "application/json"}, b"{}")

    def _known_token(self, scope: Scope) -> Scope:
        """The request as the API sees it."""
        first = {b"Bearer " + token: b"Bearer " + other for token, other in self._tokens.items()}
        return (
            {**scope, "headers": [(name, first.get(value, value) if name == b"authorization" else value) for name, value in scope["headers"]]}
            if first
            else scope
        )

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen = _Seen(scope)
        seen.request_body += await _read(receive)
        seen.fault = self._faults.strike(seen.method, seen.path, seen.query)
        effect = seen.fault or {}
        if effect.get("latency_ms"):
            await asyncio.sleep(float(effect["latency_ms"]) / 1000)
        instead = response_of(effect)
        if effect.get("drop") == "before":
            pass
        elif instead is not None:
            seen.status, seen.response_headers, seen.response_body = instead[0], instead[1], bytearray(instead[2])
        else:
            await self._app(scope, _replay(bytes(seen.request_body), receive), _catch(seen))
        self._recorder.record(seen)
        if "drop" in effect:
            await _drop(send)
        else:
            await _answer(send, seen.status, seen.response_headers, bytes(seen.response_body))

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, answer = 200, None
        try:
            if scope["method"] == "POST":
                self._faults.add(json.loads(await _read(receive)))
            elif scope["method"] == "DELETE":
                self._faults.clear()
        except (FaultError, ValueError) as error:
            status, answer = 400, {"error": str(error)}
        body = json.dumps(answer or {"faults": self._faults.describe()}).encode()
        await _answer(send, status, {"content-type": "application/json"}, body)


def _catch(seen: _Seen) -> Send:
    """Return a `send` that keeps the application's answer instead of sending it."""

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            seen.status = message["status"]
            seen.response_headers = _headers(message.get("headers", []))
        elif message["type"] == "http.response.body":
            seen.response_body += message.get("body", b"")

    return send


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body read before, once."""
    pending = [body]

    async def again() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return again


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return bytes(body)


async def _answer(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    raw = [(key.encode("latin-1"), value.encode("latin-1")) for key, value in headers.items() if key != "content-length"]
    if status != 204:
        raw.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def _drop(send: Send) -> None:
    """Close the connection without an answer. ASGI has no word for that, so reach for uvicorn's transport behind `send`."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("the connection was dropped by a fault")
    transport.close()
    # uvicorn would send a 500 if the application returned before it noticed that the connection is gone.
    while not send.__self__.disconnected:  # type: ignore[attr-defined]
        await asyncio.sleep(0.001)


def _headers(raw: Any) -> dict[str, str]:
    return {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in raw}


def _body(data: bytearray) -> Any:
    """Return a body as JSON where it is short JSON, else its beginning as text."""
    if not data:
        return None
    if len(data) <= LOGGED_BODY:
        with contextlib.suppress(ValueError):
            return json.loads(data)
    return bytes(data[:LOGGED_BODY]).decode("utf-8", "replace")
