# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the vendor's own collection expects of the API holds for the stand-in, and no exchange breaks the contract."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.api.hetzner import peer
from lab.api.hetzner.testing import hetzner_api
from lab.config import Lab

pytestmark = [pytest.mark.long]


@pytest.fixture(scope="module", name="tree")
def _tree() -> Path:
    return peer.tree(Lab.from_env())


def test_no_target_is_forgotten(tree: Path) -> None:
    """A newer collection may have more of them."""
    left_out = {name for name in peer.names(tree) if any(re.fullmatch(pattern, name) for pattern in peer.LEFT_OUT)}
    assert peer.names(tree) - left_out == set(peer.TARGETS)


@pytest.mark.parametrize("target", peer.TARGETS)
def test_target(tree: Path, tmp_path: Path, target: str) -> None:
    """Runs as its own collection runs it."""
    with hetzner_api(tmp_path) as api:
        done = peer.play(tree, target, api, tmp_path)
    assert done.returncode == 0, done.stdout[-6000:]
    assert re.search(r"ok=[1-9]\d*", done.stdout), "nothing ran"
