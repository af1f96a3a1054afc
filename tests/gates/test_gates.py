# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each gate once, over what git would commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from gates import kit
from gates.unchanged import PINS, inputs

# What other gates ask in the same run: pylint and pep8 (ruff), ansible-doc (docs), changelog and yamllint (the gates of these names), runtime-metadata
# (the schemas of ansible-lint). Compile and import are run in test_second_leg.py, with the oldest Python; the unit tests import everything with the newest.
# Most of these make an environment of their own first, which takes as long as they do.
LEFT_OUT = ("pylint", "pep8", "ansible-doc", "changelog", "yamllint", "runtime-metadata", "compile", "import")
KIT = ("tests/gates/kit.py", *PINS)
SOURCE_GATES = [
    # gate, and what it looks at beside its own code (nothing named: everything)
    pytest.param(kit.ansible_lint, marks=inputs(), id="ansible_lint"),
    pytest.param(kit.ansible_lint_with_syntax, marks=pytest.mark.long, id="ansible_lint_with_syntax"),
    pytest.param(kit.docs, marks=inputs("plugins", "roles", "docs", "meta", *KIT), id="docs"),
    pytest.param(kit.docs_with_rst, marks=pytest.mark.long, id="docs_with_rst"),
    pytest.param(kit.docs_site, marks=pytest.mark.long, id="docs_site"),
    pytest.param(kit.types, marks=[inputs("plugins", "tests", "tools", "roles", "mypy.ini", *KIT), pytest.mark.quick], id="types"),
    pytest.param(kit.ruff, marks=pytest.mark.quick, id="ruff"),
    pytest.param(kit.ruff_format, marks=pytest.mark.quick, id="ruff_format"),
    pytest.param(kit.yamllint, marks=pytest.mark.quick, id="yamllint"),
    pytest.param(kit.shellcheck, marks=[inputs(), pytest.mark.quick], id="shellcheck"),
    pytest.param(kit.changelog, marks=[inputs("changelogs", "galaxy.yml", "plugins", *KIT), pytest.mark.quick], id="changelog"),
    pytest.param(kit.workflows, marks=inputs("examples/github", ".github", "tests/gates/actionlint", *KIT), id="workflows"),
]


@pytest.mark.gate
@pytest.mark.lint
@pytest.mark.parametrize("gate", SOURCE_GATES)
def test_source(gate: kit.Gate, tree: kit.Tree) -> None:
    found = gate(tree)
    assert not found, found


@pytest.mark.gate
@pytest.mark.lint
def test_changes_have_fragments() -> None:
    found = kit.untold()
    assert not found, found


@pytest.mark.gate
@inputs()
def test_sanity(trees: kit.Trees) -> None:
    found = kit.sanity(trees.own(), without=LEFT_OUT)
    assert not found, found


@pytest.mark.gate
@pytest.mark.long
def test_rest_of_sanity(trees: kit.Trees) -> None:
    found = kit.sanity(trees.own(), *LEFT_OUT)
    assert not found, found


@pytest.mark.gate
@inputs()
class TestArtifact:
    """What a user installs."""

    def test_holds_only_what_a_user_needs(self, artifact: tuple[kit.Tree, Path]) -> None:
        assert not kit.artifact_contents(artifact[1])

    def test_installs_and_finds_its_playbooks(self, artifact: tuple[kit.Tree, Path], tmp_path: Path) -> None:
        tree, archive = artifact
        found = kit.install(tree, archive, tmp_path / "installed")
        assert not found, found
        foreign = tmp_path / "elsewhere"
        foreign.mkdir()
        names = sorted(path.name for path in (tree.root / "playbooks").glob("*.yml"))
        paths = {"ANSIBLE_COLLECTIONS_PATH": f"{tmp_path / 'installed'}:{kit.SITE_PACKAGES}"}
        words = [f"quetrex.platform.{name.removesuffix('.yml')}" for name in names]
        code, output = tree.run("ansible-playbook", "--syntax-check", *words, cwd=foreign, extra=paths)
        assert code == 0, output
        checked = [Path(line.partition("playbook: ")[2]) for line in output.splitlines() if line.startswith("playbook: ")]
        assert checked == [tmp_path / "installed" / "ansible_collections" / "quetrex" / "platform" / "playbooks" / name for name in names]

    @pytest.mark.long
    def test_passes_the_importer(self, artifact: tuple[kit.Tree, Path]) -> None:
        found = kit.importer(*artifact)
        assert not found, found

    def test_makes_an_execution_environment(self, artifact: tuple[kit.Tree, Path], tmp_path: Path) -> None:
        found = kit.execution_environment(*artifact, tmp_path / "context")
        assert not found, found
