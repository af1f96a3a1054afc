# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects seeded in stand-ins and clients, each found with nothing but what is in the project."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ansible_collections.quetrex.platform.plugins.module_utils.hetzner import client as hetzner_client
from lab.api import hetzner
from lab.api.apps import app_of
from lab.api.cloudflare.testing import CloudflareLab
from lab.api.contract import contract_of
from lab.api.kit import wrap
from lab.api.reading import reading
from lab.api.testing import ScratchLab, serving

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbsMTr0y6bKSSbOZIL9tpjFwbyMUR0rHS9UN8HWHPAt test"
Change = Callable[[int, Any], tuple[int, Any]]


class Bent:
    """A stand-in with a defect: its answers are changed before they leave."""

    def __init__(self, app: ASGIApp, change: Change) -> None:
        self.app, self.change = app, change

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, body = 0, b""

        async def catch(message: Message) -> None:
            nonlocal status, body
            status = message.get("status", status)
            body += message.get("body", b"")

        await self.app(scope, receive, catch)
        status, answer = self.change(status, json.loads(body) if body.startswith((b"{", b"[")) else None)
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b"" if answer is None else json.dumps(answer).encode()})


def as_it_is(status: int, answer: Any) -> tuple[int, Any]:
    """No defect."""
    return status, answer


class Seeded(NamedTuple):
    """What is asked, how the stand-in is bent, and what has to be found."""

    api: str
    method: str
    path: str
    expect: str
    change: Change = as_it_is
    body: Any = None
    sound: bool = True
    """Whether the stand-in would do well without the defect."""


def put(path: str, value: Any) -> Change:
    """Set the value at a path of keys and positions; `...` takes it away."""

    def change(status: int, answer: Any) -> tuple[int, Any]:
        *way, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
        holder = answer
        for part in way:
            holder = holder[part]
        if value is ...:
            del holder[last]
        else:
            holder[last] = value
        return status, answer

    return change


def renamed(path: str, old: str, new: str) -> Change:
    """A field under another name."""

    def change(status: int, answer: Any) -> tuple[int, Any]:
        holder = answer
        for part in path.split("."):
            holder = holder[int(part) if part.isdecimal() else part]
        holder[new] = holder.pop(old)
        return status, answer

    return change


def with_status(other: int) -> Change:
    """Another status."""
    return lambda _status, answer: (other, answer)


def many_rows(status: int, answer: Any) -> tuple[int, Any]:
    """More rows than a page has."""
    return status, {**answer, "locations": answer["locations"] * 20}


