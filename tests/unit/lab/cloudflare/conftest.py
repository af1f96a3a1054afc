# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Cloudflare stand-in on loopback, held against the vendor's document."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.api.cloudflare.testing import CloudflareServer, cloudflare_server


@pytest.fixture
def api(tmp_path: Path) -> Iterator[CloudflareServer]:
    """A fresh account with one empty zone; a violation of the contract fails the test."""
    with cloudflare_server(tmp_path) as server:
        yield server
    assert server.violations() == []
