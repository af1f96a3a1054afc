# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge's networks, from the API from the last answer, or from the package."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.api.cloudflare.testing import CloudflareServer

Run = Callable[..., dict[str, Any]]


def test_a_change_is_told_by_the_etag(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    first = run_cloudflare("ips_info")
    assert first["source"] == "api"
    assert "differs" not in first
    assert run_cloudflare("ips_info", etag=first["etag"])["differs"] is False
    assert run_cloudflare("ips_info", etag="older")["differs"] is True


def test_packaged_networks(cloudflare_api: CloudflareServer, run_cloudflare: Run, warnings: list[str]) -> None:
    """Without the API the packaged networks serve with a warning."""
    cloudflare_api.fault({"effect": {"html": 502}})
    packaged = run_cloudflare("ips_info", etag="older")
    assert (packaged["source"], packaged["differs"]) == ("packaged", False)
    assert "173.245.48.0/20" in packaged["cidrs"]
    assert "2a06:98c0::/29" in packaged["cidrs"]
    assert warnings == [w for w in warnings if "published on 2023-09-28" in w] != []


def test_last_answer_is_kept(cloudflare_api: CloudflareServer, run_cloudflare: Run, tmp_path: Path, warnings: list[str]) -> None:
    """The last answer is kept and better than the packaged one."""
    keep = tmp_path / "state" / "edge.json"
    assert run_cloudflare("ips_info", check=True, keep=str(keep))["source"] == "api"
    assert not keep.exists(), "looking leaves nothing behind"
    first = run_cloudflare("ips_info", keep=str(keep))
    assert (run_cloudflare("ips_info", keep=str(keep))["differs"], warnings) == (False, [])
    keep.write_text(json.dumps({**json.loads(keep.read_text()), "etag": "older"}))
    assert run_cloudflare("ips_info", keep=str(keep))["differs"] is True
    cloudflare_api.fault({"effect": {"rate_limited": {}}})
    kept = run_cloudflare("ips_info", keep=str(keep))
    assert (kept["source"], kept["cidrs"], kept["differs"]) == ("kept", first["cidrs"], False)
    assert "kept in" in warnings[0]
    keep.write_text("{}")
    assert run_cloudflare("ips_info", keep=str(keep))["source"] == "packaged"


def test_an_answer_without_networks_is_none(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    empty = {"ipv4_cidrs": [], "ipv6_cidrs": [], "etag": "x"}
    cloudflare_api.fault({"effect": {"status": 200, "body": {"success": True, "errors": [], "messages": [], "result": empty}}})
    assert run_cloudflare("ips_info")["source"] == "packaged"
