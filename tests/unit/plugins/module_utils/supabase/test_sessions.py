# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many sessions are needed, and what is said where there are fewer."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.quetrex.platform.plugins.module_utils.supabase import sessions


def test_the_numbers_of_the_page() -> None:
    assert sessions.needed(10) == 24
    assert (sessions.warning(5, None), sessions.warning(10, 24)) == ("", "")
    said = sessions.warning(10, None)
    assert "may need 24 sessions" in said
    assert "has 15 (the size of the smallest computes" in said
    assert "has 20, and refuses" in sessions.warning(10, 20)


def test_compute_that_says_its_size() -> None:
    """Only where the project has no setting of its own; larger ones than are known count as the largest that is."""
    assert [sessions.pool_size(None, compute)[0] for compute in (None, "ci_micro", "ci_xlarge", "ci_4xlarge", "ci_48xlarge")] == [15, 15, 20, 32, 128]
    assert sessions.pool_size(40, "ci_micro") == (40, "")
    assert sessions.warning(10, None, "ci_4xlarge") == ""
    assert "has 20 (what its compute ci_large has" in sessions.warning(10, None, "ci_large")


@given(connections=st.integers(1, 200), size=st.none() | st.integers(6, 500), compute=st.none() | st.sampled_from(sorted(sessions.POOL_SIZES)))
def test_the_advice_is_accepted(connections: int, size: int | None, compute: str | None) -> None:
    said = sessions.warning(connections, size, compute)
    found = re.search(r"pool open (\d+) at most", said)
    assert (not said) == (sessions.needed(connections) <= sessions.pool_size(size, compute)[0])
    assert found is None or sessions.warning(int(found[1]), size, compute) == ""
