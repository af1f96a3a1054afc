# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several servers at the same time: four ways, one of them missing, one that cannot be had, and one that was there before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.api.hetzner.testing import LABELS, HetznerApi

Run = Callable[..., dict[str, Any]]
HTTPS = {"listen_port": 443, "destination_port": 443, "health_check": {"port": 8087}}
POOL: dict[str, Any] = {"name": "app", "labels": LABELS, "location": "ash", "ip_range": "10.77.0.0/24", "services": [HTTPS], "delete_protection": True}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbsMTr0y6bKSSbOZIL9tpjFwbyMUR0rHS9UN8HWHPAt me"
MEMBERS = [{"name": "app" if number == 1 else f"app-{number}", "index": number, "private_address": f"10.77.0.{10 + number}"} for number in (1, 2, 3)]
WANTED: dict[str, Any] = {
    "members": MEMBERS, "labels": LABELS, "types": ["cpx31", "cpx41"], "location": "ash", "network": "app", "placement_group": "app", "firewalls": ["app"],
    "user_data": {"app-2": "#cloud-config\n{}"}, "ssh_public_keys": [KEY], "volume_size": 10, "delete_protection": True,
}  # fmt: skip


@pytest.fixture
def shared(run_hetzner: Run) -> None:
    """The network, the placement group, the balancer and the firewall."""
    run_hetzner("pool", **POOL)
    run_hetzner("resources", name="app", labels=LABELS, location="ash", firewall_rules=[], ipv4=False, ipv6=False)


def complete(api: HetznerApi) -> None:
    """Each server has what is its own, in the group, in the network, behind the firewall."""
    rows = {one["name"]: one for one in sorted(api.servers(), key=lambda one: one["name"])}
    assert list(rows) == ["app", "app-2", "app-3"]
    (group,) = api.project.all("placement_groups")
    assert {one["placement_group"] for one in rows.values()} == {group["id"]}
    for number, row in enumerate(rows.values(), 1):
        assert row["labels"] == {**LABELS, "index": str(number)}
        assert [one["ip"] for one in row["private_net"]] == [f"10.77.0.{10 + number}"]
        volumes = [one for one in api.project.all("volumes") if one["server"] == row["id"]]
        addresses = [one for one in api.project.all("primary_ips") if one["assignee_id"] == row["id"]]
        assert [one["name"] for one in volumes] == [row["name"]]
        assert sorted(one["name"] for one in addresses) == [row["name"], f"{row['name']}-ipv6"]
        assert {one["labels"]["index"] for one in volumes + addresses} == {str(number)}
        assert row["protection"]["delete"]
    assert len(api.project.all("volumes")) == 3
    assert len(api.project.all("primary_ips")) == 6
    assert len(api.project.all("ssh_keys")) == 1


@pytest.mark.usefixtures("shared")
def test_four_ways(hetzner: HetznerApi, run_hetzner: Run) -> None:
    hetzner.forget()
    planned = run_hetzner("servers", check=True, **WANTED)
    assert planned["steps"][-1] == "create app-3: cpx31 in ash with debian-13, 10.77.0.13 in network app"
    assert [words for one in planned["diff"]["after"].values() for words in one["planned"]] == planned["steps"]
    assert hetzner.writes() == []
    made = run_hetzner("servers", **WANTED)
    assert [words for words in made["steps"] if words.startswith("create")] == planned["steps"]
    assert [(one["name"], one["index"], one["server"]["private_net"][0]["ip"]) for one in made["servers"]] == [
        (one["name"], one["index"], one["private_address"]) for one in MEMBERS
    ]
    complete(hetzner)
    hetzner.forget()
    again = run_hetzner("servers", **WANTED)
    assert (again["changed"], again["steps"], again["drift"], again["diff"], hetzner.writes()) == (False, [], [], {}, [])
    assert [one["volume"]["name"] for one in again["servers"]] == ["app", "app-2", "app-3"]


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("index", [0, 1, 2])
def test_one_that_is_gone_is_made_again_on_what_it_had(hetzner: HetznerApi, run_hetzner: Run, index: int) -> None:
    """Its addresses and its volume are still there, and nobody takes another one's."""
    made = run_hetzner("servers", **WANTED)["servers"][index]
    assert run_hetzner("repair", name=made["name"], labels=made["server"]["labels"], action="recreate")["steps"]
    hetzner.project.all("servers")
    assert len(hetzner.servers()) == 2
    again = run_hetzner("servers", **WANTED)
    assert [one["created"] for one in again["servers"]] == [number == index for number in range(3)]
    assert again["servers"][index]["server"]["ipv4"] == made["server"]["ipv4"]
    assert again["servers"][index]["server"]["volumes"] == made["server"]["volumes"]


