# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nginx that the role configures, running, between visitors and stand-ins for the application and the runner."""

from __future__ import annotations

import contextlib
import datetime
import functools
import http.client
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible.errors import AnsibleFilterError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.quetrex.platform.plugins.filter.bearer_digest import bearer_digest
from lab import pki, rendering
from lab.stack import files

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = [pytest.mark.service, pytest.mark.skipif(NGINX is None, reason="needs nginx")]
NAME = "example.com"
# what the machine's own nginx may be too old for, and is about neither headers nor limits
NEWER = re.compile(r"^ *(http2 on|keepalive_min_timeout \w+);\n", re.MULTILINE)
LIMITS = {"requests_per_second": 5, "burst": 60, "connections": 12, "uploads": 3}
TOTAL = {"requests_per_second": 2000, "burst": 4000, "connections": 500, "uploads": 6}
RELEASED = threading.Event()
HELD = threading.Semaphore(0)
MARKS: list[socket.socket] = []
"""One for each request that the application holds."""
SERVICES = {
    "admin": {
        "image": f"registry.example.com/admin@sha256:{'0' * 64}",
        "port": 3000,
        "health": {"path": "/healthz"},
        "public": [{"host": f"admin.{NAME}"}, {"path": "/v2/", "body_limit": "20m", "token": "AbCd" * 10}],
        "limits": {"memory_mb": 256},
    }
}
"""A second application: on a host name of its own, and on a path that wants a token."""
INSIDE = {"requests_per_second": 20, "burst": 40, "connections": 5, "uploads": 2}


class Upstream(BaseHTTPRequestHandler):
    """The application or the runner: says what it was asked, sets large cookies, sends a text piece by piece."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        query = {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if self.headers.get("Upgrade"):
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.close_connection = True
            return
        length = 0
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                length += len(self.rfile.read(size + 2)) - 2
            self.rfile.readline()
        else:
            length = len(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        told = {"method": self.command, "path": self.path, "headers": [list(item) for item in self.headers.items()], "length": length}
        if "hold" in query:
            HELD.release()
            RELEASED.wait(60)
        self.send_response(200)
        for index in range(int(query.get("cookies", "0"))):
            self.send_header("Set-Cookie", f"sb-abcdefghijklmnopqrst-auth-token.{index}={'e' * 3180}; Path=/; SameSite=Lax; Max-Age=34560000")
        self.send_header("Content-Type", query.get("type", "application/json"))
        if pieces := int(query.get("pieces", "0")):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for index in range(pieces):
                self.wfile.write(b"3\r\n%02d\n\r\n" % index)
                time.sleep(0.3)
            self.wfile.write(b"0\r\n\r\n")
            return
        body = json.dumps(told).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer

    def log_message(self, *_words: Any) -> None:
        """Says nothing."""


@dataclass
class Answer:
    """What a visitor was answered."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @property
    def seen(self) -> dict[str, Any]:
        """What the stand-in was asked."""
        told: dict[str, Any] = json.loads(self.body)
        return told

    def header(self, name: str) -> list[str]:
        """The values of a header as the stand-in got it."""
        return [value for key, value in self.seen["headers"] if key.lower() == name.lower()]


