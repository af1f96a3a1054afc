# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin through Ansible's own loader, against the local API, beside the peer's plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader

from lab.api import hetzner
from lab.api.kit import wrap
from lab.api.testing import ScratchLab, serving

OURS, PEERS = "quetrex.platform.hcloud", "hetzner.hcloud.hcloud"


class Fleet:
    """An API with servers, and inventories made from option files."""

    def __init__(self, url: str, app: Any, lab: ScratchLab) -> None:
        self.url, self.app, self.lab = f"{url}/v1", app, lab
        self.client = __import__("hcloud").Client(hetzner.token("scratch"), api_endpoint=self.url)
        self.options: dict[str, Any] = {"api_endpoint": self.url, "api_token": hetzner.token("scratch")}

    def order(self, name: str, location: str = "ash", **labels: str) -> None:
        self.client.request("POST", "/servers", json={"name": name, "server_type": "ccx13", "image": "debian-13", "location": location, "labels": labels})

    def inventory(self, plugin: str = OURS, name: str = "hcloud.yml", *, refresh: bool = False, **options: Any) -> InventoryData:
        path = self.lab.root / name
        path.write_text(yaml.safe_dump({"plugin": plugin, **self.options, **options}))
        data = InventoryData()
        loaded = inventory_loader.get(plugin)
        assert loaded.verify_file(str(path))
        loaded.parse(data, DataLoader(), str(path), cache=not refresh)
        if options.get("cache"):
            loaded.update_cache_if_changed()
        data.reconcile_inventory()
        return data

    def requests(self) -> int:
        log = self.lab.root / "log" / "hetzner.jsonl"
        return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    lab = ScratchLab(tmp_path)
    app = hetzner.create_app(lab, hetzner.NullHardware(), pace=0)
    with serving(wrap(app, lab, "hetzner")) as url:
        made = Fleet(url, app, lab)
        made.order("a", role="app", env="x")
        made.order("b", "fsn1", role="db")
        yield made


def shape(data: InventoryData) -> dict[str, Any]:
    """Return hosts with variables and groups with members, as plain data."""
    hosts = {name: {key: value for key, value in host.vars.items() if not key.startswith("inventory_")} for name, host in data.hosts.items()}
    found: dict[str, Any] = json.loads(
        json.dumps({"hosts": hosts, "groups": {name: sorted(host.name for host in group.hosts) for name, group in data.groups.items()}})
    )
    return found


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"label_selector": "role=app"},
        {"locations": ["fsn1"], "group": "mine"},
        {"status": ["running"]},
        {"types": ["cpx31"]},
        {"images": ["debian"]},
        {"connect_with": "public_ipv6"},
        {"connect_with": "hostname"},
        {"connect_with": "ipv4_dns_ptr"},
        {"hostvars_prefix": "hz_", "hostvars_suffix": "_z"},
        {"hostname": "{{ hcloud_location }}-{{ hcloud_name }}"},
        {
            "keyed_groups": [{"key": "hcloud_location", "prefix": "at"}],
            "groups": {"apps": "hcloud_labels.role == 'app'"},
            "compose": {"x": "hcloud_id | string"},
        },
        # with and without the template engine: methods of a mapping, keys that are not there, what is composed, whole mappings, templates beside
        {
            "compose": {
                "ansible_host": "hcloud_ipv6",
                "was": "ansible_host",
                "gone": "hcloud_labels.nobody",
                "method": "hcloud_labels.items",
                "letter": "hcloud_name.upper()",
                "attribute": "hcloud_name.upper",
                "no_variable": "nowhere",
                "yes": "true",
                "magic": "inventory_hostname",
                "fixed": "'text'",
                "labels": "hcloud_labels",
            },
            "groups": {
                "a-b": "hcloud_labels.role == 'app'",
                "others": 'hcloud_labels["role"] != "app"',
                "nobody": "hcloud_labels.nobody == 'x'",
                "later": "was == hcloud_ipv4",
                "first": "inventory_hostname == 'a'",
                "literal": "true == 'x'",
                "letters": "hcloud_name.upper == 'A'",
            },
            "keyed_groups": [
                {"key": "hcloud_labels", "prefix": "label"},
                {"key": "hcloud_labels['env']", "default_value": "none"},
                {"key": "hcloud_labels.role", "separator": "", "parent_group": "{{ hcloud_location }}_all"},
                {"key": "hcloud_private_networks", "prefix": "net"},
                {"key": "was", "prefix": "was"},
                {"key": "group_names", "prefix": "in"},
                {"key": "inventory_hostname", "prefix": "host"},
            ],
            "leading_separator": False,
        },
    ],
)
def test_same_as_the_peers(fleet: Fleet, options: dict[str, Any]) -> None:
    ours, peers = shape(fleet.inventory(**options)), shape(fleet.inventory(PEERS, **options))
    extra = {f"{options.get('hostvars_prefix', 'hcloud_')}{name}{options.get('hostvars_suffix', '')}" for name in ("datacenter", "volumes")}
    for found in (ours, peers):
        for variables in found["hosts"].values():
            for name in extra:
                variables.pop(name, None)
    # a job of AWX would check no host key otherwise
    assert [one.pop("ansible_host_key_checking", None) for one in ours["hosts"].values()] == [
        True if "ansible_host" in one else None for one in ours["hosts"].values()
    ]
    assert ours == peers


