# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of `site.yml` that dies at any moment is repeated and ends in the same place, with nothing made twice."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from lab.mortal import MOMENTS, WHOLE, Mortal, counts, cut_short, faults
from lab.platform import Platform

from .conftest import NewLab

SEED = int(os.environ.get("TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)


def test_two_kills(mortal: Mortal) -> None:
    """When the server is ordered and when packages are installed, of which the vendor's image has none: the fixture has done it."""
    assert counts(mortal) == WHOLE
    assert mortal.status("/api/health") == 200


@pytest.fixture
def fresh(new_lab: NewLab) -> Iterator[Platform]:
    """A lab beside the others, with an empty account."""
    with new_lab("cut") as lab:
        yield Platform(lab)


def finishes(platform: Platform, context: str) -> None:
    final = platform.play("site")
    assert final.code == 0, f"{context}\n{final.explain()}"
    again = platform.play("site")
    assert (again.code, again.changed) == (0, 0), f"{context}\n{again.explain()}"
    assert platform.status("/api/health") == 200
    assert counts(platform) == WHOLE, context


@pytest.mark.long
def test_a_kill_at_every_moment_that_matters(fresh: Platform) -> None:
    for moment in MOMENTS.values():
        cut_short(fresh, moment)
    finishes(fresh, "each moment")


@pytest.mark.long
def test_ten_kills_at_random_moments(fresh: Platform) -> None:
    dice = random.Random(SEED)
    moments = [dice.uniform(1.0, 25.0) for _attempt in range(10)]
    context = f"seed {SEED}, moments {[round(moment, 1) for moment in moments]}"
    assert sum(fresh.killed_after(moment, "site") for moment in moments) >= 1, context
    finishes(fresh, context)


@pytest.mark.long
def test_vendor_that_takes_its_time(fresh: Platform) -> None:
    """Actions as long as at the vendor, and a volume whose device appears later still: every budget holds, and nothing is made twice."""
    slow = {"effect": {"domain": "action", "seconds": [10, 60]}}, {"effect": {"domain": "volume", "seconds": 8}}
    faults(fresh, "hetzner", *slow)
    try:
        finishes(fresh, "slow actions")
    finally:
        faults(fresh, "hetzner")
