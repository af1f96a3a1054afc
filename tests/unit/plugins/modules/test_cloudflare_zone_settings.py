# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings: four ways and with every kind of trouble on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.api.cloudflare.testing import CloudflareServer

Run = Callable[..., dict[str, Any]]
SETTINGS = {"ssl": "strict", "always_use_https": True, "min_tls_version": 1.2, "security_level": "medium", "challenge_ttl": "1800"}


NAME = "zone_settings"
FIRST: dict[str, Any] = {"settings": SETTINGS, "bot_fight_mode": True}
SECOND: dict[str, Any] = {"settings": SETTINGS, "bot_fight_mode": False}


def test_four_ways(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    planned = run_cloudflare(NAME, check=True, **FIRST)
    assert planned["changed"] is True
    assert cloudflare_api.writes() == []
    done = run_cloudflare(NAME, **FIRST)
    assert done["changed"] is True
    assert done["diff"]["after"] == planned["diff"]["after"], "check mode showed what was done"
    assert run_cloudflare(NAME, **FIRST)["changed"] is False
    assert run_cloudflare(NAME, check=True, **FIRST)["changed"] is False
    cloudflare_api.forget()
    assert run_cloudflare(NAME, **SECOND)["changed"] is True
    assert len(cloudflare_api.writes()) == 1


@pytest.mark.parametrize("check", [True, False])
def test_what_the_plan_does_not_allow_is_refused_before_a_write(cloudflare_api: CloudflareServer, run_cloudflare: Run, check: bool) -> None:
    assert run_cloudflare("zone_settings", check=check, settings={"polish": "lossy", "ssl": "strict"})["failure"]["code"] == 1057
    assert run_cloudflare("zone_settings", check=check, settings={"nonsense": "x"})["failure"]["code"] == 1006
    assert cloudflare_api.writes() == []


def deaf(api: CloudflareServer, name: str) -> None:
    """Cloudflare says yes to a write of this setting and keeps what it had."""
    kept = api.call("GET", f"/zones/{{zone}}/settings/{name}").json()
    api.fault({"match": {"method": "PATCH", "path": f"/settings/{name}$"}, "effect": {"status": 200, "body": kept}})


def test_undocumented_setting(cloudflare_api: CloudflareServer, run_cloudflare: Run, warnings: list[str]) -> None:
    """A setting that is no longer documented is warned about when it is not kept."""
    deaf(cloudflare_api, "security_level")
    result = run_cloudflare(NAME, settings={"security_level": "high", "ssl": "strict"})
    assert result["settings"] == {"security_level": "medium", "ssl": "strict"}
    assert "answers 'medium' for security_level although 'high' was written" in warnings[0]


def test_a_setting_that_is_not_kept_is_one_clear_error(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    deaf(cloudflare_api, "ssl")
    result = run_cloudflare(NAME, settings={"ssl": "strict"})
    assert result["failure"]["code"] == "not_converged"
    assert "does not keep what was written" in result["msg"]
