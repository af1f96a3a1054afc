# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oldest supported Python: what servers and controllers of that age load and run."""

from __future__ import annotations

import pytest

from gates import kit
from gates.unchanged import PINS, inputs

ON_SERVERS = ("tests/unit/plugins/modules/test_host_*.py", "tests/unit/plugins/module_utils/host", "tests/unit/roles/test_app_release_*.py")
"""Tests of what runs on the server itself, where the Python is Debian's and not the controller's."""


@pytest.mark.gate
@inputs("plugins", "tests/unit/plugins", "meta", "tests/gates/kit.py", *PINS)
def test_import_and_compile(trees: kit.Trees) -> None:
    """Every file is Python of that age, and every module and its utilities can be imported by it."""
    found = kit.sanity(trees.own(), "compile", "import", python=kit.OLDEST)
    assert not found, found


@pytest.mark.gate
@pytest.mark.long
def test_what_runs_on_servers() -> None:
    """Under the Python of Debian 12; that of Debian 13 is tried by every test with a server."""
    found = kit.second_leg(*kit.files(*ON_SERVERS))
    assert not found, found


@pytest.mark.gate
@pytest.mark.long
def test_everything() -> None:
    """Unit and contract tests of all plugins, with the newest core that runs on that Python."""
    found = kit.second_leg("tests/unit/plugins", "tests/contract")
    assert not found, found
