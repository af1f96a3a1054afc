# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules that speak SQL have in common: options, documented in the fragment quetrex.platform.database, and the result of one that adds what lacks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .database import Target


def connection_spec() -> dict[str, dict[str, Any]]:
    return {
        "host": {"type": "str", "required": True},
        "address": {"type": "str"},
        "port": {"type": "int", "default": 5432},
        "user": {"type": "str", "default": "postgres"},
        "password": {"type": "str", "no_log": True},
        "database": {"type": "str", "default": "postgres"},
        "sslmode": {"type": "str", "default": "verify-full", "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]},
        "ca_certificate": {"type": "str"},
        "connect_timeout": {"type": "int", "default": 10},
    }


def target(parameters: dict[str, Any], purpose: str) -> Target:
    """The connection that a module's parameters describe. purpose: what others see of the session."""
    return Target(purpose=purpose, **{name: parameters[name] for name in connection_spec()})


def made(wanted: Iterable[str]) -> dict[str, Any]:
    """The result of a module that makes what is missing."""
    items = list(wanted)
    return {"changed": bool(items), "made": items, "diff": {"before": "", "after": "".join(f"{item}\n" for item in items)}}
