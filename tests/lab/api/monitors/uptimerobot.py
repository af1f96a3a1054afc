# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""UptimeRobot's API v3: JSON, bearer key, cursor paging, camelCase, enums by name."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..kit import Store
from .plans import Moods

TYPES = ("HTTP", "KEYWORD", "PING", "PORT", "HEARTBEAT", "DNS")
METHODS = ("HEAD", "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PAGE = 50
FREE_PER_MINUTE, FREE_MONITORS, FREE_INTERVAL = 10, 50, 300
PAID_MONITORS = 100
# Defaults of what a request may leave out.
DEFAULTS: dict[str, Any] = {
    "interval": 300, "timeout": 30, "gracePeriod": None, "httpMethodType": "HEAD", "successHttpResponseCodes": ["2xx", "3xx"], "checkSSLErrors": False,
    "sslExpirationReminder": False, "domainExpirationReminder": False, "followRedirections": True, "authType": "NONE", "customHttpHeaders": None,
    "port": None, "keywordType": None, "keywordValue": None, "keywordCaseType": None, "postValueType": None, "postValueData": None,
    "assignedAlertContacts": [], "tagNames": [], "maintenanceWindowsIds": [], "responseTimeThreshold": None,
}  # fmt: skip
Handler = Callable[[Request], Awaitable[Response]]


class Refused(Exception):
    def __init__(self, status: int, *messages: str) -> None:
        super().__init__(*messages)
        self.status = status
        self.messages = list(messages)


def uptime_robot(store: Store, moods: Moods, key: str, clock: Callable[[], float], per_minute: int) -> list[Route]:
    api = _Api(store, moods, clock)
    gate = _gate(key, clock, moods, per_minute)
    return [
        Route("/v3/monitors", gate({"GET": api.list, "POST": api.create}), methods=["GET", "POST"]),
        Route("/v3/monitors/{id:int}", gate({"GET": api.get, "PATCH": api.update, "DELETE": api.delete}), methods=["GET", "PATCH", "DELETE"]),
        Route("/v3/monitors/{id:int}/{action}", gate({"POST": api.act}), methods=["POST"]),
        Route("/v3/user/me", gate({"GET": api.me}), methods=["GET"]),
        # the service's heartbeat.uptimerobot.com: whoever knows the address needs no key
        Route("/m{id:int}-{secret}", api.beat, methods=["GET", "POST", "HEAD"]),
        Route("/v3/user/alert-contacts", gate({"GET": api.contacts}), methods=["GET"]),
    ]


def _gate(key: str, clock: Callable[[], float], moods: Moods, paid: int) -> Callable[[dict[str, Callable[..., tuple[int, Any]]]], Handler]:
    """Token, rate limit with its headers, and the form of errors."""
    seen: list[float] = []

    def wrap(handlers: dict[str, Callable[..., tuple[int, Any]]]) -> Handler:
        async def serve(request: Request) -> Response:
            if request.headers.get("authorization") != f"Bearer {key}":
                return _error(401, "Unauthorized")
            per_minute = FREE_PER_MINUTE if moods.free() else paid
            seen[:] = [moment for moment in seen if clock() - moment < 60] + [clock()]
            headers = {
                "X-RateLimit-Limit": str(per_minute),
                "X-RateLimit-Remaining": str(max(0, per_minute - len(seen))),
                "X-RateLimit-Reset": str(int(seen[0] + 60)),
            }
            headers = headers if moods.headers() else {}
            if len(seen) > per_minute:
                return _error(429, "Too Many Requests", {**headers, "Retry-After": str(max(1, int(seen[0] + 60 - clock())))})
            try:
                body = json.loads(await request.body() or b"{}")
                status, answer = handlers[request.method](request, body)
            except Refused as error:
                return _error(error.status, error.messages[0] if len(error.messages) == 1 else error.messages, headers)
            except ValueError:
                return _error(400, "Bad Request", headers)
            return Response(status_code=status, headers=headers) if answer is None else JSONResponse(answer, status, headers)

        return serve

    return wrap


def _error(status: int, message: Any, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"message": message, "statusCode": status}, status, headers)


