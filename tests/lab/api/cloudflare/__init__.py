# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Cloudflare v4 API of the lab: stateful, strict, and as unfriendly as the vendor's where that matters.

Quotas, renumbered priorities, unhelpful 1004s, refused type changes and endpoints that are gone behave as `facts` about the vendor say;
nothing is accepted here that the vendor refuses.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.api.faults import Faults
from lab.api.kit import Store

from . import access, auth, certificates, dns, packs, pagerules, rulesets, settings, zones
from .errors import ApiError, envelope, paged
from .state import Cloud, Json, new_state, token_of

if TYPE_CHECKING:
    from lab.config import Lab

__all__ = ["Call", "create_app", "token_of"]
BASE = "/client/v4"


class Call:
    """One request on its way through a handler: the cloud, the token, the zone of the path, query and body."""

    def __init__(self, cloud: Cloud, token: Json, request: Request, body: Json) -> None:
        self.cloud, self.token, self.body = cloud, token, body
        self.query = dict(request.query_params)
        self.path: dict[str, str] = request.path_params
        self.zone: Json = cloud.zone(self.path["zone_id"]) if "zone_id" in self.path else {}


Handler = Callable[[Call], Response]


def endpoint(cloud: Cloud, scope: str | None, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Authenticate, count, permit, run, save: in this order, for every call. A scope of None needs no token."""

    async def serve(request: Request) -> Response:
        progress(cloud, request.app.state.faults)
        try:
            key, token = auth.authenticate(cloud, request) if scope is not None else (request.client.host if request.client else "", {})
            auth.limit(cloud, key)
            if scope:
                auth.permit(token, scope, request.path_params.get("zone_id"))
            call = Call(cloud, token, request, await read_body(request))
            answer = handler(call)
        except ApiError as error:
            return error.response()
        if request.method != "GET":
            cloud.changed()
        return answer

    return serve


def progress(cloud: Cloud, faults: Faults) -> None:
    """Take over how far the zones are from a fault that says it."""
    told = faults.domain("zone")
    if told:
        for zone in cloud.state["zones"].values():
            zone.update({key: value for key, value in told.items() if key != "domain"})
        cloud.changed()


async def read_body(request: Request) -> Json:
    """A JSON object, or nothing where none is sent."""
    raw = await request.body()
    if request.method in ("GET", "DELETE") or not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise ApiError(400, 9207, "Content-type must be application/json.") from error
    if not isinstance(body, dict):
        raise ApiError(400, 9207, "Request body is invalid.")
    return body


def gone(_call: Call) -> Response:
    """The bulk settings endpoint ended on 2026-09-15."""
    raise ApiError(410, 1068, "This endpoint has reached its end of life. Use /zones/{zone_id}/settings/{setting_id}.")


def table(cloud: Cloud) -> dict[str, list[tuple[str, str | None, Handler]]]:
    """Path -> (method, permission, handler)."""
    zone = "/zones/{zone_id}"
    return {
        "/user/tokens/verify": [("GET", "", lambda call: envelope({"id": call.token["id"], "status": call.token["status"]}))],
        "/ips": [("GET", None, lambda call: envelope(zones.ranges(cloud.lab)))],
        "/zones": [("GET", "Zone Read", lambda call: paged(zones.select_zones(cloud, call.token, call.query), call.query, default=20, minimum=5, maximum=50))],
        zone: [("GET", "Zone Read", lambda call: envelope(zones.zone_view(cloud, call.zone)))],
        f"{zone}/settings": [("GET", "Zone Settings Read", gone), ("PATCH", "Zone Settings Write", gone)],
        f"{zone}/settings/{{name}}": [
            ("GET", "Zone Settings Read", lambda call: envelope(settings.read(call.zone, call.path["name"]))),
            ("PATCH", "Zone Settings Write", lambda call: envelope(settings.edit(call.zone, call.path["name"], call.body))),
        ],
        f"{zone}/bot_management": [
            ("GET", "Bot Management Read", lambda call: envelope(zones.bots(call.zone))),
            ("PUT", "Bot Management Write", lambda call: envelope(zones.edit_bots(call.zone, call.body))),
        ],
        f"{zone}/purge_cache": [("POST", "Cache Purge", lambda call: envelope(zones.purge(call.zone, call.body)))],
        **dns_table(zone),
        **rule_table(zone),
        **visitor_table(zone),
        **certificate_table(cloud),
    }


def dns_table(zone: str) -> dict[str, list[tuple[str, str | None, Handler]]]:
    """DNS records."""

    def write(merge: bool) -> Handler:
        return lambda call: envelope(dns.write(call.zone, call.zone["records"], call.path["record_id"], call.body, merge=merge))

    def remove(call: Call) -> Response:
        dns.find(call.zone["records"], call.path["record_id"])
        del call.zone["records"][call.path["record_id"]]
        return envelope({"id": call.path["record_id"]})

    return {
        f"{zone}/dns_records": [
            ("GET", "DNS Read", lambda call: paged(dns.select(call.zone, call.query), call.query, default=100, minimum=1, maximum=5000000)),
            ("POST", "DNS Write", lambda call: envelope(dns.write(call.zone, call.zone["records"], None, call.body, merge=False))),
        ],
        f"{zone}/dns_records/batch": [("POST", "DNS Write", lambda call: envelope(dns.batch(call.zone, call.body)))],
        f"{zone}/dns_records/{{record_id}}": [
            ("GET", "DNS Read", lambda call: envelope(dns.find(call.zone["records"], call.path["record_id"]))),
            ("PATCH", "DNS Write", write(True)),
            ("PUT", "DNS Write", write(False)),
            ("DELETE", "DNS Write", remove),
        ],
    }


def rule_table(zone: str) -> dict[str, list[tuple[str, str | None, Handler]]]:
    """Page rules and cache rules."""

    def replace(merge: bool) -> Handler:
        return lambda call: envelope(pagerules.replace(call.zone, call.path["rule_id"], call.body, merge=merge))

    def summaries(call: Call) -> Response:
        return envelope([{key: value for key, value in ruleset.items() if key != "rules"} for ruleset in call.zone["rulesets"].values()])

    return {
        f"{zone}/pagerules": [
            ("GET", "Page Rules Read", lambda call: envelope(pagerules.select(call.zone, call.query))),
            ("POST", "Page Rules Write", lambda call: envelope(pagerules.create(call.zone, call.body))),
        ],
        f"{zone}/pagerules/settings": [("GET", "Page Rules Read", lambda call: envelope(pagerules.available(call.zone)))],
        f"{zone}/pagerules/{{rule_id}}": [
            ("GET", "Page Rules Read", lambda call: envelope(pagerules.find(call.zone, call.path["rule_id"]))),
            ("PUT", "Page Rules Write", replace(False)),
            ("PATCH", "Page Rules Write", replace(True)),
            ("DELETE", "Page Rules Write", lambda call: envelope(pagerules.remove(call.zone, call.path["rule_id"]))),
        ],
        f"{zone}/rulesets": [("GET", "Cache Settings Read", summaries)],
        f"{zone}/rulesets/phases/{{phase}}/entrypoint": [
            ("GET", "Cache Settings Read", lambda call: envelope(rulesets.entrypoint(call.zone, call.path["phase"]))),
            ("PUT", "Cache Settings Write", lambda call: envelope(rulesets.put(call.zone, call.path["phase"], call.body))),
        ],
    }


def visitor_table(zone: str) -> dict[str, list[tuple[str, str | None, Handler]]]:
    """What the edge shows its visitors, and whom it lets in."""
    rule, ssl = f"{zone}/firewall/access_rules/rules", "SSL and Certificates Read"
    return {
        f"{zone}/activation_check": [("PUT", "Zone Write", lambda call: envelope(packs.check_again(call.zone)))],
        f"{zone}/ssl/certificate_packs": [
            ("GET", ssl, lambda call: paged(packs.packs(call.zone, call.query), call.query, default=20, minimum=5, maximum=50)),
        ],
        f"{zone}/ssl/universal/settings": [("GET", ssl, lambda call: envelope(packs.universal(call.zone)))],
        f"{zone}/ssl/verification": [("GET", ssl, lambda call: envelope(packs.verification(call.zone)))],
        rule: [
            ("GET", "Firewall Services Read", lambda call: paged(access.select(call.zone, call.query), call.query, default=20, minimum=5, maximum=1000)),
            ("POST", "Firewall Services Write", lambda call: envelope(access.create(call.zone, call.body))),
        ],
        f"{rule}/{{rule_id}}": [
            ("PATCH", "Firewall Services Write", lambda call: envelope(access.edit(call.zone, call.path["rule_id"], call.body))),
            ("DELETE", "Firewall Services Write", lambda call: envelope(access.remove(call.zone, call.path["rule_id"]))),
        ],
    }


def certificate_table(cloud: Cloud) -> dict[str, list[tuple[str, str | None, Handler]]]:
    """Origin CA certificates."""

    def listing(call: Call) -> Response:
        if "zone_id" not in call.query:
            raise ApiError(400, 1003, "zone_id is required")
        auth.permit(call.token, "SSL and Certificates Read", call.query["zone_id"])
        return paged(certificates.select(cloud, cloud.zone(call.query["zone_id"])["name"]), call.query, default=20, minimum=5, maximum=50)

    return {
        "/certificates": [
            ("GET", "SSL and Certificates Read", listing),
            # the vendor decides by the names in the body
            ("POST", "", lambda call: envelope(certificates.create(cloud, call.token, call.body))),
        ],
        "/certificates/{certificate_id}": [
            ("GET", "SSL and Certificates Read", lambda call: envelope(certificates.find(cloud, call.path["certificate_id"]))),
            ("DELETE", "SSL and Certificates Write", lambda call: envelope(certificates.revoke(cloud, call.path["certificate_id"]))),
        ],
    }


async def unroutable(request: Request, error: Exception) -> JSONResponse:
    """What the API says to a path or method it does not have."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:
        return ApiError(405, 10405, "Method not allowed for this authentication scheme").response()
    path = request.url.path.removeprefix(BASE)
    return ApiError(404, 7003, f"Could not route to {path}, perhaps your object identifier is invalid?").response()


def create_app(lab: Lab) -> Starlette:
    """The API over its stored state. `app.state.cloud` is the state, for those who live beside it (the edge)."""
    store = Store(lab, "cloudflare")
    if not store.data:
        with store.edit() as data:
            data.update(new_state(lab))
    cloud = Cloud(lab, store.data, lambda _state: store.save())
    routes = [
        Route(BASE + path, endpoint(cloud, scope, handler), methods=[method]) for path, handlers in table(cloud).items() for method, scope, handler in handlers
    ]
    handlers: dict[Any, Any] = {404: unroutable, 405: unroutable}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.state.cloud = cloud
    app.state.faults = Faults()
    return app
