# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server: made, adopted, kept, resized, and never left half-way whatever the API does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.api.hetzner.testing import LABELS, WANTED, HetznerApi, make, order

Run = Callable[..., dict[str, Any]]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbsMTr0y6bKSSbOZIL9tpjFwbyMUR0rHS9UN8HWHPAt me"


def send(api: HetznerApi, method: str, path: str, **body: Any) -> None:
    """Change something behind the module's back."""
    from hcloud import Client

    Client(api.token, api_endpoint=api.url).request(method, path, json=body)


# --- create


def test_four_ways(hetzner: HetznerApi, run_hetzner: Run) -> None:
    planned = run_hetzner("server", check=True, **WANTED)
    assert (planned["changed"], planned["server"]) == (True, None)
    assert planned["diff"]["after"]["planned"] == planned["steps"] == ["create app: cpx31 in ash with debian-13"]
    assert hetzner.writes() == []
    made = run_hetzner("server", **WANTED)
    assert (made["changed"], made["created"], made["server"]["status"], made["server"]["labels"]) == (True, True, "running", LABELS)
    hetzner.forget()
    again = run_hetzner("server", **WANTED)
    assert (again["changed"], again["created"], again["server"], again["diff"]) == (False, False, made["server"], {})
    assert hetzner.writes() == []
    changed = {**WANTED, "labels": {**LABELS, "team": "a"}}
    assert run_hetzner("server", check=True, **changed)["diff"]["after"]["planned"] == ["label it environment=test, platform=quetrex, role=app, team=a"]
    assert run_hetzner("server", **changed)["diff"]["after"]["labels"]["team"] == "a"
    assert hetzner.writes() == [f"PUT /v1/servers/{made['server']['id']}"]


def test_it_is_made_with_everything_it_is_to_have(hetzner: HetznerApi, run_hetzner: Run) -> None:
    wall = make(hetzner, "/firewalls", name="wall", rules=[])["firewall"]["id"]
    volume = make(hetzner, "/volumes", name="data", size=10, location="ash")["volume"]["id"]
    four = make(hetzner, "/primary_ips", name="four", type="ipv4", assignee_type="server", location="ash", auto_delete=False)["primary_ip"]
    six = make(hetzner, "/primary_ips", name="six", type="ipv6", assignee_type="server", location="ash", auto_delete=False)["primary_ip"]
    wanted = {**WANTED, "firewalls": ["wall"], "volumes": ["data"], "ipv4": "four", "ipv6_name": "six", "ssh_public_keys": [KEY], "delete_protection": True}
    server = run_hetzner("server", **wanted)["server"]
    assert (server["ipv4"], server["ipv6"], server["volumes"], server["firewalls"]) == (four["ip"], six["ip"], [volume], [wall])
    assert server["delete_protection"] is True
    assert hetzner.hardware.calls[-2][6] == "app"
    assert run_hetzner("server", **wanted)["changed"] is False
    assert [one["public_key"] for one in hetzner.project.all("ssh_keys")] == [KEY]


def test_sold_out_takes_the_next_choice(hetzner: HetznerApi, run_hetzner: Run) -> None:
    hetzner.fault({"domain": "sold_out", "type": "cpx31", "hidden": True}, times=None)
    made = run_hetzner("server", **WANTED)
    assert made["server"]["server_type"] == "cpx41"
    assert list(made["sold_out"]) == ["cpx31"]


def test_all_sold_out_names_each_and_buys_nothing(hetzner: HetznerApi, run_hetzner: Run) -> None:
    hetzner.fault({"domain": "sold_out", "hidden": True}, times=None)
    failed = run_hetzner("server", **WANTED)
    assert failed["failure"]["code"] == "resource_unavailable"
    assert "none of the types can be had in ash now: cpx31: " in failed["msg"]
    assert "; cpx41: " in failed["msg"]
    assert set(failed["failure"]["details"]["sold_out"]) == {"cpx31", "cpx41"}
    assert hetzner.servers() == []


@pytest.mark.parametrize("effect", [{"drop": "after"}, {"drop": "before"}, {"html": 502}, {"status": 504}, {"status": 503}], ids=str)
def test_a_lost_answer_makes_one_server(hetzner: HetznerApi, run_hetzner: Run, effect: dict[str, Any]) -> None:
    hetzner.fault(effect, method="POST", path="^/v1/servers$")
    assert run_hetzner("server", **WANTED)["server"]["status"] == "running"
    assert len(hetzner.servers()) == 1
    assert run_hetzner("server", **WANTED)["changed"] is False


