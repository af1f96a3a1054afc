# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the tests are arranged: docs/testing.md lists what only `make soak` runs, and no test file needs another one."""

from __future__ import annotations

import ast
import re

from contract import rules

MARK = re.compile(r"mark\.long\b")


def test_soak_is_listed() -> None:
    page = (rules.ROOT / "docs" / "testing.md").read_text()
    listed = re.findall(r"^\| `(tests/\S+\.py)` \|", page, flags=re.MULTILINE)
    marked = [str(path.relative_to(rules.ROOT)) for path in (rules.ROOT / "tests").rglob("test_*.py") if MARK.search(path.read_text())]
    assert sorted(listed) == sorted(marked)


def test_files_of_tests_stand_alone() -> None:
    """What two files of tests need stands in tests/lab or a conftest.py, so that each can be run, moved and read alone."""
    found = [
        f"{path.relative_to(rules.ROOT)}:{node.lineno}"
        for path in (rules.ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").rpartition(".")[2].startswith("test_")
    ]
    assert found == []


def test_names_are_short() -> None:
    """A test's name says what it is about; the sentence stands in its docstring."""
    functions = [(path, node) for path in (rules.ROOT / "tests").rglob("test_*.py") for node in ast.walk(ast.parse(path.read_text()))]
    long = [
        f"{path.name}: {node.name}" for path, node in functions if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and len(node.name) > 60
    ]
    assert long == []
