# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-ins of the uptime monitor services."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.api import monitors
from lab.api.kit import wrap
from lab.api.testing import ScratchLab, serving

HEALTH = "https://quetrex.test/api/health"


class Client:
    def __init__(self, base: str) -> None:
        self.base = base

    def call(self, method: str, path: str, body: Any = None, token: str = monitors.token("scratch")) -> tuple[int, Any, dict[str, str]]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read() or b"null"), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null"), dict(error.headers)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    lab = ScratchLab(tmp_path)
    with serving(wrap(monitors.create_app(lab, clock=lambda: 1000.0, requests_per_minute=20), lab, "monitors")) as base:
        yield Client(base)


def test_uptimerobot_keeps_a_monitor(client: Client) -> None:
    wanted = {
        "friendlyName": "health",
        "url": HEALTH,
        "type": "HTTP",
        "interval": 60,
        "assignedAlertContacts": [{"alertContactId": "1", "threshold": 0, "recurrence": 0}],
    }
    status, made, _headers = client.call("POST", "/v3/monitors", wanted)
    assert (status, made["status"], made["httpMethodType"]) == (201, "UP", "HEAD")
    assert client.call("PATCH", f"/v3/monitors/{made['id']}", {"interval": 300})[1]["interval"] == 300
    assert client.call("PATCH", f"/v3/monitors/{made['id']}", {"type": "PING"})[0] == 400
    assert client.call("POST", f"/v3/monitors/{made['id']}/pause")[1]["status"] == "PAUSED"
    assert [item["id"] for item in client.call("GET", "/v3/monitors")[1]["data"]] == [made["id"]]
    assert client.call("DELETE", f"/v3/monitors/{made['id']}")[0] == 200
    assert client.call("GET", f"/v3/monitors/{made['id']}")[0] == 404
    assert client.call("GET", "/v3/user/alert-contacts")[1][0]["value"] == "owner@quetrex.test"


def test_uptimerobot_refuses(client: Client) -> None:
    assert client.call("GET", "/v3/monitors", token="no")[0] == 401
    status, answer, _headers = client.call("POST", "/v3/monitors", {"url": HEALTH})
    assert (status, "type should not be empty" in answer["message"]) == (400, True)
    for _number in range(20):
        status, _answer, headers = client.call("GET", "/v3/monitors")
    assert (status, headers["retry-after"]) == (429, "60")


def test_better_stack_keeps_a_monitor(client: Client) -> None:
    status, made, _headers = client.call("POST", "/api/v2/monitors", {"url": HEALTH, "monitor_type": "status", "check_frequency": 60, "sms": True})
    assert (status, made["data"]["attributes"]["status"], made["data"]["attributes"]["sms"]) == (201, "up", True)
    path = f"/api/v2/monitors/{made['data']['id']}"
    assert client.call("PATCH", path, {"paused": True})[1]["data"]["attributes"]["status"] == "paused"
    assert len(client.call("GET", f"/api/v2/monitors?url={HEALTH}")[1]["data"]) == 1
    assert client.call("POST", "/api/v2/monitors", {"url": HEALTH, "check_frequency": 61})[1] == {
        "errors": {"check_frequency": ["is not included in the list"]}
    }
    assert client.call("DELETE", path)[0] == 204
    assert client.call("GET", path)[0] == 404
    assert client.call("GET", "/api/v2/monitors", token="no")[0] == 401


def test_heartbeats_of_uptimerobot_can_only_say_that_all_is_well(client: Client) -> None:
    status, made, _headers = client.call("POST", "/v3/monitors", {"friendlyName": "host", "type": "HEARTBEAT", "interval": 300, "gracePeriod": 60})
    assert (status, made["status"]) == (201, "NOT_CHECKED_YET")
    path = f"/{made['url'].rsplit('/', 1)[1]}"
    assert client.call("GET", path, token="none")[0] == 200
    assert client.call("GET", f"/v3/monitors/{made['id']}")[1]["status"] == "UP"
    assert client.call("GET", path[:-1] + "!", token="none")[0] == 404
    assert client.call("PATCH", f"/v3/monitors/{made['id']}", {"url": "https://example.com"})[0] == 400
    assert client.call("POST", "/v3/monitors", {"friendlyName": "host", "type": "HEARTBEAT", "interval": 300})[0] == 400


def test_better_stack_heartbeat_failure(client: Client) -> None:
    """Heartbeats of better stack tell failures with their reason."""
    status, made, _headers = client.call("POST", "/api/v2/heartbeats", {"name": "host", "period": 300, "grace": 60})
    assert (status, made["data"]["attributes"]["status"]) == (201, "pending")
    path = "/" + made["data"]["attributes"]["url"].split("/", 3)[3]
    assert client.call("POST", path, "all is well", token="none")[0] == 200
    assert client.call("GET", "/api/v2/heartbeats")[1]["data"][0]["attributes"]["status"] == "up"
    assert client.call("POST", f"{path}/fail", "disk full", token="none")[0] == 200
    assert client.call("GET", "/api/v2/heartbeats")[1]["data"][0]["attributes"]["status"] == "down"
    assert client.call("POST", "/api/v2/heartbeats", {"name": "", "period": 1})[1]["errors"].keys() == {"name", "period"}
    assert client.call("DELETE", f"/api/v2/heartbeats/{made['data']['id']}")[0] == 204
