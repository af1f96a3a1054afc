# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The local Hetzner API, asked by the vendor's own SDK: it refuses what the vendor refuses, with the same status and code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hcloud import APIException, Client
from hcloud.firewalls import FirewallResource, FirewallResourceLabelSelector, FirewallRule
from hcloud.images import Image
from hcloud.load_balancer_types import LoadBalancerType
from hcloud.load_balancers import (
    LoadBalancerAlgorithm,
    LoadBalancerService,
    LoadBalancerTarget,
    LoadBalancerTargetIP,
    LoadBalancerTargetLabelSelector,
)
from hcloud.locations import Location
from hcloud.networks import NetworkRoute, NetworkSubnet
from hcloud.server_types import ServerType
from hcloud.servers import ServerCreatePublicNetwork
from starlette.applications import Starlette

from lab.api import hetzner
from lab.api.kit import wrap
from lab.api.testing import ScratchLab, serving
from lab.process import until

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbsMTr0y6bKSSbOZIL9tpjFwbyMUR0rHS9UN8HWHPAt test"
TOKEN = hetzner.token("scratch")


class Clock:
    """Time that passes when it is told to, and a second at each look of the SDK's waiting."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


class World:
    """The API with nothing behind it, and the SDK before it."""

    def __init__(self, url: str, app: Starlette, hardware: hetzner.NullHardware, clock: Clock, lab: ScratchLab) -> None:
        self.url, self.app, self.hardware, self.clock, self.lab = url, app, hardware, clock, lab
        self.client: Any = Client(TOKEN, api_endpoint=f"{url}/v1", poll_interval=0.01)

    def code(self, function: Any, *args: Any, **kwargs: Any) -> str:
        """Return the code a call is refused with, with the status it came with."""
        with pytest.raises(APIException) as caught:
            function(*args, **kwargs)
        line = self.log()[-1]
        return f"{line['status']} {caught.value.code}"

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lab.path("log", "hetzner.jsonl").read_text().splitlines()]

    def server(self, name: str = "app", **more: Any) -> Any:
        """Order a server and wait until it runs."""
        arguments = {"server_type": ServerType(name="cpx31"), "image": Image(name="debian-13"), "location": Location(name="ash"), **more}
        ordered = self.client.servers.create(name, **arguments)
        for action in [ordered.action, *ordered.next_actions]:
            action.wait_until_finished()
        return self.client.servers.get_by_id(ordered.server.id)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock, hardware, lab = Clock(), hetzner.NullHardware(), ScratchLab(tmp_path)
    app = hetzner.create_app(lab, hardware, clock=clock, pace=0)
    with serving(wrap(app, lab, "hetzner")) as url:
        yield World(url, app, hardware, clock, lab)
    violations = tmp_path / "contract-violations.jsonl"
    assert not violations.exists() or not violations.read_text()


def test_catalogue_has_what_is_really_sold(world: World) -> None:
    types = {one.name: one for one in world.client.server_types.get_all()}
    assert "cx32" not in types
    in_ashburn = {name for name, one in types.items() for place in one.data_model.locations if place.location.name == "ash"}
    assert in_ashburn == {"cpx11", "cpx21", "cpx31", "cpx41", "cpx51", "ccx13", "ccx23", "ccx33", "ccx43", "ccx53", "ccx63"}
    price = next(one for one in types["cpx31"].prices if one["location"] == "ash")
    assert price["price_monthly"]["net"] == "62.9900000000"


def test_server_with_all_resources(world: World) -> None:
    """Server comes up on the primary ip with volume key and firewall."""
    client = world.client
    ip = client.primary_ips.create(type="ipv4", name="ip", location=Location(name="ash"), auto_delete=False).primary_ip
    volume = client.volumes.create(10, "data", location=Location(name="ash"), format="ext4").volume
    key = client.ssh_keys.create("me", KEY)
    rule = FirewallRule(direction="in", protocol="tcp", port="22", source_ips=["0.0.0.0/0", "::/0"])
    firewall = client.firewalls.create("wall", rules=[rule]).firewall
    server = world.server(
        volumes=[volume],
        ssh_keys=[key],
        firewalls=[firewall],
        user_data="#cloud-config\n{}\n",
        labels={"role": "app"},
        public_net=ServerCreatePublicNetwork(ipv4=ip),
    )
    assert (server.status, server.public_net.ipv4.ip, [one.id for one in server.volumes]) == ("running", ip.ip, [volume.id])
    created = next(call for call in world.hardware.calls if call[0] == "create")
    assert created[2:] == (ip.ip, server.public_net.ipv6.ip.partition("/")[0] + "1", "#cloud-config\n{}\n", (KEY,), "app")
    assert world.hardware.firewalls[server.id] == [
        {"direction": "in", "protocol": "tcp", "port": "22", "source_ips": ["0.0.0.0/0", "::/0"], "destination_ips": [], "description": None}
    ]
    client.servers.delete(server).wait_until_finished()
    assert client.servers.get_all() == []
    assert client.primary_ips.get_by_id(ip.id).assignee_id is None
    assert len(client.primary_ips.get_all()) == 1
    assert client.volumes.get_by_id(volume.id).server is None


def test_refusals_of_an_order(world: World) -> None:
    create, debian = world.client.servers.create, Image(name="debian-13")
    at = {"image": debian, "location": Location(name="ash")}
    assert world.code(create, "app", ServerType(name="cx33"), **at) == "422 invalid_input"
    assert world.code(create, "app", ServerType(name="cx32"), **at) == "422 invalid_input"
    assert world.code(create, "no_name", ServerType(name="cpx31"), **at) == "422 invalid_input"
    assert world.code(create, "app", ServerType(name="cpx31"), debian, location=Location(name="fsn1")) == "412 resource_unavailable"
    world.app.state.faults.add({"effect": {"domain": "sold_out", "type": "cpx31", "location": "ash"}})
    assert world.code(create, "app", ServerType(name="cpx31"), **at) == "412 resource_unavailable"
    world.app.state.faults.clear()
    world.app.state.faults.add({"effect": {"domain": "limit", "name": "server_limit"}})
    assert world.code(create, "app", ServerType(name="cpx31"), **at) == "403 resource_limit_exceeded"
    world.app.state.faults.clear()
    world.server()
    assert world.code(create, "app", ServerType(name="cpx31"), **at) == "409 uniqueness_error"


def test_refusals_of_primary_ips(world: World) -> None:
    client = world.client
    ip = client.primary_ips.create(type="ipv4", name="ip", location=Location(name="ash")).primary_ip
    server = world.server(public_net=ServerCreatePublicNetwork(ipv4=ip))
    at = {"server_type": ServerType(name="cpx31"), "image": Image(name="debian-13")}
    assert world.code(client.servers.create, "b", **at, public_net=ServerCreatePublicNetwork(ipv4=ip)) == "422 primary_ip_assigned"
    assert world.code(client.primary_ips.unassign, ip) == "422 server_not_stopped"
    assert world.code(client.primary_ips.delete, ip) == "422 must_be_unassigned"
    client.servers.power_off(server).wait_until_finished()
    client.primary_ips.unassign(ip).wait_until_finished()
    client.primary_ips.change_protection(ip, delete=True).wait_until_finished()
    assert world.code(client.primary_ips.delete, ip) == "423 protected"
    assert (
        world.code(client.servers.create, "b", **at, location=Location(name="fsn1"), public_net=ServerCreatePublicNetwork(ipv4=ip))
        == "422 primary_ip_datacenter_mismatch"
    )


def test_refusals_while_locked_protected_or_running(world: World) -> None:
    server = world.server()
    client = world.client
    assert world.code(client.servers.change_type, server, ServerType(name="cpx41"), False) == "422 server_not_stopped"
    world.app.state.faults.add({"effect": {"domain": "action", "command": "stop_server", "seconds": 60}, "times": 1})
    action = client.servers.power_off(server)
    assert world.code(client.servers.power_on, server) == "423 locked"
    world.clock.now += 60
    action.wait_until_finished()
    client.servers.change_type(server, ServerType(name="cpx41"), upgrade_disk=False).wait_until_finished()
    after = client.servers.get_by_id(server.id)
    assert (after.status, after.server_type.name, after.primary_disk_size) == ("off", "cpx41", 160)
    client.servers.change_protection(server, delete=True, rebuild=True).wait_until_finished()
    assert world.code(client.servers.delete, server) == "423 protected"
    assert world.code(client.servers.rebuild, server, Image(name="debian-13")) == "423 protected"


def test_shutdown_success_only_means_sent(world: World) -> None:
    server = world.server()
    world.hardware.deaf.add(server.id)
    world.client.servers.shutdown(server).wait_until_finished()
    assert world.client.servers.get_by_id(server.id).status == "running"
    world.hardware.deaf.clear()
    world.client.servers.shutdown(server).wait_until_finished()
    assert world.client.servers.get_by_id(server.id).status == "off"


def test_failed_action_comes_after_a_201(world: World) -> None:
    world.app.state.faults.add({"effect": {"domain": "action", "command": "create_server", "code": "action_failed", "message": "no luck"}, "times": 1})
    ordered = world.client.servers.create("app", ServerType(name="cpx31"), Image(name="debian-13"))
    with pytest.raises(Exception, match="no luck"):
        ordered.action.wait_until_finished()


def test_an_action_can_fail_for_one_server_alone(world: World) -> None:
    servers = [world.server(name) for name in ("dead", "well")]
    effect = {"domain": "action", "command": "reset_server", "server": servers[0].id, "code": "action_failed", "message": "no luck"}
    world.app.state.faults.add({"effect": effect})
    with pytest.raises(Exception, match="no luck"):
        world.client.servers.reset(servers[0]).wait_until_finished()
    world.client.servers.reset(servers[1]).wait_until_finished()


def test_tokens_rate_limit_and_removed_endpoints(world: World) -> None:
    stranger = Client("x" * 64, api_endpoint=f"{world.url}/v1")
    assert world.code(stranger.servers.get_list) == "401 unauthorized"
    assert world.code(world.client.request, "GET", "/datacenters") == "410 deprecated_api_endpoint"
    assert world.code(world.client.request, "GET", "/actions") == "410 deprecated_api_endpoint"
    assert world.code(world.client.request, "GET", "/servers/1") == "404 not_found"
    assert world.code(world.client.request, "GET", "/servers", params={"per_page": 51}) == "422 invalid_input"
    world.app.state.gate.buckets.drain("default", 1)
    world.client.locations.get_list()
    impatient = Client(TOKEN, api_endpoint=f"{world.url}/v1", poll_max_retries=1)
    impatient._client._retry_max_retries = 0
    assert world.code(impatient.locations.get_list) == "429 rate_limit_exceeded"
    world.clock.now += 1
    impatient.locations.get_list()


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("env=x", ["a"]),
        ("env==x,role", ["a"]),
        ("env!=x", ["b"]),
        ("!role", ["b"]),
        ("env in (x, y)", ["a", "b"]),
        ("env notin (x)", ["b"]),
    ],
)
def test_label_selectors(world: World, selector: str, names: list[str]) -> None:
    world.server("a", labels={"env": "x", "role": "app"})
    world.server("b", labels={"env": "y"})
    assert [one.name for one in world.client.servers.get_all(label_selector=selector)] == names


def test_strict_bodies(world: World) -> None:
    def post(path: str, body: dict[str, Any]) -> str:
        return world.code(world.client.request, "POST", path, json=body)

    assert post("/ssh_keys", {"name": "a", "public_key": KEY, "extra": 1}) == "422 invalid_input"
    assert post("/ssh_keys", {"name": "a"}) == "422 invalid_input"
    assert post("/ssh_keys", {"name": "a", "public_key": "ssh-ed25519 AAAA"}) == "422 invalid_input"
    assert post("/volumes", {"name": "a", "size": "10", "location": "ash"}) == "422 invalid_input"
    assert post("/servers", {"name": "a", "server_type": "cpx31", "image": "debian-13", "datacenter": "ash-dc1"}) == "422 invalid_input"
    assert post("/primary_ips", {"name": "a", "type": "ipv4", "location": "ash", "labels": {"a b": "c"}}) == "422 invalid_input"
    world.client.ssh_keys.create("a", KEY)
    assert post("/ssh_keys", {"name": "b", "public_key": KEY}) == "409 uniqueness_error"
    rule = {"direction": "in", "protocol": "tcp", "source_ips": ["10.0.0.1/8"], "port": "22"}
    assert post("/firewalls", {"name": "w", "rules": [rule]}) == "422 invalid_input"


def test_firewall_by_label_follows_the_labels(world: World) -> None:
    server = world.server(labels={"role": "app"})
    rules = [FirewallRule(direction="in", protocol="icmp", source_ips=["0.0.0.0/0"])]
    target = FirewallResource(type="label_selector", label_selector=FirewallResourceLabelSelector("role=app"))
    created = world.client.firewalls.create("wall", rules=rules, resources=[target])
    assert world.hardware.firewalls[server.id] is not None
    assert world.code(world.client.firewalls.delete, created.firewall) == "422 resource_in_use"
    server.update(labels={})
    assert world.hardware.firewalls[server.id] is None


def test_state_survives_a_restart(world: World) -> None:
    server = world.server()
    app = hetzner.create_app(world.lab, world.hardware, clock=world.clock, pace=0)
    with serving(app) as url:
        assert Client(TOKEN, api_endpoint=f"{url}/v1").servers.get_by_id(server.id).name == "app"


def network(world: World, *ranges: str) -> Any:
    """Make a network with these subnets."""
    subnets = [NetworkSubnet(type="cloud", network_zone="us-east", ip_range=one) for one in ranges]
    return world.client.networks.create("inside", "10.0.0.0/16", subnets=subnets)


@pytest.mark.parametrize(
    ("destination", "gateway"),
    [
        ("10.100.1.0/24", "10.0.0.1"),
        ("10.100.1.0/24", "172.31.1.1"),
        ("10.100.1.0/24", "192.0.2.1"),
        ("10.0.1.0/25", "10.0.1.2"),
        ("10.99.0.0/16", "10.0.1.3"),
        ("172.31.0.0/16", "10.0.1.2"),
    ],
)
def test_routes_that_cannot_be(world: World, destination: str, gateway: str) -> None:
    """A gateway that is the network's own or none of it; a destination that is taken."""
    found = network(world, "10.0.1.0/24")
    found.add_route(NetworkRoute("10.99.1.0/24", "10.0.1.2"))
    assert world.code(found.add_route, NetworkRoute(destination, gateway)) == "422 invalid_input"
    assert world.code(world.client.networks.create, "other", "10.0.0.0/16", routes=[NetworkRoute("10.9.0.0/16", "10.0.0.1")]) == "422 invalid_input"
    assert [one.name for one in world.client.networks.get_all()] == ["inside"], "what was refused is there all the same"


