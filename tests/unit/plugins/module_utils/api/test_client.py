# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a request is repeated, for how long, and what is said of one that may have happened: the same for every vendor."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.api import client as api
from ansible_collections.quetrex.platform.plugins.module_utils.api.errors import Failure, Uncertain
from ansible_collections.quetrex.platform.plugins.module_utils.api.policy import Clock, Policy, Trouble, pause, seconds
from ansible_collections.quetrex.platform.plugins.module_utils.api.transport import Request, proxy_of
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.client import Client as Cloudflare
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.client import Client as Hetzner
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.management import Api as Supabase
from ansible_collections.quetrex.platform.plugins.module_utils.uptime.client import Client as Uptime
from lab.api.scripted import DROP, SILENCE, answer, scripted

TOKEN = "token-that-nobody-may-read-0123456789"
GOOD = {"cloudflare": '{"success": true, "result": {"id": "1"}}'}


class Waiting(Clock):
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


Make = Callable[[str, Clock], api.Client]
VENDORS: dict[str, Make] = {
    "cloudflare": lambda url, clock: Cloudflare(TOKEN, url, clock=clock),
    "hetzner": lambda url, clock: Hetzner(TOKEN, url, clock=clock),
    "supabase": lambda url, clock: Supabase(TOKEN, url, clock=clock),
    "uptime": lambda url, clock: Uptime("UptimeRobot", TOKEN, url, reasons="message", clock=clock),
}


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def good(vendor: str) -> bytes:
    return answer("200 OK", GOOD.get(vendor, '{"id": "1"}'))


def test_lost_read(vendor: str) -> None:
    """A read whose answer is lost is asked again."""
    clock = Waiting()
    with scripted(DROP, good(vendor)) as server:
        assert VENDORS[vendor](server.url, clock).ask(Request("GET", "/things"))
    assert (len(server.sent), len(clock.slept)) == (2, 1)


@pytest.mark.parametrize("line", [DROP, answer("500 Internal Server Error"), answer("502 Bad Gateway", "<html>")], ids=["drop", "500", "html"])
def test_lost_write(vendor: str, line: bytes) -> None:
    """A write that may have happened is sent once, and the failure says so to code."""
    clock = Waiting()
    with scripted(line, good(vendor)) as server, pytest.raises(Failure) as caught:
        VENDORS[vendor](server.url, clock).ask(Request("POST", "/things", body={"name": "a"}))
    assert (len(server.sent), clock.slept, caught.value.maybe_done) == (1, [], True)


