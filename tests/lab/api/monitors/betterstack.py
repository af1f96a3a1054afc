# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Better Stack's uptime API v2: JSON:API around flat requests, snake_case, page numbers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..faults import Faults
from ..kit import Store

FREQUENCIES = (30, 45, 60, 120, 180, 300, 600, 900, 1800)
TYPES = ("status", "expected_status_code", "keyword", "keyword_absence", "ping", "tcp", "udp", "smtp", "pop", "imap", "dns", "playwright")
PAGE = 50
DEFAULTS: dict[str, Any] = {
    "monitor_type": "status", "pronounceable_name": None, "monitor_group_id": None, "required_keyword": None, "verify_ssl": True, "check_frequency": 180,
    "call": False, "sms": False, "email": True, "push": True, "team_wait": None, "policy_id": None, "http_method": "get", "request_timeout": 30,
    "recovery_period": 180, "confirmation_period": 0, "request_headers": [], "request_body": "", "follow_redirects": True, "remember_cookies": True,
    "expected_status_codes": [], "ssl_expiration": None, "domain_expiration": None, "regions": ["us", "eu", "as", "au"], "port": None, "paused": False,
}  # fmt: skip
Handler = Callable[[Request], Awaitable[Response]]


def better_stack(store: Store, faults: Faults, key: str) -> list[Route]:
    api = _Api(store, faults)

    def guarded(handlers: dict[str, Callable[[Request, Any], Response]]) -> Handler:
        async def serve(request: Request) -> Response:
            if request.headers.get("authorization") != f"Bearer {key}":
                return JSONResponse({"errors": "Invalid Team API token."}, 401)
            try:
                body = json.loads(await request.body() or b"{}")
            except ValueError:
                return _invalid({"base": ["Invalid JSON"]})
            return handlers[request.method](request, body)

        return serve

    return [
        Route("/api/v2/monitors", guarded({"GET": api.list, "POST": api.create}), methods=["GET", "POST"]),
        Route("/api/v2/monitors/{id}", guarded({"GET": api.one, "PATCH": api.update, "DELETE": api.delete}), methods=["GET", "PATCH", "DELETE"]),
    ]


class _Api:
    def __init__(self, store: Store, faults: Faults) -> None:
        self.store = store
        self.faults = faults

    def list(self, request: Request, _body: Any) -> Response:
        wanted = request.query_params.get("url")
        items = [item for _key, item in sorted(self.store.data["better"].items()) if wanted in (None, item["url"])]
        number = int(request.query_params.get("page", "1"))
        base = str(request.url).split("?", maxsplit=1)[0]
        last = max(1, -(-len(items) // PAGE))
        links = {"first": f"{base}?page=1", "last": f"{base}?page={last}", "prev": f"{base}?page={number - 1}" if number > 1 else None}
        links["next"] = f"{base}?page={number + 1}" if number < last else None
        return JSONResponse({"data": [self._shown(item) for item in items[PAGE * (number - 1) : PAGE * number]], "pagination": links})

    def create(self, _request: Request, body: Any) -> Response:
        if not body.get("url"):
            return _invalid({"url": ["can't be blank"]})
        if problems := _problems(body):
            return _invalid(problems)
        with self.store.edit() as data:
            data["next"] += 1
            item = {**DEFAULTS, **body, "id": str(data["next"])}
            item["pronounceable_name"] = item["pronounceable_name"] or body["url"]
            data["better"][item["id"]] = item
        return JSONResponse({"data": self._shown(item)}, 201)

    def one(self, request: Request, _body: Any) -> Response:
        item = self._find(request)
        return JSONResponse({"data": self._shown(item)}) if item else _NOT_FOUND

    def update(self, request: Request, body: Any) -> Response:
        item = self._find(request)
        if item is None:
            return _NOT_FOUND
        if problems := _problems(body):
            return _invalid(problems)
        with self.store.edit():
            item |= body
        return JSONResponse({"data": self._shown(item)})

    def delete(self, request: Request, _body: Any) -> Response:
        item = self._find(request)
        if item is None:
            return _NOT_FOUND
        with self.store.edit() as data:
            del data["better"][item["id"]]
        return Response(status_code=204)

    def _find(self, request: Request) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.store.data["better"].get(request.path_params["id"])
        return found

    def _shown(self, item: dict[str, Any]) -> dict[str, Any]:
        status = "paused" if item["paused"] else "down" if self.faults.domain("down", url=item["url"]) else "up"
        attributes = {name: value for name, value in item.items() if name not in {"id", "paused"}}
        return {"id": item["id"], "type": "monitor", "attributes": {**attributes, "status": status, "paused_at": None, "last_checked_at": None}}


_NOT_FOUND = JSONResponse({"errors": "Resource with provided ID was not found"}, 404)


def _problems(body: dict[str, Any]) -> dict[str, list[str]]:
    problems: dict[str, list[str]] = {}
    if body.get("monitor_type", "status") not in TYPES:
        problems["monitor_type"] = ["is not included in the list"]
    if body.get("check_frequency", 180) not in FREQUENCIES:
        problems["check_frequency"] = ["is not included in the list"]
    if body.get("monitor_type") in {"keyword", "keyword_absence"} and not body.get("required_keyword"):
        problems["required_keyword"] = ["can't be blank"]
    return problems


def _invalid(problems: dict[str, list[str]]) -> Response:
    return JSONResponse({"errors": problems}, 422)
