# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each gate once, over what git would commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from gates import kit

SOURCE_GATES: list[kit.Gate] = [
    kit.ansible_lint,
    kit.docs,
    kit.docs_site,
    kit.types,
    kit.ruff,
    kit.ruff_format,
    kit.shellcheck,
    kit.changelog,
    kit.workflows,
]


@pytest.mark.gate
@pytest.mark.lint
@pytest.mark.parametrize("gate", SOURCE_GATES, ids=lambda gate: gate.__name__)
def test_source(gate: kit.Gate, tree: kit.Tree) -> None:
    found = gate(tree)
    assert not found, found


@pytest.mark.gate
@pytest.mark.lint
def test_what_changed_since_the_last_release_is_told() -> None:
    found = kit.untold()
    assert not found, found


@pytest.mark.gate
def test_sanity(tmp_path: Path) -> None:
    found = kit.sanity(kit.copy_of_checkout(tmp_path))
    assert not found, found


@pytest.mark.gate
class TestArtifact:
    """What a user installs."""

    def test_holds_only_what_a_user_needs(self, artifact: tuple[kit.Tree, Path]) -> None:
        assert not kit.artifact_contents(artifact[1])

    def test_installs_verifies_and_finds_its_playbooks_anywhere(self, artifact: tuple[kit.Tree, Path], tmp_path: Path) -> None:
        tree, archive = artifact
        found = kit.install(tree, archive, tmp_path / "installed")
        assert not found, found
        foreign = tmp_path / "elsewhere"
        foreign.mkdir()
        playbooks = sorted(path.stem for path in (tree.root / "playbooks").glob("*.yml"))
        paths = {"ANSIBLE_COLLECTIONS_PATH": f"{tmp_path / 'installed'}:{kit.SITE_PACKAGES}"}
        for name in playbooks:
            found = tree.must("ansible-playbook", f"quetrex.platform.{name}", "--syntax-check", cwd=foreign, extra=paths)
            assert not found, found

    def test_passes_the_importer(self, artifact: tuple[kit.Tree, Path]) -> None:
        found = kit.importer(*artifact)
        assert not found, found

    def test_makes_an_execution_environment(self, artifact: tuple[kit.Tree, Path], tmp_path: Path) -> None:
        found = kit.execution_environment(*artifact, tmp_path / "context")
        assert not found, found
