# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in refuses what the vendor refuses, with the vendor's status and code."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lab.api.cloudflare.testing import CloudflareServer

A = {"type": "A", "name": "@", "content": "192.0.2.1", "ttl": 1, "proxied": True}


def rule(target: str, *actions: dict[str, Any], status: str = "active", **more: Any) -> dict[str, Any]:
    """A page rule's body."""
    chosen = list(actions) or [{"id": "cache_level", "value": "bypass"}]
    return {"targets": [{"target": "url", "constraint": {"operator": "matches", "value": target}}], "actions": chosen, "status": status, **more}


def code(answer: Any) -> tuple[int, int]:
    """HTTP status and first error code."""
    return answer.status_code, answer.json()["errors"][0]["code"]


def reason(answer: Any) -> str:
    """The `messages` entry in which a refused page rule hides its reason."""
    return str(answer.json()["messages"][0]["message"])


def targets(api: CloudflareServer) -> list[str]:
    """Targets of the zone's page rules, highest priority first."""
    rules = api.call("GET", "/zones/{zone}/pagerules").json()["result"]
    return [item["targets"][0]["constraint"]["value"] for item in rules]


def test_tokens(api: CloudflareServer) -> None:
    assert api.call("GET", "/user/tokens/verify").json()["result"]["status"] == "active"
    assert code(api.call("GET", "/user/tokens/verify", token="x" * 40)) == (401, 1000)
    assert code(api.call("GET", "/zones", token="x" * 40)) == (403, 9109)
    assert code(api.call("GET", "/zones", token="short")) == (400, 6003)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/zones/{zone}/dns_records", (403, 10000)),
        ("/zones/{zone}/settings/ssl", (403, 9109)),
        ("/zones/{zone}/pagerules", (403, 10000)),
        ("/zones/{zone}/bot_management", (403, 10000)),
        ("/certificates?zone_id={zone}", (403, 10000)),
    ],
)
def test_a_missing_permission_is_refused(api: CloudflareServer, path: str, expected: tuple[int, int]) -> None:
    api.cloud.state["tokens"][api.token]["scopes"] = ["Zone Read"]
    assert code(api.call("GET", path)) == expected


def test_removed_endpoints_answer_as_removed(api: CloudflareServer) -> None:
    assert api.call("GET", "/zones/{zone}/settings").status_code == 410
    assert api.call("PATCH", "/zones/{zone}/settings", {"items": []}).status_code == 410


def test_the_request_limit_tells_when_to_come_back(api: CloudflareServer) -> None:
    moment = itertools.count(0, 0.01)
    api.cloud.clock = lambda: next(moment)
    api.cloud.calls[api.token] = [0.0] * 1199
    assert api.call("GET", "/zones").status_code == 200
    refused = api.call("GET", "/zones")
    assert refused.status_code == 429
    assert 290 < int(refused.headers["retry-after"]) <= 300


def test_records(api: CloudflareServer) -> None:
    made = api.call("POST", "/zones/{zone}/dns_records", A).json()["result"]
    assert made["name"] == "quetrex.test"
    assert made["proxiable"] is True
    path = f"/zones/{{zone}}/dns_records/{made['id']}"
    assert code(api.call("POST", "/zones/{zone}/dns_records", A)) == (400, 81058)
    assert code(api.call("POST", "/zones/{zone}/dns_records", {**A, "content": "nonsense"})) == (400, 9005)
    assert code(api.call("POST", "/zones/{zone}/dns_records", {"type": "CNAME", "name": "@", "content": "example.com"})) == (400, 81053)
    assert code(api.call("PATCH", path, {"type": "AAAA", "content": "2001:db8::1"}))[0] == 400
    assert code(api.call("PATCH", path, {"tags": ["a:b"]})) == (400, 9300)
    api.call("PATCH", path, {"comment": "kept"})
    assert api.call("PATCH", path, {"content": "192.0.2.2"}).json()["result"]["comment"] == "kept"
    assert api.call("PUT", path, {**A, "content": "192.0.2.3"}).json()["result"]["comment"] is None
    assert api.call("DELETE", path).json()["result"] == {"id": made["id"]}
    assert code(api.call("GET", path)) == (404, 81044)