DEFECTS = {
    "a field renamed": Seeded("hetzner", "GET", "/v1/locations", "body.locations.0.zone: a field that", renamed("locations.0", "network_zone", "zone")),
    "a field missing": Seeded("cloudflare", "GET", "/client/v4/zones", "body.result.0.name_servers: missing", put("result.0.name_servers", ...)),
    "a field too much": Seeded("awx", "GET", "/api/v2/organizations/", "body.results.0.colour: a field that", put("results.0.colour", "red")),
    "a number as text": Seeded("hetzner", "GET", "/v1/locations", "body.locations.0.id: text instead of integer", put("locations.0.id", "1")),
    "a number with a point": Seeded("awx", "GET", "/api/v2/organizations/", "body.results.0.max_hosts: a number instead", put("results.0.max_hosts", 0.5)),
    "a boolean as text": Seeded("cloudflare", "GET", "/client/v4/zones", "body.result.0.paused: text instead of boolean", put("result.0.paused", "no")),
    "an enumeration's new value": Seeded("supabase", "GET", "/v1/projects", "'SLEEPING' is not in project_status", put("0.status", "SLEEPING")),
    "null where there is none": Seeded("supabase", "GET", "/v1/projects", "body.0.region: null instead of text", put("0.region", None)),
    "a list in place of an object": Seeded("monitors", "GET", "/v3/user/me", "body: a list instead of an object", lambda status, answer: (status, [answer])),
    "a status changed": Seeded(
        "hetzner", "POST", "/v1/ssh_keys", "status 200 is none that", with_status(200), {"name": "me", "public_key": KEY}
    ),
    "a refusal's status changed": Seeded("monitors", "GET", "/v3/monitors/1", "status 418 is none that", with_status(418)),
    "an error code that nobody documents": Seeded(
        "hetzner", "GET", "/v1/servers/1", "error.code: 'server_gone' does not come with status 404", put("error.code", "server_gone")
    ),
    "an error code with another status": Seeded(
        "cloudflare", "GET", "/client/v4/zones/0", "errors.*.code: 7003 does not come with status 403", with_status(403)
    ),
    "a refusal of another form": Seeded(
        "supabase", "GET", "/v1/projects/none", "body.error: a field that", lambda status, answer: (status, {"error": answer["message"]})
    ),
    "a page with too many rows": Seeded("hetzner", "GET", "/v1/locations", "rows on a page of 25", many_rows),
    "a page of another size than asked for": Seeded(
        "hetzner", "GET", "/v1/locations?per_page=10", "meta.pagination.per_page: 25 where a page of 10", put("meta.pagination.per_page", 25)
    ),
    "a client that asks for larger pages than there are": Seeded(
        "awx", "GET", "/api/v2/organizations/?page_size=500", "query.page_size: 500 is more than the largest page of 200"
    ),
    "a client that asks with an unknown query": Seeded("supabase", "GET", "/v1/projects?page=2", "query.page: a field that"),
    "a client that sends an unknown field": Seeded(
        "monitors", "POST", "/api/v2/monitors", "request.colour: a field that", body={"url": "https://quetrex.test/", "colour": "red"}
    ),
    "a client that sends a number as text": Seeded(
        "monitors", "POST", "/api/v2/heartbeats", "request.grace: text instead of integer", body={"name": "h", "period": 60, "grace": "60"},
        change=with_status(201), sound=False,
    ),
    "a client that calls what nobody has": Seeded(
        "supabase", "PATCH", "/v1/projects/none/secrets", "a call that the contract does not have", lambda *_refused: (200, {})
    ),
}  # fmt: skip


async def ask(app: ASGIApp, seeded: Seeded, token: str) -> None:
    """The exchange, without a network."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://stand.in") as client:
        await client.request(seeded.method, seeded.path, json=seeded.body, headers={"authorization": f"Bearer {token}"})


def violations(seeded: Seeded, root: Path, change: Change) -> list[str]:
    """What is noted of the exchange with a stand-in that is bent like this."""
    lab: Any = CloudflareLab(root) if seeded.api == "cloudflare" else ScratchLab(root)
    app = app_of(seeded.api, root)
    module = importlib.import_module(f"lab.api.{seeded.api}")
    token = module.token_of(lab) if seeded.api == "cloudflare" else module.token("scratch")
    app.add_middleware(Bent, change=change)
    asyncio.run(ask(wrap(app, lab, seeded.api), seeded, token))
    noted = root / "contract-violations.jsonl"
    found = [one for line in noted.read_text(encoding="utf-8").splitlines() for one in json.loads(line)["violations"]] if noted.exists() else []
    noted.unlink(missing_ok=True)
    return found


@pytest.mark.parametrize("seeded", DEFECTS.values(), ids=DEFECTS)
def test_exchange(seeded: Seeded, tmp_path: Path) -> None:
    """A defect is noted as a violation that says what is wrong; the same exchange with a sound stand-in is none."""
    found = violations(seeded, tmp_path / "bent", seeded.change)
    assert [one for one in found if seeded.expect in one], found
    if seeded.change is not as_it_is and seeded.sound:
        assert violations(seeded, tmp_path / "sound", as_it_is) == []


def test_field_that_only_the_client_knows(tmp_path: Path) -> None:
    """What a client looks for and no answer has is found where it is read."""
    lab = ScratchLab(tmp_path)
    found: list[str] = []
    with (
        serving(wrap(hetzner.create_app(lab, hetzner.NullHardware(), pace=0), lab, "hetzner")) as url,
        reading({hetzner_client: contract_of("hetzner")}, found.append),
    ):
        (place, *_others) = hetzner_client.Client(hetzner.token("scratch"), f"{url}/v1").all("/locations", "locations")
        assert place.get("name") is not None
        assert found == []
        assert place.get("datacenter") is None
    assert found == ["GET /v1/locations.locations.datacenter is read, and the contract does not have it"]
