# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options every module of the Management API has in common. Apart from those that speak SQL, which would carry an HTTP client along."""

from __future__ import annotations

from typing import Any

from .management import API_URL, Api


def api_spec() -> dict[str, dict[str, Any]]:
    """Documented in the fragment quetrex.platform.supabase_api."""
    return {
        "api_token": {"type": "str", "required": True, "no_log": True},
        "api_url": {"type": "str", "default": API_URL},
        "wait_timeout": {"type": "float", "default": 600},
    }


def api_of(parameters: dict[str, Any], *secrets: str | None) -> Api:
    """The client that a module's parameters describe. secrets: what else no message may hold."""
    return Api(parameters["api_token"], parameters["api_url"], budget=parameters["wait_timeout"], secrets=secrets)
