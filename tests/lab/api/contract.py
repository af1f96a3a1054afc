# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the project's contracts (`meta/contracts`) each local API is held to."""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

__all__ = ["VENDORS", "contract_of", "contracts"]
CHECKOUT = Path(__file__).resolve().parents[3]
VENDORS: dict[str, tuple[str, ...]] = {
    "hetzner": ("hetzner",),
    "cloudflare": ("cloudflare",),
    "supabase": ("supabase",),
    "monitors": ("uptimerobot", "betterstack"),
    "awx": ("awx",),
}


def _plugin_util() -> ModuleType:
    """The collection's own reader of contracts; the lab's processes run without Ansible's loader of collections."""
    name = "lab.api.contracts"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, CHECKOUT / "plugins" / "plugin_utils" / "contracts.py")
        if spec is None or spec.loader is None:
            raise ImportError(name)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


if TYPE_CHECKING:
    from ansible_collections.quetrex.platform.plugins.plugin_utils import contracts
else:
    contracts = _plugin_util()


@functools.cache
def contract_of(api: str) -> contracts.Contract:
    """The tables of an API."""
    return contracts.Contract([contracts.load(vendor) for vendor in VENDORS[api]])