@pytest.mark.usefixtures("shared")
def test_a_limit_stops_one_and_not_the_others(hetzner: HetznerApi, run_hetzner: Run) -> None:
    hetzner.fault({"domain": "limit", "name": "server_limit"})
    found = run_hetzner("servers", **WANTED)
    assert found["failed"]
    assert "server limit exceeded" in found["msg"]
    assert "The other 2 are as wanted; the next run goes on from there" in found["msg"]
    assert "Console > Limits" in found["msg"]
    assert len(hetzner.servers()) == 2
    run_hetzner("servers", **WANTED)
    assert sorted(one["name"] for one in hetzner.servers()) == ["app", "app-2", "app-3"]


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("after", [0, 3, 7, 11, 14, 17, 20])
def test_a_run_that_was_killed_is_finished_by_the_next(hetzner: HetznerApi, run_hetzner: Run, after: int) -> None:
    """Every write after the n-th is refused, as if the run had ended there."""
    hetzner.fault({"status": 403}, times=None, after=after, method="POST")
    assert run_hetzner("servers", **WANTED)["failed"]
    hetzner.heal()
    run_hetzner("servers", **WANTED)
    assert run_hetzner("servers", **WANTED)["changed"] is False
    assert sorted(one["name"] for one in hetzner.servers()) == ["app", "app-2", "app-3"]


@pytest.mark.usefixtures("shared")
def test_a_single_server_is_the_first_when_it_gets_others(hetzner: HetznerApi, run_hetzner: Run) -> None:
    """It keeps its address and its volume, joins the network, and is told to be outside of the placement group."""
    alone = {"name": "app", "labels": LABELS, "location": "ash"}
    run_hetzner("resources", **alone, firewall_rules=[], volume_size=10, delete_protection=True)
    wanted = {**alone, "types": ["cpx31"], "firewalls": ["app"], "volumes": ["app"], "ipv4": "app", "ipv6_name": "app-ipv6", "delete_protection": True}
    old = run_hetzner("server", **wanted)["server"]
    found = run_hetzner("servers", **WANTED)["servers"][0]
    assert (found["created"], found["server"]["id"], found["server"]["ipv4"], found["server"]["volumes"]) == (False, old["id"], old["ipv4"], old["volumes"])
    assert "app: join network app as 10.77.0.11" in found["steps"]
    assert found["drift"] == ["app: it is not in placement group app, so it may share a machine with another; it can only join while it is off"]
    assert sorted(one["labels"]["index"] for one in hetzner.servers()) == ["1", "2", "3"]
    again = run_hetzner("server", **wanted)
    assert (again["changed"], again["server"]["id"]) == (False, old["id"])


@pytest.mark.usefixtures("shared")
def test_all_of_it_is_deleted_together(hetzner: HetznerApi, run_hetzner: Run) -> None:
    run_hetzner("servers", **WANTED)
    labels = {"platform": "quetrex", "environment": "test"}
    refused = run_hetzner("destroy", labels=labels)
    assert "load balancer app" in refused["msg"]
    assert len(hetzner.servers()) == 3
    gone = run_hetzner("destroy", labels=labels, lift_protection=True, also=["volumes", "addresses", "ssh_keys"])
    assert [words.partition(" (")[0] for words in gone["deleted"]][:4] == ["load balancer app", "server app", "server app-2", "server app-3"]
    kinds = ("servers", "load_balancers", "networks", "placement_groups", "firewalls", "volumes", "primary_ips", "ssh_keys")
    assert [kind for kind in kinds if hetzner.project.all(kind)] == []
    assert run_hetzner("destroy", labels=labels)["changed"] is False