@pytest.mark.parametrize(("command", "left"), [("create_server", 0), ("start_server", 1)])
def test_a_failure_after_the_order_was_accepted(hetzner: HetznerApi, run_hetzner: Run, command: str, left: int) -> None:
    hetzner.fault({"domain": "action", "command": command, "code": "action_failed", "message": "broken host"})
    failed = run_hetzner("server", **WANTED)
    assert (failed["failure"]["code"], "broken host" in failed["msg"]) == ("action_failed", True)
    assert failed["failure"]["details"]["command"] == command
    run_hetzner("server", check=True, **WANTED)
    assert len([one for one in hetzner.servers() if one["status"] != "deleting"]) == left
    assert run_hetzner("server", **WANTED)["server"]["status"] == "running"
    assert len(hetzner.servers()) == 1


def test_sold_out_after_order(hetzner: HetznerApi, run_hetzner: Run) -> None:
    """Sold out after the order was accepted takes the next choice."""
    hetzner.fault({"domain": "action", "command": "create_server", "code": "resource_unavailable", "message": "error during placement"})
    assert run_hetzner("server", **WANTED)["server"]["server_type"] == "cpx41"
    assert len(hetzner.servers()) == 1


def test_a_half_made_server_that_cannot_be_removed_is_told(hetzner: HetznerApi, run_hetzner: Run) -> None:
    hetzner.fault({"domain": "action", "command": "create_server", "code": "resource_unavailable", "message": "error during placement"})
    hetzner.fault({"status": 403, "body": {"error": {"code": "forbidden", "message": "no"}}}, method="DELETE")
    failed = run_hetzner("server", **WANTED)
    assert f"the half-made server (id {hetzner.servers()[0]['id']}) could not be removed: no. Delete it before the next run" in failed["msg"]
    assert len(hetzner.servers()) == 1


# --- adopt and keep


def test_a_server_is_adopted_by_its_labels_and_not_by_its_name(hetzner: HetznerApi, run_hetzner: Run) -> None:
    number = order(hetzner, labels={"made": "by-hand"})
    hetzner.forget()
    failed = run_hetzner("server", **WANTED)
    assert "has not the labels environment=test,platform=quetrex,role=app. Nothing was touched. If it is this platform's, give it these" in failed["msg"]
    assert hetzner.writes() == []
    send(hetzner, "PUT", f"/servers/{number}", labels={"made": "by-hand", **LABELS})
    adopted = run_hetzner("server", **WANTED)
    assert (adopted["created"], adopted["server"]["id"], adopted["server"]["labels"]) == (False, number, {"made": "by-hand", **LABELS})
    assert run_hetzner("server", **WANTED)["changed"] is False


def test_a_server_of_another_environment_is_not(hetzner: HetznerApi, run_hetzner: Run) -> None:
    order(hetzner, labels={**LABELS, "environment": "production"})
    failed = run_hetzner("server", **WANTED)
    assert "labelled as another's: environment=production" in failed["msg"]


@pytest.mark.parametrize("kind", ["firewalls", "volumes"])
def test_it_is_given_nothing_of_another_platform(hetzner: HetznerApi, run_hetzner: Run, kind: str) -> None:
    body: Any = {"firewalls": {"rules": []}, "volumes": {"size": 10, "location": "ash"}}[kind]
    make(hetzner, f"/{kind}", name="theirs", labels={**LABELS, "environment": "production"}, **body)
    hetzner.forget()
    failed = run_hetzner("server", **WANTED, **{kind: ["theirs"]})
    assert "labelled as another's: environment=production" in failed["msg"]
    assert hetzner.writes() == []


def test_two_servers_of_the_labels_are_refused(hetzner: HetznerApi, run_hetzner: Run) -> None:
    order(hetzner, labels=LABELS)
    order(hetzner, labels=LABELS, name="other")
    failed = run_hetzner("server", **WANTED)
    assert failed["failure"]["code"] == "ambiguous"
    assert "other (id " in failed["msg"]


