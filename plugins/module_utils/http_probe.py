# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP(S) question, asked at a chosen address, and what the answer has to look like. Standard library only."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Optional
from urllib.parse import urlsplit

from .api.transport import Proxy, proxy_of

TLS_VERSIONS = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
# What to do where the edge challenges whoever asks, instead of asking the server.
LET_IN = (
    "let the address it is asked from through (cloudflare_zone_allowed_addresses), or switch Bot Fight Mode off (cloudflare_zone_bot_fight_mode: false; "
    "other sources are under Security > Events at Cloudflare)"
)
CLIENT_CANNOT = {"NO_PROTOCOLS_AVAILABLE", "NO_CIPHERS_AVAILABLE", "UNSUPPORTED_PROTOCOL_VERSION"}


class ProbeError(Exception):
    """Why a probe did not pass: `code` for programs, the text for people; `final` when asking again cannot help;
    `answer` when there was one."""

    def __init__(self, code: str, message: str, *, final: bool = False, answer: Optional[Answer] = None) -> None:
        super().__init__(message)
        self.code = code
        self.final = final
        self.answer = answer


@dataclass(frozen=True)
class Question:
    """What is asked. `connect_to` replaces the name's own address; name and certificate check stay those of the URL.
    `answer_timeout` is for each part of the answer, where it may take longer than the connection."""

    url: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    connect_to: Optional[str] = None
    ca_path: Optional[str] = None
    client_certificate: Optional[str] = None
    client_key: Optional[str] = None
    tls_minimum: Optional[str] = None
    tls_maximum: Optional[str] = None
    timeout: float = 10.0
    body_limit: int = 65536
    answer_timeout: Optional[float] = None


@dataclass(frozen=True)
class Expected:
    """What the answer must be. Empty parts are not looked at; `refused` wants the TLS handshake itself to be turned down."""

    status: tuple[int, ...] = (200,)
    headers: dict[str, str] = field(default_factory=dict)
    body_regex: Optional[str] = None
    body_json: dict[str, Any] = field(default_factory=dict)
    refused: bool = False
    maintenance: bool = False
    """Whether the platform's maintenance page is as good."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]  # names in lower case; repeated ones joined by ", "
    body: str
    tls: Optional[dict[str, Any]]
    address: str

    @property
    def mitigated(self) -> str:
        """What Cloudflare's edge did instead of asking the server (`challenge`), empty when it asked."""
        return self.headers.get("cf-mitigated", "")

    @property
    def maintenance(self) -> str:
        """Since when the platform is in maintenance, when this is its maintenance page."""
        return self.headers.get("x-maintenance", "") if self.status == 503 and "retry-after" in self.headers else ""

    @property
    def edge_marked(self) -> bool:
        """Whether Cloudflare's edge gave or passed on this answer."""
        return "cf-ray" in self.headers


def tls_context(question: Question) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=question.ca_path)
        if question.client_certificate:
            context.load_cert_chain(question.client_certificate, question.client_key)
    except (OSError, ssl.SSLError) as error:
        raise ProbeError("invalid_input", f"cannot load the given certificates: {error}", final=True) from error
    if question.tls_minimum:
        context.minimum_version = TLS_VERSIONS[question.tls_minimum]
    if question.tls_maximum:
        context.maximum_version = TLS_VERSIONS[question.tls_maximum]
        if question.tls_maximum in ("1.0", "1.1"):
            # OpenSSL 3 offers these only at level 0; otherwise the refusal would be our own and prove nothing
            context.minimum_version = min(context.minimum_version, TLS_VERSIONS[question.tls_maximum])
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def certificate_facts(sock: ssl.SSLSocket) -> dict[str, Any]:
    """Version, names, serial number and end of validity (ISO 8601, UTC) of what the other side showed."""
    seen: dict[str, Any] = dict(sock.getpeercert() or {})
    names = {part: {key: value for pair in seen.get(part, ()) for key, value in pair} for part in ("subject", "issuer")}
    end = seen.get("notAfter")
    return {
        "version": sock.version(),
        **names,
        "serial_number": seen.get("serialNumber"),
        "not_after": datetime.fromtimestamp(ssl.cert_time_to_seconds(end), timezone.utc).isoformat() if end else None,
    }


def proxy_for(question: Question, host: str, scheme: str) -> Optional[Proxy]:
    """The proxy that the environment names for a question. One that goes to a chosen address has none."""
    try:
        return None if question.connect_to else proxy_of(host, scheme)
    except ValueError as error:
        raise ProbeError("invalid_input", "the proxy that the environment names is no address: https_proxy, http_proxy", final=True) from error


def tunnel(proxy: Proxy, host: str, port: int, timeout: float) -> socket.socket:
    """A connection to a host through a proxy. Raises OSError."""
    connection = http.client.HTTPConnection(proxy.host, proxy.port, timeout=timeout)
    connection.set_tunnel(host, port, proxy.headers)
    try:
        connection.connect()
    except http.client.HTTPException as error:
        connection.close()
        raise OSError(f"{type(error).__name__}: {error}") from error
    sock: socket.socket = connection.sock
    return sock


def connect(question: Question, host: str, port: int, secure: bool) -> socket.socket:
    proxy = proxy_for(question, host, "https" if secure else "http")
    try:
        if proxy and secure:
            sock = tunnel(proxy, host, port, question.timeout)
        else:
            sock = socket.create_connection(proxy[:2] if proxy else (question.connect_to or host, port), timeout=question.timeout)
    except socket.gaierror as error:
        raise ProbeError("name_not_found", f"{'the proxy' if proxy else question.connect_to or host} has no address: {error.strerror}") from error
    except OSError as error:
        by = " through the proxy that the environment names" if proxy else ""
        raise ProbeError("connect_failed", f"no connection to {question.connect_to or host} port {port}{by}: {error}") from error
    return shake_hands(question, sock, host) if secure else sock