def test_a_server_gets_its_address_in_the_subnet_that_is_named(world: World) -> None:
    """Which the SDK of this version has no argument for."""
    found, server = network(world, "10.0.1.0/24", "10.0.2.0/24"), world.server()
    path, body = f"/servers/{server.id}/actions/attach_to_network", {"network": found.id}
    assert world.code(world.client.request, "POST", path, json={**body, "ip_range": "10.0.3.0/24"}) == "422 no_subnet_available"
    assert world.code(world.client.request, "POST", path, json={**body, "ip": "10.0.1.9", "ip_range": "10.0.2.0/24"}) == "422 ip_not_available"
    world.client.request("POST", path, json={**body, "ip_range": "10.0.2.0/24"})
    assert world.client.servers.get_by_id(server.id).private_net[0].ip == "10.0.2.2"
    world.client.servers.change_alias_ips(server, found, ["10.0.2.7"])
    assert world.client.servers.get_by_id(server.id).private_net[0].alias_ips == ["10.0.2.7"]
    other = world.server("other")
    taken = {**body, "ip": "10.0.2.7"}
    assert world.code(world.client.request, "POST", f"/servers/{other.id}/actions/attach_to_network", json=taken) == "422 ip_not_available"


def test_a_type_that_is_gone_everywhere_stays_listed(world: World) -> None:
    gone = world.client.request("GET", "/server_types/1")["server_type"]
    assert (gone["name"], gone["deprecation"]["announced"][:4], {one["available"] for one in gone["locations"]}) == ("cx11", "2024", {False})
    ordered = {"server_type": ServerType(name="cx11"), "image": Image(name="debian-13"), "location": Location(name="fsn1")}
    assert world.code(world.client.servers.create, "old", **ordered) == "412 resource_unavailable"


