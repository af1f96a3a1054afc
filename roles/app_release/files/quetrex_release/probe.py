# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks over HTTP, as a visitor or past nginx. No answer is an answer."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl


class Named(http.client.HTTPSConnection):
    """A connection to an address that asks for a name; the edge, not the server itself, judges the certificate."""

    def __init__(self, address: str, name: str) -> None:
        super().__init__(address, 443, timeout=5)
        self.name = name

    def connect(self) -> None:
        """Connects and asks for the name."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.sock = context.wrap_socket(socket.create_connection((self.host, self.port), self.timeout), server_hostname=self.name)


def plain(address: str, port: int) -> http.client.HTTPConnection:
    """A connection without TLS."""
    return http.client.HTTPConnection(address, port, timeout=5)


def ask(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> tuple[int, str, str]:
    """Status, `version` of a JSON answer, and the answering address; status 0 when there is no answer."""
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return 0, "", ""
    finally:
        connection.close()
    with contextlib.suppress(ValueError, AttributeError):
        return answer.status, str(json.loads(body).get("version", "")), answer.getheader("X-Upstream") or ""
    return answer.status, "", answer.getheader("X-Upstream") or ""
