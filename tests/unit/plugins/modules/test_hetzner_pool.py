# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several servers share: four ways, every kind of trouble on the way, and what belongs to somebody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.api.hetzner.testing import LABELS, HetznerApi, make

Run = Callable[..., dict[str, Any]]
HTTPS: dict[str, Any] = {"listen_port": 443, "destination_port": 443, "proxyprotocol": True, "health_check": {"port": 8087, "path": "/healthz"}}
WANTED: dict[str, Any] = {"name": "app", "labels": LABELS, "location": "ash", "ip_range": "10.77.0.0/24", "services": [HTTPS], "delete_protection": True}
SERVES, SELECTOR = "tcp 443 to 443, checked by http 8087/healthz every 5 s", "environment=test,platform=quetrex,role=app"
TROUBLE: list[dict[str, Any]] = [{"drop": "before"}, {"drop": "after"}, {"status": 503}, {"rate_limited": {}}]


def balancer(api: HetznerApi) -> dict[str, Any]:
    """The only load balancer, as stored."""
    (found,) = api.project.all("load_balancers")
    return found


def complete(api: HetznerApi) -> None:
    """All that is wanted is there, once."""
    (network,), (group,), there = api.project.all("networks"), api.project.all("placement_groups"), balancer(api)
    assert [(one["ip_range"], one["network_zone"]) for one in network["subnets"]] == [("10.77.0.0/24", "us-east")]
    assert (group["name"], group["type"], group["labels"], network["labels"]) == ("app", "spread", LABELS, LABELS)
    assert there["private_net"] == [{"network": network["id"], "ip": "10.77.0.2"}]
    assert there["labels"] == {**LABELS, "role": "balancer"}
    assert [(one["label_selector"]["selector"], one["use_private_ip"]) for one in there["targets"]] == [("environment=test,platform=quetrex,role=app", True)]
    (service,) = there["services"]
    assert (service["protocol"], service["listen_port"], service["destination_port"], service["proxyprotocol"]) == ("tcp", 443, 443, True)
    assert service["health_check"]["http"]["path"] == "/healthz"
    assert (network["protection"]["delete"], there["protection"]["delete"]) == (True, True)


def test_four_ways(hetzner: HetznerApi, run_hetzner: Run) -> None:
    planned = run_hetzner("pool", check=True, **WANTED)
    assert planned["steps"] == planned["diff"]["after"]["planned"] == [
        "create network app: 10.77.0.0/24 in us-east",
        "create placement group app: each server on another machine",
        f"create load balancer app: lb11 in ash: {SERVES}, to servers labelled {SELECTOR}, 10.77.0.2 in network app",
    ]  # fmt: skip
    assert hetzner.writes() == []
    made = run_hetzner("pool", **WANTED)
    complete(hetzner)
    assert (made["balancer"]["private_ipv4"], made["balancer"]["network_range"]) == ("10.77.0.2", "10.77.0.0/24")
    assert made["balancer"]["ipv4"] == balancer(hetzner)["public_net"]["ipv4"]["ip"]
    assert made["steps"][:2] == planned["steps"][:2]
    hetzner.forget()
    again = run_hetzner("pool", **WANTED)
    assert (again["changed"], again["steps"], again["diff"], hetzner.writes()) == (False, [], {}, [])
    assert len(hetzner.exchanges()) <= 4


def test_parts_one_after_the_other(hetzner: HetznerApi, run_hetzner: Run) -> None:
    """The balancer is made while servers boot that need the network."""
    first = run_hetzner("pool", **WANTED, parts=["network", "placement_group"])
    assert (first["balancer"], hetzner.project.all("load_balancers")) == ({}, [])
    assert run_hetzner("pool", **WANTED, parts=["network", "placement_group"])["changed"] is False
    assert run_hetzner("pool", check=True, **WANTED, parts=["load_balancer"])["steps"][0].startswith("create load balancer app")
    run_hetzner("pool", **WANTED, parts=["load_balancer"])
    complete(hetzner)
    assert run_hetzner("pool", **WANTED)["changed"] is False


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"balancer_type": "lb21"}, "change load balancer app from lb11 to lb21"),
        ({"services": [{**HTTPS, "proxyprotocol": False}]}, "change load balancer app: tcp 443 to 443, checked by http 8087/healthz every 5 s"),
        ({"services": [HTTPS, {**HTTPS, "listen_port": 80}]}, "add tcp 80 to 443, checked by http 8087/healthz every 5 s to load balancer app"),
        (
            {"services": [{**HTTPS, "health_check": {**HTTPS["health_check"], "domain": "example.com"}}]},
            "change load balancer app: tcp 443 to 443, checked by http 8087/healthz every 5 s",
        ),
        ({"labels": {**LABELS, "team": "a"}}, "set labels of network app"),
        ({"delete_protection": False}, "no longer protect network app against deletion"),
    ],
)
def test_change_one_value(hetzner: HetznerApi, run_hetzner: Run, change: dict[str, Any], words: str) -> None:
    run_hetzner("pool", **WANTED)
    hetzner.forget()
    assert run_hetzner("pool", check=True, **{**WANTED, **change})["steps"][0] == words
    assert hetzner.writes() == []
    assert run_hetzner("pool", **{**WANTED, **change})["steps"][0] == words
    assert run_hetzner("pool", **{**WANTED, **change})["changed"] is False


