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
HOSTS = ["*.quetrex.test", "quetrex.test"]
MARK = "app-1.origin.quetrex.test"


def csr() -> str:
    """A signing request for a key nobody else has."""
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


CSR = csr()


def listed(run: Run) -> list[str]:
    """Serial numbers of the zone's valid certificates."""
    return [row["id"] for row in run("origin_certificate_info")["certificates"]]


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
    assert run_cloudflare("origin_certificate", revoke=[made["certificate_id"]])["changed"] is True
    assert run_cloudflare("origin_certificate", revoke=[made["certificate_id"]])["changed"] is False
    assert run_cloudflare("origin_certificate", csr=CSR, hostnames=HOSTS, certificate=made["certificate"])["reasons"] == ["it was revoked"]


def test_what_an_interrupted_run_had_issued_is_used(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    first = run_cloudflare("origin_certificate", csr=CSR, hostnames=HOSTS)
    again = run_cloudflare("origin_certificate", csr=CSR, hostnames=HOSTS)
    assert again["certificate_id"] == first["certificate_id"]
    assert len(cloudflare_api.cloud.state["certificates"]) == 1
    assert again["days_left"] == 364


def test_certificate_of_lost_server(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    """The new machine of the same name knows nothing; the mark tells its predecessor's certificate from everybody else's."""
    elsewhere = run_cloudflare("origin_certificate", csr=csr(), hostnames=HOSTS, mark="app-2.origin.quetrex.test")["certificate_id"]
    by_hand = run_cloudflare("origin_certificate", csr=csr(), hostnames=HOSTS)["certificate_id"]
    dead = run_cloudflare("origin_certificate", csr=csr(), hostnames=HOSTS, mark=MARK)
    assert (dead["superseded"], dead["changed"]) == ([], True)
    born = run_cloudflare("origin_certificate", csr=CSR, hostnames=HOSTS, mark=MARK)
    assert born["superseded"] == [dead["certificate_id"]]
    look = run_cloudflare("origin_certificate", check=True, hostnames=HOSTS, mark=MARK, revoke=born["superseded"])
    assert (look["changed"], look["revoked"], len(listed(run_cloudflare))) == (True, born["superseded"], 4), "looking revokes nothing"
    assert run_cloudflare("origin_certificate", revoke=born["superseded"])["revoked"] == [dead["certificate_id"]]
    assert set(listed(run_cloudflare)) == {elsewhere, by_hand, born["certificate_id"]}
    again = run_cloudflare("origin_certificate", csr=CSR, hostnames=HOSTS, mark=MARK, certificate=born["certificate"])
    assert (again["changed"], again["superseded"], again["requests"]) == (False, [], 2)


def test_certificate_without_mark(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    """It may serve elsewhere too: only what has the mark is ours to revoke."""
    plain = run_cloudflare("origin_certificate", csr=CSR, hostnames=HOSTS)
    marked = run_cloudflare("origin_certificate", csr=CSR, hostnames=HOSTS, mark=MARK, certificate=plain["certificate"])
    assert (marked["reasons"], marked["superseded"]) == ([f"it lacks {MARK}"], [])
    assert MARK in marked["diff"]["after"]["hostnames"]


@pytest.mark.parametrize("damaged", ["nonsense", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"])
def test_a_damaged_certificate_is_replaced(cloudflare_api: CloudflareServer, run_cloudflare: Run, damaged: str) -> None:
    """A file that was cut or overwritten is no reason to leave visitors without a certificate."""
    planned = run_cloudflare("origin_certificate", check=True, hostnames=HOSTS, mark=MARK, certificate=damaged)
    assert (planned["changed"], planned["reasons"]) == (True, ["it cannot be read as a certificate"])
    made = run_cloudflare("origin_certificate", csr=CSR, hostnames=HOSTS, mark=MARK, certificate=damaged)
    assert (made["changed"], made["days_left"]) == (True, 364)
    assert run_cloudflare("origin_certificate", csr=CSR, hostnames=HOSTS, mark=MARK, certificate=made["certificate"])["changed"] is False


def test_how_long_certificates_last_is_told_without_a_server(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    assert run_cloudflare("origin_certificate_info")["certificates"] == []
    run_cloudflare("origin_certificate", csr=csr(), hostnames=HOSTS, validity=30)
    made = run_cloudflare("origin_certificate", csr=CSR, hostnames=HOSTS, mark=MARK, validity=90)
    found = run_cloudflare("origin_certificate_info")
    assert [row["days_left"] for row in found["certificates"]] == [89, 29]
    assert found["certificates"][0] == {"id": made["certificate_id"], "hostnames": sorted([*HOSTS, MARK]), "expires_on": made["expires_on"], "days_left": 89}
    assert [row["id"] for row in run_cloudflare("origin_certificate_info", hostname=MARK)["certificates"]] == [made["certificate_id"]]
    assert run_cloudflare("origin_certificate_info", zone_id=found["zone_id"])["requests"] == 1
