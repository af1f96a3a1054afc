# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Origin CA certificates: whether the one at hand still serves, and which one to use after an answer was lost. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

from ..api.errors import Failure

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    CRYPTOGRAPHY_ERROR = None
except ImportError as error:
    CRYPTOGRAPHY_ERROR = error

Json = dict[str, Any]
VALIDITIES = [7, 30, 90, 365, 730, 1095, 5475]


def moment(text: str) -> datetime:
    """An expiry as the API writes it: `2020-12-25 06:27:00 +0000 UTC` or RFC 3339."""
    clean = re.sub(r" UTC$", "", text.strip()).replace("Z", "+00:00")
    clean = re.sub(r"\.\d+", "", re.sub(r" ([+-]\d\d)(\d\d)$", r"\1:\2", clean))
    try:
        found = datetime.fromisoformat(clean)
    except ValueError as error:
        raise Failure(f"Cloudflare's expiry {text!r} cannot be read.", code="unexpected_answer") from error
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def public_key(thing: Any) -> bytes:
    """The public key of a request or certificate, for comparing."""
    data: bytes = thing.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return data


def request_type(csr: str) -> str:
    """What Cloudflare calls the kind of the request's key."""
    try:
        request = x509.load_pem_x509_csr(csr.encode())
    except ValueError as error:
        raise Failure("csr is not a certificate signing request in PEM form.", code="invalid_csr") from error
    return "origin-ecc" if isinstance(request.public_key(), ec.EllipticCurvePublicKey) else "origin-rsa"


def describe(certificate: str) -> Json:
    """Serial, names and expiry of a certificate (PEM)."""
    try:
        parsed = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError as error:
        raise Failure("certificate is not a certificate in PEM form.", code="invalid_certificate") from error
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        names = []
    expiry = parsed.not_valid_after_utc
    return {"id": str(parsed.serial_number), "hostnames": sorted(names), "expires_on": expiry.isoformat(), "expires": expiry, "key": public_key(parsed)}


def usable(certificate: str | None) -> str:
    """The certificate at hand, or nothing when the file holds no certificate (any more): another one takes its place."""
    try:
        return certificate if certificate and describe(certificate) else ""
    except Failure:
        return ""


def reasons(certificate: str | None, csr: str | None, hostnames: list[str], renew_before: int, now: datetime) -> list[str]:
    """Why the certificate at hand will not do; nothing when it will."""
    if not certificate:
        return ["there is no certificate"]
    if not usable(certificate):
        return ["it cannot be read as a certificate"]
    found = describe(certificate)
    result = []
    if csr and found["key"] != public_key(x509.load_pem_x509_csr(csr.encode())):
        result.append("it belongs to another key")
    if missing := sorted(set(hostnames) - set(found["hostnames"])):
        result.append(f"it lacks {', '.join(missing)}")
    left = found["expires"] - now
    if left <= timedelta(days=renew_before):
        result.append(f"it expires in {left.days} days" if left > timedelta(0) else "it has expired")
    return result


def valid(rows: list[Json]) -> list[Json]:
    """The certificates that were not revoked; the list may have both."""
    return [row for row in rows if not row.get("revoked_at")]


def superseded(rows: list[Json], mark: str | None, current: str) -> list[str]:
    """Serial numbers of valid certificates with a mark, without the current one: what its user had before."""
    return sorted(str(row["id"]) for row in valid(rows) if mark and mark in row["hostnames"] and str(row["id"]) != current)


def adopt(rows: list[Json], csr: str, hostnames: list[str], validity: int, now: datetime) -> Json | None:
    """The certificate a lost answer was about: same key, all names, and nearly all of its time still ahead."""
    key = public_key(x509.load_pem_x509_csr(csr.encode()))
    for row in rows:
        fresh = moment(row["expires_on"]) - now > timedelta(days=validity) - timedelta(hours=1)
        if fresh and set(hostnames) <= set(row["hostnames"]) and describe(row["certificate"])["key"] == key:
            return row
    return None
