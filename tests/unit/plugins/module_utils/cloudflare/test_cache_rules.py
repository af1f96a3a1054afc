# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of cache rules, carried out on the stand-in's own rule store: for any two sets, exactly the second one, in order, with one write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.quetrex.platform.plugins.module_utils.api.errors import Failure
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare import cache_rules
from lab.api.cloudflare import rulesets as store
from lab.api.cloudflare.state import PLANS, new_zone

Json = dict[str, Any]
MATCHES = st.lists(st.sampled_from([f"example.com/{name}" for name in "abcdefg"]), unique=True, max_size=6)
KINDS = st.sampled_from([{"mode": "bypass"}, {"mode": "everything"}, {"mode": "everything", "edge_ttl": "1 month"}])


@st.composite
def rule_sets(draw: st.DrawFn) -> list[Json]:
    """A list of different rules."""
    return [cache_rules.normalise({"match": match, **draw(KINDS)}) for match in draw(MATCHES)]


def read(zone: Json) -> list[Json]:
    """The rules as the module reads them, highest precedence first."""
    return [cache_rules.view(row) for row in reversed(zone["rulesets"].get(store.PHASE, {"rules": []})["rules"])]


def carry_out(zone: Json, desired: list[Json], *, exclusive: bool, absent: frozenset[str] = frozenset()) -> int:
    """Apply a plan to the store; the number of writes."""
    steps = cache_rules.plan(read(zone), desired, absent=set(absent), exclusive=exclusive).steps
    for step in steps:
        store.put(zone, store.PHASE, {"rules": step["rules"]})
    return len(steps)


def shape(rules: list[Json]) -> list[Json]:
    """What has to be equal."""
    return [{"expression": rule["expression"], **rule["parameters"]} for rule in rules]


@given(rule_sets(), rule_sets())
def test_exactly_the_second_set_with_one_write(first: list[Json], second: list[Json]) -> None:
    zone = new_zone("example.com")
    carry_out(zone, first, exclusive=True)
    assert shape(read(zone)) == shape(first)
    kept = {row["expression"]: row["row"]["id"] for row in read(zone)}
    assert carry_out(zone, second, exclusive=True) == (shape(first) != shape(second))
    assert shape(read(zone)) == shape(second)
    assert all(kept.get(row["expression"], row["row"]["id"]) == row["row"]["id"] for row in read(zone)), "a rule keeps its identifier"
    assert carry_out(zone, second, exclusive=True) == 0


@given(rule_sets(), rule_sets())
def test_foreign_rules_stay_where_they_are(foreign: list[Json], ours: list[Json]) -> None:
    zone = new_zone("example.com", "pro")
    carry_out(zone, foreign, exclusive=True)
    carry_out(zone, ours, exclusive=False)
    mine = {rule["expression"] for rule in ours}
    after = read(zone)
    assert shape([rule for rule in after if rule["expression"] in mine]) == shape(ours)
    others = [rule for rule in foreign if rule["expression"] not in mine]
    assert shape([rule for rule in after if rule["expression"] not in mine]) == shape(others)
    assert carry_out(zone, ours, exclusive=False) == 0
    carry_out(zone, [], exclusive=False, absent=frozenset(mine))
    assert shape(read(zone)) == shape(others)


@pytest.mark.parametrize("plan", sorted(PLANS))
def test_the_quota_is_the_one_the_store_has(plan: str) -> None:
    quota = PLANS[plan]["cache_rules"]
    cache_rules.check_quota([{}] * quota, plan)
    with pytest.raises(Failure, match=f"allows {quota}"):
        cache_rules.check_quota([{}] * (quota + 1), plan)