@dataclass
class World:
    """A running nginx, on loopback addresses of its own."""

    net: str
    folder: Path

    def connect(self) -> http.client.HTTPSConnection:
        """A connection to the public listener."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(f"{self.net}.0.1", 8443, context=context, timeout=10)
        plain = socket.create_connection((f"{self.net}.0.1", 8443), timeout=10)
        connection.sock = context.wrap_socket(plain, server_hostname=NAME)
        return connection

    def ask(self, path: str, visitor: str = "198.51.100.1", method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        """A request of a visitor through the edge."""
        words = {"Host": NAME, "CF-Connecting-IP": visitor, **{name.replace("_", "-"): value for name, value in headers.items()}}
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, body=body, headers=words)
            found = connection.getresponse()
            return Answer(found.status, found.getheaders(), found.read())

    def statuses(self, asked: Iterable[tuple[str, bytes]]) -> list[int]:
        """Statuses of requests on one connection, with these very bytes as authorization."""
        found = []
        with contextlib.closing(self.connect()) as connection:
            for path, authorization in asked:
                connection.putrequest("GET", path, skip_host=True)
                connection.putheader("Host", NAME)
                connection.putheader("Authorization", authorization)
                connection.endheaders()
                answer = connection.getresponse()
                answer.read()
                found.append(answer.status)
        return found

    def inside(self, path: str, host: str, **headers: str) -> Answer:
        """A request of the runner."""
        with contextlib.closing(http.client.HTTPConnection(f"{self.net}.2.1", 8088, timeout=10)) as connection:
            connection.request("GET", path, headers={"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}})
            found = connection.getresponse()
            return Answer(found.status, found.getheaders(), found.read())

    def begin(self, visitor: str, length: int) -> socket.socket:
        """A visitor who announces a body, sends a little of it, and waits."""
        connection = self.connect()
        plain: socket.socket = connection.sock
        text = f"POST /api/echo HTTP/1.1\r\nHost: {NAME}\r\nCF-Connecting-IP: {visitor}\r\nContent-Length: {length}\r\n\r\nxxxx"
        plain.sendall(text.encode())
        return plain


def text_of(net: str, folder: Path, **variables: Any) -> str:
    """The role's configuration, moved from a server's addresses and folders to the test's."""
    subnets = {"web": f"{net}.3.0/24", "cache": f"{net}.4.0/24", "runner": f"{net}.2.0/24"}
    given = {"app_stack_subnets": subnets, "app_stack_server_names": [NAME, f"app.{NAME}"], "app_stack_edge_cidrs": ["127.0.0.1/32"]} | variables
    text = str(files(**given)["/opt/platform/nginx/nginx.conf"]["content"])
    text = NEWER.sub("", text).replace("user nginx;", "user root;" if os.geteuid() == 0 else "")
    text = re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.MULTILINE).replace("listen 443", f"listen {net}.0.1:8443")
    text = re.sub(r"127\.0\.0\.1:(808\d)", rf"{net}.0.1:\1", text)
    text = text.replace("/etc/platform", str(folder)).replace("/srv/maintenance", f"{folder}/maintenance")
    return text.replace("/run/", f"{folder}/run/").replace("/dev/std", f"{folder}/std")


