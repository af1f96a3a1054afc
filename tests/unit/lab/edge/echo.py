# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An origin that answers with the headers it received: `python echo.py PORT [CERTIFICATE KEY [CLIENT_CA]]`.

The query says how: `cc` is Cache-Control, `cookie` a cookie, `status` the status, `hang` never answers.
"""

from __future__ import annotations

import http.server
import itertools
import json
import socket
import ssl
import sys
import time
from urllib.parse import parse_qs, urlsplit

COUNT = itertools.count(1)


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers every GET and POST."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        if "hang" in query:
            time.sleep(float(query["hang"]))
        if "reset" in query:
            self.close_connection = True
            return
        client = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        body = json.dumps(
            {
                "count": next(COUNT),
                "path": self.path,
                "headers": {k.lower(): v for k, v in self.headers.items()},
                "client": bool(client),
                "address": self.connection.getsockname()[0].removeprefix("::ffff:"),
            }
        ).encode()
        self.send_response(int(query.get("status", "200")))
        for key, name in (("cc", "Cache-Control"), ("cookie", "Set-Cookie")):
            if key in query:
                self.send_header(name, query[key])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.do_GET()


class Server(http.server.ThreadingHTTPServer):
    """Does the handshake in the thread of its connection, so that one bad visitor holds nobody up."""

    address_family = socket.AF_INET6  # and IPv4 with it
    context: ssl.SSLContext | None = None
    request_queue_size = 64

    def finish_request(self, request, client_address) -> None:  # type: ignore[no-untyped-def]
        if self.context is not None:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address) -> None:  # type: ignore[no-untyped-def]
        pass


if __name__ == "__main__":
    server = Server(("::", int(sys.argv[1])), Echo)
    if len(sys.argv) > 3:
        server.context = context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        if len(sys.argv) > 4:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(sys.argv[4])
    server.serve_forever()
