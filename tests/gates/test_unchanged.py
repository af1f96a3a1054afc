# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gate is skipped only when it has passed with exactly these files, and never in continuous integration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gates import unchanged


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("plugins/a.py", "plugins/deep/b.py", "docs/c.md", "plugins.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "plugins/deep/b.py").write_text("other"),
        lambda root: (root / "plugins/new.py").write_text(""),
        lambda root: (root / "plugins/a.py").unlink(),
        lambda root: (root / "plugins/a.py").rename(root / "plugins/z.py"),
        lambda root: (root / "plugins/a.py").chmod(0o755),
    ],
    ids=["content", "new file", "removed", "renamed", "made executable"],
)
def test_every_change_of_an_input_counts(checkout: Path, change: Callable[[Path], object]) -> None:
    before, everything = unchanged.digest(checkout, ["plugins"]), unchanged.digest(checkout, [])
    change(checkout)
    unchanged.forget()
    assert unchanged.digest(checkout, ["plugins"]) != before
    assert unchanged.digest(checkout, []) != everything


def test_what_is_no_input_does_not_count(checkout: Path) -> None:
    before, everything = unchanged.digest(checkout, ["plugins"]), unchanged.digest(checkout, [])
    (checkout / "docs/c.md").write_text("other")
    (checkout / "plugins.md").write_text("other")
    unchanged.forget()
    assert unchanged.digest(checkout, ["plugins"]) == before
    assert unchanged.digest(checkout, []) != everything


def test_a_failure_is_not_remembered_as_a_pass(tmp_path: Path) -> None:
    memory = unchanged.Memory(tmp_path / "gates")
    assert not memory.passed_with("gate", "one")
    memory.note("gate", "one", passed=True)
    assert [memory.passed_with(*asked) for asked in (("gate", "one"), ("gate", "two"), ("other", "one"))] == [True, False, False]
    memory.note("gate", "one", passed=False)
    assert not memory.passed_with("gate", "one")


@pytest.mark.parametrize("name", ["CI", "TEST_COLD"])
def test_continuous_integration_runs_everything(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for one in ("CI", "TEST_COLD"):
        monkeypatch.delenv(one, raising=False)
    assert not unchanged.cold()
    monkeypatch.setenv(name, "true")
    assert unchanged.cold()
