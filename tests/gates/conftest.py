# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees the gates work on, made once per test process."""

from __future__ import annotations

from pathlib import Path

import pytest

from gates import kit


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> kit.Tree:
    """A copy of the checkout, for gates that only read it."""
    return kit.copy_of_checkout(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> tuple[kit.Tree, Path]:
    """A copy of its own and the collection archive built from it."""
    tree = kit.copy_of_checkout(tmp_path_factory.mktemp("artifact"))
    return tree, kit.build(tree)
