# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees the gates work on."""

from __future__ import annotations

from pathlib import Path

import pytest

from gates import kit


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
