# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hash of the roles behind an image changes with what they do, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleError

from ansible_collections.quetrex.platform.plugins.lookup.golden_recipe import recipe


def role(place: Path, name: str, **files: str) -> None:
    """Write a role."""
    for path, text in {"tasks/main.yml": "[]", "README.md": "read", **files}.items():
        file = place / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_it_follows_what_decides(tmp_path: Path) -> None:
    role(tmp_path, "one")
    role(tmp_path, "two")
    first = recipe(tmp_path, ["one", "two"], "debian-13")
    assert recipe(tmp_path, ["two", "one"], "debian-13") == first
    role(tmp_path, "one", **{"README.md": "read more", "meta/main.yml": "{}"})
    assert recipe(tmp_path, ["one", "two"], "debian-13") == first
    assert recipe(tmp_path, ["one", "two"], "debian-12") != first
    role(tmp_path, "two", **{"templates/x.j2": "{{ y }}"})
    assert recipe(tmp_path, ["one", "two"], "debian-13") != first


def test_an_unknown_role_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnsibleError, match="has no role 'none'"):
        recipe(tmp_path, ["none"], "")
