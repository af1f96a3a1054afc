# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module four ways: check on nothing, run, run again, change one value; then with every kind of trouble on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lab.api.cloudflare.testing import CloudflareServer

from .conftest import Run

RECORDS = [{"name": "@", "type": "A", "content": "192.0.2.1", "proxied": True}, {"name": "www", "type": "A", "content": "192.0.2.1", "proxied": True}]
RULES = [
    {"target": "quetrex.test/api/*", "actions": {"cache_level": "bypass"}},
    {"target": "quetrex.test/_next/static/*", "actions": {"cache_level": "cache_everything", "edge_cache_ttl": "1 month"}},
]
SETTINGS = {"ssl": "strict", "always_use_https": True, "min_tls_version": 1.2, "security_level": "medium", "challenge_ttl": "1800"}
KEY = ec.generate_private_key(ec.SECP256R1())
CSR = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
HOSTS = ["*.quetrex.test", "quetrex.test"]

CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("dns_records", {"records": RECORDS}, {"records": [{**RECORDS[0], "content": "192.0.2.2"}, RECORDS[1]]}),
    ("page_rules", {"rules": RULES}, {"rules": [{**RULES[0], "status": "disabled"}, RULES[1]]}),
    ("zone_settings", {"settings": SETTINGS, "bot_fight_mode": True}, {"settings": SETTINGS, "bot_fight_mode": False}),
]
names = pytest.mark.parametrize(("name", "first", "second"), CASES, ids=[case[0] for case in CASES])


@names
def test_four_ways(api: CloudflareServer, run: Run, name: str, first: dict[str, Any], second: dict[str, Any]) -> None:
    planned = run(name, check=True, **first)
    assert planned["changed"] is True
    assert api.writes() == []
    done = run(name, **first)
    assert done["changed"] is True
    assert done["diff"]["after"] == planned["diff"]["after"], "check mode told the truth"
    assert run(name, **first)["changed"] is False
    assert run(name, check=True, **first)["changed"] is False
    api.forget()
    assert run(name, **second)["changed"] is True
    assert len(api.writes()) == 1


def test_a_failover_is_one_write(api: CloudflareServer, run: Run) -> None:
    run("dns_records", records=RECORDS)
    api.call("PATCH", f"/zones/{{zone}}/dns_records/{next(iter(api.zone['records']))}", {"comment": "kept"})
    ids = set(api.zone["records"])
    api.forget()
    run("dns_records", records=[{**record, "content": "192.0.2.9"} for record in RECORDS])
    assert len(api.writes()) == 1
    assert set(api.zone["records"]) == ids
    assert {record["content"] for record in api.zone["records"].values()} == {"192.0.2.9"}
    assert "kept" in {record["comment"] for record in api.zone["records"].values()}


def test_a_record_of_the_wrong_type_is_replaced_in_one_batch(api: CloudflareServer, run: Run) -> None:
    run("dns_records", records=[{"name": "www", "type": "CNAME", "content": "quetrex.test"}, {"name": "@", "type": "TXT", "content": "v=spf1 -all"}])
    api.forget()
    run("dns_records", records=RECORDS)
    assert len(api.writes()) == 1
    assert sorted(record["type"] for record in api.zone["records"].values()) == ["A", "A", "TXT"]


def test_reads_needed_when_nothing_changed(api: CloudflareServer, run: Run) -> None:
    run("dns_records", records=RECORDS)
    run("page_rules", rules=RULES)
    assert run("dns_records", records=RECORDS)["requests"] == 2
    assert run("page_rules", rules=RULES)["requests"] == 2


TROUBLE: list[dict[str, Any]] = [
    {"drop": "before"}, {"drop": "after"}, {"status": 500, "body": {"success": False, "errors": [], "messages": [], "result": None}},
    {"rate_limited": {}}, {"rate_limited": {"retry_after": 1}}, {"html": 502},
]  # fmt: skip


@pytest.mark.parametrize("effect", TROUBLE, ids=str)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@names
def test_trouble_ends_converged_and_never_doubled(
    api: CloudflareServer, run: Run, name: str, first: dict[str, Any], second: dict[str, Any], method: str, effect: dict[str, Any]
) -> None:
    api.fault({"match": {"method": method}, "effect": effect, "times": 2})
    run(name, **first)
    run(name, **second)
    api.heal()
    assert run(name, **second)["changed"] is False
    assert len(api.zone["records"]) in (0, 2)
    assert len(api.zone["page_rules"]) in (0, 2)


@names
def test_a_success_that_is_none_is_an_error(api: CloudflareServer, run: Run, name: str, first: dict[str, Any], second: dict[str, Any]) -> None:
    api.fault({"match": {"method": "GET"}, "effect": {"success_false": {"code": 1234, "message": "because"}}})
    result = run(name, **first)
    assert result["failed"] is True
    assert "because" in result["msg"]
    assert result["failure"]["code"] == 1234


def test_an_api_that_stays_away_is_one_clear_error(api: CloudflareServer, run: Run) -> None:
    api.fault({"match": {}, "effect": {"rate_limited": {"retry_after": 400}}})
    result = run("dns_records", records=RECORDS)
    assert result["failure"]["code"] == "deadline"
    assert api.token not in str(result)