def test_a_device_may_come_after_its_action(world: World) -> None:
    """Which the vendor's action does not wait for."""
    server, client = world.server(), world.client
    volume = client.volumes.create(size=10, name="data", location=Location(name="ash")).volume
    world.app.state.faults.add({"effect": {"domain": "volume", "seconds": 0.3}})
    client.volumes.attach(volume, server).wait_until_finished()
    assert client.volumes.get_by_id(volume.id).server.id == server.id
    attached = ("attach_volume", server.id, volume.id)
    assert attached not in world.hardware.calls
    assert until(lambda: attached in world.hardware.calls, 5)


def test_placement_groups(world: World) -> None:
    group = world.client.placement_groups.create("apart", "spread").placement_group
    server = world.server(placement_group=group)
    assert (server.placement_group.id, world.client.placement_groups.get_by_id(group.id).servers) == (group.id, [server.id])
    assert world.code(world.client.placement_groups.delete, group) == "422 resource_in_use"
    assert world.code(server.add_to_placement_group, group) == "422 already_in_placement_group"
    server.remove_from_placement_group()
    assert world.code(server.add_to_placement_group, group) == "422 server_not_stopped"
    world.client.placement_groups.delete(group)
    ordered = {"server_type": ServerType(name="cpx31"), "image": Image(name="debian-13"), "placement_group": group}
    assert world.code(world.client.servers.create, "other", **ordered) == "422 invalid_input"