@pytest.mark.parametrize(
    "options",
    [
        {"compose": {"x": "hcloud_labels.env"}},
        {"groups": {"x": "hcloud_labels.env == 'x'"}},
        {"keyed_groups": [{"key": "hcloud_labels.env"}]},
    ],
)
def test_strictness_has_the_cores_words(fleet: Fleet, options: dict[str, Any]) -> None:
    errors = []
    for plugin in (OURS, PEERS):
        with pytest.raises(AnsibleError) as caught:
            fleet.inventory(plugin, strict=True, **options)
        errors.append(str(caught.value))
    assert errors[0] == errors[1]
    assert "for host b" in errors[0] or "host b to group x" in errors[0]


def test_extra_variables_replace_the_servers_own_where_asked(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible.plugins.inventory.load_extra_vars", lambda _loader: {"hcloud_location": "moon"})
    options: dict[str, Any] = {"use_extra_vars": True, "keyed_groups": [{"key": "hcloud_location", "prefix": "at"}], "compose": {"x": "hcloud_location"}}
    ours, peers = shape(fleet.inventory(**options)), shape(fleet.inventory(PEERS, **options))
    assert ours["groups"] == peers["groups"]
    assert ours["groups"]["at_moon"] == ["a", "b"]
    assert ours["hosts"]["a"]["x"] == "moon"


def test_a_host_that_another_source_has_keeps_what_it_has(fleet: Fleet) -> None:
    data = InventoryData()
    data.add_host("a")
    data.set_variable("a", "mine", 1)
    path = fleet.lab.root / "hcloud.yml"
    path.write_text(yaml.safe_dump({"plugin": OURS, **fleet.options}))
    inventory_loader.get(OURS).parse(data, DataLoader(), str(path), cache=False)
    assert (data.hosts["a"].vars["mine"], data.hosts["a"].vars["hcloud_name"]) == (1, "a")


def test_plain_expressions_cost_no_template(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any) -> Any:
        raise AssertionError("compiled for every host: a millisecond each")

    monkeypatch.setattr("ansible.template.Templar.evaluate_expression", refuse)
    monkeypatch.setattr("ansible.template.Templar.evaluate_conditional", refuse)
    keyed = [{"key": "hcloud_location", "prefix": "at"}, {"key": "hcloud_labels.role"}, {"key": "hcloud_labels['nobody']"}]
    found = shape(fleet.inventory(keyed_groups=keyed, groups={"apps": "hcloud_labels.role == 'app'"}, compose={"x": "hcloud_id"}))["groups"]
    assert {name: found[name] for name in ("at_ash", "at_fsn1", "_app", "_db", "apps")} == {
        "at_ash": ["a"], "at_fsn1": ["b"], "_app": ["a"], "_db": ["b"], "apps": ["a"],
    }  # fmt: skip


def test_a_refresh_sees_what_was_just_made_in_spite_of_a_cache(fleet: Fleet, cached: dict[str, Any]) -> None:
    assert set(fleet.inventory(**cached).hosts) == {"a", "b"}
    fleet.order("c", role="app")
    assert set(fleet.inventory(**cached).hosts) == {"a", "b"}
    # what `meta: refresh_inventory` does
    assert set(fleet.inventory(refresh=True, **cached).hosts) == {"a", "b", "c"}
    assert set(fleet.inventory(**cached).hosts) == {"a", "b", "c"}


def test_options_are_templates_that_know_the_inventory(fleet: Fleet) -> None:
    (fleet.lab.root / "token").write_text(fleet.options.pop("api_token"))
    found = fleet.inventory(api_token="{{ lookup('ansible.builtin.file', inventory_dir ~ '/token') }}", label_selector="{{ 'role=' ~ 'db' }}")
    assert list(found.hosts) == ["b"]


def test_several_projects_in_one_file(fleet: Fleet) -> None:
    fleet.app.state.world.store.data["tokens"]["other"] = {"project": "second"}
    second = fleet.app.state.world.project("second")
    second.data["servers"]["9"] = {**second.world.project("default").all("servers")[0], "id": 9, "name": "c"}
    projects = [{"name": "one", "api_token": fleet.options.pop("api_token")}, {"name": "two", "api_token": "other"}]
    found = fleet.inventory(projects=projects)
    assert {name: host.vars["hcloud_project"] for name, host in found.hosts.items()} == {"a": "one", "b": "one", "c": "two"}


def test_native_groups(fleet: Fleet) -> None:
    groups = shape(fleet.inventory(group_by=["label", "location", "type", "status", "role"]))["groups"]
    assert {name: hosts for name, hosts in groups.items() if name.startswith("hcloud_")} == {
        "hcloud_label_role_app": ["a"],
        "hcloud_label_env_x": ["a"],
        "hcloud_label_role_db": ["b"],
        "hcloud_location_ash": ["a"],
        "hcloud_location_fsn1": ["b"],
        "hcloud_type_ccx13": ["a", "b"],
        "hcloud_status_running": ["a", "b"],
        "hcloud_role_app": ["a"],
        "hcloud_role_db": ["b"],
    }


@pytest.mark.parametrize(
    ("effect", "reason"),
    [
        ({"status": 401, "body": {"error": {"code": "unauthorized", "message": "unable to authenticate"}}}, "unable to authenticate"),
        ({"status": 403, "body": {"error": {"code": "forbidden", "message": "no"}}}, "forbidden"),
        ({"status": 418, "body": "teapot"}, "http_418"),
    ],
)
def test_a_failure_is_an_error_with_its_reason(fleet: Fleet, effect: dict[str, Any], reason: str) -> None:
    fleet.app.state.faults.add({"effect": effect})
    with pytest.raises(AnsibleError, match=reason):
        fleet.inventory()


@pytest.mark.play
@pytest.mark.parametrize("options", [{"api_endpoint": "http://127.0.0.1:9/v1", "retry_budget": 0}, {"status": ["asleep"]}])
def test_a_failure_ends_the_command_with_no_setting_of_the_users(fleet: Fleet, collection_tree: Path, options: dict[str, Any]) -> None:
    folder = fleet.lab.root / "inventory"
    folder.mkdir()
    (folder / "hcloud.yml").write_text(yaml.safe_dump({"plugin": OURS, **fleet.options, **options}))
    (folder / "hosts.yml").write_text("all: {hosts: {localhost: {}}}")
    (fleet.lab.root / "ansible.cfg").touch()
    names = {"ANSIBLE_CONFIG": str(fleet.lab.root / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(collection_tree)}
    command = [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(folder), "--list"]
    done = subprocess.run(command, env={**os.environ, **names}, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert ("no answer from 127.0.0.1" in done.stderr) or ("'asleep' is none" in done.stderr), done.stderr


def test_a_missing_token_is_told(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HCLOUD_TOKEN", raising=False)
    del fleet.options["api_token"]
    with pytest.raises(AnsibleError, match="api_token is missing"):
        fleet.inventory()


@pytest.mark.parametrize("wanted", ["inside", "its id"])
def test_private_addresses_are_those_of_the_peer(fleet: Fleet, wanted: str) -> None:
    body = {"name": "inside", "ip_range": "10.1.0.0/16", "subnets": [{"type": "cloud", "ip_range": "10.1.1.0/24", "network_zone": "us-east"}]}
    network = fleet.client.request("POST", "/networks", json=body)["network"]["id"]
    server = fleet.client.request("GET", "/servers", params={"name": "a"})["servers"][0]["id"]
    fleet.client.request("POST", f"/servers/{server}/actions/attach_to_network", json={"network": network})
    options: dict[str, Any] = {"connect_with": "private_ipv4", "network": "inside" if wanted == "inside" else str(network)}
    ours, peers = (shape(fleet.inventory(plugin, **options)) for plugin in (OURS, PEERS))
    assert list(ours["hosts"]) == list(peers["hosts"]) == ["a"]
    assert ours["hosts"]["a"]["ansible_host"] == peers["hosts"]["a"]["ansible_host"]
    assert ours["hosts"]["a"]["ansible_host"].startswith("10.1.1.")
    for name in ("hcloud_private_networks", "hcloud_private_ipv4"):
        assert ours["hosts"]["a"][name] == peers["hosts"]["a"][name]


def test_private_addresses_want_a_network(fleet: Fleet) -> None:
    with pytest.raises(AnsibleError, match="needs the option network"):
        fleet.inventory(connect_with="private_ipv4")
    with pytest.raises(AnsibleError, match="there is no network 'nowhere'"):
        fleet.inventory(connect_with="private_ipv4", network="nowhere")


@pytest.fixture
def cached(fleet: Fleet) -> dict[str, Any]:
    return {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(fleet.lab.root / "cache"), "cache_timeout": 3600}


def test_a_valid_cache_asks_nothing(fleet: Fleet, cached: dict[str, Any]) -> None:
    first = shape(fleet.inventory(**cached))
    before = fleet.requests()
    assert shape(fleet.inventory(**cached)) == first
    assert fleet.requests() == before


def test_the_cache_belongs_to_the_options(fleet: Fleet, cached: dict[str, Any]) -> None:
    assert len(fleet.inventory(**cached).hosts) == 2
    assert list(fleet.inventory(**cached, label_selector="role=app").hosts) == ["a"]


def test_stale_cache(fleet: Fleet, cached: dict[str, Any]) -> None:
    """An older cache only when allowed and only while the API is down."""
    fleet.inventory(**cached)
    for path in (fleet.lab.root / "cache").iterdir():
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 4000))
    fleet.app.state.faults.add({"effect": {"status": 503}, "times": 3})
    with pytest.raises(AnsibleError, match="injected"):
        fleet.inventory(**cached, retry_budget=0)
    with pytest.raises(AnsibleError, match="injected"):
        fleet.inventory(**cached, retry_budget=0, allow_stale_cache=300)
    assert len(fleet.inventory(**cached, retry_budget=0, allow_stale_cache=600).hosts) == 2
    fleet.app.state.faults.add({"effect": {"status": 401}})
    with pytest.raises(AnsibleError, match="server_error"):
        fleet.inventory(**cached, retry_budget=0, allow_stale_cache=600)


def test_no_token_lies_in_the_cache(fleet: Fleet, cached: dict[str, Any]) -> None:
    fleet.inventory(**cached)
    for path in (fleet.lab.root / "cache").iterdir():
        assert hetzner.token("scratch") not in path.read_text() + path.name


# --- one name for the platform


def settings(fleet: Fleet, text: str, name: str = "group_vars/all/platform.yml") -> None:
    path = fleet.lab.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_servers_are_those_of_the_settings_beside_the_file(fleet: Fleet) -> None:
    fleet.order("ours", platform="quetrex", environment="staging", role="app")
    fleet.order("production", platform="quetrex", environment="production", role="app")
    fleet.order("joined", platform="quetrex-staging", environment="x", role="app")
    settings(fleet, "platform_name: quetrex\nplatform_environment: \"{{ 'stag' ~ 'ing' }}\"\n")
    assert list(fleet.inventory().hosts) == ["ours"]
    assert list(fleet.inventory(label_selector="role=db").hosts) == []
    assert list(fleet.inventory(label_selector="platform=quetrex,environment==staging, role in (app, db)").hosts) == ["ours"]


@pytest.mark.parametrize(
    "selector", ["environment=production", "platform=quetrex,environment!=staging", "!environment", "environment in (staging, x)", "platform"]
)
def test_a_selector_that_says_something_else_is_refused(fleet: Fleet, selector: str) -> None:
    settings(fleet, "{platform_name: quetrex, platform_environment: staging}", "group_vars/all.yml")
    before = fleet.requests()
    with pytest.raises(AnsibleError, match=r"is not what platform_\w+ says, .* Remove it from label_selector: platform=quetrex,environment=staging is made"):
        fleet.inventory(label_selector=selector)
    assert fleet.requests() == before


@pytest.mark.parametrize(
    "text", ["platform_name: quetrex", "{platform_name: quetrex, platform_environment: 'x-'}", "{platform_name: '', platform_environment: x}"]
)
def test_half_a_name_is_refused(fleet: Fleet, text: str) -> None:
    settings(fleet, text)
    with pytest.raises(AnsibleError, match=r"the servers are found by it. Write it into group_vars/all beside this file"):
        fleet.inventory()


@pytest.mark.play
def test_what_is_given_on_the_command_line_goes_first(fleet: Fleet, collection_tree: Path) -> None:
    fleet.order("ours", platform="quetrex", environment="other", role="app")
    settings(fleet, "{platform_name: quetrex, platform_environment: staging}")
    (fleet.lab.root / "hcloud.yml").write_text(yaml.safe_dump({"plugin": OURS, **fleet.options}))
    (fleet.lab.root / "ansible.cfg").touch()
    names = {"ANSIBLE_CONFIG": str(fleet.lab.root / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(collection_tree)}
    command = [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(fleet.lab.root / "hcloud.yml"), "--list"]
    done = subprocess.run([*command, "-e", "platform_environment=other"], env={**os.environ, **names}, capture_output=True, text=True, check=False, timeout=60)
    assert list(json.loads(done.stdout)["_meta"]["hostvars"]) == ["ours"], done.stderr
    assert json.loads(done.stdout)["_meta"]["hostvars"]["ours"]["platform_name"] == "quetrex"


def test_failure_keeps_user_setting(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure leaves the user's setting for other inventories."""
    fleet.inventory()
    monkeypatch.setattr(constants, "INVENTORY_ANY_UNPARSED_IS_FAILED", False)
    for _twice in range(2):
        with pytest.raises(AnsibleError):
            fleet.inventory(status=["asleep"])
        assert vars(constants)["INVENTORY_ANY_UNPARSED_IS_FAILED"] is True
    fleet.inventory()
    assert vars(constants)["INVENTORY_ANY_UNPARSED_IS_FAILED"] is False


OWNERS = {"platform": "shop", "environment": "test"}


def test_servers_of_a_pool_know_their_place(fleet: Fleet) -> None:
    """In the order of their numbers, with their private addresses and the balancer before them; others are as they were, and cost no request."""
    before = fleet.requests()
    fleet.inventory()
    asked = fleet.requests() - before
    network = fleet.client.request("POST", "/networks", json={
        "name": "shop", "ip_range": "10.77.0.0/24", "labels": OWNERS, "subnets": [{"type": "cloud", "ip_range": "10.77.0.0/24", "network_zone": "us-east"}],
    })["network"]["id"]  # fmt: skip
    body = {"name": "shop", "load_balancer_type": "lb11", "location": "ash", "labels": {**OWNERS, "role": "balancer"}}
    balancer = fleet.client.request("POST", "/load_balancers", json=body)["load_balancer"]
    fleet.client.request("POST", f"/load_balancers/{balancer['id']}/actions/attach_to_network", json={"network": network, "ip": "10.77.0.2"})
    for number in (10, 2, 1):
        fleet.order(f"shop-{number}", **OWNERS, role="app", index=str(number))
        server = fleet.client.request("GET", f"/servers?name=shop-{number}")["servers"][0]["id"]
        fleet.client.request("POST", f"/servers/{server}/actions/attach_to_network", json={"network": network, "ip": f"10.77.0.{10 + number}"})
    data = fleet.inventory(groups={"platform_servers": "hcloud_labels.role == 'app'"})
    assert [host.name for host in data.groups["platform_servers"].hosts] == ["a", "shop-1", "shop-2", "shop-10"]
    found = data.hosts["shop-10"].vars
    assert (found["hcloud_index"], found["hcloud_private_ipv4"]) == (10, "10.77.0.20")
    assert (found["hcloud_balancer"]["private_ipv4"], found["hcloud_balancer"]["network_range"]) == ("10.77.0.2", "10.77.0.0/24")
    assert found["hcloud_balancer"]["ipv4"] == balancer["public_net"]["ipv4"]["ip"]
    assert not {"hcloud_index", "hcloud_private_ipv4", "hcloud_balancer"} & set(data.hosts["a"].vars)
    assert asked == 1
