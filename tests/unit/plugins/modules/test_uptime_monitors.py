# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Monitors at both services: described, made, changed, removed, and each fault of the services survived or told."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.module_utils.uptime import plan
from ansible_collections.quetrex.platform.plugins.modules import uptime_monitors
from lab.api import monitors
from lab.api.kit import wrap
from lab.api.testing import ScratchLab, serving

WEB = {"name": "example web", "url": "https://example.com/api/health"}
HOST = {"name": "example host", "kind": "heartbeat", "interval": 300, "grace": 60}
PATHS = {"uptimerobot": "/v3", "betterstack": "/api/v2"}
PROVIDERS = pytest.mark.parametrize("provider", list(PATHS))


class Ended(Exception):
    """The module's exit_json or fail_json."""


class Account:
    """Both services, and the module run against them."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.slept: list[float] = []

    def fault(self, *faults: dict[str, Any]) -> None:
        request = urllib.request.Request(f"{self.base}/_lab/faults", json.dumps(list(faults)).encode(), {"Content-Type": "application/json"}, method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def run(self, provider: str, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        contacts = ["owner@quetrex.test", "+15550100"] if provider == "uptimerobot" else []
        common = {"provider": provider, "api_token": monitors.token("scratch"), "api_url": self.base + PATHS[provider], "contacts": contacts}
        with patch_module_args({**common, **arguments, "_ansible_check_mode": check, "_ansible_diff": True}), pytest.raises(Ended) as ended:
            uptime_monitors.main()
        result: dict[str, Any] = ended.value.args[0]
        return result

    def shown(self, provider: str) -> dict[str, Any]:
        """What is there, looked at in check mode."""
        seen: dict[str, Any] = self.run(provider, check=True, monitors=[WEB, HOST])["diff"]["before"]
        return seen


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    def end(_module: AnsibleModule, **result: Any) -> None:
        raise Ended(result)

    monkeypatch.setattr(AnsibleModule, "exit_json", end)
    monkeypatch.setattr(AnsibleModule, "fail_json", lambda module, msg, **result: end(module, msg=msg, failed=True, **result))
    lab = ScratchLab(tmp_path)
    with serving(wrap(monitors.create_app(lab, requests_per_minute=500), lab, "monitors")) as base:
        made = Account(base)
        monkeypatch.setattr("time.sleep", made.slept.append)
        yield made


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the module warned of."""
    said: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, warning, *_rest, **_more: said.append(warning))
    return said


@PROVIDERS
def test_from_check_mode_to_removal(account: Account, provider: str) -> None:
    look = account.run(provider, check=True, monitors=[WEB, HOST])
    assert (look["changed"], len(look["diff"]["after"]), account.shown(provider)) == (True, 2, {})
    first = account.run(provider, monitors=[WEB, HOST])
    assert [(step["do"], step["name"]) for step in first["steps"]] == [("create", "example web"), ("create", "example host")]
    again = account.run(provider, monitors=[WEB, HOST])
    assert (again["changed"], again["steps"]) == (False, [])
    changed = account.run(provider, monitors=[{**WEB, "interval": 300}, {**HOST, "paused": True}])
    assert [sorted(step["fields"]) for step in changed["steps"]] == [["interval"], ["paused"]]
    assert {item["name"]: item["status"] for item in changed["monitors"]} == {"example web": "up", "example host": "paused"}
    assert account.run(provider, monitors=[{**WEB, "interval": 300}, {**HOST, "paused": True}])["changed"] is False
    assert account.run(provider, monitors=[{**WEB, "interval": 300}, HOST])["changed"] is False, "not given, it goes on resting"
    resumed = account.run(provider, monitors=[{**WEB, "interval": 300}, {**HOST, "paused": False}])
    assert {item["name"]: item["status"] for item in resumed["monitors"]}["example host"] != "paused"
    gone = account.run(provider, monitors=[{**WEB, "state": "absent"}, {**HOST, "state": "absent"}])
    assert (gone["changed"], account.shown(provider)) == (True, {})


