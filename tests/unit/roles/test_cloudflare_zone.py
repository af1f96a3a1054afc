# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role cloudflare_zone against the local API: several zones and hosts, both engines, and what `prepare` refuses."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.api.cloudflare.state import new_zone
from lab.api.cloudflare.testing import CloudflareServer, cloudflare_server, run_role

pytestmark = pytest.mark.play

OTHER = "second.test"
ENTRY = "/rulesets/phases/http_request_cache_settings/entrypoint"


@dataclass
class Role:
    """The role, its API, and a second zone of the same account."""

    api: CloudflareServer
    folder: Path

    def run(self, *, tasks_from: str = "main", both: bool = False, ok: bool = True, **settings: Any) -> str:
        """Run the role, with `both` the entry point `prepare` before it; its output."""
        done = run_role(self.api, self.folder, ("prepare", "main") if both else (tasks_from,), **settings)
        assert (done.returncode == 0) is ok, done.stdout
        return done.stdout

    def zone(self, name: str) -> dict[str, Any]:
        """A zone's state."""
        return next(zone for zone in self.api.cloud.state["zones"].values() if zone["name"] == name)

    def records(self, name: str) -> set[tuple[str, str, str]]:
        """A zone's records."""
        return {(row["name"], row["type"], row["content"]) for row in self.zone(name)["records"].values()}


@pytest.fixture
def role(tmp_path: Path) -> Iterator[Role]:
    """A fresh account with two zones."""
    with cloudflare_server(tmp_path / "api") as api:
        second = new_zone(OTHER)
        api.cloud.state["zones"][second["id"]] = second
        yield Role(api, tmp_path)
    assert api.violations() == []


@pytest.mark.long
def test_two_zones_and_hosts_of_their_own(role: Role) -> None:
    files = {"name": "files", "ipv4": ["192.0.2.20", "192.0.2.21"], "ipv6": "2001:db8::20"}
    zones = [
        {"name": "quetrex.test", "proxied_names": ["@", "www", files]},
        {"name": OTHER, "proxied_names": ["@"], "origin_ipv6": "2001:db8::2", "cache_engine": "cache_rules", "settings": {"ssl": "flexible"}, "records": []},
    ]
    role.run(cloudflare_zone_zones=zones)
    assert role.records("quetrex.test") == {
        ("quetrex.test", "A", "192.0.2.1"), ("www.quetrex.test", "A", "192.0.2.1"), ("files.quetrex.test", "A", "192.0.2.20"),
        ("files.quetrex.test", "A", "192.0.2.21"), ("files.quetrex.test", "AAAA", "2001:db8::20"),
    }  # fmt: skip
    assert role.records(OTHER) == {(OTHER, "A", "192.0.2.1"), (OTHER, "AAAA", "2001:db8::2")}
    assert [len(role.zone(name)["page_rules"]) for name in ("quetrex.test", OTHER)] == [2, 0]
    assert len(role.zone(OTHER)["rulesets"]["http_request_cache_settings"]["rules"]) == 2
    assert role.zone(OTHER)["settings"]["ssl"]["value"] == "flexible"
    role.api.forget()
    assert "changed=0" in role.run(cloudflare_zone_zones=zones)
    assert role.api.writes() == []
    role.api.forget()
    role.run(cloudflare_zone_zones=zones, cloudflare_zone_origin_ipv4="192.0.2.9")
    assert [line.rpartition("/")[2] for line in role.api.writes()] == ["batch", "batch"], "a fail-over is one write in each zone"


def test_nothing_is_asked_twice_when_nothing_changed(role: Role) -> None:
    """One read of each thing the API has an address of its own for: every setting, the rules of both engines, the records."""
    role.run(tasks_from="prepare")
    role.run()
    role.api.forget()
    assert "changed=0" in role.run()
    path = f"/client/v4/zones/{role.zone('quetrex.test')['id']}"
    kinds = [line["path"].removeprefix(path).partition("/settings/")[0] for line in role.api.log()]
    assert Counter(kinds) == {"/client/v4/zones": 1, "": 6, "/bot_management": 1, "/pagerules": 1, ENTRY: 1, "/dns_records": 1}
    role.api.forget()
    role.run(both=True)
    assert [line["path"] for line in role.api.log()].count("/client/v4/zones") == 1, "what prepare found is not looked up again"


def test_server_without_ipv6(role: Role) -> None:
    """A server without IPv6 leaves no address of the previous one."""
    role.run(cloudflare_zone_origin_ipv6="2001:db8::1")
    assert {kind for _name, kind, _content in role.records("quetrex.test")} == {"A", "AAAA"}
    role.api.forget()
    role.run(cloudflare_zone_origin_ipv4="192.0.2.2")
    assert role.records("quetrex.test") == {("quetrex.test", "A", "192.0.2.2"), ("www.quetrex.test", "A", "192.0.2.2")}
    assert len(role.api.writes()) == 1