@contextlib.contextmanager
def running(folder: Path, number: int, extra: str = "", **variables: Any) -> Iterator[World]:
    """nginx with the role's configuration, and what is behind it; `extra` stands in the public server."""
    net = f"127.{number}"
    for name in ("run", "tls", "upstream"):
        (folder / name).mkdir()
    key, certificate = pki.authority(folder / "tls", NAME)
    certificate.rename(folder / "tls" / "origin.pem")
    key.rename(folder / "tls" / "origin.key")
    for name, port in (("web", 3000), *((name, 3001) for name in variables.get("app_stack_services", {}))):
        (folder / "upstream" / f"{name}.conf").write_text(f"server {net}.3.11:{port} max_fails=0;\n")
    (folder / "nginx.conf").write_text(text_of(net, folder, **variables).replace("location / {", f"{extra}\n        location / {{", 1))
    servers = [Stand((f"{net}.3.11", 3000), Upstream), Stand((f"{net}.3.11", 3001), Upstream), Stand((f"{net}.2.10", 8080), Upstream)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    words = [str(NGINX), "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", str(folder / "start.log"), "-g", "daemon off;"]
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 10
        while not listening(f"{net}.0.1", 8087):
            assert child.poll() is None, (folder / "start.log").read_text()
            assert time.monotonic() < end, "nginx does not listen"
            time.sleep(0.05)
        yield World(net, folder)
    finally:
        child.terminate()
        child.wait(20)
        for server in servers:
            server.shutdown()
            server.server_close()


class Stand(ThreadingHTTPServer):
    """A stand-in whose visitors may leave early."""

    daemon_threads = True

    def handle_error(self, *_words: Any) -> None:
        """Says nothing."""


def listening(address: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


@functools.cache
def number() -> int:
    """The first of six second octets of loopback for this process alone, which keeps an address of them for its life."""
    for first in range(64, 250, 6):
        mark = socket.socket()
        try:
            mark.bind((f"127.{first}.255.254", 9))
        except OSError:
            mark.close()
            continue
        MARKS.append(mark)
        return first
    raise RuntimeError("31 runs of these tests hold loopback's octets already")


@pytest.fixture(scope="module", name="world")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    tokens = {"app_stack_runner_token": "AbCd" * 40, "app_stack_runner_former_token": 'old "w$rd\\'}
    limits = {"app_stack_visitor_limits": LIMITS, "app_stack_total_limits": TOTAL, "app_stack_runner_limits": INSIDE}
    with running(tmp_path_factory.mktemp("nginx"), number(), **tokens, **limits, app_stack_services=SERVICES) as world:
        yield world


def test_a_session_of_supabase_passes_both_ways(world: World) -> None:
    """Five cookies of 3,180 bytes and what comes with them, set at a sign-in and sent with every request after it."""
    set_now = world.ask("/api/echo?cookies=5")
    assert set_now.status == 200
    assert sum(len(value) for name, value in set_now.headers if name == "Set-Cookie") > 16000
    assert world.ask("/api/echo?cookies=15").status == 200, "with room"
    sent = world.ask("/api/echo", Cookie="; ".join(f"sb-abcdefghijklmnopqrst-auth-token.{index}={'e' * 3180}" for index in range(8)))
    assert (sent.status, len(sent.header("Cookie")[0]) > 25000) == (200, True)
    assert world.ask("/api/echo?" + "q" * 20000).status == 200


@pytest.mark.parametrize("kind", ["text/plain", "text/event-stream", "text/html"])
def test_an_answer_arrives_as_it_is_sent(world: World, kind: str) -> None:
    with contextlib.closing(world.connect()) as connection:
        connection.request("GET", f"/api/text?pieces=4&type={kind}", headers={"Host": NAME, "CF-Connecting-IP": "198.51.100.7"})
        answer = connection.getresponse()
        times = []
        while answer.read1(3):
            times.append(time.monotonic())
    assert len(times) == 4
    assert times[-1] - times[0] > 0.6, "all in one piece"


def test_a_second_application_on_a_host_of_its_own(world: World) -> None:
    """Told which one it is asked as; the first one is not asked, and an unknown path of it is its own business."""
    answer = world.ask("/some/page", Host=f"admin.{NAME}")
    assert (answer.status, answer.header("Host"), answer.header("X-Forwarded-Host")) == (200, [f"admin.{NAME}"], [f"admin.{NAME}"])
    assert dict(answer.headers)["X-Frame-Options"] == "SAMEORIGIN"
    log = (world.folder / "stdout").read_text().splitlines()
    assert json.loads(log[-1])["upstream"].endswith(":3001")


def test_a_path_of_a_second_application(world: World) -> None:
    """With its own token, which goes no further, and its own limit for bodies."""
    assert world.ask("/v2/items").status == 401
    assert world.ask("/v2/items", Authorization="Bearer other").status == 401
    answer = world.ask("/v2/items", method="POST", body=b"x" * (15 * 1024 * 1024), Authorization=f"Bearer {'AbCd' * 10}")
    assert (answer.status, answer.seen["path"], "".join(answer.header("Authorization"))) == (200, "/v2/items", "")
    assert world.ask("/v1/items").status == 200, "the rest is the web application's"


def test_a_body_reaches_the_application_while_it_is_sent(world: World) -> None:
    """So nothing of it is kept in between: nginx has no room for bodies at all."""
    size = 9 * 1024 * 1024
    answer = world.ask("/api/echo", method="POST", body=b"x" * size)
    assert (answer.status, answer.seen["length"]) == (200, size)
    assert [path for path in (world.folder / "run" / "client_body").rglob("*") if path.is_file()] == []
    assert world.ask("/api/echo", method="POST", body=b"x" * (11 * 1024 * 1024)).status == 413


def test_slow_uploads_limited_per_visitor(world: World) -> None:
    """Slow uploads of one visitor are limited and nobody else's."""
    held = [world.begin("198.51.100.20", 9_000_000) for _number in range(LIMITS["uploads"])]
    try:
        time.sleep(0.3)
        assert world.ask("/api/echo", "198.51.100.20", "POST", b"x" * 1_000_000).status == 429
        assert world.ask("/api/echo", "198.51.100.20", "POST", b"x" * 1000).status == 200, "a form is no upload"
        assert world.ask("/api/echo", "198.51.100.21", "POST", b"x" * 1_000_000).status == 200
        more = [world.begin(f"198.51.100.{number}", 9_000_000) for number in range(30, 30 + TOTAL["uploads"] - LIMITS["uploads"])]
        held += more
        time.sleep(0.3)
        assert world.ask("/api/echo", "198.51.100.22", "POST", b"x" * 1_000_000).status == 429, "in sum"
        assert world.ask("/api/echo", "198.51.100.22").status == 200
    finally:
        for one in held:
            one.close()


def side_by_side(asks: Sequence[Callable[[], Answer]], allowed: int) -> Counter[int]:
    """Statuses of requests that are all open at once: the application answers only when all beyond `allowed` are answered."""
    RELEASED.clear()
    with ThreadPoolExecutor(len(asks)) as pool:
        waiting = [pool.submit(ask) for ask in asks]
        try:
            refused = list(itertools.islice(as_completed(waiting, timeout=60), len(asks) - allowed))
            assert {one.result().status for one in refused} == {429}
        finally:
            RELEASED.set()
    return Counter(one.result().status for one in waiting)


def test_requests_of_one_visitor_are_limited_by_number(world: World) -> None:
    allowed = LIMITS["connections"]
    assert side_by_side([partial(world.ask, "/api/echo?hold=1", "198.51.100.40")] * 30, allowed) == {200: allowed, 429: 30 - allowed}


def test_requests_of_one_visitor_are_limited_by_rate(world: World) -> None:
    """Four hundred in one write: faster than any rate that is allowed."""
    request = f"GET /runner/health HTTP/1.1\r\nHost: {NAME}\r\nCF-Connecting-IP: 198.51.100.42\r\n\r\n".encode()
    with contextlib.closing(world.connect()) as connection:
        began = time.monotonic()
        connection.sock.sendall(request * 400)
        text = b""
        while text.count(b"HTTP/1.1 ") < 400 and (piece := connection.sock.recv(65536)):
            text += piece
        took = time.monotonic() - began
    passed = text.count(b"HTTP/1.1 200")
    assert LIMITS["burst"] <= passed <= LIMITS["burst"] + LIMITS["requests_per_second"] * (took + 1)
    assert text.count(b"HTTP/1.1 429") == 400 - passed > 0
    assert world.ask("/api/echo", "198.51.100.43").status == 200


@pytest.mark.parametrize("addresses", [[f"2001:db8:1:2:{number:x}::9" for number in range(14)], [f"2001:db8::{number + 1:x}" for number in range(14)]])
def test_a_visitor_of_ipv6_is_a_network(world: World, addresses: list[str]) -> None:
    """One subscriber has 2^64 addresses."""
    allowed = LIMITS["connections"]
    assert side_by_side([partial(world.ask, "/api/echo?hold=1", address) for address in addresses], allowed) == {200: allowed, 429: 14 - allowed}
    assert world.ask("/api/echo", "2001:db8:1:3::1").status == 200


def test_the_health_of_the_runner_is_a_question_of_ours(world: World) -> None:
    words = {"Authorization": "Bearer x", "X_Forwarded_For": "203.0.113.9", "Cookie": "a=b", "X_Any": "thing"}
    answer = world.ask("/runner/health?cmd=1", **words)
    assert (answer.status, answer.seen["method"], answer.seen["path"], answer.seen["length"]) == (200, "GET", "/health", 0)
    assert {name for name, _value in answer.seen["headers"]} == {"Host", "X-Request-ID"}
    assert world.ask("/runner/health", Upgrade="websocket", Connection="Upgrade").status == 200, "no tunnel"
    assert world.ask("/runner/health", method="HEAD").status == 200
    for method in ("POST", "PUT", "DELETE"):
        assert world.ask("/runner/health", method=method, body=b"x").status == 403
    assert world.ask("/runner/health", body=b"xxxx").status == 413


CLAIMED = {
    "X_Forwarded_For": "203.0.113.9", "X_Forwarded_Host": "evil.example", "X_Forwarded_Proto": "http", "X_Forwarded_Port": "1", "X_Real_IP": "203.0.113.9",
    "X_Request_ID": "mine", "Forwarded": "for=203.0.113.9", "True_Client_IP": "203.0.113.9", "X_Original_URL": "/admin", "X_Rewrite_URL": "/admin",
    "X_Forwarded_Prefix": "/evil", "X_Forwarded_Server": "evil.example",
}  # fmt: skip
TOKEN = {"Authorization": "Bearer " + "AbCd" * 40}
FORMER = {"Authorization": 'Bearer old "w$rd\\'}


@pytest.mark.parametrize(("path", "more"), [("/", {}), ("/_next/static/a.js", {}), ("/runner/jobs", TOKEN), ("/runner/jobs", FORMER), ("/runner/health", {})])
def test_no_location_passes_on_what_a_visitor_claims(world: World, path: str, more: dict[str, str]) -> None:
    answer = world.ask(path, "198.51.100.9", **CLAIMED, **more)
    assert answer.status == 200
    told = json.dumps(answer.seen["headers"])
    for word in ("203.0.113.9", "evil", "/admin", "mine"):
        assert word not in told
    if path != "/runner/health":
        wanted = {"X-Forwarded-For": "198.51.100.9", "X-Forwarded-Host": NAME, "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"}
        assert {name: answer.header(name) for name in wanted} == {name: [value] for name, value in wanted.items()}


def test_every_location_that_proxies_says_all_headers(world: World) -> None:
    """A location with a header of its own inherits none: it says as many as the rest, or passes none of the visitor's on."""
    blocks = re.findall(r"location [^{]+\{((?:[^{}]|\{[^{}]*\})*)\}", (world.folder / "nginx.conf").read_text())
    counts = {block.count("proxy_set_header") for block in blocks if "proxy_set_header" in block and "proxy_pass_request_headers off" not in block}
    # behind the first comparison, what the other listener said comes as it is
    assert counts - {4} in ({24, 25}, {25}), counts


@pytest.mark.parametrize(("given", "status"), [
    (TOKEN, 200), (FORMER, 200), ({}, 401), ({"Authorization": "Bearer " + "abcd" * 40}, 401), ({"Authorization": "bearer " + "AbCd" * 40}, 401),
    ({"Authorization": "Bearer " + "AbCd" * 39}, 401), ({"Authorization": 'Bearer old "w$rd'}, 401), ({"Authorization": 'Bearer OLD "w$rd\\'}, 401),
])  # fmt: skip
def test_tokens_are_compared_exactly(world: World, given: dict[str, str], status: int) -> None:
    answer = world.ask("/runner/jobs/7%3Fa%20b?x=1", **given)
    assert answer.status == status
    if status == 200:
        assert answer.seen["path"] == "/jobs/7%3Fa%20b?x=1"
        assert answer.header("Authorization") == []


def test_no_visitor_calls_the_second_comparison_himself(world: World) -> None:
    assert world.ask("/.former-token/runner/jobs", **FORMER).status == 404


@pytest.mark.parametrize(("host", "status"), [("evil.example", 421), (NAME, 200), (f"app.{NAME}", 200)])
def test_the_runner_reaches_only_our_names(world: World, host: str, status: int) -> None:
    assert world.inside("/api/echo", host).status == status


def test_the_runner_is_told_apart_from_no_visitor_by_name(world: World) -> None:
    answer = world.inside("/api/echo", f"{world.net}.2.1:8088", X_Forwarded_Host="evil.example", X_Forwarded_For="203.0.113.9")
    assert (answer.status, answer.header("Host"), answer.header("X-Forwarded-Host")) == (200, [NAME], [NAME])
    assert "203.0.113.9" not in json.dumps(answer.seen)
    assert world.inside("/elsewhere", NAME).status == 404


def test_the_runner_has_limits_of_its_own(world: World) -> None:
    allowed = INSIDE["connections"]
    assert side_by_side([partial(world.inside, "/api/echo?hold=1", NAME)] * 20, allowed) == {200: allowed, 429: 20 - allowed}
    assert world.ask("/api/echo").status == 200


def tokens() -> list[str]:
    """Of every length, with every character a header can carry."""
    dice = random.Random(7)
    letters = [chr(code) for code in [*range(33, 127), *range(0xA1, 0x250)]]
    middle = [*letters, " ", " "]
    lengths = [1, 2, 31, 39, 40, 64, 200, 4000, 12000, *(dice.randrange(3, 120) for _number in range(31))]
    return ["".join(dice.choices(letters, k=1) + dice.choices(middle, k=length)) + "\\" for length in lengths]


def test_any_token_that_a_header_can_carry_is_compared_exactly(tmp_path: Path) -> None:
    """Each by nginx itself: the very bytes pass; one byte more, less or other does not."""
    given = tokens()
    compare = 'secure_link {}; secure_link_md5 $http_authorization; if ($secure_link != "1") {{ return 401; }} return 204;'
    places = [f"location = /{number} {{ {compare.format(bearer_digest(token))} }}\n" for number, token in enumerate(given)]
    (tmp_path / "extra.conf").write_text("".join(places))
    asked, wanted = [], []
    for index, token in enumerate(given):
        sent = f"Bearer {token}".encode()
        others = [sent + b"x", sent[:-1], sent[:-1] + bytes([sent[-1] ^ 1]), b"Bearer" + sent.swapcase()[6:], b"bearer" + sent[6:]]
        asked += [(f"/{index}", text) for text in (sent, *others)]
        wanted += [204, *(204 if text == sent else 401 for text in others)]
    with running(tmp_path, number() + 1, extra="include extra.conf;") as other:
        assert other.statuses(asked) == wanted


@pytest.mark.parametrize("token", ["", " a", "a ", "a\nb", "a\x00b", "\ta"])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(AnsibleFilterError, match=r"app_stack_runner_token.*: no header can carry it"):
        bearer_digest(token)


# --- authenticated origin pulls -------------------------------------------------------------------


def pull_certificate(folder: Path, authority: tuple[Path, Path]) -> Path:
    """A client's certificate of an authority, with its key, in one file."""
    key, ca_key = ec.generate_private_key(ec.SECP256R1()), serialization.load_pem_private_key(authority[0].read_bytes(), None)
    issuer, moment = x509.load_pem_x509_certificate(authority[1].read_bytes()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "origin pull")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer.subject).public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(moment - datetime.timedelta(hours=1)).not_valid_after(moment + datetime.timedelta(days=9))
    its_key = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(its_key), critical=False)
    made = builder.sign(ca_key, hashes.SHA256())  # type: ignore[arg-type]
    place = folder / f"{issuer.serial_number}.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    place.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return place


