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
    assert done["diff"]["after"] == planned["diff"]["after"], "check mode told the truth"
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
