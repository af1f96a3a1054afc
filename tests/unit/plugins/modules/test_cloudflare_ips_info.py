# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge's networks, from the API or from the package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.api.cloudflare.testing import CloudflareServer

Run = Callable[..., dict[str, Any]]


def test_networks(cloudflare_api: CloudflareServer, run_cloudflare: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_cloudflare("ips_info")
    assert first["source"] == "api"
    assert run_cloudflare("ips_info", etag=first["etag"])["differs"] is False
    assert run_cloudflare("ips_info", etag="older")["differs"] is True
    cloudflare_api.fault({"match": {}, "effect": {"html": 502}})
    packaged = run_cloudflare("ips_info")
    assert packaged["source"] == "packaged"
    assert run_cloudflare("ips_info", etag="older")["differs"] is False
    assert "173.245.48.0/20" in packaged["cidrs"]
