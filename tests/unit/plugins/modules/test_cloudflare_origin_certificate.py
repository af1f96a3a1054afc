# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates are issued once, renewed in time, and noticed when revoked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lab.api.cloudflare.testing import CloudflareServer

Run = Callable[..., dict[str, Any]]
KEY = ec.generate_private_key(ec.SECP256R1())
CSR = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
HOSTS = ["*.quetrex.test", "quetrex.test"]
TROUBLE: list[dict[str, Any]] = [
    {"drop": "before"}, {"drop": "after"}, {"status": 500, "body": {"success": False, "errors": [], "messages": [], "result": None}},
    {"rate_limited": {}}, {"rate_limited": {"retry_after": 1}}, {"html": 502},
]  # fmt: skip


def test_certificates(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    planned = run_cloudflare("origin_certificate", check=True, hostnames=HOSTS)
    assert planned["changed"] is True
    assert cloudflare_api.writes() == []
    made = run_cloudflare("origin_certificate", csr=CSR, hostnames=HOSTS)
    assert made["reasons"] == ["there is no certificate"]
    again = run_cloudflare("origin_certificate", csr=CSR, hostnames=HOSTS, certificate=made["certificate"])
    assert again["changed"] is False
    soon = run_cloudflare("origin_certificate", csr=CSR, hostnames=HOSTS, certificate=made["certificate"], renew_before=366)
    assert soon["changed"] is True
    assert soon["certificate_id"] != made["certificate_id"]
    assert run_cloudflare("origin_certificate", revoke=made["certificate_id"])["changed"] is True
    assert run_cloudflare("origin_certificate", revoke=made["certificate_id"])["changed"] is False
    assert run_cloudflare("origin_certificate", csr=CSR, hostnames=HOSTS, certificate=made["certificate"])["reasons"] == ["it was revoked"]


@pytest.mark.parametrize("effect", TROUBLE, ids=str)
def test_a_certificate_is_issued_once(cloudflare_api: CloudflareServer, run_cloudflare: Run, effect: dict[str, Any]) -> None:
    cloudflare_api.fault({"match": {"method": "POST"}, "effect": effect, "times": 1})
    run_cloudflare("origin_certificate", csr=CSR, hostnames=HOSTS)
    assert len(cloudflare_api.cloud.state["certificates"]) == 1


def test_what_an_interrupted_run_had_issued_is_used(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    first = run_cloudflare("origin_certificate", csr=CSR, hostnames=HOSTS)
    again = run_cloudflare("origin_certificate", csr=CSR, hostnames=HOSTS)
    assert again["certificate_id"] == first["certificate_id"]
    assert len(cloudflare_api.cloud.state["certificates"]) == 1
    assert again["days_left"] == 364


@pytest.mark.parametrize("effect", TROUBLE, ids=str)
def test_a_certificate_is_revoked_once(cloudflare_api: CloudflareServer, run_cloudflare: Run, effect: dict[str, Any]) -> None:
    made = run_cloudflare("origin_certificate", csr=CSR, hostnames=HOSTS)
    cloudflare_api.fault({"match": {"method": "DELETE"}, "effect": effect, "times": 1})
    run_cloudflare("origin_certificate", revoke=made["certificate_id"])
    assert "failed" not in run_cloudflare("origin_certificate", revoke=made["certificate_id"])
    assert cloudflare_api.cloud.state["certificates"][made["certificate_id"]]["revoked_at"]
