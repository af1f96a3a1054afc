# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client under trouble that lasts, on a clock of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.api.errors import Failure, Uncertain
from ansible_collections.quetrex.platform.plugins.module_utils.api.policy import Clock
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.client import Client
from lab.api.cloudflare.testing import CloudflareServer, cloudflare_server


class Hands(Clock):
    """A clock that sleeping moves; `until` is when the API is well again."""

    def __init__(self, api: CloudflareServer, until: float) -> None:
        self.time, self._api, self._until = 0.0, api, until

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        if self.time >= self._until:
            self._api.heal()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[CloudflareServer]:
    """A fresh account with one empty zone."""
    with cloudflare_server(tmp_path) as server:
        yield server
    assert server.violations() == []


def test_a_wait_past_the_deadline_is_not_waited_for(api: CloudflareServer) -> None:
    api.fault({"effect": {"rate_limited": {"retry_after": 300}}})
    hands = Hands(api, 1000.0)
    with pytest.raises(Failure, match="could not be reached in time"):
        Client(api.token, api.url, clock=hands, deadline=120).zone("quetrex.test")
    assert hands.time == 0


def test_a_post_whose_answer_is_lost_is_not_sent_again(api: CloudflareServer) -> None:
    api.fault({"match": {"method": "POST"}, "effect": {"drop": "after"}})
    with pytest.raises(Uncertain):
        Client(api.token, api.url).call("POST", "/zones/" + api.zone["id"] + "/dns_records", {"type": "A", "name": "x", "content": "192.0.2.1"})
    assert len(api.zone["records"]) == 1


def test_nobody_at_the_address_is_one_clear_error() -> None:
    class Past(Clock):
        def sleep(self, seconds: float) -> None:
            raise AssertionError("no time for that")

    with pytest.raises(Failure, match="could not be reached in time"):
        Client("t" * 40, "http://127.0.0.1:9", deadline=0.01, clock=Past()).call("GET", "/ips")
    with pytest.raises(Failure, match="not the address of an API"):
        Client("t" * 40, "api.cloudflare.com")
