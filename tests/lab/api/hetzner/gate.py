# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns HTTP into calls: tokens, rate limit, JSON, errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .errors import ApiError
from .world import Project, World

RATE_LIMIT = 3600


@dataclass
class Call:
    """One authorised request."""

    project: Project
    params: dict[str, int]
    query: QueryParams
    body: Any

    @property
    def id(self) -> int:
        """The id in the path."""
        return self.params["id"]


Endpoint = Callable[[Call], tuple[int, Any]]


class Buckets:
    """The rate limit: 3600 requests an hour per project, given back one a second."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, project: str) -> tuple[bool, dict[str, str]]:
        """Count a request; return whether it is allowed, and the headers that tell the state."""
        now = self._clock()
        left, seen = self._left.get(project, (float(RATE_LIMIT), now))
        left = min(float(RATE_LIMIT), left + now - seen)
        allowed = left >= 1
        left -= 1 if allowed else 0
        self._left[project] = (left, now)
        return allowed, {
            "RateLimit-Limit": str(RATE_LIMIT),
            "RateLimit-Remaining": str(int(left)),
            "RateLimit-Reset": str(int(now + RATE_LIMIT - left)),
        }

    def drain(self, project: str, left: int = 0) -> None:
        """Leave that many requests."""
        self._left[project] = (float(left), self._clock())


class Gate:
    """What stands before every endpoint."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.buckets = Buckets(world.clock)

    def endpoint(self, function: Endpoint) -> Callable[[Request], Any]:
        """Return the Starlette endpoint around a function."""

        async def handle(request: Request) -> Response:
            headers: dict[str, str] = {}
            try:
                project = self._authorise(request)
                allowed, headers = self.buckets.take(project.name)
                if not allowed:
                    raise ApiError("rate_limit_exceeded", f"limit of {RATE_LIMIT} requests per hour reached")
                call = Call(project, dict(request.path_params), request.query_params, _json(await request.body()))
                with self.world.saving():
                    self.world.settle()
                    status, answer = function(call)
                    # Work that took no time is over before the answer, as it would be at the next look.
                    return Response(status_code=204, headers=headers) if status == 204 else JSONResponse(answer, status, headers)
            except ApiError as error:
                return JSONResponse(error.body(), error.status, headers)

        return handle

    def _authorise(self, request: Request) -> Project:
        scheme, _space, token = request.headers.get("authorization", "").partition(" ")
        access = self.world.store.data["tokens"].get(token) if scheme == "Bearer" else None
        if access is None:
            raise ApiError("unauthorized", "unable to authenticate")
        if access.get("readonly") and request.method != "GET":
            raise ApiError("token_readonly", "the token is read-only")
        return self.world.project(access["project"])


def _json(body: bytes) -> Any:
    if not body:
        return {}
    try:
        return json.loads(body)
    except ValueError as error:
        raise ApiError("json_error", f"unable to decode json: {error}") from error


async def unknown(request: Request, error: Exception) -> Response:
    """Answer a path or a method that does not exist."""
    refusal = ApiError("method_not_allowed", "method not allowed") if getattr(error, "status_code", 404) == 405 else ApiError("not_found", "page not found")
    return JSONResponse(refusal.body(), refusal.status)


async def removed(request: Request) -> Response:
    """Answer an endpoint the vendor took away."""
    details = {"announcement": "https://docs.hetzner.cloud/changelog#2025-12-16-phasing-out-datacenters"}
    refusal = ApiError("deprecated_api_endpoint", "API functionality was removed", details)
    return JSONResponse(refusal.body(), refusal.status)