@pytest.mark.parametrize("effect", TROUBLE, ids=str)
@pytest.mark.parametrize("path", ["/v1/networks", "/v1/placement_groups", "/v1/load_balancers", "/v1/load_balancers/*/actions/add_target"])
def test_trouble_leaves_one_of_each(hetzner: HetznerApi, run_hetzner: Run, effect: dict[str, Any], path: str) -> None:
    hetzner.fault(effect, method="POST", path=path)
    run_hetzner("pool", **WANTED)
    hetzner.heal()
    assert run_hetzner("pool", **WANTED)["changed"] is False
    complete(hetzner)


@pytest.mark.parametrize("after", range(8))
def test_a_run_that_was_killed_is_finished_by_the_next(hetzner: HetznerApi, run_hetzner: Run, after: int) -> None:
    """Every write after the n-th is refused, as if the run had ended there."""
    hetzner.fault({"status": 403}, times=None, after=after, method="POST")
    run_hetzner("pool", **WANTED)
    hetzner.heal()
    run_hetzner("pool", **WANTED)
    complete(hetzner)
    assert run_hetzner("pool", **WANTED)["changed"] is False


def test_targets_and_ports_of_somebody_else_are_taken_off(hetzner: HetznerApi, run_hetzner: Run) -> None:
    made = run_hetzner("pool", **WANTED)
    path = f"/load_balancers/{made['balancer']['id']}/actions"
    make(hetzner, f"{path}/add_target", type="label_selector", label_selector={"selector": "role=runner"})
    make(hetzner, f"{path}/add_service", protocol="tcp", listen_port=22, destination_port=22)
    found = run_hetzner("pool", **WANTED)["steps"]
    assert found == ["remove port 22 of load balancer app", "no longer send visitors of load balancer app to label selector role=runner"]
    complete(hetzner)


def test_what_was_renamed_is_found_by_its_labels(hetzner: HetznerApi, run_hetzner: Run) -> None:
    run_hetzner("pool", **WANTED)
    for kind in ("networks", "placement_groups", "load_balancers"):
        hetzner.project.all(kind)[0]["name"] = "other"
    assert len(run_hetzner("pool", **WANTED)["steps"]) == 3
    complete(hetzner)


@pytest.mark.parametrize(
    ("path", "body", "what"),
    [
        ("/networks", {"ip_range": "10.77.0.0/24"}, "a network named app"),
        ("/placement_groups", {"type": "spread"}, "a placement group named app"),
        ("/load_balancers", {"load_balancer_type": "lb11", "location": "ash"}, "a load balancer named app"),
    ],
)
@pytest.mark.parametrize("labels", [{"platform": "shop", "environment": "test"}, {}])
def test_another_owners_are_refused(hetzner: HetznerApi, run_hetzner: Run, path: str, body: dict[str, Any], what: str, labels: dict[str, str]) -> None:
    make(hetzner, path, name="app", labels=labels, **body)
    hetzner.forget()
    found = run_hetzner("pool", **WANTED)
    assert found["failed"]
    assert what in found["msg"]
    assert hetzner.writes() == []


def test_a_network_of_another_range_is_refused(hetzner: HetznerApi, run_hetzner: Run) -> None:
    run_hetzner("pool", **WANTED)
    hetzner.forget()
    found = run_hetzner("pool", **{**WANTED, "ip_range": "10.78.0.0/24"})
    assert "has the range 10.77.0.0/24, wanted is 10.78.0.0/24" in found["msg"]
    assert "platform_network_range" in found["msg"]
    assert hetzner.writes() == []