def test_a_server_that_is_off_is_started(hetzner: HetznerApi, run_hetzner: Run) -> None:
    run_hetzner("server", **WANTED)
    hetzner.hardware.on.clear()
    assert run_hetzner("server", check=True, **WANTED)["steps"] == ["power it on"]
    assert run_hetzner("server", **WANTED)["server"]["status"] == "running"


def test_drift_is_reported_and_left(hetzner: HetznerApi, run_hetzner: Run) -> None:
    order(hetzner, labels=LABELS, server_type="ccx23", location="hil", image="debian-12")
    kept = run_hetzner("server", **WANTED)
    assert kept["changed"] is False
    assert [line.split()[0] for line in kept["drift"]] == ["type", "location", "image"]


def test_what_it_lacks_is_given_to_it(hetzner: HetznerApi, run_hetzner: Run) -> None:
    number = order(hetzner, labels=LABELS)
    wall = make(hetzner, "/firewalls", name="wall", rules=[])["firewall"]["id"]
    volume = make(hetzner, "/volumes", name="data", size=10, location="ash")["volume"]["id"]
    wanted = {**WANTED, "firewalls": ["wall"], "volumes": ["data"], "delete_protection": True}
    assert len(run_hetzner("server", check=True, **wanted)["steps"]) == 3
    server = run_hetzner("server", **wanted)["server"]
    assert (server["id"], server["volumes"], server["firewalls"], server["delete_protection"]) == (number, [volume], [wall], True)
    assert run_hetzner("server", **wanted)["changed"] is False


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("check", [True, False])
def test_resource_of_another_server(hetzner: HetznerApi, run_hetzner: Run, exists: bool, check: bool) -> None:
    """What another server has is refused before anything is bought."""
    volume = make(hetzner, "/volumes", name="data", size=10, location="ash")["volume"]["id"]
    four = make(hetzner, "/primary_ips", name="four", type="ipv4", assignee_type="server", location="ash", auto_delete=False)["primary_ip"]["id"]
    other = order(hetzner, name="other", volumes=[volume], public_net={"enable_ipv4": True, "enable_ipv6": False, "ipv4": four})
    if exists:
        order(hetzner, labels=LABELS)
    hetzner.forget()
    assert f"volume data is attached to the server with the id {other}" in run_hetzner("server", check=check, **WANTED, volumes=["data"])["msg"]
    assert f"belongs to the server with the id {other}" in run_hetzner("server", check=check, **WANTED, ipv4="four")["msg"]
    assert hetzner.writes() == []


def test_another_address_than_the_wanted_is_one_clear_error(hetzner: HetznerApi, run_hetzner: Run) -> None:
    order(hetzner, labels=LABELS)
    make(hetzner, "/primary_ips", name="four", type="ipv4", assignee_type="server", location="ash", auto_delete=False)
    failed = run_hetzner("server", **WANTED, ipv4="four")
    assert failed["failure"]["code"] == "wrong_primary_ip"
    assert "Swap the two while the server is off" in failed["msg"]


def test_what_is_elsewhere_is_refused(hetzner: HetznerApi, run_hetzner: Run) -> None:
    make(hetzner, "/volumes", name="data", size=10, location="fsn1")
    assert "volume data is in fsn1, the server's location is ash" in run_hetzner("server", **WANTED, volumes=["data"])["msg"]
    assert hetzner.servers() == []


def test_a_locked_server_is_waited_for(hetzner: HetznerApi, run_hetzner: Run) -> None:
    number = order(hetzner, labels=LABELS)
    run_hetzner("server", **WANTED)
    hetzner.hardware.on.clear()
    hetzner.fault({"status": 423, "body": {"error": {"code": "locked", "message": "server is locked"}}}, times=3, method="POST", path=f"{number}/actions")
    assert run_hetzner("server", **WANTED)["server"]["status"] == "running"


