# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared by the tests of plugins and modules: no client reads a field that its vendor's contract does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare import client as cloudflare
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner import client as hetzner
from ansible_collections.quetrex.platform.plugins.module_utils.supabase import management as supabase
from ansible_collections.quetrex.platform.plugins.module_utils.uptime import client as uptime
from lab.api.contract import contract_of
from lab.api.reading import reading

# Code that treats all kinds of resources alike asks each for what only some have, and takes its absence for an answer.
ASKED_OF_ALL = re.compile(r"GET /v1/\w+\.\w+\.(protection|status) is read")
CLIENTS = {hetzner: "hetzner", cloudflare: "cloudflare", supabase: "supabase", uptime: "monitors"}


@pytest.fixture(autouse=True)
def fields_read() -> Iterator[None]:
    """Every answer that a client decodes in this process is held to its contract while it is read."""
    found: list[str] = []
    with reading({module: contract_of(api) for module, api in CLIENTS.items()}, found.append):
        yield
    assert sorted({one for one in found if not ASKED_OF_ALL.match(one)}) == [], "a field that is not in meta/contracts (docs/contracts.md)"
