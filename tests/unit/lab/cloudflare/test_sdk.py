# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's own SDK, with strict validation, understands every answer of the stand-in to every call of the contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lab.api.cloudflare import sdk
from lab.api.cloudflare.settings import SETTINGS
from lab.api.cloudflare.testing import CloudflareServer
from lab.api.contract import contract_of
from lab.config import CHECKOUT, Lab

pytestmark = [pytest.mark.long]
ROLE = yaml.safe_load((CHECKOUT / "roles/cloudflare_zone/defaults/main.yml").read_text(encoding="utf-8"))
GONE = {f"{method} /client/v4/zones/{{zone_id}}/settings" for method in ("GET", "PATCH")}
"""All settings at once: calls that the contract has because they are refused."""


@pytest.fixture(name="cloud")
def _cloud(api: CloudflareServer) -> Any:
    api.cloud.state["tokens"][api.token]["scopes"].append("Zone Write")
    return sdk.client(Lab.from_env(), api.url, api.token)


SCOPE = ("scope", "type")
"""The SDK has only the scopes `user` and `organization` of an access rule. The API answers `zone` for a zone's own, which users' reports show."""


def but(where: tuple[str, ...], ask: Callable[[], Any]) -> Any:
    """The result of an answer that is as the SDK describes it but for one field, which is known."""
    with pytest.raises(Exception, match="invalid for expected schema") as found:
        ask()
    # numbers are places in a list
    places = {tuple(part for part in one["loc"] if isinstance(part, str))[1:] for one in found.value.__cause__.errors()}  # type: ignore[union-attr]
    assert places == {where}
    return found.value.body["result"]  # type: ignore[attr-defined]


def zones(cloud: Any, api: CloudflareServer) -> None:
    zone = api.zone["id"]
    assert cloud.user.tokens.verify().status == "active"
    assert cloud.ips.list().ipv4_cidrs
    assert [one.id for one in cloud.zones.list(name=api.zone["name"])] == [zone]
    assert cloud.zones.get(zone_id=zone).status == "active"
    api.zone["progress"] = ["pending", "pending"]
    assert cloud.zones.get(zone_id=zone).status == "pending"
    assert cloud.zones.activation_check.trigger(zone_id=zone).id == zone
    api.zone["progress"] = []
    assert cloud.cache.purge(zone_id=zone, purge_everything=True).id == zone
    assert cloud.bot_management.update(zone_id=zone, fight_mode=False).fight_mode is False
    assert cloud.bot_management.get(zone_id=zone).enable_js is not None


def settings(cloud: Any, api: CloudflareServer) -> None:
    """Every one that there is is read, those of the role are written with its value."""
    zone = api.zone["id"]
    for name in SETTINGS:
        assert cloud.zones.settings.get(name, zone_id=zone).id == name
    for name, value in {**ROLE["cloudflare_zone_settings"], "tls_client_auth": "on"}.items():
        assert cloud.zones.settings.edit(name, zone_id=zone, value=value).value == value


def records(cloud: Any, api: CloudflareServer) -> None:
    zone, given = api.zone["id"], {"type": "A", "content": "192.0.2.1", "ttl": 1, "proxied": True}
    one = cloud.dns.records.create(zone_id=zone, name="one.quetrex.test", **given)
    assert cloud.dns.records.edit(one.id, zone_id=zone, name=one.name, **{**given, "comment": "edited"}).comment == "edited"
    assert cloud.dns.records.update(one.id, zone_id=zone, name=one.name, **given).proxied is True
    assert cloud.dns.records.get(one.id, zone_id=zone).content == "192.0.2.1"
    several = cloud.dns.records.batch(
        zone_id=zone,
        deletes=[{"id": one.id}],
        posts=[
            {**given, "name": "two.quetrex.test"},
            {"type": "AAAA", "content": "2001:db8::1", "name": "two.quetrex.test", "ttl": 1, "proxied": True},
            {"type": "CNAME", "content": "two.quetrex.test", "name": "three.quetrex.test", "ttl": 1, "proxied": True},
            {"type": "TXT", "content": '"v=spf1 -all"', "name": "quetrex.test", "ttl": 300},
        ],
    )
    assert [row.type for row in several.posts] == ["A", "AAAA", "CNAME", "TXT"]
    for row in cloud.dns.records.list(zone_id=zone):
        assert cloud.dns.records.delete(row.id, zone_id=zone).id == row.id


