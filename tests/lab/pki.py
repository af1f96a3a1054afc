# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own public web authority: what browsers would trust, if they lived here."""

from __future__ import annotations

import datetime
import hashlib
import os
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.config import Lab
from lab.process import locked


def save_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Writes a private key, readable by its owner alone from the first byte."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(pem)


def authority(folder: Path, common_name: str) -> tuple[Path, Path]:
    """Key and certificate of a certificate authority, made once in `folder`."""
    key_path, cert_path = folder / "ca.key", folder / "ca.pem"
    with locked(folder / ".lock"):
        if not cert_path.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
            certificate = _builder(name, name, key.public_key(), 3650).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            certificate = certificate.add_extension(usage, critical=True)
            certificate = certificate.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            save_key(key_path, key)
            cert_path.write_bytes(certificate.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return key_path, cert_path


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key).serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=days))


def ca(lab: Lab) -> Path:
    """Path of the lab's public web authority (PEM), for `curl --cacert`."""
    return authority(lab.folder("pki"), f"Lab {lab.name} public web authority")[1]


def issue(lab: Lab, names: list[str], days: int = 90) -> tuple[Path, Path]:
    """Key and certificate chain for DNS names or addresses, made once per list of names."""
    ca(lab)
    folder = lab.folder("pki", "issued")
    stem = f"{names[0].replace('*', 'any').replace(':', '_')}-{hashlib.sha256(' '.join(names).encode()).hexdigest()[:8]}"
    key_path, cert_path = folder / f"{stem}.key", folder / f"{stem}.pem"
    with locked(folder / ".lock"):
        if not cert_path.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            save_key(key_path, key)
            cert_path.write_bytes(_leaf(lab, names, key.public_key(), days) + ca(lab).read_bytes())
    return key_path, cert_path


def _leaf(lab: Lab, names: list[str], key: ec.EllipticCurvePublicKey, days: int) -> bytes:
    ca_key = serialization.load_pem_private_key(lab.path("pki", "ca.key").read_bytes(), None)
    ca_cert = x509.load_pem_x509_certificate(ca(lab).read_bytes())
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the lab's authority has an elliptic curve key")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    certificate = _builder(subject, ca_cert.subject, key, days).add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
    certificate = certificate.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    certificate = certificate.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    return certificate.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
