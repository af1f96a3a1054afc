# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a lab's Supabase project is: reference, names, passwords, keys. Made once per lab and kept in its folder."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import string
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

REGION = "us-east-1"
# Keys of hosted projects are issued for ten years; a fixed pair of dates keeps a lab's keys the same from run to run.
ISSUED, EXPIRES = 1764547200, 2079907200


class HasPath(Protocol):
    """The part of a lab that is needed here."""

    def path(self, *parts: str) -> Path:
        """A path below the lab's folder."""


@dataclass(frozen=True)
class Identity:
    """What the project's owner knows of it."""

    ref: str
    password: str
    jwt_secret: str
    region: str = REGION

    @property
    def host(self) -> str:
        return f"db.{self.ref}.supabase.test"

    @property
    def pooler_host(self) -> str:
        return f"{self.region}.pooler.supabase.test"

    @property
    def pooler_user(self) -> str:
        return f"postgres.{self.ref}"

    @property
    def url(self) -> str:
        return f"https://{self.ref}.supabase.test"

    def key(self, role: str) -> str:
        """The API key of a role: a JWT signed with the project's secret, as Supabase's legacy keys are."""
        claims = {"iss": "supabase", "ref": self.ref, "role": role, "iat": ISSUED, "exp": EXPIRES}
        return sign(claims, self.jwt_secret)

    def newer_key(self, kind: str) -> str:
        """The API key of the newer kind (publishable or secret) that a project has from the beginning."""
        return f"sb_{kind}_{hashlib.sha256(f'{kind} {self.jwt_secret}'.encode()).hexdigest()[:31]}"


def sign(claims: dict[str, object], secret: str) -> str:
    """A JSON web token (HS256)."""
    body = b".".join(_encode(json.dumps(part, separators=(",", ":")).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return (body + b"." + _encode(hmac.new(secret.encode(), body, hashlib.sha256).digest())).decode()


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def new_ref() -> str:
    """A project reference as the vendor makes them: twenty lower-case letters."""
    return "".join(secrets.choice(string.ascii_lowercase) for _position in range(20))


def load(lab: HasPath) -> Identity:
    """The lab's project; the first call makes it."""
    path = lab.path("supabase", "identity.json")
    if not path.exists():
        made = Identity(new_ref(), secrets.token_urlsafe(18), secrets.token_urlsafe(40))
        scratch = path.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(made), file)
        scratch.replace(path)
    return Identity(**json.loads(path.read_text()))
