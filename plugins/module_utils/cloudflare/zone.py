# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads that more than one module needs."""

from __future__ import annotations

from typing import Any

from ..api.errors import Failure
from . import cache_rules, page_rules
from .client import Client

Json = dict[str, Any]


def entrypoint(client: Client, base: str) -> Json:
    """The ruleset of the cache phase, without rules when nothing was ever written."""
    try:
        return dict(client.call("GET", f"{base}/rulesets/phases/{cache_rules.PHASE}/entrypoint"))
    except Failure as error:
        if error.status == 404:
            return {"version": None, "rules": []}
        raise


def rules_of(ruleset: Json) -> list[Json]:
    """Its rules, highest precedence first."""
    return [cache_rules.view(row) for row in reversed(ruleset.get("rules") or [])]


def readable_cache_rules(client: Client, base: str) -> list[Json]:
    """The cache rules as far as the token may see them: they matter to page rules, but need a permission of their own."""
    try:
        return rules_of(entrypoint(client, base))
    except Failure as error:
        if error.status == 403:
            return []
        raise


def readable_page_rules(client: Client, base: str) -> list[Json]:
    """The page rules as far as the token may see them."""
    try:
        return [page_rules.view(rule) for rule in client.call("GET", f"{base}/pagerules")]
    except Failure as error:
        if error.status == 403:
            return []
        raise