def test_write_that_was_never_sent(vendor: str) -> None:
    """Where nothing listens nothing can have happened: a write is tried again until time is over."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    clock = Waiting()
    with pytest.raises(Failure) as caught:
        VENDORS[vendor](url, clock).ask(Request("POST", "/things", body={}))
    assert (len(clock.slept) > 3, caught.value.maybe_done) == (True, False)


@pytest.mark.parametrize("date", [False, True], ids=["seconds", "date"])
def test_retry_after(vendor: str, date: bool) -> None:
    """The wait that a 429 asks for is kept, with a little more so that not everybody comes back at once; a write is repeated too."""
    clock = Waiting()
    told = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True) if date else "20"
    with scripted(answer("429 Too Many Requests", "{}", f"Retry-After: {told}"), good(vendor)) as server:
        assert VENDORS[vendor](server.url, clock).ask(Request("POST", "/things", body={}))
    (waited,) = clock.slept
    assert 18 <= waited <= 20.5
    assert len(server.sent) == 2


def test_secrets_in_an_answer(vendor: str) -> None:
    """A vendor that quotes the token does not bring it into an error."""
    body = f'{{"success": false, "errors": [{{"code": 1, "message": "{TOKEN}"}}], "message": "{TOKEN}", "error": {{"code": "a", "message": "{TOKEN}"}}}}'
    with scripted(answer("400 Bad Request", body)) as server, pytest.raises(Failure) as caught:
        VENDORS[vendor](server.url, Waiting()).ask(Request("GET", "/things"))
    assert TOKEN not in f"{caught.value} {caught.value.failure()}"
    assert "********" in str(caught.value)
    assert f"Bearer {TOKEN}" in server.sent[0]


def test_deleted_by_an_attempt_whose_answer_was_lost() -> None:
    """What is gone when a deletion is repeated is deleted."""
    with scripted(DROP, answer("404 Not Found", '{"success": false, "errors": []}')) as server:
        assert Cloudflare(TOKEN, server.url, clock=Waiting()).call("DELETE", "/things/1") is None
    with scripted(answer("404 Not Found", '{"success": false, "errors": []}')) as server, pytest.raises(Failure):
        Cloudflare(TOKEN, server.url, clock=Waiting()).call("DELETE", "/things/1")


def test_write_into_a_timeout() -> None:
    """The SDK of Hetzner would send it six times."""
    clock = Waiting()
    with scripted(SILENCE) as server, pytest.raises(Failure, match=r"no answer from 127\.0\.0\.1") as caught:
        Hetzner(TOKEN, server.url, timeout=0.2, clock=clock).request("POST", "/servers", body={"name": "a"})
    assert (len(server.sent), clock.slept, caught.value.maybe_done) == (1, [], True)


def test_token_and_address_are_what_was_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a .netrc nor a redirect decides what Hetzner's SDK sends where."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with scripted(good("hetzner")) as other, scripted(answer("302 Found", "{}", f"Location: {other.url}/v1")) as server:
        with pytest.raises(Failure, match="is a proxy in between"):
            Hetzner(TOKEN, server.url, retry_budget=0, clock=Waiting()).request("POST", "/servers", body={})
        assert (len(server.sent), other.sent) == (1, [])
    assert f"Authorization: Bearer {TOKEN}" in server.sent[0]


def test_sdk_without_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of the SDK whose repetition cannot be switched off is refused."""
    import hcloud

    monkeypatch.setattr(hcloud, "Client", lambda *_given, **_named: object())
    with pytest.raises(Failure, match=r"2\.8 or newer"):
        Hetzner(TOKEN)


@pytest.mark.parametrize(("text", "least", "most"), [("7", 7, 7), ("0.5", 0.5, 0.5), ("-3", 0, 0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0)])
def test_seconds(text: str, least: float, most: float) -> None:
    found = seconds(text)
    assert found is not None
    assert least <= found <= most


@pytest.mark.parametrize("text", [None, "", "soon", "Wed, 99 Oct"])
def test_no_seconds(text: str | None) -> None:
    assert seconds(text) is None


def test_pauses_grow_and_vary() -> None:
    """Each may be twice as long as the one before up to the longest, and none is under half of that."""
    policy = Policy(first=1.0, longest=8.0)
    for attempt, most in enumerate((1, 2, 4, 8, 8), start=1):
        found = {pause(policy, attempt, Trouble("x", sent=True)) for _number in range(20)}
        assert len(found) > 1
        assert all(most / 2 <= one <= most for one in found)


def test_uncertain_is_a_failure() -> None:
    """Whoever catches the one error type catches this as well."""
    assert Uncertain("x").maybe_done
    assert not Failure("x").maybe_done
    assert Failure("x", "code", name="a").failure() == {"code": "code", "message": "x", "status": 0, "details": {"name": "a"}}


def test_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy with a login, without a scheme and without a port; one that is exempt; one that is no address."""
    monkeypatch.setenv("no_proxy", "plain.test")
    monkeypatch.setenv("https_proxy", "http://me:p%40ss@proxy.test:3128")
    found = proxy_of("api.test", "https")
    assert found is not None
    assert (found.host, found.port, found.headers) == ("proxy.test", 3128, {"Proxy-Authorization": "Basic bWU6cEBzcw=="})
    assert proxy_of("plain.test", "https") is None
    monkeypatch.setenv("https_proxy", "proxy.test")
    assert proxy_of("api.test", "https") == ("proxy.test", 80, {})
    monkeypatch.setenv("https_proxy", "http://proxy.test:no")
    with pytest.raises(Failure, match="proxy that the environment names"):
        Cloudflare(TOKEN, "https://api.test", clock=Waiting()).call("GET", "/ips")
