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


@given(connections=st.integers(1, 200), size=st.none() | st.integers(6, 500))
def test_the_advice_is_accepted(connections: int, size: int | None) -> None:
    said = sessions.warning(connections, size)
    found = re.search(r"pool open (\d+) at most", said)
    assert (not said) == (sessions.needed(connections) <= (size or sessions.POOL_SIZE))
    assert found is None or sessions.warning(int(found[1]), size) == ""
