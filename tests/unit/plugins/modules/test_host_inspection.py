# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that looks at a server, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.modules import host_inspection


class Ended(Exception):
    """The module's exit_json."""


def call(monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> dict[str, Any]:
    def end(_module: AnsibleModule, **result: Any) -> None:
        raise Ended(result)

    monkeypatch.setattr(AnsibleModule, "exit_json", end)
    with patch_module_args({**arguments, "_ansible_check_mode": True}), pytest.raises(Ended) as ended:
        host_inspection.main()
    result: dict[str, Any] = ended.value.args[0]
    return result


def test_it_looks_at_what_is_asked_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = call(monkeypatch, parts=["base", "disks", "memory"], state_dir=str(tmp_path))
    assert not result["changed"]
    assert set(result["inspection"]) == {"base", "disks", "memory", "at"}


def test_a_program_that_is_not_there_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_args: object, **_more: object) -> None:
        raise FileNotFoundError("docker")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(AnsibleModule, "run_command", absent)
    assert call(monkeypatch, parts=["containers"])["inspection"]["containers"]["engine"] is False