def shake_hands(question: Question, sock: socket.socket, host: str) -> ssl.SSLSocket:
    """TLS on a connection, which is closed when that fails."""
    try:
        return tls_context(question).wrap_socket(sock, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        sock.close()
        raise ProbeError("certificate_invalid", f"the certificate for {host} is not accepted: {error.verify_message}") from error
    except ssl.SSLError as error:
        sock.close()
        if error.reason in CLIENT_CANNOT:
            raise ProbeError("client_cannot", f"this Python cannot offer the wanted TLS version ({error.reason})", final=True) from error
        raise ProbeError("tls_refused", f"the TLS handshake was refused: {error.reason or error}") from error
    except OSError as error:
        sock.close()
        if isinstance(error, TimeoutError):
            raise ProbeError("timeout", f"no TLS handshake within {question.timeout:g} s") from error
        raise ProbeError("tls_refused", f"the connection was closed during the TLS handshake: {error}") from error
    except ProbeError:
        sock.close()
        raise


def ask(question: Question) -> Answer:
    """One request, no redirect followed, one connection. Raises ProbeError when there is no answer at all."""
    parts = urlsplit(question.url)
    secure = parts.scheme == "https"
    host = parts.hostname or ""
    sock = connect(question, host, parts.port or (443 if secure else 80), secure)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.sock = sock
    patience = question.answer_timeout or question.timeout
    sock.settimeout(patience)
    try:
        # Asked now: the answer's last byte closes the socket. A peer that is gone already has no address any more.
        peer, tls = str(sock.getpeername()[0]), certificate_facts(sock) if isinstance(sock, ssl.SSLSocket) else None
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"User-Agent": "quetrex-platform-probe", "Connection": "close", **question.headers}
        proxy = None if secure else proxy_for(question, host, "http")
        if proxy:
            path, headers = question.url, {**proxy.headers, **headers}
        connection.request(question.method, path, headers=headers)
        response = connection.getresponse()
        found: dict[str, str] = {}
        for name, value in response.getheaders():
            found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
        body = response.read(question.body_limit).decode("utf-8", "replace")
        return Answer(response.status, found, body, tls, peer)
    except TimeoutError as error:
        raise ProbeError("timeout", f"no answer within {patience:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        raise ProbeError("no_answer", f"the connection broke before an answer: {str(error) or type(error).__name__}") from error
    finally:
        connection.close()


def json_value(document: Any, path: str) -> Any:
    """The value at a dotted path (`services.0.state`); KeyError when there is none."""
    for part in path.split("."):
        if isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        elif isinstance(document, dict) and part in document:
            document = document[part]
        else:
            raise KeyError(path)
    return document


def judge_json(body: str, wanted: dict[str, Any]) -> list[str]:
    try:
        document = json.loads(body)
    except ValueError:
        return ["the body is no JSON"]
    problems = []
    for path, value in wanted.items():
        try:
            found = json_value(document, path)
        except KeyError:
            problems.append(f"the body has no {path}")
        else:
            if found != value:
                problems.append(f"{path} in the body is {found!r}, expected {value!r}")
    return problems


def judge(answer: Answer, expected: Expected) -> list[str]:
    """Everything about the answer that is not as expected; empty when it is."""
    problems: list[str] = []
    if expected.maintenance and answer.maintenance:
        return problems
    if answer.status not in expected.status:
        problems.append(f"status {answer.status}, expected {' or '.join(map(str, expected.status))}")
    for name, pattern in expected.headers.items():
        value = answer.headers.get(name.lower())
        if value is None:
            problems.append(f"no header {name}")
        elif not re.search(pattern, value):
            problems.append(f"header {name} is {value!r}, which does not match {pattern!r}")
    if expected.body_regex and not re.search(expected.body_regex, answer.body):
        problems.append(f"the body does not match {expected.body_regex!r}")
    if expected.body_json:
        problems += judge_json(answer.body, expected.body_json)
    return problems


def probe_once(question: Question, expected: Expected, asker: Callable[[Question], Answer] = ask) -> Optional[Answer]:
    """The answer when it is as expected (None for an expected refusal), ProbeError otherwise."""
    try:
        answer = asker(question)
    except ProbeError as error:
        if expected.refused and error.code == "tls_refused":
            return None
        raise
    if expected.refused:
        version = (answer.tls or {}).get("version") or "a connection without TLS"
        raise ProbeError("not_refused", f"{version} was accepted, but had to be refused")
    problems = judge(answer, expected)
    if problems and answer.mitigated:
        done = f"the edge, which answered HTTP {answer.status} itself (cf-mitigated: {answer.mitigated})"
        text = f"challenged by {done}: nothing is known about the server; {LET_IN}"
        raise ProbeError("challenged", text, answer=answer)
    if problems:
        raise ProbeError("unexpected_answer", "; ".join(problems), answer=answer)
    return answer


@dataclass
class Outcome:
    """How the probing ended."""

    answer: Optional[Answer]
    error: Optional[ProbeError]
    attempts: int
    elapsed: float


def probe(
    question: Question,
    expected: Expected,
    *,
    wait: float,
    delay: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    asker: Callable[[Question], Answer] = ask,
) -> Outcome:
    """Ask until the answer is as expected or `wait` seconds are over; always at least once."""
    start = clock()
    attempts = 0
    while True:
        attempts += 1
        try:
            return Outcome(probe_once(question, expected, asker), None, attempts, clock() - start)
        except ProbeError as error:
            if error.final or clock() - start + delay > wait:
                return Outcome(error.answer, error, attempts, clock() - start)
        sleep(delay)
