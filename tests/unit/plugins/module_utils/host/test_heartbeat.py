# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's own report: what is told, to whom, and what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.host import heartbeat
from ansible_collections.quetrex.platform.plugins.module_utils.host.heartbeat import Settings, drifted, main, remember, report, text
from ansible_collections.quetrex.platform.plugins.module_utils.reporting.findings import Finding

FULL = Finding("server", "problem", "/ is 97% full", fix="Clear up")


class Service:
    """A heartbeat monitor that is away for a while."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.told: list[tuple[str, str]] = []

    def __call__(self, url: str, body: str) -> None:
        if self.away:
            self.away -= 1
            raise OSError("no route")
        self.told.append((url, body))


def settings(**more: Any) -> Settings:
    return Settings("app", url="https://beat.example.com/x", **more)


def test_all_is_well() -> None:
    service = Service()
    assert report(settings(fails=True), [], service) == "well"
    assert service.told == [("https://beat.example.com/x", "")]


def test_a_failure_is_told_where_the_service_knows_failures() -> None:
    service = Service(away=2)
    assert report(settings(fails=True), [FULL], service) == "failure"
    ((url, body),) = service.told
    assert (url, body) == ("https://beat.example.com/x/fail", "app: 1 problem\n- / is 97% full -> Clear up\n")


def test_where_it_knows_none_silence_is_the_report() -> None:
    service = Service()
    assert report(settings(), [FULL], service) == "silence"
    assert service.told == []


def test_heartbeat_service() -> None:
    """Without a service nobody is told and a silent one is an error."""
    assert report(Settings("app"), [FULL], Service()) == "nothing"
    with pytest.raises(OSError, match="no route"):
        report(settings(), [], Service(away=9))


def test_long_reports_are_cut() -> None:
    assert len(text("app", [FULL] * 50).splitlines()) == 21


def test_files_changed_by_hand_are_named(tmp_path: Path) -> None:
    sums = tmp_path / "sums"
    sums.write_text("x")
    said = "/etc/ssh/sshd_config: FAILED\n/etc/sudoers.d/x: FAILED open or read\n"
    found = drifted(lambda _argv: (1, said, "WARNING: 2 computed checksums did NOT match"), str(sums))
    assert [item.what for item in found] == ["/etc/ssh/sshd_config was changed by hand", "/etc/sudoers.d/x was changed by hand"]
    assert drifted(lambda _argv: (0, "", ""), str(sums)) == []
    assert drifted(lambda _argv: (1, "", "no such file"), str(sums))[0].detail == "no such file"
    assert drifted(lambda _argv: (1, "", ""), str(tmp_path / "none")) == []


def test_samples_are_an_hour_apart_and_ninety_days_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.jsonl"
    monkeypatch.setattr(heartbeat, "SAMPLES", 3)
    for minute in range(0, 400, 20):
        remember(path, {"at": f"2026-11-23T{minute // 60:02}:{minute % 60:02}:00+00:00"})
    assert [json.loads(line)["at"][11:16] for line in path.read_text().splitlines()] == ["04:00", "05:00", "06:00"]
    path.write_text("broken\n")
    remember(path, {"at": "2026-11-23T07:00:00+00:00"})
    assert json.loads(path.read_text().splitlines()[-1])["at"][11:16] == "07:00"


def test_a_look_from_the_settings_to_the_report(tmp_path: Path) -> None:
    """On a machine with none of the platform's programs there is plenty to report."""
    path, said = tmp_path / "heartbeat.json", list[str]()
    path.write_text(json.dumps({"name": "app", "url": "https://beat.example.com/x", "fails": True, "state": str(tmp_path), "timers": [], "unknown": 1}))
    service = Service()
    assert main(lambda _argv: (-1, "", "not found"), path, service, said.append) == 0
    assert service.told[0][0].endswith("/fail")
    assert "Docker does not answer" in service.told[0][1]
    assert said[-1] == "told: failure"
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 1
    assert main(lambda _argv: (-1, "", "not found"), path, Service(away=99), said.append) == 1


def test_empty_state_folder(tmp_path: Path) -> None:
    """An empty state folder stays empty for the volume that is to be mounted there."""
    path, state = tmp_path / "heartbeat.json", tmp_path / "state"
    state.mkdir()
    path.write_text(json.dumps({"name": "app", "url": "", "state": str(state), "timers": []}))
    assert main(lambda _argv: (-1, "", "not found"), path, Service(), list[str]().append) == 0
    assert list(state.iterdir()) == []


def test_maintenance_in_the_journal(tmp_path: Path) -> None:
    """What is down in maintenance is no failure; everything else is."""
    path, said, service = tmp_path / "heartbeat.json", list[str](), Service()
    (tmp_path / "maintenance").mkdir()
    (tmp_path / "maintenance" / "state.json").write_text(json.dumps({"since": "2026-11-30T15:00:00Z"}))
    path.write_text(json.dumps({"name": "app", "url": "https://beat.example.com/x", "fails": True, "state": str(tmp_path), "timers": []}))
    main(lambda _argv: (-1, "", "not found"), path, service, said.append)
    assert "in maintenance since 2026-11-30T15:00:00Z" in said
    assert "Docker does not answer" not in service.told[0][1]
    assert "firewall is not loaded" in service.told[0][1]
