# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to the uptime services: JSON with a bearer token, and the reasons of a refusal. How a request is sent and repeated is in `..api`."""

from __future__ import annotations

import json
import typing as t

from ..api import client as api
from ..api.errors import Failure
from ..api.policy import Clock, Policy, Trouble, seconds, too_many
from ..api.transport import Request, Response, Transport

Json = dict[str, t.Any]
PLAN = ("402", "403")
"""The codes of refusals that may come from the account's plan."""
ADVICE = {
    401: " Make a new API token at the service, and give it as api_token.",
    402: " The account's plan does not include this.",
    403: " The token may not do this, or the account's plan does not include it; intervals of a minute and text messages are in paid plans.",
}


class Client(api.Client):
    """Calls one service; every answer is the raw JSON. `reasons` is the field in which the service says why it refuses."""

    policy = Policy(connect=20.0, answer=20.0, longest=10.0)

    def __init__(self, vendor: str, token: str, url: str, *, reasons: str, deadline: float = 60.0, clock: Clock | None = None) -> None:
        super().__init__(transport=Transport(url, {"Authorization": f"Bearer {token}"}), deadline=deadline, clock=clock, secrets=(token,))
        self.vendor = vendor
        self._reasons = reasons
        self.allowed_per_minute = 0
        """How many requests a minute the service said it takes, 0 while it said nothing."""

    def call(self, method: str, path: str, body: Json | None = None) -> t.Any:
        """What one request gives."""
        return self.ask(Request(method, path, body=body))

    def read(self, request: Request, response: Response) -> t.Any:
        """The JSON of a good answer; everything else is trouble that may pass, or a refusal with every reason the answer gives."""
        status, body = response.status, response.body
        if status == 429:
            raise too_many(response.headers.get("retry-after"))
        if status >= 500:
            raise Trouble(f"status {status}", sent=True)
        if status >= 300:
            reasons = reasons_of(body, self._reasons)
            why = "; ".join(reasons) or "no reason was given"
            raise Failure(f"{self.vendor} {request} was refused ({status}): {why}.{ADVICE.get(status, '')}", str(status), status=status, details=reasons)
        self.allowed_per_minute = int(seconds(response.headers.get("x-ratelimit-limit")) or 0)
        if not body.strip():
            return None
        try:
            return json.loads(body)
        except ValueError as error:
            raise Trouble(f"status {status} without JSON", sent=True) from error


def reasons_of(text: bytes, field: str) -> list[str]:
    """Every reason in a refusal: text, a list of texts, or texts by the field they are about."""
    try:
        body = json.loads(text)
    except ValueError:
        return []
    given = body.get(field) if isinstance(body, dict) else None
    if isinstance(given, dict):
        return [f"{about} {reason}" for about, reasons in given.items() for reason in (reasons if isinstance(reasons, list) else [reasons])]
    return [str(item) for item in (given if isinstance(given, list) else [given]) if item]
