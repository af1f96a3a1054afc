# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project keeps its own rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract import rules


def check(found: list[str]) -> None:
    if found:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.mark.parametrize("role", rules.roles(rules.ROOT), ids=lambda role: role.name)
@pytest.mark.parametrize("rule", rules.ROLE_RULES, ids=lambda rule: rule.__name__)
def test_role(rule: rules.Rule, role: Path) -> None:
    check(rule(role))


@pytest.mark.parametrize("module", rules.modules(rules.ROOT), ids=lambda module: module.stem)
@pytest.mark.parametrize("rule", rules.MODULE_RULES, ids=lambda rule: rule.__name__)
def test_module(rule: rules.Rule, module: Path) -> None:
    check(rule(module))


@pytest.mark.parametrize("rule", rules.TREE_RULES, ids=lambda rule: rule.__name__)
def test_tree(rule: rules.Rule) -> None:
    check(rule(rules.ROOT))


def test_no_package_host_of_this_machine() -> None:
    check(rules.registry_hosts(rules.ROOT, rules.machine_settings()))


def test_renamed_modules_lead_to_modules() -> None:
    """And what leads there is a module no more."""
    known = {module.stem for module in rules.modules(rules.ROOT)}
    redirects = rules.read_yaml(rules.ROOT / "meta" / "runtime.yml")["plugin_routing"]["modules"]
    assert {one["redirect"].removeprefix("quetrex.platform.") for one in redirects.values()} <= known
    assert not set(redirects) & known
