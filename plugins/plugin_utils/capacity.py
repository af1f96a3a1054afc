# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the services of a platform fit into the server that its tier means, before one is bought. The role app_stack asks the server itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.plan import TIERS
from ansible_collections.quetrex.platform.plugins.module_utils.services.parse import stack

SYSTEM_MB = 1024


def memory_problems(given: Mapping[str, Any], limits: Any = None, system_mb: Any = None) -> list[str]:
    """One line when the services ask for more than the tier's memory. What is wrong otherwise is said elsewhere.

    Without a word of the inventory's about services nothing is said: the platform's own fit every tier but by their options, which the role judges.
    """
    described = given.get("platform_services", {})
    services, wrong = stack(described, str(given.get("platform_domain", "")))
    size = TIERS.get(str(given.get("platform_tier")))
    if not described or wrong or size is None:
        return []
    wanted = {one.name: one.limits.memory_mb for one in services}
    try:
        wanted |= {name: int(part["memory_mb"]) for name, part in (limits or {}).items() if name in wanted}
        wanted["system"] = SYSTEM_MB if system_mb is None else int(system_mb)
    except (TypeError, ValueError, KeyError, AttributeError):
        return []
    needed, there = sum(wanted.values()), int(size.memory * 1024)
    if needed <= there:
        return []
    parts = ", ".join(f"{name} {memory}" for name, memory in wanted.items())
    return [f"platform_services need {needed} MB with the platform's own ({parts}), a server of {given['platform_tier']} has {there}; raise it or lower limits"]
