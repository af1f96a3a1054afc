# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what: bearer tokens with permission groups and zones, and the request limit of 1,200 in five minutes."""

from __future__ import annotations

import math

from starlette.requests import Request

from .errors import ApiError
from .state import Cloud, Json

LIMIT, WINDOW = 1200, 300.0
# Old credentials that no longer open anything: the Origin CA key ended on 2026-09-30.
ENDED = "x-auth-user-service-key"


def authenticate(cloud: Cloud, request: Request) -> tuple[str, Json]:
    """The token of a request, or the refusal the API gives for a missing, malformed, unknown or switched-off one."""
    if ENDED in request.headers:
        raise ApiError(403, 10000, "Authentication error")
    header = request.headers.get("authorization")
    if header is None:
        if "x-auth-key" in request.headers:
            raise ApiError(403, 9103, "Unknown X-Auth-Key or X-Auth-Email")
        raise ApiError(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
    kind, _space, value = header.partition(" ")
    if kind.lower() != "bearer" or not 40 <= len(value.strip()) <= 80:
        raise ApiError(400, 6003, "Invalid request headers", chain=(6111, "Invalid format for Authorization header"))
    token: Json | None = cloud.state["tokens"].get(value.strip())
    if token is None or token["status"] != "active":
        if request.url.path.endswith("/user/tokens/verify"):
            raise ApiError(401, 1000, "Invalid API Token")
        raise ApiError(403, 9109, "Invalid access token")
    return value.strip(), token


def limit(cloud: Cloud, key: str) -> None:
    """Count the request; past the limit answer 429 with the seconds until the oldest one leaves the window."""
    moment = cloud.clock()
    calls = [at for at in cloud.calls.get(key, []) if moment - at < WINDOW]
    cloud.calls[key] = calls
    if len(calls) >= LIMIT:
        wait = math.ceil(WINDOW - (moment - calls[0]))
        raise ApiError(429, 971, "Please wait and consider throttling your request speed", headers={"retry-after": str(wait)})
    calls.append(moment)


def permit(token: Json, scope: str, zone_id: str | None = None) -> None:
    """Writing includes reading. Settings answer 9109 for a missing permission, everything else 10000."""
    allowed = set(token["scopes"]) | {name.replace(" Write", " Read") for name in token["scopes"]}
    in_zone = zone_id is None or token["zones"] is None or zone_id in token["zones"]
    if scope in allowed and in_zone:
        return
    if scope.startswith("Zone Settings"):
        raise ApiError(403, 9109, "Unauthorized to access requested resource")
    raise ApiError(403, 10000, "Authentication error")
