# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of page rules, carried out on the stand-in's own rule store: for any two sets, exactly the second one, in order, with fewest writes."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare import page_rules
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.page_rules_order import bypasses, exposed, options
from lab.api.cloudflare import pagerules as store
from lab.api.cloudflare.state import new_zone

LEVELS = st.sampled_from(["bypass", "basic", "cache_everything"])
TARGETS = st.lists(st.sampled_from([f"example.com/{name}" for name in "abcdefg"]), unique=True, max_size=6)


@st.composite
def rule_sets(draw: st.DrawFn, most: int = 6) -> list[dict[str, Any]]:
    """A list of different rules."""
    return [page_rules.normalise({"target": target, "actions": {"cache_level": draw(LEVELS)}}) for target in draw(TARGETS)[:most]]


def read(zone: dict[str, Any]) -> list[dict[str, Any]]:
    """The rules as the module reads them."""
    return [page_rules.view(rule) for rule in store.select(zone, {})]


def carry_out(zone: dict[str, Any], desired: list[dict[str, Any]], *, exclusive: bool) -> int:
    """Apply a plan to the store, which refuses a rule too many; the number of writes."""
    plan = page_rules.plan(read(zone), desired, exclusive=exclusive)
    for step in plan.steps:
        if step["action"] == "delete":
            store.remove(zone, step["id"])
        elif step["action"] == "replace":
            store.replace(zone, step["id"], step["body"], merge=False)
        else:
            store.create(zone, step["body"])
    return len(plan.steps)