class _Api:
    def __init__(self, store: Store, moods: Moods, clock: Callable[[], float]) -> None:
        self.store = store
        self.moods = moods
        self.clock = clock

    def list(self, request: Request, _body: Any) -> tuple[int, Any]:
        cursor = int(request.query_params.get("cursor", "0"))
        rows = self.moods.listed("monitors", self.store.data["monitors"])
        found = [item for key, item in sorted(rows.items()) if int(key) > cursor]
        page = found[:PAGE]
        following = f"{str(request.url).split('?', maxsplit=1)[0]}?cursor={page[-1]['id']}" if len(found) > PAGE else None
        return 200, {"nextLink": following, "data": [self._shown(item) for item in page]}

    def create(self, request: Request, body: Any) -> tuple[int, Any]:
        missing = [
            f"{name} should not be empty"
            for name in ("url", "type", "friendlyName", "interval")
            if body.get(name) in (None, "") and (name, body.get("type")) != ("url", "HEARTBEAT")
        ]
        if missing:
            raise Refused(400, *missing)
        _judge(body)
        self._allow(body, more=1)
        if body["type"] == "HEARTBEAT" and body.get("gracePeriod") is None:
            raise Refused(400, "gracePeriod should not be empty")
        with self.store.edit() as data:
            data["next"] += 1
            monitor = {**DEFAULTS, **body, "id": data["next"], "paused": False, "created": self.clock()}
            if body["type"] == "HEARTBEAT":
                secret = hashlib.sha256(f"beat {data['next']}".encode()).hexdigest()[:40]
                monitor |= {"url": f"{str(request.base_url).rstrip('/')}/m{monitor['id']}-{secret}", "beaten": None}
            data["monitors"][str(monitor["id"])] = monitor
        if self.moods.hidden():
            raise Refused(404, "000-004: Monitor not found")
        return 201, self._shown(monitor)

    def get(self, request: Request, _body: Any) -> tuple[int, Any]:
        return 200, self._shown(self._find(request))

    def update(self, request: Request, body: Any) -> tuple[int, Any]:
        monitor = self._find(request)
        if body.get("type", monitor["type"]) != monitor["type"]:
            raise Refused(400, "Monitor type cannot be changed")
        if monitor["type"] == "HEARTBEAT" and "url" in body:
            raise Refused(400, "url cannot be changed for HEARTBEAT monitors")
        _judge(body)
        self._allow(body, more=0)
        with self.store.edit():
            monitor |= body
        return 200, self._shown(monitor)

    def delete(self, request: Request, _body: Any) -> tuple[int, Any]:
        monitor = self._find(request)
        with self.store.edit() as data:
            del data["monitors"][str(monitor["id"])]
        return 200, None

    def act(self, request: Request, _body: Any) -> tuple[int, Any]:
        if request.path_params["action"] not in {"pause", "start", "reset"}:
            raise Refused(404, "Not Found")
        monitor = self._find(request)
        with self.store.edit():
            monitor["paused"] = request.path_params["action"] == "pause"
        return 201, self._shown(monitor)

    def _allow(self, body: Any, *, more: int) -> None:
        """Refuse what the plan does not offer."""
        free = self.moods.free()
        if len(self.store.data["monitors"]) + more > (FREE_MONITORS if free else PAID_MONITORS):
            raise Refused(self.moods.refusal(), "You have reached the monitor limit of your plan")
        if free and body.get("type") == "HEARTBEAT":
            raise Refused(self.moods.refusal(), "Heartbeat monitoring is not available in your plan")
        if free and body.get("interval", FREE_INTERVAL) < FREE_INTERVAL:
            raise Refused(self.moods.refusal(), "This interval is not available in your plan")

    def me(self, _request: Request, _body: Any) -> tuple[int, Any]:
        return 200, {
            "email": "owner@quetrex.test",
            "fullName": "Lab owner",
            "monitorsCount": len(self.store.data["monitors"]),
            "monitorLimit": FREE_MONITORS if self.moods.free() else PAID_MONITORS,
            "smsCredits": 0 if self.moods.free() else 10,
        }

    def contacts(self, _request: Request, _body: Any) -> tuple[int, Any]:
        return 200, self.store.data["contacts"]

    async def beat(self, request: Request) -> Response:
        """A heartbeat: all is well. There is no way to say otherwise."""
        monitor = self.store.data["monitors"].get(str(request.path_params["id"]))
        if monitor is None or not str(monitor["url"]).endswith(str(request.path_params["secret"])):
            return _error(404, "Not Found")
        with self.store.edit():
            monitor["beaten"] = self.clock()
        return JSONResponse({"message": "OK"})

    def _status(self, monitor: dict[str, Any]) -> str:
        if monitor["paused"]:
            return "PAUSED"
        if monitor["type"] == "HEARTBEAT":
            late = monitor["beaten"] is not None and self.clock() > monitor["beaten"] + monitor["interval"] + monitor["gracePeriod"]
            return "NOT_CHECKED_YET" if monitor["beaten"] is None else "DOWN" if late else "UP"
        return "DOWN" if self.moods.faults.domain("down", url=monitor.get("url")) else "UP"

    def _find(self, request: Request) -> dict[str, Any]:
        found = self.store.data["monitors"].get(str(request.path_params["id"]))
        if found is None:
            raise Refused(404, "Monitor not found")
        answer: dict[str, Any] = found
        return answer

    def _shown(self, monitor: dict[str, Any]) -> dict[str, Any]:
        created = datetime.datetime.fromtimestamp(monitor["created"], datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        hidden = {"paused", "created", "beaten", "tagNames", "maintenanceWindowsIds", "httpPassword"}
        return {
            **{name: value for name, value in monitor.items() if name not in hidden},
            "friendlyName": self.moods.written(monitor["friendlyName"]),
            "url": self.moods.written(monitor["url"]),
            "status": self._status(monitor),
            "tags": [{"id": number, "name": name, "color": "#000000"} for number, name in enumerate(monitor["tagNames"], 1)],
            "maintenanceWindows": [], "psps": [], "sslBrand": None, "sslExpiryDateTime": None, "domainExpireDate": None, "currentStateDuration": 60,
            "lastIncidentId": None, "lastIncident": None, "userId": 1, "lastDayUptimes": {"bucketSize": 1200, "histogram": []},
            "createDateTime": created, "apiKey": None,
        }  # fmt: skip


def _judge(body: dict[str, Any]) -> None:
    problems = []
    if "type" in body and body["type"] not in TYPES:
        problems.append(f"type must be one of the following values: {', '.join(TYPES)}")
    if "interval" in body and not (isinstance(body["interval"], int) and 30 <= body["interval"] <= 2678400):
        problems.append("interval must be between 30 and 2678400")
    if body.get("gracePeriod") is not None and not 0 <= body["gracePeriod"] <= 86400:
        problems.append("gracePeriod must not be greater than 86400")
    if any(not isinstance(item.get("alertContactId"), str) for item in body.get("assignedAlertContacts") or []):
        problems.append("each value in assignedAlertContacts.alertContactId must be a string")
    if body.get("timeout") is not None and not 0 <= body["timeout"] <= 60:
        problems.append("timeout must not be greater than 60")
    if body.get("httpMethodType") is not None and body["httpMethodType"] not in METHODS:
        problems.append(f"httpMethodType must be one of the following values: {', '.join(METHODS)}")
    if body.get("type") == "KEYWORD" and not body.get("keywordValue"):
        problems.append("keywordValue should not be empty")
    if problems:
        raise Refused(400, *problems)
