# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every variable of every role, given as text, means what it says or is refused by its name."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.quetrex.platform.plugins.plugin_utils.options import WORDS, given_for_roles, problems, specifications, wrong

SPECS = specifications()


def of(*kinds: str) -> list[str]:
    return sorted(name for name, option in SPECS.items() if option.get("type", "str") in kinds)


def test_all_are_known() -> None:
    assert len(SPECS) > 450
    assert len(of("bool", "int", "float", "list", "dict", "str", "path", "raw")) == len(SPECS)


@pytest.mark.parametrize("word", WORDS)
def test_word_for_a_switch(word: str) -> None:
    """What is accepted means the same to this check, to a specification and to the filter that the roles read with."""
    read = Templar(DataLoader(), {"x": word}).template(trust_as_template("{{ x | bool }}"))
    assert read is (word in ("true", "yes", "on", "1"))
    for name in of("bool"):
        assert wrong(name, word, SPECS[name]) is None
        option = {key: value for key, value in SPECS[name].items() if key in ("type", "choices")}
        assert ArgumentSpecValidator({name: option}).validate({name: word}).validated_parameters[name] is read


@pytest.mark.parametrize("text", ["7", "0", "-1", "1.5"])
def test_word_for_a_number(text: str) -> None:
    for name in of("int", "float"):
        kind = SPECS[name]["type"]
        problem = wrong(name, text, {"type": kind})
        if kind == "int" and "." in text:
            assert problem
        else:
            assert problem is None
            read = Templar(DataLoader(), {"x": text}).template(trust_as_template(f"{{{{ x | {kind} }}}}"))
            assert read == {"int": int, "float": float}[kind](text)


@pytest.mark.parametrize(
    ("kinds", "values"),
    [
        (("bool",), ["maybe", "", "y", "t", 2, [], {}]),
        (("int",), ["1e3", "0x10", "007", "1_0", "a", "", True, 1.5, [], "٢"]),
        (("float",), ["1e3", "nan", "a", "", True, []]),
        (("list",), ["a.b", "a,b", "[1]", {}, 1]),
        (("dict",), ["a=b", "{}", [], 1]),
        (("str", "path"), [[], {}, True, 1.1]),
    ],
)
def test_refused_by_name(kinds: tuple[str, ...], values: list[Any]) -> None:
    for name in of(*kinds):
        for value in values:
            (found,) = problems(iter([(name, value)]), SPECS)
            assert found.startswith(f"{name} is ")


def test_choice() -> None:
    (name,) = (name for name in SPECS if name == "host_baseline_preset")
    assert wrong(name, "strict", SPECS[name]) is None
    assert "is none of" in str(wrong(name, "hard", SPECS[name]))


def test_secret_is_not_shown_and_no_number() -> None:
    for name in (name for name, option in SPECS.items() if option.get("no_log")):
        for value in (["hunter2"], {"hunter2": 1}, 4711):
            assert not any(word in str(wrong(name, value, SPECS[name])) for word in ("hunter2", "4711"))
    assert wrong("app_stack_runner_token", 12345, SPECS["app_stack_runner_token"])


def test_template_is_judged_elsewhere() -> None:
    assert wrong("app_stack_server_names", "{{ names }}", SPECS["app_stack_server_names"]) is None


def test_variables_of_every_host() -> None:
    class Hosts:
        def raw_get(self, host: str) -> dict[str, Any]:
            return {"app_stack_web_port": "many"} if host == "b" else {}

    given = given_for_roles({"app_stack_body_limit": [], "groups": {"all": ["a", "b"]}, "hostvars": Hosts()})
    assert [line.split()[0] for line in problems(given, SPECS)] == ["app_stack_body_limit", "app_stack_web_port"]


def test_renamed_option_is_refused_with_its_new_name() -> None:
    (found,) = problems(iter([("platform_recovery_cure", "reset"), ("platform_recovery_action", "reset")]), specifications())
    assert found == "platform_recovery_cure is called platform_recovery_action now; rename it, its value stays"