def rules(cloud: Any, api: CloudflareServer) -> None:
    """Page rules, cache rules and access rules."""
    zone = api.zone["id"]
    rule = {
        "targets": [{"target": "url", "constraint": {"operator": "matches", "value": "quetrex.test/x*"}}],
        "actions": [{"id": "cache_level", "value": "cache_everything"}, {"id": "edge_cache_ttl", "value": 7200}],
    }
    # the one call that the SDK does not describe
    assert cloud.get(f"/zones/{zone}/pagerules/settings", cast_to=object)
    made = cloud.page_rules.create(zone_id=zone, status="active", priority=1, **rule)
    assert cloud.page_rules.edit(made.id, zone_id=zone, status="disabled").status == "disabled"
    assert cloud.page_rules.update(made.id, zone_id=zone, status="active", priority=1, **rule).status == "active"
    assert cloud.page_rules.get(made.id, zone_id=zone).actions[1].value == 7200
    assert [one.id for one in cloud.page_rules.list(zone_id=zone)] == [made.id]
    assert cloud.page_rules.delete(made.id, zone_id=zone).id == made.id

    phase = "http_request_cache_settings"
    ttl = {"edge_ttl": {"mode": "override_origin", "default": 86400}, "browser_ttl": {"mode": "override_origin", "default": 3600}}
    wanted = [{"action": "set_cache_settings", "action_parameters": {"cache": True, **ttl}, "expression": '(http.host eq "quetrex.test")'}]
    # the SDK takes any answer to this one, and describes the usual one beside it
    written = sdk.described("rulesets.phase_update_response").Ruleset.model_validate(cloud.rulesets.phases.update(phase, zone_id=zone, rules=wanted))
    assert written.rules[0].action == "set_cache_settings"
    assert cloud.rulesets.phases.get(phase, zone_id=zone).rules[0].action_parameters.edge_ttl.default == 86400
    assert [one.phase for one in cloud.rulesets.list(zone_id=zone)] == [phase]

    access, given = cloud.firewall.access_rules, {"zone_id": zone, "configuration": {"target": "ip", "value": "198.51.100.7"}}
    let_in = but(SCOPE, lambda: access.create(mode="whitelist", notes="probe", **given))
    assert but(SCOPE, lambda: access.edit(let_in["id"], mode="block", **given))["mode"] == "block"
    assert [one["id"] for one in but(SCOPE, lambda: access.list(zone_id=zone))] == [let_in["id"]]
    assert access.delete(let_in["id"], zone_id=zone).id == let_in["id"]


def certificates(cloud: Any, api: CloudflareServer) -> None:
    """Those of the origin, and those at the edge."""
    zone, key = api.zone["id"], ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    text = request.public_bytes(serialization.Encoding.PEM).decode()
    made = cloud.origin_ca_certificates.create(csr=text, hostnames=["quetrex.test"], request_type="origin-ecc", requested_validity=90)
    assert cloud.origin_ca_certificates.get(made.id).hostnames == ["quetrex.test"]
    assert [one.id for one in cloud.origin_ca_certificates.list(zone_id=zone)] == [made.id]
    assert cloud.origin_ca_certificates.delete(made.id).id == made.id
    assert cloud.ssl.universal.settings.get(zone_id=zone).enabled is True
    assert cloud.ssl.verification.get(zone_id=zone)[0].verification_status is True
    assert list(cloud.ssl.certificate_packs.list(zone_id=zone, status="all"))


def test_every_call(cloud: Any, api: CloudflareServer) -> None:
    """Each call of the contract was made, and each answer is of the SDK's type."""
    for part in (zones, settings, records, rules, certificates):
        part(cloud, api)
    contract, asked = contract_of("cloudflare"), api.log()
    assert [f"{one['method']} {one['path']}: {one['status']}" for one in asked if one["status"] >= 300] == []
    made = {found[1].name for one in asked if (found := contract.find(one["method"], one["path"]))}
    known = {name for table in contract.tables for name in table.calls}
    assert known - made == GONE


def test_a_wrong_answer(cloud: Any, api: CloudflareServer) -> None:
    """The validation is on: a text for a number is found."""
    zone = cloud.zones.get(zone_id=api.zone["id"]).to_dict(mode="json")
    api.fault({"effect": {"status": 200, "body": {"success": True, "errors": [], "messages": [], "result": {**zone, "development_mode": "none"}}}})
    with pytest.raises(Exception, match="invalid for expected schema") as found:
        cloud.zones.get(zone_id=api.zone["id"])
    assert "development_mode" in str(found.value.__cause__)
