# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to Cloudflare's API: its envelope, its pages, its zones. How a request is sent and repeated is in `..api`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ..api import client as api
from ..api.errors import Failure
from ..api.policy import Clock, Trouble, too_many
from ..api.transport import Request, Response, Transport
from .errors import refusal

Json = dict[str, Any]
Item = TypeVar("Item")
Found = TypeVar("Found")
DEFAULT_URL = "https://api.cloudflare.com/client/v4"
LIST_PAGE = 5000
AT_ONCE = 4


class Client(api.Client):
    """Calls the API; every answer is the raw JSON `result`. Without a token it asks for what is public."""

    vendor = "Cloudflare"

    def __init__(self, token: str | None, url: str | None = None, *, deadline: float = 120.0, clock: Clock | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        super().__init__(transport=Transport(url or DEFAULT_URL, headers), deadline=deadline, clock=clock, secrets=(token,))

    def call(self, method: str, path: str, body: Json | None = None, query: Json | None = None) -> Any:
        """What one request gives."""
        return self.envelope(method, path, body, query).get("result")

    def envelope(self, method: str, path: str, body: Json | None = None, query: Json | None = None) -> Json:
        """Like `call`, with the whole answer."""
        answer: Json | None = self.ask(Request(method, path, query or {}, body))
        return answer or {}

    def pages(self, path: str, query: Json | None = None, size: int = LIST_PAGE) -> list[Json]:
        """All rows of a list."""
        rows: list[Json] = []
        page = 1
        while True:
            answer = self.envelope("GET", path, query={**(query or {}), "page": page, "per_page": size})
            rows += answer.get("result") or []
            info = answer.get("result_info") or {}
            total = info.get("total_pages")
            if total is None:
                total = -(-int(info.get("total_count", 0)) // size)
            if page >= total:
                return rows
            page += 1

    def together(self, work: Callable[[Item], Found], items: Iterable[Item]) -> list[Found]:
        """Reads that do not depend on each other, a few at once, each with a connection of its own; results in the order of the items."""
        rows = list(items)
        if len(rows) < 2:
            return [work(row) for row in rows]
        with ThreadPoolExecutor(min(AT_ONCE, len(rows))) as pool:
            return list(pool.map(work, rows))

    def zone(self, name: str) -> Json:
        """The zone of this name."""
        found = [zone for zone in self.call("GET", "/zones", query={"name": name}) if zone.get("name") == name]
        if not found:
            raise Failure(f"There is no zone {name} that this token can see. {self._instead_of(name)}", code="zone_not_found")
        zone: Json = found[0]
        return zone

    def _instead_of(self, name: str) -> str:
        """What to do about a zone that is not there: a name below a zone is no zone."""
        labels = name.split(".")
        for above in (".".join(labels[start:]) for start in range(1, len(labels) - 1)):
            if any(zone.get("name") == above for zone in self.call("GET", "/zones", query={"name": above})):
                return f"{name} is a name in the zone {above}: name the zone itself (platform_domain, cloudflare_zone_name), and {name} among its names."
        return "Add the domain at Cloudflare, or give the token Zone Read for it."

    def read(self, request: Request, response: Response) -> Json:
        """The envelope of a good answer; everything else is trouble that may pass, or a refusal."""
        status = response.status
        if status == 429:
            raise too_many(response.headers.get("retry-after"))
        try:
            body = json.loads(response.body)
        except ValueError as error:
            raise Trouble(f"{status} without JSON", sent=True) from error
        if status >= 500:
            raise Trouble(str(refusal(str(request), status, body if isinstance(body, dict) else {})), sent=True)
        if not isinstance(body, dict) or "success" not in body:
            raise Trouble(f"{status} with JSON that is not Cloudflare's", sent=True)
        if status >= 400 or body["success"] is not True:
            raise refusal(str(request), status, body)
        return body
