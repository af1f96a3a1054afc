# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The diagnosis as Ansible calls it: it says what it sees, changes nothing, and an API that fails is part of it."""

from __future__ import annotations

import datetime
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from hcloud import Client

from ansible_collections.quetrex.platform.plugins.module_utils.http_probe import Answer
from ansible_collections.quetrex.platform.plugins.module_utils.recovery import observation
from ansible_collections.quetrex.platform.plugins.modules import platform_diagnosis
from lab.api.hetzner.testing import HetznerApi

LABELS = {"platform": "quetrex", "environment": "test", "role": "app"}
Run = Callable[..., dict[str, Any]]


class Ended(Exception):
    """A module's exit_json."""


@pytest.fixture
def diagnose(hetzner: HetznerApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the module. Nothing listens at the edge it is given."""

    def end(_module: AnsibleModule, **result: Any) -> None:
        raise Ended(result)

    monkeypatch.setattr(AnsibleModule, "exit_json", end)
    # nothing answers at the addresses of these servers, and that need not take long
    monkeypatch.setattr(platform_diagnosis, "TIMEOUT", 0.2)

    def call(**more: Any) -> dict[str, Any]:
        given = {
            "api_token": hetzner.token, "api_endpoint": hetzner.url, "name": "app", "labels": LABELS, "domain": "app.example", "edge": "127.0.0.254",
            "user": "ops", "key_file": str(tmp_path / "key"), "known_hosts": str(tmp_path / "known_hosts"), "pause": 0, **more,
        }  # fmt: skip
        with patch_module_args(given), pytest.raises(Ended) as ended:
            platform_diagnosis.main()
        result: dict[str, Any] = ended.value.args[0]
        return result

    return call


def order(hetzner: HetznerApi) -> int:
    """Order a server of the platform and return its id."""
    body = {"name": "app", "server_type": "cpx31", "image": "debian-13", "location": "ash", "labels": LABELS}
    client = Client(hetzner.token, api_endpoint=hetzner.url)
    made = client.request("POST", "/servers", json=body)
    client.actions.get_by_id(made["action"]["id"])
    return int(made["server"]["id"])


def test_a_server_that_does_not_exist(hetzner: HetznerApi, diagnose: Run) -> None:
    found = diagnose()
    assert (found["action"], found["changed"]) == ("stop", False)
    assert "neither the server nor an address of it" in found["reason"]
    kept = {"name": "app", "type": "ipv4", "location": "ash", "assignee_type": "server"}
    Client(hetzner.token, api_endpoint=hetzner.url).request("POST", "/primary_ips", json=kept)
    hetzner.forget()
    found = diagnose()
    assert (found["action"], [one["source"] for one in found["proofs"]]) == ("recreate", ["vendor"])
    assert "server does not exist" in found["line"]
    assert hetzner.writes() == []


def test_a_server_that_is_off(hetzner: HetznerApi, diagnose: Run) -> None:
    hetzner.hardware.on.discard(order(hetzner))
    hetzner.forget()
    assert diagnose()["action"] == "power_on"
    assert diagnose(tried=["power_on"], done=["power_on"])["action"] == "rebuild"
    assert diagnose(tried=["power_on"], failed=["power_on"])["action"] == "rebuild"
    assert diagnose(tried=["power_on"])["action"] == "stop", "nobody knows whether it was switched on"
    assert hetzner.writes() == []


def test_server_at_new_address(hetzner: HetznerApi, diagnose: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server made at a new address is known by the key it was given."""
    order(hetzner)
    hetzner.forget()
    folder = tmp_path / "with a space"
    folder.mkdir()
    key = "ssh-ed25519 " + "A" * 68
    looked: list[list[str]] = []

    def command(_module: AnsibleModule, argv: list[str], **_more: Any) -> tuple[int, str, str]:
        if argv[0] != "ssh":
            return 1, "", ""
        said = subprocess.run([argv[0], "-G", *argv[1:-1]], capture_output=True, text=True, check=True).stdout
        files = [line.partition(" ")[2] for line in said.splitlines() if line.startswith("userknownhostsfile ")]
        host = argv[-2].partition("@")[2]
        looked.append([host, *(line for file in re.split(r" (?=/)", files[0]) if Path(file).exists() for line in Path(file).read_text().splitlines())])
        return 0, "disk ok\norigin 502", ""

    monkeypatch.setattr(AnsibleModule, "run_command", command)
    found = diagnose(known_hosts=str(folder / "known_hosts"), host_key=key)
    assert (found["action"], found["situation"]["login"]) == ("converge", "ok")
    assert looked == [[found["address"], f"{found['address']} {key}"]]


def test_an_api_that_refuses_is_said_and_stops(diagnose: Run) -> None:
    found = diagnose(api_token="0" * 64)
    assert (found["action"], found["situation"]["api"]) == ("stop", "unauthorized")


def test_unreachable_from_here(hetzner: HetznerApi, diagnose: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer from the edge, and SSH filtered: the owner's network, or the server."""
    order(hetzner)
    hetzner.forget()
    monkeypatch.setattr(AnsibleModule, "run_command", lambda _module, argv, **_more: (255, "", "Connection timed out") if argv[0] == "ssh" else (1, "", ""))
    monkeypatch.setattr(platform_diagnosis, "FIRST_BOOT", datetime.timedelta(0))
    for tried in ([], ["reset"], ["reset", "rebuild"]):
        found = diagnose(tried=tried, done=tried)
        assert (found["action"], found["proofs"], found["looks"]) == ("stop", [], 2)
        assert "this machine gets no answer from the edge" in found["reason"]
    assert diagnose(told="rebuild")["action"] == "rebuild"
    assert hetzner.writes() == []


def test_images_are_asked_for_before_the_disk_is_lost(hetzner: HetznerApi, diagnose: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    order(hetzner)
    monkeypatch.setattr(AnsibleModule, "run_command", lambda _module, _argv, **_more: (255, "", "Connection timed out"))
    registry = {"host": "127.0.0.254:1", "username": "ci", "password": "expired"}
    found = diagnose(told="rebuild", images=["127.0.0.254:1/app:1"], registry=registry)
    assert (found["action"], "does not reach the registry" in found["reason"]) == ("stop", True)
    assert diagnose(told="reset", images=["127.0.0.254:1/app:1"], registry=registry)["action"] == "reset"


RULE = {"direction": "in", "protocol": "tcp", "source_ips": ["0.0.0.0/0"], "destination_ips": []}


@pytest.mark.parametrize(
    ("ports", "shut"), [(["443"], False), (["80-443"], False), (["any"], False), (["22"], True), (["22", "80-442", "444-500"], True), ([], True)]
)
def test_firewall_explains_edge_error(hetzner: HetznerApi, ports: list[str], shut: bool) -> None:
    """A firewall that lets no visitor in explains the edge's error."""
    rules = [{**RULE, "port": port} for port in ports] + [{**RULE, "protocol": "udp", "port": "443"}]
    made = Client(hetzner.token, api_endpoint=hetzner.url).request("POST", "/firewalls", json={"name": "app", "rules": rules})
    params = {"api_token": hetzner.token, "api_endpoint": hetzner.url}
    assert platform_diagnosis.shut(params, [made["firewall"]["id"]]) is shut
    assert platform_diagnosis.shut(params, []) is False, "no firewall lets everybody in"
    assert platform_diagnosis.shut({**params, "api_token": "0" * 64}, [made["firewall"]["id"]]) is False


def test_where_the_firewall_is_shut_the_server_is_left_alone(hetzner: HetznerApi, diagnose: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    number = order(hetzner)
    monkeypatch.setattr(AnsibleModule, "run_command", lambda _module, _argv, **_more: (255, "", "Connection timed out"))
    monkeypatch.setattr(platform_diagnosis, "FIRST_BOOT", datetime.timedelta(0))
    monkeypatch.setattr(observation, "ask", lambda _question: Answer(522, {"cf-ray": "1"}, "", None, "192.0.2.1"))
    assert diagnose()["action"] == "reset"
    wall = {"name": "app", "rules": [{**RULE, "port": "22"}], "apply_to": [{"type": "server", "server": {"id": number}}]}
    Client(hetzner.token, api_endpoint=hetzner.url).request("POST", "/firewalls", json=wall)
    found = diagnose()
    assert (found["action"], "firewall lets no visitor in" in found["reason"], found["proofs"]) == ("converge", True, [])
