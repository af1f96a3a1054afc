# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request's body may hold. Nothing is converted, nothing unknown is let through: a typo has to be seen."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from .errors import ApiError, invalid

Check = Callable[[str, Any], Any]
LABEL_KEY = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
HOSTNAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*")
PORT = re.compile(r"any|(\d{1,5})(?:-(\d{1,5}))?")


@dataclass(frozen=True)
class Field:
    """One key of a body."""

    check: Check
    required: bool = False
    default: Any = None
    """What an absent key stands for."""


def parse(body: Any, fields: Mapping[str, Field], where: str = "") -> dict[str, Any]:
    """Return the values of all fields, or refuse the first that is missing, unknown or wrong."""
    if not isinstance(body, dict):
        raise ApiError("json_error", "unable to decode json: an object is wanted") if not where else invalid(where, "must be an object")
    prefix = f"{where}." if where else ""
    for key in body:
        if key not in fields:
            raise invalid(f"{prefix}{key}", "unknown field")
    for key, field in fields.items():
        if field.required and body.get(key) is None:
            raise invalid(f"{prefix}{key}", "Missing data for required field.")
    return {key: field.check(f"{prefix}{key}", body[key]) if key in body else field.default for key, field in fields.items()}


def text(low: int = 0, high: int = 1 << 20) -> Check:
    """Accept a string of that many characters."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise invalid(name, "Not a valid string.")
        if not low <= len(value) <= high:
            raise invalid(name, f"length must be between {low} and {high}")
        return value

    return check


def hostname(name: str, value: Any) -> str:
    """Accept a server's name."""
    if not isinstance(value, str) or not HOSTNAME.fullmatch(value):
        raise invalid(name, "must be a valid hostname as per RFC 1123")
    return value


def user_data(name: str, value: Any) -> str:
    """Accept cloud-init user data up to the vendor's 32 KiB."""
    if not isinstance(value, str):
        raise invalid(name, "Not a valid string.")
    if len(value.encode()) > 32 * 1024:
        raise invalid(name, "is too long")
    return value


def integer(low: int = 1, high: int = 9007199254740991) -> Check:
    """Accept a whole number within bounds; true is not one."""

    def check(name: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise invalid(name, "Not a valid integer.")
        if not low <= value <= high:
            raise invalid(name, f"must be between {low} and {high}")
        return value

    return check


def boolean(name: str, value: Any) -> bool:
    """Accept true or false."""
    if not isinstance(value, bool):
        raise invalid(name, "Not a valid boolean.")
    return value


def nullable(inner: Check) -> Check:
    """Accept null as well."""
    return lambda name, value: None if value is None else inner(name, value)


def choice(*allowed: str) -> Check:
    """Accept one of these words."""

    def check(name: str, value: Any) -> str:
        if value not in allowed or not isinstance(value, str):
            raise invalid(name, f"must be one of {', '.join(allowed)}")
        return value

    return check


def reference(name: str, value: Any) -> str:
    """Accept an id or a name. The document says string, the vendor's own SDK sends numbers and is served."""
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise invalid(name, "must be an id or a name")
    return str(value)


def many(inner: Check, high: int = 1000) -> Check:
    """Accept a list."""

    def check(name: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise invalid(name, "Not a valid list.")
        if len(value) > high:
            raise invalid(name, f"at most {high} elements")
        return [inner(f"{name}.{position}", item) for position, item in enumerate(value)]

    return check


def nested(fields: Mapping[str, Field]) -> Check:
    """Accept an object with these fields."""
    return lambda name, value: parse(value, fields, name)


def labels(name: str, value: Any) -> dict[str, str]:
    """Accept labels by the vendor's rules for keys and values."""
    if not isinstance(value, dict):
        raise invalid(name, "Not a valid object.")
    for key, item in value.items():
        if not LABEL_KEY.fullmatch(key) or key.startswith("hetzner.cloud/") or not isinstance(item, str) or not LABEL_VALUE.fullmatch(item):
            raise invalid(name, f"label {key!r} is not valid")
    return dict(value)


def cidr(name: str, value: Any) -> str:
    """Accept a network in CIDR notation without host bits."""
    try:
        if not isinstance(value, str) or "/" not in value:
            raise ValueError("a mask is wanted")
        ip_network(value)
    except ValueError as error:
        raise invalid(name, f"must be a network in CIDR notation: {error}") from error
    return value


def port(name: str, value: Any) -> str:
    """Accept a port, a range of ports or `any`."""
    match = PORT.fullmatch(value) if isinstance(value, str) else None
    bounds = [int(one) for one in match.groups() if one] if match else [0]
    if match is None or any(not 1 <= one <= 65535 for one in bounds) or bounds != sorted(bounds):
        raise invalid(name, "must be a port, a range of ports or any")
    return str(value)


LABELS = Field(labels, default=None)