def test_load_balancers(world: World) -> None:
    """Health is never known, because nothing is forwarded."""
    server, balancers = world.server(labels={"role": "app"}), world.client.load_balancers
    made = balancers.create("front", LoadBalancerType(name="lb11"), location=Location(name="ash")).load_balancer
    made.add_service(LoadBalancerService(protocol="http", listen_port=80))
    assert world.code(made.add_service, LoadBalancerService(protocol="tcp", listen_port=80, destination_port=80)) == "412 source_port_already_used"
    assert world.code(made.add_service, LoadBalancerService(protocol="https", listen_port=443)) == "422 invalid_input"
    target = LoadBalancerTarget(type="server", server=server)
    made.add_target(target)
    assert world.code(made.add_target, target) == "422 target_already_defined"
    made.add_target(LoadBalancerTarget(type="label_selector", label_selector=LoadBalancerTargetLabelSelector(selector="role=app")))
    made.change_algorithm(LoadBalancerAlgorithm("least_connections"))
    found = balancers.get_by_id(made.id)
    assert (found.services[0].destination_port, found.services[0].http.timeout_idle, found.algorithm.type) == (80, 50, "least_connections")
    assert [one.health_status[0].status for one in found.targets if one.type == "server"] == ["unknown"]
    assert [one.server.id for one in found.targets[1].targets] == [server.id]
    assert world.client.request("GET", f"/servers/{server.id}")["server"]["load_balancers"] == [made.id]
    world.client.servers.delete(server).wait_until_finished()
    assert [one.type for one in balancers.get_by_id(made.id).targets] == ["label_selector"]
    made.change_protection(delete=True)
    assert world.code(balancers.delete, made) == "423 protected"
    made.change_protection(delete=False)
    action = balancers.delete(made).action
    assert (action.command, [one["type"] for one in action.data_model.resources]) == ("delete_load_balancer", ["load_balancer"])
    assert world.code(balancers.get_by_id, made.id) == "404 not_found"


