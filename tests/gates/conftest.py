# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees the gates work on, and which gates have nothing new to look at."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from gates import kit, unchanged

PINS = ("requirements-dev.txt", "requirements.yml", "galaxy.yml", "tools/bootstrap", "tools/apt-packages.txt", "tools/collections-bundle.txt", "pyproject.toml")
"""What decides which versions of the tools look."""

inputs = pytest.mark.inputs

_DIGEST = pytest.StashKey[str]()
_MEMORY = unchanged.Memory(kit.ROOT / ".cache" / "gates")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A gate with `inputs` is skipped when these are as they were the last time it passed; never in continuous integration."""
    marker = item.get_closest_marker("inputs")
    if marker is None:
        return
    # before it runs: what is edited meanwhile was not looked at
    item.stash[_DIGEST] = unchanged.digest(kit.ROOT, marker.args)
    if not unchanged.cold() and _MEMORY.passed_with(item.nodeid, item.stash[_DIGEST]):
        pytest.skip("nothing it looks at has changed since it passed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" and _DIGEST in item.stash:
        _MEMORY.note(item.nodeid, item.stash[_DIGEST], passed=report.passed)
    return report


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> kit.Trees:
    """Copies of the checkout."""
    return kit.Trees(tmp_path_factory.mktemp("trees"))


@pytest.fixture(scope="session")
def tree(trees: kit.Trees) -> kit.Tree:
    """A copy of the checkout, for gates that only read it."""
    return trees.shared()


@pytest.fixture(scope="session")
def artifact(trees: kit.Trees) -> tuple[kit.Tree, Path]:
    """A copy of its own and the collection archive built from it."""
    tree = trees.own()
    return tree, kit.build(tree)