def test_actions_that_take_their_time(hetzner: HetznerApi, run_hetzner: Run) -> None:
    """At the vendor each lasts 10 to 60 s: the budgets of an order, of a resize and of a rebuild hold, and nothing is done twice."""
    hetzner.app.state.world.clock = lambda: 1_790_000_000 + hetzner.clock.elapsed
    hetzner.fault({"domain": "action", "seconds": [10, 60]}, times=None)
    volume = make(hetzner, "/volumes", name="data", size=10, location="ash", labels=LABELS)["volume"]["id"]
    made = run_hetzner("server", **WANTED, volumes=["data"], delete_protection=True)
    assert (made.get("msg"), made["server"]["status"], made["server"]["volumes"]) == (None, "running", [volume])
    assert hetzner.clock.elapsed > 60
    grown = run_hetzner("server", **{**WANTED, "types": ["cpx41"]}, volumes=["data"], delete_protection=True, resize=True)
    assert (grown.get("msg"), grown["server"]["server_type"], grown["server"]["status"]) == (None, "cpx41", "running")
    send(hetzner, "POST", f"/servers/{made['server']['id']}/actions/change_protection", delete=False, rebuild=False)
    hetzner.clock.elapsed += 60
    rebuilt = run_hetzner("repair", name="app", labels=LABELS, action="rebuild", images=["debian-13"])
    assert (rebuilt.get("msg"), len(hetzner.servers()), hetzner.servers()[0]["status"]) == (None, 1, "running")
    assert run_hetzner("server", **{**WANTED, "types": ["cpx41"]}, volumes=["data"])["changed"] is False


# --- resize


def running(hetzner: HetznerApi, run_hetzner: Run, **more: Any) -> dict[str, Any]:
    """Have a running cpx31 and return the options of a resize to cpx41."""
    run_hetzner("server", **{**WANTED, **more})
    hetzner.forget()
    return {**WANTED, **more, "types": ["cpx41", "cpx51"], "resize": True}


def test_a_resize_is_told_with_its_price_and_done_in_order(hetzner: HetznerApi, run_hetzner: Run) -> None:
    bigger = running(hetzner, run_hetzner)
    planned = run_hetzner("server", check=True, **bigger)
    assert planned["steps"] == [
        "resize it from cpx31 to cpx41: 120.99 instead of 62.99 a month before tax, a restart, the disk stays at 160 GB so that it can be made smaller again"
    ]
    assert hetzner.writes() == []
    done = run_hetzner("server", **bigger)
    assert (done["server"]["server_type"], done["server"]["status"], done["drift"]) == ("cpx41", "running", [])
    assert [one.rsplit("/", 1)[1] for one in hetzner.writes()] == ["shutdown", "change_type", "poweron"]
    assert run_hetzner("server", **bigger)["changed"] is False
    back = run_hetzner("server", **WANTED, resize=True)
    assert (back["server"]["server_type"], back["server"]["status"]) == ("cpx31", "running")


def test_power_off_after_budget(hetzner: HetznerApi, run_hetzner: Run) -> None:
    """A server that does not listen loses its power after the budget."""
    bigger = running(hetzner, run_hetzner)
    hetzner.hardware.deaf.add(hetzner.servers()[0]["id"])
    assert run_hetzner("server", **bigger, shutdown_budget=20)["server"]["status"] == "running"
    assert [one.rsplit("/", 1)[1] for one in hetzner.writes()] == ["shutdown", "poweroff", "change_type", "poweron"]
    assert 20 <= hetzner.clock.elapsed <= 30


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("types", "words"),
    [
        (["cpx41", "cpx51"], "cpx41 cannot be had in ash now; the server was left as it is; what would fit: cpx51"),
        (["cx43"], "cx43 cannot be had in ash now"),
        (["cpx21", "ccx33"], "cpx21 has 80 GB of disk, the server's disk is 160 GB; the server was left as it is; what would fit: ccx33"),
        (["cax31"], "cax31 is arm, the server is x86"),
        (["cx32"], "cx32 is not in the catalogue"),
    ],
)
def test_what_would_be_refused_leaves_the_server_running(hetzner: HetznerApi, run_hetzner: Run, check: bool, types: list[str], words: str) -> None:
    wanted = {**running(hetzner, run_hetzner), "types": types}
    hetzner.fault({"domain": "sold_out", "type": "cpx41"}, times=None)
    failed = run_hetzner("server", check=check, **wanted)
    assert words in failed["msg"]
    assert hetzner.writes() == []
    assert hetzner.servers()[0]["status"] == "running"


