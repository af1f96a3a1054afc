# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Purges: in orders every plan takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.api.cloudflare.testing import CloudflareServer

Run = Callable[..., dict[str, Any]]


def test_orders(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    assert run_cloudflare("cache_purge", check=True, everything=True)["changed"] is True
    assert cloudflare_api.writes() == []
    generation = cloudflare_api.zone["cache_generation"]
    run_cloudflare("cache_purge", everything=True)
    assert cloudflare_api.zone["cache_generation"] == generation + 1
    run_cloudflare("cache_purge", files=[f"https://quetrex.test/{number}" for number in range(31)], hosts=["quetrex.test"])
    assert [(order["kind"], len(order["items"])) for order in cloudflare_api.zone["purged"]] == [("files", 30), ("files", 1), ("hosts", 1)]


def test_a_foreign_address_is_refused_with_the_reason(run_cloudflare: Run) -> None:
    assert "does not belong to this zone" in run_cloudflare("cache_purge", files=["https://example.com/x"])["msg"]
