# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of the first day names what is different, and only that."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.modules import first_day_report


class Ended(Exception):
    """The module's exit_json."""


def test_what_is_different_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(_module: AnsibleModule, **result: Any) -> None:
        raise Ended(result)

    monkeypatch.setattr(AnsibleModule, "exit_json", end)
    seen = {"zone": {"zone": {"status": "pending"}, "missing": ["Set its name servers"]}, "auditd": {"rc": 0, "stdout": "active"}}
    with patch_module_args({"seen": seen}), pytest.raises(Ended) as ended:
        first_day_report.main()
    result = ended.value.args[0]
    assert (result["changed"], result["different"]) == (False, ["the zone is active"])
    assert [row["key"] for row in result["rows"] if row["state"] == "right"] == ["auditd"]
    assert "Set its name servers" in "\n".join(result["table"])
