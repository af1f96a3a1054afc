# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stateful stand-in for the Supabase Management API v1. Its project of the lab is the lab's real PostgreSQL.

`create_app(lab)` serves `/v1`. Pausing stops the database, restoring starts it, network restrictions filter, SSL enforcement refuses.
60 requests in a minute block the token for a whole minute (429); a paused project answers 540; migration endpoints are closed.
Faults of its own kind, switched on like the others (`../faults.py`): `{"domain": "init_failed" | "restore_failed" | "pause_failed" |
"readonly"}`, `{"domain": "plan", "plan": "pro"}`, `{"domain": "disk", "used_bytes": …}`, and
`restrictions_stored` (networks are noted and not applied; once for each look), `ssl_stored` (the same for SSL enforcement), `ssl_refused` (the plan does not
have it), `data_api_off`, `password_ignored` (success is reported and nothing done), `keys_hidden` (keys are listed without their values).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.supabase import identity

from ..faults import Faults
from ..kit import LabPaths, Store
from . import endpoints
from .engine import Engine, LabEngine, NullEngine
from .world import ApiError, World

if TYPE_CHECKING:
    from lab.config import Lab

BUDGET, WINDOW = 60, 60.0
VERSION = "17.6.1.063"
__all__ = ["Engine", "LabEngine", "NullEngine", "create_app", "token", "token_of"]


def token(name: str) -> str:
    """The personal access token of the lab of that name, in the vendor's form."""
    return "sbp_" + hashlib.sha256(f"supabase {name}".encode()).hexdigest()[:40]


def token_of(lab: Lab) -> str:
    return token(lab.name)


class Budget:
    """Sixty requests a minute; who asks for more is shut out for a minute, however patient she is then."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.seen: list[float] = []
        self.blocked_until = 0.0

    def spend(self) -> bool:
        now = self.clock()
        if now < self.blocked_until:
            return False
        self.seen = [moment for moment in self.seen if now - moment < WINDOW] + [now]
        if len(self.seen) > BUDGET:
            self.blocked_until, self.seen = now + WINDOW, []
            return False
        return True


_PROJECT = "/v1/projects/{ref}"
_ROUTES: dict[str, dict[str, Callable[..., endpoints.Answer]]] = {
    "/v1/organizations": {"GET": endpoints.organizations},
    "/v1/organizations/{ref}": {"GET": endpoints.organization},
    "/v1/projects/available-regions": {"GET": endpoints.regions},
    "/v1/projects": {"GET": endpoints.projects, "POST": endpoints.create_project},
    _PROJECT: {"GET": endpoints.project, "PATCH": endpoints.rename_project, "DELETE": endpoints.delete_project},
    f"{_PROJECT}/health": {"GET": endpoints.health},
    f"{_PROJECT}/pause": {"POST": endpoints.pause},
    f"{_PROJECT}/restore": {"GET": endpoints.restore_versions, "POST": endpoints.restore},
    f"{_PROJECT}/restore/cancel": {"POST": endpoints.cancel_restore},
    f"{_PROJECT}/api-keys": {"GET": endpoints.api_keys, "POST": endpoints.create_api_key},
    f"{_PROJECT}/api-keys/legacy": {"GET": endpoints.legacy_keys, "PUT": endpoints.set_legacy_keys},
    f"{_PROJECT}/config/database/pooler": {"GET": endpoints.pooler, "PATCH": endpoints.set_pooler},
    f"{_PROJECT}/network-restrictions": {"GET": endpoints.restrictions},
    f"{_PROJECT}/network-restrictions/apply": {"POST": endpoints.apply_restrictions},
    f"{_PROJECT}/ssl-enforcement": {"GET": endpoints.ssl, "PUT": endpoints.set_ssl},
    f"{_PROJECT}/database/backups": {"GET": endpoints.backups},
    f"{_PROJECT}/config/disk": {"GET": endpoints.disk},
    f"{_PROJECT}/config/disk/util": {"GET": endpoints.disk_util},
    f"{_PROJECT}/billing/addons": {"GET": endpoints.addons, "PATCH": endpoints.set_addon},
    f"{_PROJECT}/readonly": {"GET": endpoints.readonly},
    f"{_PROJECT}/postgrest": {"GET": endpoints.postgrest},
    f"{_PROJECT}/database/password": {"PATCH": endpoints.set_password},
    f"{_PROJECT}/database/query": {"POST": endpoints.query},
    f"{_PROJECT}/database/query/read-only": {"POST": endpoints.query_read_only},
    f"{_PROJECT}/database/migrations": dict.fromkeys(("GET", "POST", "PUT", "DELETE"), endpoints.migrations),
}


class Gate:
    """What every request passes: token, budget, time, and the form of errors."""

    def __init__(self, world: World, engine: Engine, accepted: str) -> None:
        self.world = world
        self.engine = engine
        self.accepted = accepted
        self.budget = Budget(world.clock)

    def route(self, path: str, handlers: dict[str, Callable[..., endpoints.Answer]]) -> Route:
        async def serve(request: Request) -> Response:
            body = await request.body()
            return await run_in_threadpool(self._answer, handlers[request.method], request, body)

        return Route(path, serve, methods=list(handlers))

    def _answer(self, handler: Callable[..., endpoints.Answer], request: Request, body: bytes) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.accepted}":
            return _message(401, "Unauthorized")
        if not self.budget.spend():
            return _message(429, "ThrottlerException: Too Many Requests")
        try:
            given = json.loads(body) if body else {}
            with self.world.store.edit():
                self.world.settle()
                status, answer = handler(self.world, self.engine, request.path_params.get("ref", ""), request.query_params, given)
        except ApiError as error:
            return _message(error.status, error.message)
        except (ValueError, KeyError, TypeError) as error:
            return _message(400, f"Invalid request: {error}")
        return Response(status_code=status) if answer is None else JSONResponse(_plain(answer), status)


def _plain(answer: Any) -> Any:
    return json.loads(json.dumps(answer, default=str))


def _message(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status)


def create_app(lab: LabPaths, engine: Engine | None = None, *, clock: Callable[[], float] = time.time, pace: float = 1.0) -> Starlette:
    """The API. `pace` stretches or (0) ends the time that journeys between states take."""
    who = identity.load(lab)
    real = engine or (LabEngine(lab, who.ref) if hasattr(lab, "control") else NullEngine())  # type: ignore[arg-type]
    faults = Faults()
    world = World(Store(lab, "supabase"), faults, clock, pace)
    world.seed(who, who.host, VERSION)
    gate = Gate(world, real, token(getattr(lab, "name", "scratch")))
    app = Starlette(routes=[gate.route(path, handlers) for path, handlers in _ROUTES.items()])
    app.state.faults, app.state.world = faults, world
    return app
