# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shared middleware of the local APIs: log, contract, faults, store."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.api import kit
from lab.api.faults import Faults
from lab.api.testing import ScratchLab, serving

SSH_KEY = {"id": 1, "name": "me", "fingerprint": "aa", "public_key": "ssh-ed25519 A", "labels": {}, "created": "2026-01-01T00:00:00+00:00"}
NEW_KEY = {"name": "me", "public_key": "ssh-ed25519 A"}
calls: list[str] = []


async def _keys(request: Request) -> Response:
    calls.append(request.method)
    if request.method == "POST":
        await request.json()
        return JSONResponse({"ssh_key": SSH_KEY}, status_code=201)
    wrong = request.query_params.get("name") == "wrong"
    return JSONResponse({"ssh_key": {**SSH_KEY, "id": "one"} if wrong else SSH_KEY})


@pytest.fixture
def lab(tmp_path: Path) -> ScratchLab:
    calls.clear()
    return ScratchLab(tmp_path)


@pytest.fixture
def url(lab: ScratchLab) -> Iterator[str]:
    app = Starlette(routes=[Route("/v1/ssh_keys/1", _keys), Route("/v1/ssh_keys", _keys, methods=["POST"])])
    with serving(kit.wrap(app, lab, "hetzner")) as base:
        yield base


def ask(url: str, method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    headers = {"authorization": "Bearer t", "content-type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    try:
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def fault(url: str, effect: dict[str, Any], **more: Any) -> None:
    assert ask(url, "POST", kit.CONTROL_PATH, {"effect": effect, **more})[0] == 200


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_exchange_is_logged_without_headers(url: str, lab: ScratchLab) -> None:
    assert ask(url, "GET", "/v1/ssh_keys/1")[0] == 200
    (line,) = lines(lab.path("log", "hetzner.jsonl"))
    assert (line["method"], line["path"], line["status"], line["response"]["ssh_key"]["id"]) == ("GET", "/v1/ssh_keys/1", 200, 1)
    assert "Bearer" not in json.dumps(line)


def test_violations(url: str, lab: ScratchLab) -> None:
    """Wrong answers and accepted wrong requests are violations."""
    ask(url, "GET", "/v1/ssh_keys/1")
    ask(url, "POST", "/v1/ssh_keys", NEW_KEY)
    assert lines(lab.path("contract-violations.jsonl")) == []
    ask(url, "GET", "/v1/ssh_keys/1?name=wrong")
    ask(url, "POST", "/v1/ssh_keys", {"name": "me"})
    wrong, accepted = lines(lab.path("contract-violations.jsonl"))
    assert any("ssh_key.id" in one for one in wrong["violations"])
    assert any("request accepted" in one and "public_key" in one for one in accepted["violations"])
    lab.path("contract-violations.jsonl").unlink()


def test_a_status_strikes_as_often_as_asked_without_effect(url: str) -> None:
    fault(url, {"status": 503}, times=2, match={"method": "POST"})
    assert [ask(url, "POST", "/v1/ssh_keys", NEW_KEY)[0] for _attempt in range(3)] == [503, 503, 201]
    assert calls == ["POST"]


def test_faults_can_spare_the_first_calls(url: str) -> None:
    fault(url, {"status": 500}, times=1, after=1)
    assert [ask(url, "GET", "/v1/ssh_keys/1")[0] for _attempt in range(3)] == [200, 500, 200]


@pytest.mark.parametrize(("effect", "header"), [({"rate_limited": {}}, None), ({"rate_limited": {"retry_after": 7}}, "7")])
def test_rate_limit_with_and_without_retry_after(url: str, effect: dict[str, Any], header: str | None) -> None:
    fault(url, effect, times=1)
    status, headers, body = ask(url, "GET", "/v1/ssh_keys/1")
    assert (status, headers.get("retry-after"), json.loads(body)["error"]["code"]) == (429, header, "rate_limit_exceeded")


def test_html_page_and_success_false(url: str) -> None:
    fault(url, {"html": 502}, times=1)
    fault(url, {"success_false": {"code": 1004, "message": "no"}}, times=1, after=1)
    status, headers, body = ask(url, "GET", "/v1/ssh_keys/1")
    assert (status, headers["content-type"], body[:6]) == (502, "text/html", b"<html>")
    status, _headers, body = ask(url, "GET", "/v1/ssh_keys/1")
    assert (status, json.loads(body)["success"]) == (200, False)


@pytest.mark.parametrize(("when", "effects"), [("before", []), ("after", ["POST"])])
def test_connection_is_dropped_before_or_after_the_effect(url: str, when: str, effects: list[str]) -> None:
    fault(url, {"drop": when}, times=1)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        ask(url, "POST", "/v1/ssh_keys", NEW_KEY)
    assert calls == effects
    assert ask(url, "POST", "/v1/ssh_keys", NEW_KEY)[0] == 201


def test_faults_are_listed_cleared_and_refused(url: str) -> None:
    fault(url, {"latency_ms": 1})
    assert json.loads(ask(url, "GET", kit.CONTROL_PATH)[2])["faults"][0]["effect"] == {"latency_ms": 1}
    assert ask(url, "DELETE", kit.CONTROL_PATH)[0] == 200
    assert json.loads(ask(url, "GET", kit.CONTROL_PATH)[2]) == {"faults": []}
    assert ask(url, "POST", kit.CONTROL_PATH, {"effect": {"explode": True}})[0] == 400


def test_domain_faults_agree_on_what_they_name() -> None:
    faults = Faults()
    faults.add({"effect": {"domain": "sold_out", "type": "cpx31"}, "times": 1})
    assert faults.strike("GET", "/", "") is None
    assert faults.domain("sold_out", type="cpx41", location="ash") is None
    assert faults.domain("sold_out", type="cpx31", location="ash") is not None
    assert faults.domain("sold_out", type="cpx31", location="ash") is None


def test_store_is_transactional(lab: ScratchLab) -> None:
    """Store survives and is saved only when the block ends well."""
    store = kit.Store(lab, "x")
    with store.edit() as data:
        data["a"] = {"1": 2}

    def fail() -> None:
        with store.edit() as data:
            data["a"] = 3
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert kit.Store(lab, "x").data == {"a": {"1": 2}}