def test_balancer_and_network(world: World) -> None:
    """What is refused about private targets, with the codes of the vendor's document."""
    server, client = world.server(labels={"role": "app"}), world.client
    network = client.networks.create("inside", "10.0.0.0/16", subnets=[NetworkSubnet("10.0.1.0/24", type="cloud", network_zone="us-east")])
    made = client.load_balancers.create("front", LoadBalancerType(name="lb11"), location=Location(name="ash")).load_balancer
    private = LoadBalancerTarget(type="server", server=server, use_private_ip=True)
    assert world.code(made.add_target, private) == "422 load_balancer_not_attached_to_network"
    assert world.code(made.disable_public_interface) == "422 load_balancer_not_attached_to_network"
    made.attach_to_network(network)
    assert world.code(made.attach_to_network, network) == "422 load_balancer_already_attached"
    assert world.code(made.add_target, private) == "422 resolve_cloud_private_targets_error"
    server.attach_to_network(network)
    made.add_target(private)
    public = LoadBalancerTarget(type="label_selector", label_selector=LoadBalancerTargetLabelSelector(selector="role=app"), use_private_ip=False)
    made.add_target(public)
    assert world.code(made.disable_public_interface) == "422 targets_without_use_private_ip"
    made.remove_target(public)
    made.disable_public_interface()
    assert world.code(made.add_target, public) == "422 load_balancer_public_interface_disabled"
    client.networks.delete(network)
    assert client.load_balancers.get_by_id(made.id).private_net == []


