# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against real HTTP and TLS servers on loopback."""

from __future__ import annotations

import base64
import contextlib
import datetime
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.quetrex.platform.plugins.modules import http_probe

NAME = "app.example.test"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        routes: dict[str, tuple[int, str, bytes]] = {
            "/health": (200, "application/json", json.dumps({"status": "ok", "host": self.headers["Host"], "token": self.headers["X-Token"]}).encode()),
            "/old": (301, "text/plain", b""),
            "/big": (200, "text/plain", b"x" * 200_000),
        }
        status, kind, body = routes.get(self.path, (404, "text/plain", b"nothing here"))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 301:
            self.send_header("Location", f"https://{NAME}/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the signature of http.server
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Refused handshakes are part of the tests."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for NAME with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(0xABCDEF)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.9"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


def serve(context: ssl.SSLContext | None) -> Iterator[int]:
    server = Server(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def plain() -> Iterator[int]:
    yield from serve(None)


@pytest.fixture(scope="module")
def secure(certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate)
    yield from serve(context)


@pytest.fixture(scope="module")
def old(certificate: Path) -> Iterator[int]:
    """A server that still speaks TLS 1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(certificate)
    yield from serve(context)


def run(capfd: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        http_probe.main()
    result: dict[str, Any] = json.loads(capfd.readouterr().out)
    assert not result.get("changed")
    return result


def test_connects_elsewhere_and_checks_the_name(secure: int, certificate: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = run(capfd, url=f"https://{NAME}:{secure}/health", connect_to="127.0.0.1", ca_path=str(certificate), body_json={"status": "ok"})
    assert result["status"] == 200, result
    assert result["json"]["host"] == f"{NAME}:{secure}"
    assert result["tls"]["subject"] == {"commonName": NAME}
    assert result["tls"]["serial_number"] == "ABCDEF"
    assert result["tls"]["not_after"].endswith("+00:00")
    assert result["address"] == "127.0.0.1"


class Proxy(BaseHTTPRequestHandler):
    """A proxy that leads every tunnel and every request to one port of loopback, and keeps what it was asked for."""

    asked: list[str]
    port: int
    allows = True

    def do_CONNECT(self) -> None:
        self.asked.append(f"CONNECT {self.path} {self.headers['Proxy-Authorization']}")
        if not self.allows:
            return self.send_error(403)
        self.send_response(200)
        self.end_headers()
        with socket.create_connection(("127.0.0.1", self.port)) as there:
            back = threading.Thread(target=self.pour, args=(there, self.connection), daemon=True)
            back.start()
            self.pour(self.connection, there)
            back.join(5)
        return None

    def do_GET(self) -> None:
        self.asked.append(f"GET {self.path}")
        self.send_response(301)
        self.send_header("Content-Length", "0")
        self.end_headers()

    @staticmethod
    def pour(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the signature of http.server
        pass


@pytest.fixture
def proxy(secure: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Proxy]]:
    """The only way out, as the environment says."""
    handler = type("Handler", (Proxy,), {"asked": [], "port": secure})
    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    for name in ("https_proxy", "http_proxy"):
        monkeypatch.setenv(name, f"http://me:p%40ss@127.0.0.1:{server.server_address[1]}")
    monkeypatch.delenv("no_proxy", raising=False)
    yield handler
    server.shutdown()
    server.server_close()


def test_goes_through_the_proxy_that_the_environment_names(proxy: type[Proxy], certificate: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A name that no DNS here knows: only the proxy can lead there."""
    result = run(capfd, url=f"https://{NAME}/health", ca_path=str(certificate))
    assert result["status"] == 200, result
    assert proxy.asked == [f"CONNECT {NAME}:443 Basic {base64.b64encode(b'me:p@ss').decode()}"]
    assert run(capfd, url=f"http://{NAME}/x?y=1", status=[301])["status"] == 301
    assert proxy.asked[1:] == [f"GET http://{NAME}/x?y=1"]


def test_a_proxy_that_refuses_is_named(proxy: type[Proxy], capfd: pytest.CaptureFixture[str]) -> None:
    proxy.allows = False
    result = run(capfd, url=f"https://{NAME}/health")
    assert (result["failure"]["code"], "through the proxy" in result["msg"]) == ("connect_failed", True)


def test_a_chosen_address_is_asked_without_the_proxy(proxy: type[Proxy], secure: int, certificate: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(capfd, url=f"https://{NAME}:{secure}/health", connect_to="127.0.0.1", ca_path=str(certificate))["status"] == 200
    assert proxy.asked == []


def test_a_proxy_that_is_no_address_is_named(certificate: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:many")
    result = run(capfd, url=f"https://{NAME}/health", ca_path=str(certificate))
    assert (result["failure"]["code"], "https_proxy" in result["msg"]) == ("invalid_input", True)


def test_an_unknown_authority_fails(secure: int, capfd: pytest.CaptureFixture[str]) -> None:
    result = run(capfd, url=f"https://{NAME}:{secure}/", connect_to="127.0.0.1")
    assert result["failed"]
    assert result["failure"]["code"] == "certificate_invalid"


def test_a_certificate_for_another_name_fails(secure: int, certificate: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = run(capfd, url=f"https://other.test:{secure}/", connect_to="127.0.0.1", ca_path=str(certificate))
    assert result["failure"]["code"] == "certificate_invalid"
    assert "other.test" in result["msg"]


def test_no_redirect_is_followed(plain: int, capfd: pytest.CaptureFixture[str]) -> None:
    result = run(capfd, url=f"http://127.0.0.1:{plain}/old", status=[301], response_headers={"Location": f"^https://{NAME}/$"})
    assert result["status"] == 301, result
    assert result["tls"] is None


def test_a_wrong_status_says_what_came_back(plain: int, capfd: pytest.CaptureFixture[str]) -> None:
    result = run(capfd, url=f"http://127.0.0.1:{plain}/missing")
    assert result["failed"]
    assert result["msg"].endswith("/missing: status 404, expected 200")
    assert result["body"] == "nothing here"


def test_a_body_is_read_only_so_far(plain: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(capfd, url=f"http://127.0.0.1:{plain}/big", body_limit=1000)["body"] == "x" * 1000


def test_values_of_headers_stay_secret(plain: int, capfd: pytest.CaptureFixture[str]) -> None:
    result = run(capfd, url=f"http://127.0.0.1:{plain}/health", headers={"X-Token": "hush-hush"})
    assert result["status"] == 200
    assert "hush-hush" not in json.dumps(result)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_old_tls_is_refused_by_the_server(secure: int, certificate: Path, version: str, capfd: pytest.CaptureFixture[str]) -> None:
    url = f"https://{NAME}:{secure}/"
    result = run(capfd, url=url, connect_to="127.0.0.1", ca_path=str(certificate), tls_maximum=version, refused=True)
    assert result.get("refused") is True, result


def test_old_tls_that_is_accepted_fails(old: int, certificate: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Shows that the refusal above is the server's and not this side's."""
    url = f"https://{NAME}:{old}/health"
    result = run(capfd, url=url, connect_to="127.0.0.1", ca_path=str(certificate), tls_maximum="1.1", refused=True)
    assert result["failure"]["code"] == "not_refused", result
    assert "TLSv1.1" in result["msg"]


def test_nobody_listening_is_no_refused_handshake(capfd: pytest.CaptureFixture[str]) -> None:
    result = run(capfd, url=f"https://{NAME}:1/", connect_to="127.0.0.1", refused=True)
    assert result["failure"]["code"] == "connect_failed"


def test_a_missing_ca_file_is_not_waited_for(secure: int, capfd: pytest.CaptureFixture[str]) -> None:
    result = run(capfd, url=f"https://{NAME}:{secure}/", connect_to="127.0.0.1", ca_path="/nonexistent/ca.pem", wait=60)
    assert result["failure"]["code"] == "invalid_input"
    assert result["attempts"] == 1


def test_another_scheme_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(capfd, url="ftp://example.com/")["failure"]["code"] == "invalid_input"