@PROVIDERS
def test_monitor_of_another_kind(account: Account, provider: str) -> None:
    """A monitor of another kind is made before the old one goes."""
    account.run(provider, monitors=[{**WEB, "name": "one"}])
    steps = account.run(provider, monitors=[{**HOST, "name": "one"}])["steps"]
    assert [(step["do"], step["kind"]) for step in steps] == [("create", "heartbeat"), ("delete", "http")]
    assert account.run(provider, monitors=[{**HOST, "name": "one"}])["changed"] is False


@PROVIDERS
def test_foreign_monitors_and_pages(account: Account, provider: str) -> None:
    """What is not described is left alone and pages are read to the end."""
    others = [{**WEB, "name": f"other {number}"} for number in range(60)]
    account.run(provider, monitors=[*others, WEB])
    again = account.run(provider, monitors=[WEB])
    assert (again["changed"], len(again["monitors"])) == (False, 1)
    assert account.run(provider, monitors=others)["changed"] is False


@PROVIDERS
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "effect",
    [{"status": 503}, {"html": 502}, {"rate_limited": {"retry_after": 2}}, {"rate_limited": {}}, {"drop": "before"}, {"drop": "after"}],
    ids=["503", "html", "429", "429 without a time", "lost before", "lost after"],
)
def test_every_fault(account: Account, provider: str, method: str, effect: dict[str, Any]) -> None:
    """Every fault on every kind of call ends in the described state."""
    account.run(provider, monitors=[{**WEB, "interval": 300}, {**HOST, "name": "old"}])
    account.fault({"match": {"method": method}, "effect": effect, "times": 2})
    wanted = [WEB, HOST, {**HOST, "name": "old", "state": "absent"}]
    result = account.run(provider, monitors=wanted)
    assert not result.get("failed"), result.get("msg")
    again = account.run(provider, monitors=wanted)
    assert (again["changed"], sorted(item["name"] for item in again["monitors"])) == (False, ["example host", "example web"]), "nothing is there twice"
    assert {name: item["interval"] for name, item in account.shown(provider).items()} == {"example web": 60, "example host": 300}


@PROVIDERS
def test_a_rate_limit_that_lasts_too_long_is_told_at_once(account: Account, provider: str) -> None:
    account.fault({"match": {}, "effect": {"rate_limited": {"retry_after": 400}}})
    result = account.run(provider, monitors=[WEB])
    assert result["failure"]["code"] == "deadline"
    assert account.slept == []


@PROVIDERS
def test_refusals_are_explained(account: Account, provider: str) -> None:
    """A wrong token and a refusal are told with the reason and the way out."""
    refused = account.run(provider, monitors=[WEB], api_token="wrong")
    assert (refused["failure"]["code"], "Make a new API token" in refused["msg"]) == ("401", True)
    short = account.run(provider, monitors=[{**WEB, "interval": 7}])
    assert short["failed"]
    assert "interval must be" in short["msg"] or "check_frequency is not included" in short["msg"]
    reason = {"uptimerobot": "message", "betterstack": "errors"}[provider]
    account.fault({"match": {"method": "POST"}, "effect": {"status": 403, "body": {reason: "Your plan does not allow this interval"}}})
    plan = account.run(provider, monitors=[WEB])
    assert "Your plan does not allow this interval" in plan["msg"]
    assert "paid plans" in plan["msg"]


def test_unknown_contact(account: Account) -> None:
    """A contact the account does not know is named before anything is written."""
    result = account.run("uptimerobot", monitors=[WEB], contacts=["nobody@quetrex.test"])
    assert (result["failure"]["code"], result["failure"]["details"]) == ("unknown_contact", {"missing": ["nobody@quetrex.test"]})
    assert "owner@quetrex.test" in result["msg"]
    assert account.shown("uptimerobot") == {}


def test_channels_of_better_stack_are_state(account: Account) -> None:
    account.run("betterstack", monitors=[WEB])
    steps = account.run("betterstack", monitors=[WEB], channels={"sms": False})["steps"]
    assert steps[0]["fields"] == {"told": {"email": True, "sms": False, "call": False, "push": True}}


