# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans over who may connect: whatever is there, wanted and recorded, another's network stays and nobody is left without any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.quetrex.platform.plugins.module_utils.supabase import networks, restrictions
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure

SOME = st.lists(st.integers(1, 6).map(lambda number: f"192.0.2.{number}/32"), unique=True)


@given(found=SOME, wanted=SOME.filter(bool), owned=SOME)
def test_kept_networks(found: list[str], wanted: list[str], owned: list[str]) -> None:
    """Whatever is kept is all of others and none of its own former ones."""
    planned = networks.plan(found, wanted, owned, "keep")
    others = set(found) - set(owned)
    assert set(planned) == set(wanted) | others
    assert set(networks.plan(found, wanted, owned, "remove")) == set(wanted)
    if others - set(wanted):
        with pytest.raises(Failure, match="another environment may live by it"):
            networks.plan(found, wanted, owned, "refuse")
    else:
        assert set(networks.plan(found, wanted, owned, "refuse")) == set(wanted)


@given(found=SOME, wanted=SOME.filter(bool), owned=st.none() | SOME)
def test_what_was_there_before_is_not_its_own(found: list[str], wanted: list[str], owned: list[str] | None) -> None:
    own = set(networks.now_owned(found, wanted, owned))
    assert own <= set(wanted)
    if owned is not None or set(found) - set(wanted):
        assert not own & (set(found) - set(owned or []))


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"config": {"dbAllowedCidrs": [], "dbAllowedCidrsV6": []}, "status": "stored"}, ["0.0.0.0/0", "::/0"]),
        ({"config": {}, "status": "stored"}, ["0.0.0.0/0", "::/0"]),
        ({"config": {"dbAllowedCidrs": [], "dbAllowedCidrsV6": []}, "status": "applied"}, []),
        ({"config": {"dbAllowedCidrs": ["192.0.2.1/32"], "dbAllowedCidrsV6": ["2001:db8::/64"]}, "status": "stored"}, ["192.0.2.1/32", "2001:db8::/64"]),
    ],
)
def test_a_project_that_was_never_restricted_is_open(answer: dict[str, object], found: list[str]) -> None:
    assert networks.present(answer) == found


def test_two_empty_lists_are_never_sent() -> None:
    with pytest.raises(Failure, match="never sent"):
        restrictions.send(None, "ref", [])  # type: ignore[arg-type]  # it must not get as far as the API
