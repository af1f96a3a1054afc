# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that draws: files, samples, forecasts from them, and the short form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.modules import platform_page
from lab.observations import clean


class Ended(Exception):
    """The module's exit_json."""


@pytest.fixture
def draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def end(_module: AnsibleModule, **result: Any) -> None:
        raise Ended(result)

    monkeypatch.setattr(AnsibleModule, "exit_json", end)

    def run(**more: Any) -> dict[str, Any]:
        folder = str(tmp_path / "state")
        given = {
            "observed": clean(),
            "name": "test",
            "domain": "example.com",
            "state_dir": folder,
            "history": f"{folder}/h.jsonl",
            "path": f"{folder}/status.html",
        }
        with patch_module_args({**given, **more}), pytest.raises(Ended) as ended:
            platform_page.main()
        result: dict[str, Any] = ended.value.args[0]
        return result

    return run


def test_a_page_a_sample_and_a_short_form(draw: Any, tmp_path: Path) -> None:
    result = draw()
    assert result["changed"] is False
    assert "All is well" in Path(result["path"]).read_text()
    assert result["terminal"][-1] == "Everything is as described."
    (sample,) = (tmp_path / "state" / "h.jsonl").read_text().splitlines()
    assert json.loads(sample)["disk"] == 0.25
    assert {gauge["name"]: gauge["full"] for gauge in result["gauges"]}["disk"] == "too few samples yet"


def test_runs_add_up_to_a_forecast_and_broken_lines_harm_nothing(draw: Any, tmp_path: Path) -> None:
    history = tmp_path / "state" / "h.jsonl"
    history.parent.mkdir()
    rows = [json.dumps({"at": f"2026-11-{day:02}T02:00:00+00:00", "disk": 0.01 * day}) for day in range(10, 23)]
    history.write_text("\n".join([*rows, "5", '{"at": 7}', '{"disk": 1}', '{"at": "yesterday"}', '{"at": "2026-']) + "\n")
    gauges = {gauge["name"]: gauge for gauge in draw()["gauges"]}
    assert gauges["disk"]["full"].startswith("2027-0")
    assert len(history.read_text().splitlines()) == 14


def test_check_mode_tells_and_writes_nothing(draw: Any, tmp_path: Path) -> None:
    told = draw(_ansible_check_mode=True)
    assert told["terminal"]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_last_rehearsal_is_on_the_page(draw: Any, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "rehearsal.json").write_text('{"at": "2026-11-21T02:00:00Z", "seconds": 201.5}')
    (tmp_path / "state" / "recovery.json").write_text("broken")
    assert "201.5 s, 2 days ago" in Path(draw()["path"]).read_text()
