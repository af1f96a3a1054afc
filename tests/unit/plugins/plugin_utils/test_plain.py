# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain expressions mean what the core's template engine makes of them, or are left to it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.quetrex.platform.plugins.plugin_utils import plain

VARIABLES: dict[str, Any] = {
    "name": "web",
    "labels": {"role": "app", "items": "x", "a-b": "c", "deep": {"er": ["y"]}, "none": None},
    "count": 3,
    "nothing": None,
    "true": "shadow",
}
KEYS = st.sampled_from([".role", ".items", "['items']", '["role"]', "['a-b']", ".deep", ".er", ".nobody", "['nobody']", ".upper", "[0]", " | length", ".none"])
EXPRESSIONS = st.builds(
    lambda name, keys, blank: blank + name + "".join(keys) + blank,
    st.sampled_from(["name", "labels", "count", "nothing", "nowhere", "true", "none", "not name", "omit", "lookup"]),
    st.lists(KEYS, max_size=3),
    st.sampled_from(["", " "]),
)
TAILS = st.sampled_from(["== 'app'", "!='app'", ' == "web"', "== 'it''s'", "== app", "== 'app' or true", "== 3"])
FAILED = object()


def engine(expression: str, *, condition: bool) -> Any:
    """Return what the core makes of it, FAILED when it refuses."""
    templar = Templar(DataLoader(), variables=dict(VARIABLES))
    try:
        return (templar.evaluate_conditional if condition else templar.evaluate_expression)(trust_as_template(expression))
    except Exception:  # noqa: BLE001 - whatever the engine refuses, and however
        return FAILED


def plainly(reading: Any) -> Any:
    """Return what a reading gives, FAILED when a key is not there."""
    try:
        return reading.of(VARIABLES)
    except KeyError:
        return FAILED


@settings(max_examples=400, deadline=None)
@given(EXPRESSIONS)
def test_a_path_is_what_the_engine_says(expression: str) -> None:
    reading = plain.path(expression)
    if reading is None:
        return
    try:
        assert plainly(reading) == engine(expression, condition=False)
    except plain.NotPlain:
        return


@settings(max_examples=400, deadline=None)
@given(EXPRESSIONS, TAILS)
def test_a_comparison_is_what_the_engine_says(expression: str, tail: str) -> None:
    reading = plain.test(expression + tail)
    if reading is None:
        return
    try:
        assert plainly(reading) is engine(expression + tail, condition=True)
    except plain.NotPlain:
        return


@pytest.mark.parametrize(("expression", "value"), [("labels.role", "app"), (" labels['a-b'] ", "c"), ('labels["items"]', "x"), ("count", 3)])
def test_what_is_read_without_the_engine(expression: str, value: Any) -> None:
    reading = plain.path(expression)
    assert reading is not None
    assert reading.of(VARIABLES) == value


@pytest.mark.parametrize("expression", ["labels.items", "labels.get", "a.b()", "a | d", "true", "a[0]", "a ~ b", "", "1", None, ["a"], "'a'"])
def test_what_is_left_to_the_engine(expression: Any) -> None:
    assert plain.path(expression) is None