def test_a_new_authority_beside_the_old_one(tmp_path: Path) -> None:
    """While both stand in the file, the edge is let in with a certificate of either, also where both have one name, and nobody else."""
    made = []
    for name in ("old", "new", "other"):
        (tmp_path / name).mkdir()
        made.append(pki.authority(tmp_path / name, "origin-pull.example.net"))
    place = tmp_path / "server"
    place.mkdir()
    (place / "edge-client-ca.pem").write_text("".join(authority[1].read_text() for authority in made[:2]))
    net = f"127.{number() + 5}"

    def status(client: Path | None) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if client:
            context.load_cert_chain(client)
        # not from 127.0.0.1, which is the server itself
        plain = socket.create_connection((f"{net}.0.1", 8443), timeout=10, source_address=(f"{net}.9.9", 0))
        connection = http.client.HTTPSConnection(NAME, context=context, timeout=10)
        connection.sock = context.wrap_socket(plain, server_hostname=NAME)
        with contextlib.closing(connection):
            connection.request("GET", "/", headers={"Host": NAME, "CF-Connecting-IP": "198.51.100.1"})
            return connection.getresponse().status

    with running(place, number() + 5, app_stack_edge_client_ca="-----BEGIN CERTIFICATE-----\n", app_stack_edge_cidrs=[f"{net}.9.9/32"]):
        found = [status(pull_certificate(tmp_path, authority)) for authority in made] + [status(None)]
    assert found == [200, 200, 400, 403]


