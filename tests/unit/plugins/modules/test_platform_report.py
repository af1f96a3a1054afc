# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that judges and writes the reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.modules import platform_report

SEEN = {"at": "2026-11-23T02:00:00+00:00", "platform": "test", "servers": []}


class Ended(Exception):
    """The module's exit_json or fail_json."""


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Any:
    def end(_module: AnsibleModule, **result: Any) -> None:
        raise Ended(result)

    monkeypatch.setattr(AnsibleModule, "exit_json", end)
    monkeypatch.setattr(AnsibleModule, "fail_json", end)

    def run(**arguments: Any) -> dict[str, Any]:
        with patch_module_args(arguments), pytest.raises(Ended) as ended:
            platform_report.main()
        result: dict[str, Any] = ended.value.args[0]
        return result

    return run


def test_reports_for_people_machines_and_continuous_integration(tmp_path: Path, call: Any) -> None:
    result = call(observed=SEEN, json_file=str(tmp_path / "new" / "verify.json"), junit_file=str(tmp_path / "new" / "verify.xml"))
    assert (result["ok"], result["changed"], result["parts"]["cloud"]) == (False, False, "problem")
    assert result["table"][-1] == "1 problem."
    written = json.loads((tmp_path / "new" / "verify.json").read_text())
    assert (written["schema"], written["ok"], written["findings"][0]["part"]) == (1, False, "cloud")
    assert "<failure" in (tmp_path / "new" / "verify.xml").read_text()
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["verify.json", "verify.xml"]


def test_a_limit_that_does_not_exist_is_refused_by_name(call: Any) -> None:
    assert "certificate_day;" in call(observed=SEEN, limits={"certificate_day": 3})["msg"]
