# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Origin CA: signs real requests with an authority that only the edge trusts, and remembers what it revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab import pki

from .errors import ApiError
from .state import Cloud, Json, now

VALIDITIES = (7, 30, 90, 365, 730, 1095, 5475)
KINDS = {"origin-rsa": rsa.RSAPublicKey, "origin-ecc": ec.EllipticCurvePublicKey}


def authority(lab: Any) -> tuple[Path, Path]:
    """Key and certificate of the Origin CA."""
    return pki.authority(lab.path("pki", "origin-ca", "ca.pem").parent, "Lab Origin SSL Certificate Authority")


def read_request(body: Json) -> x509.CertificateSigningRequest:
    """The signing request, checked: it parses, proves its key, and the key is of the kind asked for."""
    try:
        request = x509.load_pem_x509_csr(str(body.get("csr", "")).encode())
    except ValueError as error:
        raise ApiError(400, 1005, "Failed to parse CSR: invalid PEM or request") from error
    kind = KINDS.get(str(body.get("request_type")))
    if kind is None:
        raise ApiError(400, 1006, f"Invalid request type: {body.get('request_type')}")
    if not request.is_signature_valid or not isinstance(request.public_key(), kind):
        raise ApiError(400, 1005, f"The CSR's key does not fit {body['request_type']}")
    return request


def check_hosts(cloud: Cloud, token: Json, hosts: Any) -> list[str]:
    """Every host name belongs to a zone for which the token may have certificates; wildcards cover one level. This, and nothing before it, is the
    vendor's check of the permission. The token's owner has to have access to the API, which is an account's setting."""
    if token.get("owner_without_api"):
        raise ApiError(403, 1016, "User is not authorized to perform this action")
    if not isinstance(hosts, list) or not hosts:
        raise ApiError(400, 1004, "At least one hostname is required")
    may = "SSL and Certificates Write" in token["scopes"]
    zones = [zone["name"] for key, zone in cloud.state["zones"].items() if may and (token["zones"] is None or key in token["zones"])]
    for host in hosts:
        bare = str(host).removeprefix("*.")
        if "*" in bare or not any(bare == zone or bare.endswith("." + zone) for zone in zones):
            raise ApiError(
                400,
                1010,
                f"Failed to validate requested hostname {host}: This zone is either not part of your account, or you do not have access to it. "
                "Please contact support if using a multi-user organization.",
            )
    return [str(host) for host in hosts]


def sign(cloud: Cloud, request: x509.CertificateSigningRequest, hosts: list[str], days: int) -> x509.Certificate:
    """The certificate for the request's key. Subject and names are the authority's choice, as at the vendor."""
    key_path, cert_path = authority(cloud.lab)
    key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the lab's Origin CA has an elliptic curve key")
    issuer = x509.load_pem_x509_certificate(cert_path.read_bytes())
    moment = datetime.now(UTC).replace(microsecond=0)
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "CloudFlare, Inc."), x509.NameAttribute(NameOID.COMMON_NAME, "CloudFlare Origin Certificate")]
    )
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.subject).public_key(request.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(moment - timedelta(minutes=5)).not_valid_after(moment + timedelta(days=days))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    return builder.sign(key, hashes.SHA256())


def create(cloud: Cloud, token: Json, body: Json) -> Json:
    """Sign a request and remember the certificate under its serial number."""
    days = body.get("requested_validity", 5475)
    if isinstance(days, bool) or days not in VALIDITIES:
        raise ApiError(400, 1001, f"Invalid requested_validity: must be one of {', '.join(map(str, VALIDITIES))}")
    hosts = check_hosts(cloud, token, body.get("hostnames"))
    request = read_request(body)
    certificate = sign(cloud, request, hosts, int(days))
    row = {
        "id": str(certificate.serial_number),
        "certificate": certificate.public_bytes(serialization.Encoding.PEM).decode(),
        "hostnames": hosts,
        "expires_on": certificate.not_valid_after_utc.strftime("%Y-%m-%d %H:%M:%S +0000 UTC"),
        "request_type": body["request_type"],
        "requested_validity": int(days),
        "csr": str(body["csr"]),
    }
    cloud.state["certificates"][row["id"]] = row
    return row


def find(cloud: Cloud, certificate_id: str) -> Json:
    """A certificate by its identifier, revoked ones included."""
    row: Json | None = cloud.state["certificates"].get(certificate_id)
    if row is None:
        raise ApiError(404, 1101, "Failed to read certificate from Database")
    return row


def select(cloud: Cloud, zone_name: str) -> list[Json]:
    """The certificates of a zone that were not revoked, newest expiry first."""
    rows = [row for row in cloud.state["certificates"].values() if "revoked_at" not in row]
    rows = [row for row in rows if any(host.removeprefix("*.") == zone_name or host.endswith("." + zone_name) for host in row["hostnames"])]
    return sorted(rows, key=lambda row: str(row["expires_on"]), reverse=True)


def revoke(cloud: Cloud, certificate_id: str) -> Json:
    """Revoke for good; the edge refuses the certificate from now on."""
    row = find(cloud, certificate_id)
    if "revoked_at" in row:
        raise ApiError(400, 1107, "Certificate has already been revoked")
    row["revoked_at"] = now()
    return {"id": certificate_id, "revoked_at": row["revoked_at"]}