def test_a_batch_happens_as_a_whole_or_not_at_all(api: CloudflareServer) -> None:
    made = api.call("POST", "/zones/{zone}/dns_records", A).json()["result"]
    bad = {"deletes": [{"id": made["id"]}], "posts": [{**A, "content": "nonsense"}]}
    assert code(api.call("POST", "/zones/{zone}/dns_records/batch", bad)) == (400, 9005)
    assert made["id"] in api.zone["records"]
    swap = {"deletes": [{"id": made["id"]}], "posts": [{"type": "CNAME", "name": "@", "content": "example.com", "proxied": True}]}
    assert api.call("POST", "/zones/{zone}/dns_records/batch", swap).json()["result"]["posts"][0]["type"] == "CNAME"


def test_pages(api: CloudflareServer) -> None:
    for number in range(7):
        api.call("POST", "/zones/{zone}/dns_records", {**A, "name": f"h{number}"})
    pages = [api.call("GET", "/zones/{zone}/dns_records", page=page, per_page=3).json() for page in (1, 2, 3, 4)]
    assert [len(page["result"]) for page in pages] == [3, 3, 1, 0]
    assert pages[0]["result_info"] == {"page": 1, "per_page": 3, "count": 3, "total_count": 7, "total_pages": 3}
    assert api.call("GET", "/zones", per_page=51).status_code == 400


def test_settings(api: CloudflareServer) -> None:
    assert api.call("PATCH", "/zones/{zone}/settings/ssl", {"value": "strict"}).json()["result"]["value"] == "strict"
    assert code(api.call("PATCH", "/zones/{zone}/settings/ssl", {"value": "stricter"})) == (400, 1007)
    assert code(api.call("PATCH", "/zones/{zone}/settings/always_use_https", {"value": True})) == (400, 1007)
    assert code(api.call("PATCH", "/zones/{zone}/settings/min_tls_version", {"value": 1.2})) == (400, 1007)
    assert code(api.call("PATCH", "/zones/{zone}/settings/cache_level", {"value": "bypass"})) == (400, 1007)
    assert code(api.call("GET", "/zones/{zone}/settings/nonsense")) == (400, 1006)
    assert api.call("GET", "/zones/{zone}/settings/polish").json()["result"]["editable"] is False
    assert code(api.call("PATCH", "/zones/{zone}/settings/polish", {"value": "lossy"})) == (400, 1057)


def test_page_rules_have_a_quota_and_unique_targets(api: CloudflareServer) -> None:
    for target in ("quetrex.test", "quetrex.test/a/*", "*.quetrex.test/b"):
        assert api.call("POST", "/zones/{zone}/pagerules", rule(target)).status_code == 200
    assert targets(api) == ["quetrex.test/", "quetrex.test/a/*", "*.quetrex.test/b"]
    over = api.call("POST", "/zones/{zone}/pagerules", rule("quetrex.test/c"))
    assert code(over) == (400, 1004)
    assert "maximum of 3" in reason(over)
    twin = api.call("POST", "/zones/{zone}/pagerules", rule("QUETREX.test/"))
    assert "distinctTargetUrl" in reason(twin)
    assert api.call("GET", "/zones").json()["result"][0]["meta"]["page_rule_quota"] == 3


@pytest.mark.parametrize(
    "action",
    [
        {"id": "edge_cache_ttl", "value": 2592000},
        {"id": "edge_cache_ttl", "value": 60},
        {"id": "cache_level", "value": "everything"},
        {"id": "waf", "value": "on"},
    ],
)
def test_page_rules_refuse_what_the_plan_does_not_allow(api: CloudflareServer, action: dict[str, Any]) -> None:
    refused = api.call("POST", "/zones/{zone}/pagerules", rule("quetrex.test/x", action))
    assert code(refused) == (400, 1004)
    assert action["id"] in reason(refused)