@PROVIDERS
def test_heartbeat_addresses_stay_secret(account: Account, provider: str, tmp_path: Path) -> None:
    """Addresses of heartbeats go to a file of the owner's and to no output."""
    path = tmp_path / "state" / "heartbeats.json"
    account.run(provider, check=True, monitors=[HOST], heartbeats_file=str(path))
    assert not path.exists()
    first = account.run(provider, monitors=[HOST], heartbeats_file=str(path))
    kept = json.loads(path.read_text())
    assert (oct(path.stat().st_mode)[-3:], kept["fails"]) == ("600", provider == "betterstack")
    assert kept["heartbeats"]["example host"] not in json.dumps(first)
    assert account.run(provider, monitors=[HOST], heartbeats_file=str(path))["changed"] is False
    path.unlink()
    assert account.run(provider, monitors=[HOST], heartbeats_file=str(path))["changed"] is True


def test_twins_and_a_missing_address_are_refused(account: Account) -> None:
    assert "Two monitors are called" in account.run("betterstack", monitors=[WEB, WEB])["msg"]
    assert "has no address" in account.run("betterstack", monitors=[{"name": "x"}])["msg"]


FREE = {"match": {}, "effect": {"domain": "plan", "plan": "free"}}


@PROVIDERS
def test_lists_that_lag_make_no_twins(account: Account, provider: str) -> None:
    """A list that shows what was there at the look before; both monitors were made twice."""
    account.fault({"effect": {"domain": "lag"}})
    first = account.run(provider, monitors=[WEB, HOST])
    assert [step["do"] for step in first["steps"]] == ["create", "create"]
    assert sorted(item["name"] for item in first["monitors"]) == ["example host", "example web"]
    again = account.run(provider, monitors=[WEB, HOST])
    assert (again["changed"], account.slept) == (False, [1.0])
    changed = account.run(provider, monitors=[{**WEB, "interval": 600}, {**HOST, "state": "absent"}])
    assert [step["do"] for step in changed["steps"]] == ["update", "delete"]
    assert account.run(provider, monitors=[{**WEB, "interval": 600}])["changed"] is False


@PROVIDERS
def test_a_lost_answer_and_a_list_that_lags_make_no_twin(account: Account, provider: str) -> None:
    """The service answers 404, or nothing, to what it made, and its list does not show it at once."""
    lost = {"match": {"method": "POST"}, "effect": {"drop": "after"}, "times": 1}
    account.fault({"effect": {"domain": "lag"}}, lost if provider == "betterstack" else {"effect": {"domain": "made_but_404"}, "times": 1})
    account.run(provider, monitors=[WEB, HOST])
    again = account.run(provider, monitors=[WEB, HOST])
    assert (again["changed"], len(again["monitors"])) == (False, 2)


@PROVIDERS
def test_names_and_addresses_that_come_back_escaped_are_the_same(account: Account, provider: str) -> None:
    """A name with `&` had four copies, and the run failed."""
    account.fault({"effect": {"domain": "escaped"}})
    web = {"name": "tea & <more>", "url": "https://example.com/api/health?a=1&b=2"}
    first = account.run(provider, monitors=[web])
    assert ([step["do"] for step in first["steps"]], first["monitors"][0]["url"]) == (["create"], web["url"])
    assert account.run(provider, monitors=[web])["changed"] is False


@pytest.mark.parametrize(
    ("provider", "interval", "made"), [("uptimerobot", 300, ["example web"]), ("betterstack", 180, ["example web", "example host"])], ids=list(PATHS)
)
def test_on_a_free_plan_the_best_it_offers_is_made(account: Account, warned: list[str], provider: str, interval: int, made: list[str]) -> None:
    """It was red before, without a word about the plan. UptimeRobot's plan is known beforehand, Better Stack's shows in the first refusal."""
    account.fault(FREE)
    looked = account.run(provider, check=True, monitors=[WEB, HOST], plan="auto" if provider == "uptimerobot" else "free")
    said = list(warned)
    result = account.run(provider, monitors=[WEB, HOST])
    assert not result.get("failed"), result.get("msg")
    assert [step["name"] for step in looked["steps"]] == [step["name"] for step in result["steps"]] == made
    text = " ".join(warned[len(said) :])
    assert f"example web is asked every {interval} seconds, not every 60: the free plan of" in text
    assert set(said) <= set(warned[len(said) :]), "what the run says was said before"
    assert ("example host is not made" in text) is (provider == "uptimerobot")
    assert ("Nothing is sent to +15550100" if provider == "uptimerobot" else "Nobody is notified by sms") in text
    assert account.run(provider, monitors=[WEB, HOST], plan="free")["changed"] is False