# --- maintenance: what the role platform_maintenance adds -------------------------------------------

MAINTENANCE = Path(__file__).resolve().parents[3] / "roles" / "platform_maintenance"
BYPASS = {"X_Maintenance_Bypass": "Open" * 10}


def switch_on(folder: Path) -> None:
    """Write what the role writes, with a secret for those who may look."""
    given = {"platform_maintenance_since": "2026-11-30T15:00:00Z", "platform_maintenance_bypass": BYPASS["X_Maintenance_Bypass"]}
    place = folder / "maintenance"
    place.mkdir(exist_ok=True)
    for name in ("http.conf", "server.conf"):
        text = rendering.text(MAINTENANCE, (MAINTENANCE / "templates" / f"{name}.j2").read_text(), given)
        (place / name).write_text(text.replace("/srv/maintenance", str(place)).replace("/run/", f"{folder}/run/"))
    (place / "page.html").write_text((MAINTENANCE / "files" / "page.html").read_text())


@pytest.fixture(scope="module", name="closed")
def _closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("closed")
    switch_on(folder)
    with running(folder, number() + 2, app_stack_runner_token="AbCd" * 40, app_stack_runner_former_token='old "w$rd\\') as world:
        yield world


@pytest.mark.parametrize(("method", "path", "more", "status"), [
    ("GET", "/", {}, 503), ("GET", "/_next/static/a.js", {}, 503), ("GET", "/api/echo", {}, 503), ("GET", "/runner/jobs", TOKEN, 503),
    ("POST", "/api/echo", {}, 503), ("PUT", "/", {}, 503), ("HEAD", "/", {}, 503), ("GET", "/api/health/x", {}, 503), ("GET", "/.maintenance.html", {}, 404),
    ("GET", "/", {"X_Maintenance_Bypass": ""}, 503), ("GET", "/api/health", {}, 200), ("GET", "/runner/health", {}, 200), ("HEAD", "/api/health", {}, 200),
    ("GET", "/", BYPASS, 200), ("POST", "/api/echo", BYPASS, 200), ("GET", "/_next/static/a.js", BYPASS, 200), ("GET", "/api/health", BYPASS, 200),
    ("GET", "/", {"X_Maintenance_Bypass": "open" * 10}, 403), ("GET", "/", {"X_Maintenance_Bypass": "Open" * 9}, 403),
    ("GET", "/runner/jobs", BYPASS, 401), ("GET", "/runner/jobs", {**BYPASS, **TOKEN}, 200), ("GET", "/runner/jobs", {**BYPASS, **FORMER}, 200),
    ("GET", "/.maintenance-bypass", BYPASS, 404), ("GET", "/.maintenance.html", BYPASS, 404),
])  # fmt: skip
def test_in_maintenance(closed: World, method: str, path: str, more: dict[str, str], status: int) -> None:
    """Health pages and whoever brings the secret pass, and a location that asks for a token of its own still does."""
    assert closed.ask(path, method=method, body=b"x" * 5000 if method in ("POST", "PUT") else None, **more).status == status