BROKEN: list[dict[str, Any]] = [
    {"drop": "before"}, {"drop": "after"}, {"status": 500}, {"html": 502}, {"status": 504},
    {"status": 403, "body": {"error": {"code": "forbidden", "message": "no"}}},
    {"status": 412, "body": {"error": {"code": "resource_unavailable", "message": "error during placement"}}},
]  # fmt: skip


@pytest.mark.parametrize("effect", BROKEN, ids=str)
@pytest.mark.parametrize("action", ["shutdown", "poweroff", "change_type", "poweron"])
def test_each_request_of_a_resize_may_fail(hetzner: HetznerApi, run_hetzner: Run, action: str, effect: dict[str, Any]) -> None:
    bigger = running(hetzner, run_hetzner)
    if action == "poweroff":
        hetzner.hardware.deaf.add(hetzner.servers()[0]["id"])
    hetzner.fault(effect, path=f"/actions/{action}$")
    result = run_hetzner("server", **bigger)
    run_hetzner("server", check=True, **WANTED)
    assert hetzner.servers()[0]["status"] == "running"
    assert result.get("failed") is None or "the server runs as cpx" in result["msg"]
    assert run_hetzner("server", **bigger)["server"]["server_type"] == "cpx41"


@pytest.mark.parametrize("command", ["shutdown_server", "stop_server", "change_server_type", "start_server"])
def test_each_action_of_a_resize_may_fail_later(hetzner: HetznerApi, run_hetzner: Run, command: str) -> None:
    bigger = running(hetzner, run_hetzner)
    if command == "stop_server":
        hetzner.hardware.deaf.add(hetzner.servers()[0]["id"])
    hetzner.fault({"domain": "action", "command": command, "code": "action_failed", "message": "broken host"})
    result = run_hetzner("server", **bigger)
    assert hetzner.servers()[0]["status"] == "running"
    assert result.get("failed") is None or "the server runs as cpx" in result["msg"]
    assert run_hetzner("server", **bigger)["server"]["server_type"] == "cpx41"


def test_a_server_that_cannot_be_powered_on_is_said_to_be_off(hetzner: HetznerApi, run_hetzner: Run) -> None:
    bigger = running(hetzner, run_hetzner)
    hetzner.fault({"status": 503}, times=None, path="/actions/poweron$")
    failed = run_hetzner("server", **bigger)
    assert "could not be powered on again (injected): IT MAY BE OFF" in failed["msg"]
    hetzner.heal()
    assert run_hetzner("server", **WANTED)["server"]["status"] == "running"


def test_a_killed_resize_is_finished_by_the_next_run(hetzner: HetznerApi, run_hetzner: Run) -> None:
    bigger = running(hetzner, run_hetzner)
    make(hetzner, f"/servers/{hetzner.servers()[0]['id']}/actions/poweroff")
    done = run_hetzner("server", **bigger)["server"]
    assert (done["server_type"], done["status"]) == ("cpx41", "running")


# --- words and secrets


def test_a_key_that_is_none_and_a_wrong_token(hetzner: HetznerApi, run_hetzner: Run) -> None:
    assert "not an SSH public key: 'nonsense'" in run_hetzner("server", **WANTED, ssh_public_keys=["nonsense"])["msg"]
    assert "unknown or was revoked" in run_hetzner("server", **WANTED, api_token="x" * 64)["msg"]
    assert "is not the address of an API" in run_hetzner("server", **WANTED, api_endpoint="ftp://x")["msg"]


@pytest.mark.play
def test_no_output_holds_the_token_or_the_user_data(hetzner: HetznerApi, collection_tree: Path, tmp_path: Path) -> None:
    secret = "host-key-9d2f1c"
    arguments = {**WANTED, "user_data": f"#cloud-config\n# {secret}", "api_token": hetzner.token, "api_endpoint": hetzner.url}
    play = [{"hosts": "localhost", "gather_facts": False, "tasks": [{"quetrex.platform.hetzner_server": arguments}]}]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "-vvv",
        "--diff",
        "-i",
        "localhost,",
        "-c",
        "local",
        "-e",
        f"ansible_python_interpreter={sys.executable}",
        str(tmp_path / "play.yml"),
    ]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": f"{collection_tree}"}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert '"status": "running"' in ran.stdout
    assert secret not in ran.stdout + ran.stderr
    assert hetzner.token not in ran.stdout + ran.stderr