def test_the_environment_does_not_replace_the_token(api: CloudflareServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_EMAIL", "someone@example.com")
    monkeypatch.setenv("CLOUDFLARE_API_KEY", "0" * 37)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "1" * 40)
    assert run("dns_records", records=RECORDS)["changed"] is True


@pytest.mark.parametrize("check", [True, False])
def test_what_the_plan_does_not_allow_is_refused_before_a_write(api: CloudflareServer, run: Run, check: bool) -> None:
    many = [{"target": f"quetrex.test/{number}", "actions": {"cache_level": "bypass"}} for number in range(4)]
    assert run("page_rules", check=check, rules=many)["failure"]["code"] == "quota"
    long = [{"target": "quetrex.test/x", "actions": {"cache_level": "cache_everything", "edge_cache_ttl": 2592000}}]
    result = run("page_rules", check=check, rules=long)
    assert "7200 to 2419200" in result["msg"]
    assert run("zone_settings", check=check, settings={"polish": "lossy"})["failure"]["code"] == 1057
    assert run("zone_settings", check=check, settings={"nonsense": "x"})["failure"]["code"] == 1006
    assert api.writes() == []


def test_the_reason_of_a_refused_rule_is_shown(api: CloudflareServer, run: Run) -> None:
    result = run("page_rules", rules=[{"target": "example.com/x", "actions": {"cache_level": "bypass"}}])
    assert result["failure"]["code"] == 1004
    assert "does not belong to this zone" in result["msg"]


def test_foreign_page_rules_stay(api: CloudflareServer, run: Run) -> None:
    run("page_rules", rules=[{"target": "quetrex.test/foreign", "actions": {"security_level": "high"}}])
    run("page_rules", rules=RULES)
    assert len(api.zone["page_rules"]) == 3
    assert run("page_rules", rules=RULES, exclusive=True)["changed"] is True
    assert len(api.zone["page_rules"]) == 2


def test_certificates(api: CloudflareServer, run: Run) -> None:
    planned = run("origin_certificate", check=True, hostnames=HOSTS)
    assert planned["changed"] is True
    assert api.writes() == []
    made = run("origin_certificate", csr=CSR, hostnames=HOSTS)
    assert made["reasons"] == ["there is no certificate"]
    again = run("origin_certificate", csr=CSR, hostnames=HOSTS, certificate=made["certificate"])
    assert again["changed"] is False
    soon = run("origin_certificate", csr=CSR, hostnames=HOSTS, certificate=made["certificate"], renew_before=366)
    assert soon["changed"] is True
    assert soon["certificate_id"] != made["certificate_id"]
    assert run("origin_certificate", revoke=made["certificate_id"])["changed"] is True
    assert run("origin_certificate", revoke=made["certificate_id"])["changed"] is False
    assert run("origin_certificate", csr=CSR, hostnames=HOSTS, certificate=made["certificate"])["reasons"] == ["it was revoked"]


@pytest.mark.parametrize("effect", TROUBLE, ids=str)
def test_a_certificate_is_issued_once(api: CloudflareServer, run: Run, effect: dict[str, Any]) -> None:
    api.fault({"match": {"method": "POST"}, "effect": effect, "times": 1})
    run("origin_certificate", csr=CSR, hostnames=HOSTS)
    assert len(api.cloud.state["certificates"]) == 1


def test_missing_permissions_are_named(api: CloudflareServer, run: Run) -> None:
    api.cloud.state["tokens"][api.token]["scopes"] = ["Zone Read", "DNS Write"]
    result = run("zone_info", permissions=["dns", "zone_settings", "page_rules", "cache_rules", "bot_management", "ssl_and_certificates"])
    assert result["missing_permissions"] == ["Zone Settings", "Page Rules", "Cache Rules", "Bot Management", "SSL and Certificates"]
    assert result["zone"]["page_rule_quota"] == 3


def test_an_unknown_zone_is_named(run: Run) -> None:
    assert run("zone_info", zone="example.com")["failure"]["code"] == "zone_not_found"


def test_networks(api: CloudflareServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("ips_info")["source"] == "api"
    api.fault({"match": {}, "effect": {"html": 502}})
    packaged = run("ips_info")
    assert packaged["source"] == "packaged"
    assert "173.245.48.0/20" in packaged["cidrs"]


def test_five_thousand_records(api: CloudflareServer, run: Run) -> None:
    run("dns_records", records=RECORDS)
    sample = next(iter(api.zone["records"].values()))
    api.zone["records"].update({f"{n:032x}": {**sample, "id": f"{n:032x}", "name": f"h{n}.quetrex.test"} for n in range(5200)})
    result = run("dns_records", records=RECORDS)
    assert result["changed"] is False
    assert result["requests"] == 3


def test_the_token_stays_out_of_everything(api: CloudflareServer, run: Run, tmp_path: Path) -> None:
    assert api.token not in str(run("dns_records", records=RECORDS))