def test_page_rule_priorities_are_renumbered(api: CloudflareServer) -> None:
    first = api.call("POST", "/zones/{zone}/pagerules", rule("quetrex.test/1", priority=10)).json()["result"]
    assert first["priority"] == 1
    api.call("POST", "/zones/{zone}/pagerules", rule("quetrex.test/2", priority=10))
    api.call("POST", "/zones/{zone}/pagerules", rule("quetrex.test/3", priority=1))
    assert targets(api) == ["quetrex.test/2", "quetrex.test/1", "quetrex.test/3"]
    api.call("PUT", f"/zones/{{zone}}/pagerules/{first['id']}", rule("quetrex.test/1", priority=3))
    assert targets(api) == ["quetrex.test/1", "quetrex.test/2", "quetrex.test/3"]
    api.call("DELETE", f"/zones/{{zone}}/pagerules/{first['id']}")
    assert [item["priority"] for item in api.call("GET", "/zones/{zone}/pagerules").json()["result"]] == [2, 1]


def test_a_rule_is_disabled_unless_told_otherwise(api: CloudflareServer) -> None:
    body = rule("quetrex.test/1")
    del body["status"]
    assert api.call("POST", "/zones/{zone}/pagerules", body).json()["result"]["status"] == "disabled"


def test_cache_rules(api: CloudflareServer) -> None:
    path = "/zones/{zone}/rulesets/phases/http_request_cache_settings/entrypoint"
    assert code(api.call("GET", path)) == (404, 10003)
    good = {
        "action": "set_cache_settings",
        "expression": '(http.host eq "quetrex.test" and starts_with(http.request.uri.path, "/api/"))',
        "action_parameters": {"cache": False},
    }
    made = api.call("PUT", path, {"rules": [good]}).json()["result"]
    again = api.call("PUT", path, {"rules": [{**good, "id": made["rules"][0]["id"]}]}).json()["result"]
    assert again["rules"][0]["version"] == made["rules"][0]["version"]
    for bad in (
        {"expression": 'http.nonsense eq "x"'},
        {"action_parameters": {"cache": True, "edge_ttl": {"mode": "override_origin", "default": 60}}},
        {"action": "block"},
        {"expression": 'http.host matches "x"'},
    ):
        assert code(api.call("PUT", path, {"rules": [{**good, **bad}]})) == (400, 20127)


def csr(names: str = "ignored.example") -> str:
    """A signing request with an elliptic curve key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names)])
    return x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_origin_certificates(api: CloudflareServer) -> None:
    body = {"csr": csr(), "hostnames": ["quetrex.test", "*.quetrex.test"], "request_type": "origin-ecc", "requested_validity": 7}
    made = api.call("POST", "/certificates", body).json()["result"]
    certificate = x509.load_pem_x509_certificate(made["certificate"].encode())
    assert str(certificate.serial_number) == made["id"]
    assert made["expires_on"].endswith("+0000 UTC")
    assert certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName) == body["hostnames"]
    assert [row["id"] for row in api.call("GET", "/certificates", zone_id=api.zone["id"]).json()["result"]] == [made["id"]]
    api.call("DELETE", f"/certificates/{made['id']}")
    assert api.call("GET", "/certificates", zone_id=api.zone["id"]).json()["result"] == []
    assert code(api.call("POST", "/certificates", {**body, "hostnames": ["example.com"]})) == (400, 1010)
    assert code(api.call("POST", "/certificates", {**body, "requested_validity": 8})) == (400, 1001)
    assert code(api.call("POST", "/certificates", {**body, "request_type": "origin-rsa"})) == (400, 1005)
    assert code(api.call("POST", "/certificates", {**body, "csr": "nonsense"})) == (400, 1005)


def test_bots_and_purge_and_ranges(api: CloudflareServer) -> None:
    assert api.call("PUT", "/zones/{zone}/bot_management", {"fight_mode": True}).json()["result"]["fight_mode"] is True
    assert api.call("PUT", "/zones/{zone}/bot_management", {"sbfm_likely_automated": "block"}).status_code == 400
    assert api.call("POST", "/zones/{zone}/purge_cache", {"purge_everything": True}).status_code == 200
    assert code(api.call("POST", "/zones/{zone}/purge_cache", {})) == (400, 1012)
    assert code(api.call("POST", "/zones/{zone}/purge_cache", {"files": ["https://example.com/x"]})) == (400, 1016)
    assert api.call("GET", "/ips").json()["result"]["ipv4_cidrs"] == ["10.213.1.0/24"]
