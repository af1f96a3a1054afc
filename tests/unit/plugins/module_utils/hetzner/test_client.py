# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against the local API: what is retried, what is not, what the user reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.api.policy import Clock
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.client import Client
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.errors import HetznerError
from lab.api import hetzner
from lab.api.kit import wrap
from lab.api.testing import ScratchLab, serving

KEY = {"name": "me", "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbsMTr0y6bKSSbOZIL9tpjFwbyMUR0rHS9UN8HWHPAt"}


class Api(Clock):
    """The API, a client whose waiting takes no time, and how long it would have waited."""

    def __init__(self, url: str, app: Any) -> None:
        self.url, self.app = url, app
        self.slept: list[float] = []
        self.client = self.connect(hetzner.token("scratch"))

    def connect(self, token: str) -> Client:
        return Client(token, f"{self.url}/v1", clock=self)

    def now(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def fault(self, effect: dict[str, Any], times: int | None = 1, **match: str) -> None:
        self.app.state.faults.add({"effect": effect, "times": times, "match": match})


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    lab = ScratchLab(tmp_path)
    app = hetzner.create_app(lab, hetzner.NullHardware(), pace=0)
    with serving(wrap(app, lab, "hetzner")) as url:
        yield Api(url, app)
    assert not (tmp_path / "contract-violations.jsonl").exists()


@pytest.mark.parametrize("effect", [{"status": 500}, {"status": 503}, {"html": 502}, {"status": 504}, {"drop": "before"}, {"drop": "after"}])
def test_reading_is_repeated(api: Api, effect: dict[str, Any]) -> None:
    api.fault(effect, times=2)
    assert len(api.client.all("/locations", "locations")) == 6
    assert len(api.slept) == 2


@pytest.mark.parametrize("effect", [{"status": 500}, {"html": 502}, {"drop": "before"}, {"drop": "after"}])
def test_ordering_is_not_repeated_when_it_may_have_happened(api: Api, effect: dict[str, Any]) -> None:
    api.fault(effect, method="POST")
    with pytest.raises(HetznerError):
        api.client.request("POST", "/ssh_keys", body=KEY)
    assert api.slept == []


@pytest.mark.parametrize("code", ["conflict", "locked"])
def test_everything_is_repeated_when_nothing_happened(api: Api, code: str) -> None:
    api.fault({"status": 409 if code == "conflict" else 423, "body": {"error": {"code": code, "message": "later"}}}, times=3, method="POST")
    assert api.client.request("POST", "/ssh_keys", body=KEY)["ssh_key"]["name"] == "me"
    assert len(api.slept) == 3


@pytest.mark.parametrize(("told", "least", "most"), [({}, 1.0, 1.5), ({"retry_after": 7}, 7.0, 7.5)])
def test_rate_limit_is_waited_for(api: Api, told: dict[str, int], least: float, most: float) -> None:
    api.fault({"rate_limited": told})
    api.client.get("/locations")
    assert least <= api.slept[0] <= most


def test_repeating_has_a_budget(api: Api) -> None:
    api.fault({"status": 503}, times=None)
    with pytest.raises(HetznerError) as caught:
        api.client.get("/locations")
    assert caught.value.status == 503
    assert 40 < sum(api.slept) <= 60


def test_refusals_are_told_with_reason_and_remedy(api: Api) -> None:
    api.client.request("POST", "/ssh_keys", body=KEY)
    with pytest.raises(HetznerError, match=r"POST /ssh_keys: .* \(uniqueness_error\) \[name\]"):
        api.client.request("POST", "/ssh_keys", body=KEY)
    with pytest.raises(HetznerError, match="The API token is unknown or was revoked"):
        api.connect("x" * 64).get("/servers")
    with pytest.raises(HetznerError, match=r"deprecated_api_endpoint.*newer release"):
        api.client.get("/datacenters")
    assert api.slept == []


@pytest.mark.parametrize("token", ["", "a b", "line\nbreak", "ünicode"])
def test_a_token_that_cannot_be_one_is_refused_without_asking(api: Api, token: str) -> None:
    with pytest.raises(HetznerError, match="the API token is empty or holds"):
        api.connect(token)


def test_pages_are_complete_and_in_order(api: Api) -> None:
    project = api.app.state.world.project("default")
    for number in range(123):
        project.add("networks", {"name": f"n{number}", "ip_range": "10.0.0.0/8", "subnets": [], "routes": [], "labels": {}, "protection": {"delete": False},
                                 "created": "2026-01-01T00:00:00Z", "expose_routes_to_vswitch": False})  # fmt: skip
    names = [one["name"] for one in api.client.all("/networks", "networks")]
    assert names == [f"n{number}" for number in range(123)]
