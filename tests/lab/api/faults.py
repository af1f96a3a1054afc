# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that can be switched on per API and per call.

A fault is JSON: `{"match": {"method": "POST", "path": "^/v1/servers$", "query": "name="}, "effect": {…}, "times": 2, "after": 1}`.
All of `match` is optional, `times` is how often it strikes (absent: always), `after` how many matching calls it spares first.

Effects, which can be combined with `latency_ms`:

- `{"latency_ms": 500}`: wait, then serve as usual
- `{"status": 503, "body": {…} or "text", "headers": {…}}`: answer this instead, with no effect
- `{"rate_limited": {"retry_after": 2}}` or `{"rate_limited": {}}`: 429 with or without `Retry-After`
- `{"html": 502}`: an HTML error page of a proxy with that status
- `{"success_false": {"code": 1004, "message": "…"}}`: status 200 with `success: false`
- `{"drop": "before"}`, `{"drop": "after"}`: the connection breaks before or after the call took effect
- `{"domain": "sold_out", …}`: no HTTP effect; the API itself asks for these with `Faults.domain`
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

EFFECTS = frozenset({"latency_ms", "status", "body", "headers", "rate_limited", "html", "success_false", "drop", "domain"})


class FaultError(ValueError):
    """The description of a fault cannot be understood."""


@dataclass
class Fault:
    """One switched-on fault and how often it still strikes."""

    effect: dict[str, Any]
    match: dict[str, str] = field(default_factory=dict)
    times: int | None = None
    after: int = 0

    @classmethod
    def parse(cls, data: Any) -> Fault:
        """Build a fault from its JSON description, refusing anything unknown."""
        if not isinstance(data, dict) or set(data) - {"effect", "match", "times", "after"} or not isinstance(data.get("effect"), dict):
            raise FaultError(f"a fault is {{match, effect, times, after}}, not {data!r}")
        effect, match = data["effect"], data.get("match") or {}
        if not effect or ("domain" not in effect and set(effect) - EFFECTS):
            raise FaultError(f"unknown effect {sorted(set(effect) - EFFECTS)}, known are {sorted(EFFECTS)}")
        if set(match) - {"method", "path", "query"}:
            raise FaultError(f"unknown match {sorted(match)}, known are method, path and query")
        if effect.get("drop", "before") not in ("before", "after"):
            raise FaultError(f"drop is before or after, not {effect['drop']!r}")
        return cls(effect, match, data.get("times"), data.get("after") or 0)

    def matches(self, method: str, path: str, query: str) -> bool:
        """Say whether a call is one of those this fault is for."""
        return (
            self.match.get("method", method).upper() == method.upper()
            and re.search(self.match.get("path", ""), path) is not None
            and re.search(self.match.get("query", ""), query) is not None
        )

    def strikes(self) -> bool:
        """Count a matching call and say whether this one is hit."""
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0

    def describe(self) -> dict[str, Any]:
        """Return the fault as JSON data."""
        return {"match": self.match, "effect": self.effect, "times": self.times, "after": self.after}


class Faults:
    """The faults switched on for one API."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, data: Any) -> None:
        """Switch on one fault or a list of them; all or none when one is not understood."""
        self._faults += [Fault.parse(item) for item in (data if isinstance(data, list) else [data])]

    def clear(self) -> None:
        """Switch everything off."""
        self._faults.clear()

    def describe(self) -> list[dict[str, Any]]:
        """Return what is switched on."""
        return [fault.describe() for fault in self._faults]

    def strike(self, method: str, path: str, query: str) -> dict[str, Any] | None:
        """Return the merged effects for this call, or None; used-up faults vanish."""
        hit: dict[str, Any] = {}
        for fault in self._faults:
            if "domain" not in fault.effect and fault.matches(method, path, query) and fault.strikes():
                hit = {**fault.effect, **hit}
        self._faults = [fault for fault in self._faults if fault.times is None or fault.times > 0]
        return hit or None

    def waiting(self, kind: str, /) -> bool:
        """Whether there is a fault of that domain."""
        return any(fault.effect.get("domain") == kind for fault in self._faults)

    def domain(self, kind: str, /, **attributes: object) -> dict[str, Any] | None:
        """Return the first fault of that domain whose given attributes agree, counting it; None when there is none.

        An attribute absent from the fault agrees with every value: `{"domain": "sold_out", "type": "cpx31"}` is sold out everywhere.
        """
        for fault in self._faults:
            agrees = fault.effect.get("domain") == kind and all(fault.effect.get(key, value) == value for key, value in attributes.items())
            if agrees and fault.strikes():
                self._faults = [one for one in self._faults if one.times is None or one.times > 0]
                return fault.effect
        return None


def response_of(effect: dict[str, Any]) -> tuple[int, dict[str, str], bytes] | None:
    """Return (status, headers, body) of an effect that answers in place of the API, or None when it does not."""
    headers = {str(key).lower(): str(value) for key, value in (effect.get("headers") or {}).items()}
    if "rate_limited" in effect:
        wait = (effect["rate_limited"] or {}).get("retry_after")
        if wait is not None:
            headers["retry-after"] = str(wait)
        return _json(429, headers, effect.get("body", {"error": {"code": "rate_limit_exceeded", "message": "limit of 3600 requests per hour reached"}}))
    if "html" in effect:
        status = int(effect["html"])
        page = f"<html><head><title>{status} Bad Gateway</title></head><body><center><h1>{status}</h1></center></body></html>"
        return status, {"content-type": "text/html", **headers}, page.encode()
    if "success_false" in effect:
        return _json(200, headers, {"success": False, "errors": [effect["success_false"]], "messages": [], "result": None})
    if "status" in effect:
        return _json(int(effect["status"]), headers, effect.get("body", {"error": {"code": "server_error", "message": "injected"}}))
    return None


def _json(status: int, headers: dict[str, str], body: Any) -> tuple[int, dict[str, str], bytes]:
    if isinstance(body, str):
        return status, {"content-type": "text/plain", **headers}, body.encode()
    return status, {"content-type": "application/json", **headers}, json.dumps(body).encode()