def test_balancer_limits(world: World) -> None:
    """The smallest type has 25 targets, each server of a selector among them, and five services."""
    made = world.client.load_balancers.create("front", LoadBalancerType(name="lb11"), location=Location(name="ash")).load_balancer
    for number in range(25):
        made.add_target(LoadBalancerTarget(type="ip", ip=LoadBalancerTargetIP(ip=f"192.0.2.{number}")))
    assert world.code(made.add_target, LoadBalancerTarget(type="ip", ip=LoadBalancerTargetIP(ip="192.0.2.99"))) == "403 resource_limit_exceeded"
    made.add_target(LoadBalancerTarget(type="label_selector", label_selector=LoadBalancerTargetLabelSelector(selector="role=app")))
    for number in range(5):
        made.add_service(LoadBalancerService(protocol="tcp", listen_port=1000 + number, destination_port=80))
    assert world.code(made.add_service, LoadBalancerService(protocol="tcp", listen_port=1006, destination_port=80)) == "403 resource_limit_exceeded"


def test_placement_group_is_full(world: World) -> None:
    group = world.client.placement_groups.create("apart", "spread").placement_group
    for number in range(10):
        world.server(f"app-{number}", placement_group=group)
    ordered = {"server_type": ServerType(name="cpx31"), "image": Image(name="debian-13"), "placement_group": group}
    assert world.code(world.client.servers.create, "eleventh", **ordered) == "403 resource_limit_exceeded"


def test_certificates_and_floating_ips(world: World) -> None:
    certificates, addresses = world.client.certificates, world.client.floating_ips
    assert world.code(certificates.create, "bad", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----", "key") == "422 invalid_input"
    issued = certificates.create_managed("auto", ["example.com"])
    issued.action.wait_until_finished()
    found = certificates.get_by_id(issued.certificate.id)
    assert (found.status.issuance, (found.not_valid_after - found.not_valid_before).days) == ("completed", 90)
    assert world.code(addresses.create, "ipv4") == "422 invalid_input"
    server = world.server()
    address = addresses.create("ipv4", home_location=Location(name="ash"), name="float").floating_ip
    address.assign(server)
    assert world.client.servers.get_by_id(server.id).public_net.floating_ips[0].id == address.id
    world.client.servers.delete(server).wait_until_finished()
    assert addresses.get_by_id(address.id).server is None
