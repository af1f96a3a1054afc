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
    gone = account.run(provider, monitors=[{**WEB, "state": "absent"}, {**HOST, "state": "absent"}])
    assert (gone["changed"], account.shown(provider)) == (True, {})


@PROVIDERS
def test_a_monitor_of_another_kind_is_made_before_the_old_one_goes(account: Account, provider: str) -> None:
    account.run(provider, monitors=[{**WEB, "name": "one"}])
    steps = account.run(provider, monitors=[{**HOST, "name": "one"}])["steps"]
    assert [(step["do"], step["kind"]) for step in steps] == [("create", "heartbeat"), ("delete", "http")]
    assert account.run(provider, monitors=[{**HOST, "name": "one"}])["changed"] is False


@PROVIDERS
def test_what_is_not_described_is_left_alone_and_pages_are_read_to_the_end(account: Account, provider: str) -> None:
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
def test_every_fault_on_every_kind_of_call_ends_in_the_described_state(account: Account, provider: str, method: str, effect: dict[str, Any]) -> None:
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
def test_a_wrong_token_and_a_refusal_are_told_with_the_reason_and_the_way_out(account: Account, provider: str) -> None:
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


def test_a_contact_the_account_does_not_know_is_named_before_anything_is_written(account: Account) -> None:
    result = account.run("uptimerobot", monitors=[WEB], contacts=["nobody@quetrex.test"])
    assert result["failure"] == {"code": "unknown_contact", "details": {"missing": ["nobody@quetrex.test"]}}
    assert "owner@quetrex.test" in result["msg"]
    assert account.shown("uptimerobot") == {}


def test_channels_of_better_stack_are_state(account: Account) -> None:
    account.run("betterstack", monitors=[WEB])
    steps = account.run("betterstack", monitors=[WEB], channels={"sms": False})["steps"]
    assert steps[0]["fields"] == {"told": {"email": True, "sms": False, "call": False, "push": True}}


@PROVIDERS
def test_addresses_of_heartbeats_go_to_a_file_of_the_owners_and_to_no_output(account: Account, provider: str, tmp_path: Path) -> None:
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
