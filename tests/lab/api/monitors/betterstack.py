# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Better Stack's uptime API v2: JSON:API around flat requests, snake_case, page numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..kit import Store
from .plans import Moods

FREQUENCIES = (30, 45, 60, 120, 180, 300, 600, 900, 1800)
TYPES = ("status", "expected_status_code", "keyword", "keyword_absence", "ping", "tcp", "udp", "smtp", "pop", "imap", "dns", "playwright")
PAGE = 50
FREE_MONITORS, FREE_FREQUENCY = 10, 180
DEFAULTS: dict[str, Any] = {
    "monitor_type": "status", "pronounceable_name": None, "monitor_group_id": None, "required_keyword": None, "verify_ssl": True, "check_frequency": 180,
    "call": False, "sms": False, "email": True, "push": True, "team_wait": None, "policy_id": None, "http_method": "get", "request_timeout": 30,
    "recovery_period": 180, "confirmation_period": 0, "request_headers": [], "request_body": "", "follow_redirects": True, "remember_cookies": True,
    "expected_status_codes": [], "ssl_expiration": None, "domain_expiration": None, "regions": ["us", "eu", "as", "au"], "port": None, "paused": False,
}  # fmt: skip
Handler = Callable[[Request], Awaitable[Response]]


def better_stack(store: Store, moods: Moods, key: str, clock: Callable[[], float]) -> list[Route]:
    api, beats = _Api(store, moods), _Beats(store, moods, clock)

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
        Route("/api/v2/heartbeats", guarded({"GET": beats.list, "POST": beats.create}), methods=["GET", "POST"]),
        Route("/api/v2/heartbeats/{id}", guarded({"PATCH": beats.update, "DELETE": beats.delete}), methods=["PATCH", "DELETE"]),
        # whoever knows the address needs no token; what follows it is a failure or an exit code
        Route("/api/v1/heartbeat/{secret}", beats.beat, methods=["GET", "POST", "HEAD"]),
        Route("/api/v1/heartbeat/{secret}/{outcome}", beats.beat, methods=["GET", "POST", "HEAD"]),
    ]


class _Api:
    def __init__(self, store: Store, moods: Moods) -> None:
        self.store = store
        self.moods = moods

    def list(self, request: Request, _body: Any) -> Response:
        wanted = request.query_params.get("url")
        rows = self.moods.listed("better", self.store.data["better"])
        items = [item for _key, item in sorted(rows.items()) if wanted in (None, item["url"])]
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
        if refused := _beyond(self.moods, body, len(self.store.data["better"])):
            return refused
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
        if refused := _beyond(self.moods, body):
            return refused
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
        status = "paused" if item["paused"] else "down" if self.moods.faults.domain("down", url=item["url"]) else "up"
        attributes = {name: value for name, value in item.items() if name not in {"id", "paused"}}
        attributes |= {name: self.moods.written(item[name]) for name in ("pronounceable_name", "url")}
        return {"id": item["id"], "type": "monitor", "attributes": {**attributes, "status": status, "paused_at": None, "last_checked_at": None}}


class _Beats:
    """Heartbeats: period and grace, and what the timer said last."""

    def __init__(self, store: Store, moods: Moods, clock: Callable[[], float]) -> None:
        self.store = store
        self.moods = moods
        self.clock = clock
        with store.edit() as data:
            data.setdefault("beats", {})

    def list(self, _request: Request, _body: Any) -> Response:
        items = [self._shown(item) for _key, item in sorted(self.moods.listed("beats", self.store.data["beats"]).items())]
        return JSONResponse({"data": items, "pagination": {"first": None, "last": None, "prev": None, "next": None}})

    def create(self, request: Request, body: Any) -> Response:
        if problems := self._problems({"name": None, "period": None, "grace": 0, **body}):
            return _invalid(problems)
        if refused := _beyond(self.moods, body, len(self.store.data["beats"])):
            return refused
        with self.store.edit() as data:
            data["next"] += 1
            number = str(data["next"])
            secret = hashlib.sha256(f"beat {number}".encode()).hexdigest()[:24]
            channels = {"call": False, "sms": False, "email": True, "push": True, "paused": False, "grace": 0}
            item = {**channels, **body, "id": number, "secret": secret, "said": None}
            item["url"] = f"{str(request.base_url).rstrip('/')}/api/v1/heartbeat/{secret}"
            data["beats"][number] = item
        return JSONResponse({"data": self._shown(item)}, 201)

    def update(self, request: Request, body: Any) -> Response:
        item = self.store.data["beats"].get(request.path_params["id"])
        if item is None:
            return _NOT_FOUND
        if problems := self._problems(body):
            return _invalid(problems)
        if refused := _beyond(self.moods, body):
            return refused
        with self.store.edit():
            item |= body
        return JSONResponse({"data": self._shown(item)})

    def delete(self, request: Request, _body: Any) -> Response:
        with self.store.edit() as data:
            return Response(status_code=204) if data["beats"].pop(request.path_params["id"], None) else _NOT_FOUND

    async def beat(self, request: Request) -> Response:
        item = next((item for item in self.store.data["beats"].values() if item["secret"] == request.path_params["secret"]), None)
        if item is None:
            return _NOT_FOUND
        outcome = request.path_params.get("outcome", "0")
        with self.store.edit():
            item["said"] = {"at": self.clock(), "ok": outcome == "0", "text": (await request.body()).decode(errors="replace")}
        return JSONResponse({})

    def _shown(self, item: dict[str, Any]) -> dict[str, Any]:
        said = item["said"]
        late = said is not None and self.clock() > said["at"] + item["period"] + item["grace"]
        status = "paused" if item["paused"] else "pending" if said is None else "down" if late or not said["ok"] else "up"
        attributes = {name: value for name, value in item.items() if name not in {"id", "secret", "said", "paused"}}
        attributes |= {name: self.moods.written(item[name]) for name in ("name", "url")}
        return {"id": item["id"], "type": "heartbeat", "attributes": {**attributes, "status": status, "paused_at": None}}

    @staticmethod
    def _problems(body: dict[str, Any]) -> dict[str, Any]:
        problems: dict[str, Any] = {}
        if "name" in body and not body["name"]:
            problems["name"] = ["can't be blank"]
        if "period" in body and not (isinstance(body["period"], int) and body["period"] >= 30):
            problems["period"] = ["must be greater than or equal to 30"]
        if "grace" in body and not (isinstance(body["grace"], int) and body["grace"] >= 0):
            problems["grace"] = ["must be greater than or equal to 0"]
        return problems


_NOT_FOUND = JSONResponse({"errors": "Resource with provided ID was not found"}, 404)


def _beyond(moods: Moods, body: dict[str, Any], there: int = 0) -> Response | None:
    """The refusal of what the plan does not offer."""
    if not moods.free():
        return None
    if there >= FREE_MONITORS:
        return JSONResponse({"errors": "You have reached the limit of your plan"}, moods.refusal())
    if body.get("check_frequency", FREE_FREQUENCY) < FREE_FREQUENCY:
        return JSONResponse({"errors": "Please upgrade your account to use this check frequency"}, moods.refusal())
    if body.get("sms") or body.get("call"):
        return JSONResponse({"errors": "Please upgrade your account to use phone calls and SMS"}, moods.refusal())
    return None


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
