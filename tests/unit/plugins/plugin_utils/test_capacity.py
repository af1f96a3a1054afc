# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that do not fit the tier are refused before a server is bought."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.quetrex.platform.plugins.plugin_utils.capacity import SYSTEM_MB, memory_problems

DEFAULTS = yaml.safe_load((Path(__file__).resolve().parents[4] / "roles/app_stack/defaults/main.yml").read_text())


def given(memory_mb: int, tier: str = "starter") -> dict[str, Any]:
    return {"platform_tier": tier, "platform_services": {"worker": {"follows": "web", "limits": {"memory_mb": memory_mb}}}}


def test_the_system_has_what_the_role_says() -> None:
    assert DEFAULTS["app_stack_system_memory_mb"] == SYSTEM_MB


def test_too_much_for_the_tier() -> None:
    (line,) = memory_problems(given(1200))
    assert "worker 1200" in line
    assert "a server of starter has 8192" in line


@pytest.mark.parametrize(
    ("settings", "limits"),
    [
        (given(1000), None),
        (given(1200, "scale"), None),
        (given(1200) | {"platform_services": {**given(1200)["platform_services"], "runner": None}}, None),
        (given(1200), {"web": {"memory_mb": 1024}, "redis": {"memory_mb": 512}}),
        ({"platform_tier": "starter"}, None),
        (given(1200), "no mapping"),
        (given(0), None),
    ],
)
def test_nothing_to_say(settings: dict[str, Any], limits: Any) -> None:
    """It fits, or something else is wrong, which is said elsewhere."""
    assert memory_problems(settings, limits) == []
