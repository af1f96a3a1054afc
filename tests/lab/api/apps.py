# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each stand-in as an application without servers behind it."""

from __future__ import annotations

import importlib
from pathlib import Path

from starlette.applications import Starlette

from lab.api import hetzner
from lab.api.cloudflare.testing import CloudflareLab
from lab.api.testing import ScratchLab


def app_of(api: str, root: Path) -> Starlette:
    """A stand-in."""
    module = importlib.import_module(f"lab.api.{api}")
    if api == "hetzner":
        return hetzner.create_app(ScratchLab(root), hetzner.NullHardware())
    made: Starlette = module.create_app(CloudflareLab(root) if api == "cloudflare" else ScratchLab(root))
    return made
