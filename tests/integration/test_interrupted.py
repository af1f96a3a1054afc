# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of `site.yml` that dies at any moment is repeated and ends in the same place, with nothing made twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from lab.config import CHECKOUT

from .conftest import NewLab, Platform

pytestmark = [pytest.mark.lab]
SEED = int(os.environ.get("TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)


@pytest.fixture
def fresh(new_lab: NewLab) -> Iterator[Platform]:
    """A lab beside the others, with an empty account."""
    with new_lab("cut") as lab:
        yield Platform(lab)


def kill_after(platform: Platform, seconds: float) -> bool:
    """Starts `site.yml` and kills it with all its children after a while; False when it had ended by itself."""
    with platform.lab.path("log", "interrupted.txt").open("ab") as log:
        child = subprocess.Popen(platform.command("site"), cwd=CHECKOUT, env=platform.environment, stdout=log, stderr=log, start_new_session=True)
        try:
            child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return True
    return False


def test_killed_at_ten_moments_and_repeated(fresh: Platform) -> None:
    dice = random.Random(SEED)
    began = time.monotonic()
    moments = [dice.uniform(1.0, 25.0) for _attempt in range(10)]
    killed = sum(kill_after(fresh, moment) for moment in moments)
    final = fresh.play("site")
    context = f"seed {SEED}, moments {[round(moment, 1) for moment in moments]}, {time.monotonic() - began:.0f} s"
    assert killed >= 1, context
    assert final.code == 0, f"{context}\\n{final.explain()}"
    again = fresh.play("site")
    assert (again.code, again.changed) == (0, 0), f"{context}\\n{again.explain()}"
    assert fresh.status("/api/health") == 200
    assert counts(fresh) == {"servers": 1, "volumes": 1, "primary_ips": 2, "firewalls": 1, "ssh_keys": 1}, context


def counts(platform: Platform) -> dict[str, int]:
    """How many of each resource the account holds."""
    import hcloud

    api = platform.facts["apis"]["hetzner"]
    client = hcloud.Client(token=api["token"], api_endpoint=api["url"])
    kinds = ("servers", "volumes", "primary_ips", "firewalls", "ssh_keys")
    return {kind: len(getattr(client, kind).get_all()) for kind in kinds}
