# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A template's text as ansible's own lookup gives it, without a copy of every variable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar, trust_as_template


class Heavy:
    """A value that must not be copied."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Heavy:
        raise AssertionError("copied")

    def __str__(self) -> str:
        return "heavy"


def rendered(name: str, folder: Path, variables: dict[str, Any], **more: Any) -> str:
    """What a lookup makes of `a.j2`."""
    loader = DataLoader()
    known = variables | {"ansible_search_path": [str(folder)]}
    lookup = lookup_loader.get(name, loader=loader, templar=Templar(loader=loader, variables=known))
    (text,) = lookup.run(["a.j2"], known, **more)
    return str(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A template that includes another."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "a.j2").write_text("{{ nested.one }} {{ more }} {{ template_path | basename }}\n{% include 'b.j2' %}\n\n")
    (tmp_path / "templates" / "b.j2").write_text("{{ outer }}\n")
    return tmp_path


def test_same_text(folder: Path) -> None:
    """Nested values, further variables, includes and line ends are as in ansible's own."""
    variables = {"outer": 5, "nested": {"one": trust_as_template("{{ outer }}")}}
    names = ("quetrex.platform.role_template", "ansible.builtin.template")
    ours, theirs = (rendered(name, folder, variables, template_vars={"more": "x"}) for name in names)
    assert ours == theirs == "5 x a.j2\n5\n\n"


def test_nothing_copied(folder: Path) -> None:
    variables = {"outer": 5, "nested": {"one": 1}, "facts": Heavy()}
    assert rendered("quetrex.platform.role_template", folder, variables, template_vars={"more": "x"}).startswith("1 x")
    with pytest.raises(AssertionError, match="copied"):
        rendered("ansible.builtin.template", folder, variables, template_vars={"more": "x"})


def test_missing(folder: Path) -> None:
    (folder / "templates" / "a.j2").unlink()
    with pytest.raises(AnsibleError, match=r"a\.j2"):
        rendered("quetrex.platform.role_template", folder, {})
