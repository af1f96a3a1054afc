# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The writers as filters; what they write is tested with module_utils/writing.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.quetrex.platform.plugins.filter import env_file, literal, nginx_string, ssh_files, url
from ansible_collections.quetrex.platform.plugins.module_utils import writing


@pytest.mark.parametrize(
    ("plugin", "name", "words", "written"),
    [
        (env_file, "env_file", [{"B": "it's", "A": 1}], "A='1'\nB=\"it's\"\n"),
        (literal, "literal", ["/srv/x", "path"], "/srv/x"),
        (nginx_string, "nginx_string", ['a"b'], '"a\\"b"'),
        (url, "url", [{"scheme": "redis", "host": "::1", "password": "a/b"}], "redis://:a%2Fb@[::1]"),
        (ssh_files, "ssh_files", ["/a b"], '"/a b"'),
        (ssh_files, "ssh_files", [["/a", "/b"]], '"/a" "/b"'),
    ],
)
def test_written(plugin: Any, name: str, words: list[Any], written: str) -> None:
    assert plugin.FilterModule().filters()[name](*words) == written


def test_home_folder() -> None:
    assert ssh_files.FilterModule().filters()["ssh_files"]("~/x") == f'"{Path.home()}/x"'


def test_refusal_without_the_value() -> None:
    with pytest.raises(AnsibleFilterError, match="env_file: API_KEY contains a NUL") as caught:
        env_file.FilterModule().filters()["env_file"]({"API_KEY": "se\0cret"})
    assert "cret" not in str(caught.value)


def test_kinds_are_described() -> None:
    described = yaml.safe_load(literal.DOCUMENTATION)["options"]["kind"]["choices"]
    assert described == sorted({*writing._LITERALS, "address", "network"})