def test_visitors_are_not_taken_from_another_environment(role: Role) -> None:
    """A copied inventory with a server of its own and production's domain: the zone stays as it is. In one zone, other names are its own."""
    role.run(cloudflare_zone_origin_ipv4="192.0.2.99")
    before = json.dumps(role.zone("quetrex.test"), sort_keys=True)
    role.api.forget()
    text = role.run(cloudflare_zone_foreign_addresses=["192.0.2.99"], cloudflare_zone_settings={"ssl": "full"}, ok=False)
    assert "quetrex.test, www.quetrex.test leads to 192.0.2.99, which is labelled as another environment's" in " ".join(text.split())
    assert (role.api.writes(), json.dumps(role.zone("quetrex.test"), sort_keys=True)) == ([], before)
    role.run(cloudflare_zone_foreign_addresses=["192.0.2.99"], cloudflare_zone_proxied_names=["staging"])
    names = {("quetrex.test", "A", "192.0.2.99"), ("www.quetrex.test", "A", "192.0.2.99"), ("staging.quetrex.test", "A", "192.0.2.1")}
    assert role.records("quetrex.test") == names


@pytest.mark.long
def test_the_engine_changes_there_and_back(role: Role) -> None:
    role.run()
    role.run(cloudflare_zone_cache_engine="cache_rules")
    zone = role.zone("quetrex.test")
    assert (zone["page_rules"], len(zone["rulesets"]["http_request_cache_settings"]["rules"])) == ([], 2)
    assert "changed=0" in role.run(cloudflare_zone_cache_engine="cache_rules")
    role.run()
    assert (len(zone["page_rules"]), zone["rulesets"]["http_request_cache_settings"]["rules"]) == (2, [])


def test_prepare_names_permissions(role: Role) -> None:
    """Prepare names every missing permission and touches nothing."""
    role.api.cloud.state["tokens"][role.api.token]["scopes"] = ["Zone Read", "DNS Write", "Page Rules Read"]
    before = json.dumps(role.api.cloud.state["zones"], sort_keys=True)
    text = role.run(tasks_from="prepare", ok=False)
    for name in ("Zone Settings Edit", "Bot Management Edit", "SSL and Certificates Edit", "Page Rules Edit"):
        assert name in text
    assert "DNS Edit" not in text
    assert json.dumps(role.api.cloud.state["zones"], sort_keys=True) == before


def test_prepare_says_where_the_authority_of_origin_pulls_is(role: Role) -> None:
    text = role.run(tasks_from="prepare", ok=False, cloudflare_zone_origin_pull_ca="")
    assert "authenticated_origin_pull_ca.pem" in text
    assert role.api.log() == []
    role.run(tasks_from="prepare")
    assert role.zone("quetrex.test")["settings"]["tls_client_auth"]["value"] == "on"
    role.run(tasks_from="prepare", cloudflare_zone_origin_pulls=False)
    assert role.zone("quetrex.test")["settings"]["tls_client_auth"]["value"] == "on", "off only after the origins"
    role.run(cloudflare_zone_origin_pulls=False)
    assert role.zone("quetrex.test")["settings"]["tls_client_auth"]["value"] == "off"


def test_prepare_checks_the_zone(role: Role) -> None:
    """Without name servers or a certificate the run would end red after everything was bought. It stops before that, or waits as long as it may."""
    zone = role.zone("quetrex.test")
    zone["progress"] = ["pending"]
    role.api.forget()
    text = " ".join(role.run(tasks_from="prepare", ok=False).split())
    assert "Set its name servers at the registrar of quetrex.test to bob.ns.cloudflare.com and lola.ns.cloudflare.com" in text
    assert "settings" not in zone["settings"], "nothing was touched"
    assert [line for line in role.api.writes() if "/settings/tls_client_auth" in line] == []
    zone.update(progress=["pending", "active"], pack_progress=["pending_validation", "pending_validation", "active"])
    text = role.run(tasks_from="prepare", cloudflare_zone_wait=9, __cloudflare_zone_pause=1)
    assert "FAILED - RETRYING" in text, "a wait shows that it goes on"
    assert zone["settings"]["tls_client_auth"]["value"] == "on"


def test_prepare_lets_a_platform_be_repaired(role: Role) -> None:
    """Where the inventory has servers nothing more is bought: what keeps visitors away is said, and the run goes on."""
    zone = role.zone("quetrex.test")
    zone["progress"] = ["pending"]
    # the group of localhost stands for the platform's servers
    text = " ".join(role.run(tasks_from="prepare", cloudflare_zone_servers="ungrouped").split())
    assert "Set its name servers at the registrar of quetrex.test to bob.ns.cloudflare.com and lola.ns.cloudflare.com" in text
    assert "Refuse a zone that cannot serve visitors" in text
    assert "failed=0" in text
    assert zone["settings"]["tls_client_auth"]["value"] == "on"


def test_addresses_are_let_through_before_bots_are_fought(role: Role) -> None:
    """By default nobody is challenged and no rule is touched; with the mode on, users' runners come along with the addresses that are named."""
    role.run()
    assert not any("access_rules" in line["path"] for line in role.api.log())
    assert role.zone("quetrex.test")["bot_management"] == {}
    role.api.forget()
    role.run(cloudflare_zone_allowed_addresses=["192.0.2.50"], cloudflare_zone_bot_fight_mode=True)
    paths = [line.rpartition("/")[2] for line in role.api.writes()]
    assert paths == ["rules", "bot_management"]
    role.api.forget()
    assert "changed=0" in role.run(cloudflare_zone_allowed_addresses=["192.0.2.50"], cloudflare_zone_bot_fight_mode=True)
    role.run(cloudflare_zone_allowed_addresses=[])
    assert role.zone("quetrex.test")["access_rules"] == {}
