# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that visits the platform."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.module_utils.reporting.probe import Probe
from ansible_collections.quetrex.platform.plugins.modules import platform_probe


class Ended(Exception):
    """The module's exit_json."""


def test_its_arguments_are_the_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Probe] = []

    def end(_module: AnsibleModule, **result: Any) -> None:
        raise Ended(result)

    def look(probe: Probe) -> dict[str, Any]:
        seen.append(probe)
        return {"checks": []}

    monkeypatch.setattr(AnsibleModule, "exit_json", end)
    monkeypatch.setattr(platform_probe, "look", look)
    with patch_module_args({"domain": "example.com", "origins": ["192.0.2.7"]}), pytest.raises(Ended) as ended:
        platform_probe.main()
    assert ended.value.args[0]["probe"] == {"checks": []}
    assert seen == [Probe("example.com", origins=("192.0.2.7",))]
