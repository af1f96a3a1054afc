# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A place elsewhere for backups that outlives every server: restic's REST protocol over TLS, with a password.

https://restic.readthedocs.io/en/stable/100_references.html#rest-backend. A file whose name is not the hash of its content is refused, and so is
writing one twice, as restic's own server does.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import shutil
import ssl
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from lab import pki, process
from lab.config import CHECKOUT, PORTS, Lab

NAME, USER = "offsite", "platform"
PORT = PORTS[NAME]
TYPES = ("data", "keys", "locks", "snapshots", "index")
LIST = "application/vnd.x.restic.rest.v2"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    root: ClassVar[Path]
    credentials: ClassVar[bytes]
    # as restic's own server with --append-only: nothing but locks can be removed
    append_only: ClassVar[bool] = False

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""

    def _answer(self, status: int, body: bytes = b"", kind: str = "application/octet-stream", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _path(self) -> Path | None:
        """The file or folder that is asked for, or None when there can be none of that name."""
        given = self.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, self.credentials):
            self._answer(HTTPStatus.UNAUTHORIZED, WWW_Authenticate='Basic realm="offsite"')
            return None
        found = re.fullmatch(rf"/([a-z0-9-]+)/(?:(config)|({'|'.join(TYPES)})/([0-9a-f]{{64}})?)?", self.path.partition("?")[0])
        if not found:
            self._answer(HTTPStatus.NOT_FOUND)
            return None
        return self.root.joinpath(*filter(None, found.groups()))

    def do_HEAD(self) -> None:
        """Whether a file is there, and its size."""
        path = self._path()
        if path is None:
            return
        if not path.is_file():
            self._answer(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()

    def do_GET(self) -> None:
        """A file, a part of it, or the list of a type."""
        path = self._path()
        if path is None:
            return
        if path.name in TYPES:
            names = [{"name": one.name, "size": one.stat().st_size} for one in sorted(path.glob("*")) if not one.name.startswith(".")]
            self._answer(HTTPStatus.OK, json.dumps(names).encode(), LIST)
        elif not path.is_file():
            self._answer(HTTPStatus.NOT_FOUND)
        else:
            self._part(path.read_bytes())

    def _part(self, data: bytes) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not wanted:
            self._answer(HTTPStatus.OK, data)
            return
        first, last = int(wanted[1]), int(wanted[2] or len(data) - 1)
        self._answer(HTTPStatus.PARTIAL_CONTENT, data[first : last + 1], Content_Range=f"bytes {first}-{min(last, len(data) - 1)}/{len(data)}")

    def do_POST(self) -> None:
        """A new repository, or a new file."""
        path = self._path()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) if path else b""
        if path is None:
            return
        if path.parent == self.root:
            for kind in TYPES:
                (path / kind).mkdir(parents=True, exist_ok=True)
            self._answer(HTTPStatus.OK)
        elif path.exists():
            self._answer(HTTPStatus.FORBIDDEN)
        elif path.name != "config" and hashlib.sha256(body).hexdigest() != path.name:
            self._answer(HTTPStatus.BAD_REQUEST)
        else:
            scratch = path.with_name(f".{secrets.token_hex(8)}")
            scratch.write_bytes(body)
            scratch.replace(path)
            self._answer(HTTPStatus.OK)

    def do_DELETE(self) -> None:
        """Remove one file."""
        path = self._path()
        if path is None:
            return
        if self.append_only and path.parent.name != "locks":
            self._answer(HTTPStatus.FORBIDDEN)
        elif path.is_file():
            path.unlink()
            self._answer(HTTPStatus.OK)
        else:
            self._answer(HTTPStatus.NOT_FOUND)


def serve(lab: Lab) -> None:
    """Serve until killed."""
    key, certificate = pki.issue(lab, [lab.control])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    Handler.root = lab.folder(NAME)
    Handler.credentials = b"Basic " + base64.b64encode(f"{USER}:{password(lab)}".encode())
    server = ThreadingHTTPServer((lab.control, PORT), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


def password(lab: Lab) -> str:
    """The password of this lab's place, the same whenever it is asked for."""
    return hashlib.sha256(f"offsite of {lab.name}".encode()).hexdigest()[:32]


def up(lab: Lab) -> dict[str, Any]:
    """Start it, and return what `platform_backup` has to be for it."""
    command = [sys.executable, "-m", "lab.offsite"]
    environment = {"LAB_NAME": lab.name, "LAB_SUBNET": str(lab.prefix)}
    process.start(lab, NAME, command, env=environment, cwd=CHECKOUT / "tests", ready=lambda: _listening(lab))
    return {
        "repository": f"rest:https://{USER}:{password(lab)}@{lab.control}:{PORT}/{lab.name}/", "password": password(lab)[::-1],
        "ca_certificate": pki.ca(lab).read_text(),
    }  # fmt: skip


def _listening(lab: Lab) -> bool:
    import socket

    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((lab.control, PORT)) == 0


def forget(lab: Lab) -> None:
    """Empty the place."""
    shutil.rmtree(lab.folder(NAME))


if __name__ == "__main__":
    serve(Lab.from_env())