def shape(rules: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What has to be equal."""
    return [(rule["target"], rule["actions"], rule["status"]) for rule in rules]


def least_writes(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> int:
    """Writes that cannot be avoided: every rule of the larger set except the most that may stay untouched in their order."""
    longest = [0] * (len(after) + 1)
    for old in before:
        row = [0]
        for index, new in enumerate(after):
            equal = shape([old]) == shape([new])
            row.append(longest[index] + 1 if equal else max(row[-1], longest[index + 1]))
        longest = row
    return max(len(before), len(after)) - longest[-1]


@given(rule_sets(), rule_sets())
def test_exactly_the_second_set_with_fewest_writes(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    zone = new_zone("example.com", "pro")
    carry_out(zone, first, exclusive=True)
    assert shape(read(zone)) == shape(first)
    writes = carry_out(zone, second, exclusive=True)
    assert shape(read(zone)) == shape(second)
    assert carry_out(zone, second, exclusive=True) == 0
    assert writes == least_writes(first, second)


@given(rule_sets(), rule_sets())
def test_foreign_rules_stay_where_they_are(foreign: list[dict[str, Any]], ours: list[dict[str, Any]]) -> None:
    zone = new_zone("example.com", "pro")
    carry_out(zone, foreign, exclusive=True)
    carry_out(zone, ours, exclusive=False)
    targets = {rule["target"] for rule in ours}
    after = read(zone)
    assert shape([rule for rule in after if rule["target"] in targets]) == shape(ours)
    assert shape([rule for rule in after if rule["target"] not in targets]) == shape([rule for rule in foreign if rule["target"] not in targets])
    assert carry_out(zone, ours, exclusive=False) == 0


def intermediate(zone: dict[str, Any], desired: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Every state on the way, the first and the last included."""
    states = [read(zone)]
    for step in page_rules.plan(read(zone), desired, exclusive=True).steps:
        if step["action"] == "delete":
            store.remove(zone, step["id"])
        elif step["action"] == "replace":
            store.replace(zone, step["id"], step["body"], merge=False)
        else:
            store.create(zone, step["body"])
        states.append(read(zone))
    return states


def some_order_is_harmless(current: list[dict[str, Any]], desired: list[dict[str, Any]]) -> bool:
    """Tries every order of the same writes."""
    placed, obsolete = page_rules.assign(current, desired)
    gone = {rule["id"] for rule in obsolete}
    fixed = page_rules.settled(placed, [rule["id"] for rule in current if rule["id"] not in gone])
    start = [{**rule, "key": rule["id"]} for rule in current]
    goal = [{**rule, "key": rule["id"] or f"new-{index}"} for index, rule in enumerate(placed)]
    jobs = [rule for rule in start if rule["key"] in gone] + [rule for rule in goal if rule["key"] not in fixed]
    protected = {rule["target"] for rule in [*start, *goal] if bypasses(rule)}
    allowed = exposed(start, protected) | exposed(goal, protected)

    def leads_there(state: list[dict[str, Any]], left: list[dict[str, Any]], done: set[str]) -> bool:
        if not exposed(state, protected) <= allowed:
            return False
        for job in left:
            rest = [other for other in left if other is not job]
            if job["key"] in gone:
                states = [[rule for rule in state if rule is not job]]
            else:
                states = [after for after, _priority in options(state, job, goal, done)]
            if any(leads_there(after, rest, done | {job["key"]}) for after in states):
                return True
        return not left

    return leads_there(start, jobs, fixed)


def named(**rules: str) -> list[dict[str, Any]]:
    """Rules by the last part of their target."""
    return [page_rules.normalise({"target": f"example.com/{name}", "actions": {"cache_level": level}}) for name, level in rules.items()]


@given(rule_sets(), rule_sets())
# both rules become others: whichever is first, an address loses its bypass above a rule that caches, or gets one too late
@example(named(c="bypass", d="cache_everything"), named(e="bypass", f="cache_everything"))
def test_no_caching_in_between(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    """Where the fewest writes have an order in which that is so."""
    zone = new_zone("example.com", "pro")
    carry_out(zone, first, exclusive=True)
    start = read(zone)
    states = intermediate(zone, second)
    protected = {rule["target"] for rule in [*first, *second] if bypasses(rule)}
    allowed = exposed(states[0], protected) | exposed(states[-1], protected)
    harmless = [exposed(state, protected) - allowed for state in states] == [set()] * len(states)
    assert harmless or not some_order_is_harmless(start, second)


@given(rule_sets(3), rule_sets(3))
def test_a_full_quota_is_replaced_in_place(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    zone = new_zone("example.com", "free")
    carry_out(zone, first, exclusive=True)
    assert carry_out(zone, second, exclusive=True) == least_writes(first, second)
    assert shape(read(zone)) == shape(second)


@given(rule_sets(), rule_sets(), st.sets(st.integers(0, 11)))
def test_lost_answers_of_posts_double_nothing(first: list[dict[str, Any]], second: list[dict[str, Any]], lost: set[int]) -> None:
    """After a lost answer the run looks again and plans again, whether or not the rule was made."""
    zone = new_zone("example.com", "pro")
    carry_out(zone, first, exclusive=True)
    calls = 0
    while steps := page_rules.plan(read(zone), second, exclusive=True).steps:
        for step in steps:
            calls += 1
            assert calls < 40
            if step["action"] == "create":
                if calls not in lost:
                    store.create(zone, step["body"])
                elif calls % 2:
                    store.create(zone, step["body"])
                    break
                else:
                    break
            elif step["action"] == "delete":
                store.remove(zone, step["id"])
            else:
                store.replace(zone, step["id"], step["body"], merge=False)
    assert shape(read(zone)) == shape(second)


def test_removing_actions() -> None:
    """Removing takes the named actions and the rule with its last one."""
    rules = [{"id": "1", "target": "example.com/a", "actions": {"cache_level": "bypass", "security_level": "high"}, "status": "active"}]
    assert page_rules.without(rules, {"example.com/a": {"cache_level"}})[0]["actions"] == {"security_level": "high"}
    assert page_rules.without(rules, {"example.com/a": {"cache_level", "security_level"}}) == []
    assert page_rules.without(rules, {"example.com/a": set()}) == []
    assert page_rules.without(rules, {"example.com/b": set()}) == rules