@pytest.fixture(name="timed")
def _timed(tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Account, list[float]]]:
    """An account with a time of its own, which only the module's waits let pass."""
    del account
    clock, place = [1_700_000_000.0], "ansible_collections.quetrex.platform.plugins.module_utils.uptime.client.Clock"
    monkeypatch.setattr(f"{place}.now", lambda _clock: clock[0])
    monkeypatch.setattr(f"{place}.sleep", lambda _clock, seconds: clock.__setitem__(0, clock[0] + seconds))
    lab = ScratchLab(tmp_path / "timed")
    with serving(wrap(monitors.create_app(lab, clock=lambda: clock[0]), lab, "monitors")) as base:
        yield Account(base), clock


@pytest.mark.parametrize("effect", [{"status": 402}, {"headers": False}, {"status": 402, "headers": False}], ids=["402", "no headers", "402, no headers"])
@PROVIDERS
def test_assumptions_about_plans(timed: tuple[Account, list[float]], warned: list[str], provider: str, effect: dict[str, Any]) -> None:
    """No document has the status of a plan's refusal or the header of its limit: each way the free plan's best is made, with a warning."""
    account = timed[0]
    account.fault({"effect": {**FREE["effect"], **effect}})
    result = account.run(provider, monitors=[WEB, HOST])
    assert not result.get("failed"), result.get("msg")
    assert "not every 60: the free plan of" in " ".join(warned)
    assert ("example host is not made" in " ".join(warned)) is (provider == "uptimerobot")
    again = account.run(provider, monitors=[WEB, HOST])
    assert (again.get("failed", False), again["changed"]) == (False, False), again.get("msg")


def test_ten_requests_a_minute(timed: tuple[Account, list[float]]) -> None:
    """The free plan's limit in its own time: a look, a run and the next run wait for it, and end within their time."""
    account, clock = timed
    account.fault(FREE)
    wanted = [{"name": f"example {name}", "url": f"https://{name}.example.com/"} for name in ("web", "api", "docs", "www")] + [HOST]
    began = clock[0]
    runs = [account.run("uptimerobot", check=check, monitors=wanted) for check in (True, False, False)]
    assert [(run.get("failed", False), run.get("changed")) for run in runs] == [(False, True), (False, True), (False, False)], [run.get("msg") for run in runs]
    assert clock[0] - began >= 60, "the limit was reached"


def test_no_more_monitors_than_the_plan_has_room_for() -> None:
    limits = plan.Limits("the plan", room=1)
    found = [plan.Found("1", "http", "there", {})]
    wanted = [{**WEB, "interval": 300, "name": name, "kind": "http", "state": "present"} for name in ("there", "first", "second")]
    kept, said = plan.within(wanted, found, limits)
    assert ([one["name"] for one in kept], said) == (["there", "first"], ["second is not made: the account has as many monitors as the plan allows."])


@PROVIDERS
def test_former_names(account: Account, provider: str) -> None:
    """Environments x-y of q2 and y of q2-x had a heartbeat of the same name. The first to run takes it, the other makes its own."""
    account.run(provider, monitors=[{**HOST, "name": "q2-x-y-app"}])
    names = {"label": "q2-x-y-app", "former_names": ["q2-x-y-app"]}
    first = account.run(provider, monitors=[{**HOST, "name": "q2 x-y heartbeat q2-x-y-app", **names}])
    second = account.run(provider, monitors=[{**HOST, "name": "q2-x y heartbeat q2-x-y-app", **names}])
    assert [step["do"] for one in (first, second) for step in one["steps"]] == ["update", "create"]
    assert account.run(provider, monitors=[{**HOST, "name": "q2 x-y heartbeat q2-x-y-app", **names}])["changed"] is False
