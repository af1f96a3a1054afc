# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a zone's origin certificates; `test_cloudflare_origin_certificate.py` has some issued, this one looks at the refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.api.cloudflare.testing import CloudflareServer

Run = Callable[..., dict[str, Any]]


def test_an_unknown_zone_is_named(run_cloudflare: Run) -> None:
    assert run_cloudflare("origin_certificate_info", zone="example.com")["failure"]["code"] == "zone_not_found"


def test_a_missing_permission_is_an_error(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    cloudflare_api.cloud.state["tokens"][cloudflare_api.token]["scopes"] = ["Zone Read"]
    result = run_cloudflare("origin_certificate_info")
    assert result["failure"]["status"] == 403
    assert "lacks the permission" in result["msg"]