def test_the_maintenance_page(closed: World) -> None:
    """It is the owner's page, says when to come again, is kept by no cache, and carries the headers of every answer."""
    answer = closed.ask("/anything?x=1", method="POST", body=b"x" * 2_000_000)
    headers = {name.lower(): value for name, value in answer.headers}
    assert answer.body == (MAINTENANCE / "files" / "page.html").read_bytes()
    wanted = {
        "content-type": "text/html; charset=utf-8", "retry-after": "600", "cache-control": "no-store", "x-maintenance": "2026-11-30T15:00:00Z",
        "x-content-type-options": "nosniff", "x-frame-options": "SAMEORIGIN",
    }  # fmt: skip
    assert {name: headers.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("more", [{}, BYPASS])
def test_what_passes_in_maintenance_is_as_ever(closed: World, more: dict[str, str]) -> None:
    answer = closed.ask("/api/health", **more)
    assert {name.lower() for name, _value in answer.headers} & {"retry-after", "x-maintenance", "cache-control"} == set()
    assert answer.header("X-Maintenance-Bypass") == [], "the application is not told the secret"
    assert "X-Maintenance-Bypass" not in str(closed.ask("/runner/jobs", **BYPASS, **TOKEN).seen["headers"])


def test_the_secret_is_in_no_log(closed: World) -> None:
    for secret in (BYPASS["X_Maintenance_Bypass"], "Wrong" * 8):
        closed.ask("/", X_Maintenance_Bypass=secret)
    text = "".join(path.read_text() for path in [*closed.folder.glob("std*"), *closed.folder.glob("*.log"), *closed.folder.glob("maintenance/*.conf")])
    assert '"status":403' in text
    assert "OpenOpen" not in text
    assert "WrongWrong" not in text


def test_a_switch_loses_no_request(tmp_path: Path) -> None:
    """What is open when the platform goes into maintenance, or out of it, is answered."""
    with running(tmp_path, number() + 3) as world:
        for during, then in ((200, 503), (503, 200)):
            RELEASED.clear()
            while HELD.acquire(blocking=False):
                pass
            with ThreadPoolExecutor(4) as pool:
                waiting = [pool.submit(world.ask, "/api/echo?hold=1", **({} if during == 200 else BYPASS)) for _number in range(4)]
                assert all(HELD.acquire(timeout=10) for _one in waiting)
                if then == 503:
                    switch_on(tmp_path)
                else:
                    shutil.rmtree(tmp_path / "maintenance")
                os.kill(int((tmp_path / "run" / "nginx.pid").read_text()), signal.SIGHUP)
                wait_until(lambda status=then: world.ask("/").status == status)
                RELEASED.set()
                assert {one.result().status for one in waiting} == {200}


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_page_needs_nothing_else() -> None:
    """Whoever sees it may reach nothing of the platform, and may not see it at all."""
    text = (MAINTENANCE / "files" / "page.html").read_text()
    assert re.findall(r"(?:src|href|url\(|@import|<script|<link)", text) == []
    assert all(word in text for word in ('<html lang="', "<title>", "<main>", "<h1>", 'name="viewport"', "prefers-color-scheme"))
