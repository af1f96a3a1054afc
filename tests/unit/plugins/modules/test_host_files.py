# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against real files in a scratch folder."""

from __future__ import annotations

import grp
import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.module_utils.host import files as disk
from ansible_collections.quetrex.platform.plugins.modules import host_files


class Host:
    """One file, one activation that leaves a line in a log."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.path = folder / "etc" / "a.conf"
        self.log = folder / "log"

    def run(self, content: str, check_mode: bool = False, command: str = "true", **file: Any) -> dict[str, Any]:
        entry = {
            "path": str(self.path),
            "content": content,
            "owner": pwd.getpwuid(os.getuid()).pw_name,
            "group": grp.getgrgid(os.getgid()).gr_name,
            **file,
        }
        activation = {"paths": [str(self.path)], "command": ["/bin/sh", "-c", f"echo ran >> {self.log}; {command}"]}
        args = {"files": [entry], "activate": [activation], "_ansible_check_mode": check_mode}
        with patch_module_args(args), pytest.raises(SystemExit):
            host_files.main()
        result: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        return result

    @property
    def runs(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Host:
    monkeypatch.setattr(disk, "STATE", tmp_path / "state")
    return Host(tmp_path, capsys)


def test_check_mode_shows_the_change_and_makes_none(host: Host) -> None:
    result = host.run("a\n", check_mode=True)
    assert result["changed"]
    assert result["diff"][0]["after"].endswith("a\n")
    assert not host.path.exists()
    assert host.runs == 0


def test_four_ways(host: Host) -> None:
    assert host.run("a\n")["paths"] == [str(host.path)]
    assert (host.path.read_text(), host.runs) == ("a\n", 1)
    assert not host.run("a\n")["changed"]
    assert host.runs == 1
    assert host.run("b\n")["changed"]
    assert (host.path.read_text(), host.runs) == ("b\n", 2)


def test_difference_of_a_secret_file(host: Host) -> None:
    """Neither what it holds nor what it is to hold, whichever of the two knows that it is a secret."""
    host.run("hunter1\n", mode="0600")
    for arguments in ({"content": "hunter2\n", "secret": True}, {"content": "", "state": "absent"}):
        result = host.run(**arguments, mode="0600", check_mode=True)
        assert result["changed"]
        assert (result["diff"][0]["before_header"], "hunter" in json.dumps(result["diff"])) == (str(host.path), False)


def test_mode_alone_is_a_change(host: Host) -> None:
    host.run("a\n")
    assert host.run("a\n", mode="0600")["changed"]
    assert host.path.stat().st_mode & 0o777 == 0o600


def test_refused_content_leaves_the_old_file(host: Host) -> None:
    host.run("a\n")
    result = host.run("bad\n", validate=["grep", "-v", "bad", "%s"])
    assert result["failed"]
    assert "was not touched" in result["msg"]
    assert (host.path.read_text(), host.runs) == ("a\n", 1)


def test_a_failed_activation_is_tried_again(host: Host) -> None:
    flaky = f"test -e {host.log}.ok"
    assert host.run("a\n", command=flaky)["failed"]
    Path(f"{host.log}.ok").touch()
    again = host.run("a\n", command=flaky)
    assert again["paths"] == []
    assert len(again["commands"]) == 1
    assert not host.run("a\n", command=flaky)["changed"]


def test_absent_removes_and_stays_removed(host: Host) -> None:
    host.run("a\n")
    assert host.run("", state="absent")["changed"]
    assert not host.path.exists()
    assert not host.run("", state="absent")["changed"]


def test_unlisted_file_is_removed(host: Host, tmp_path: Path) -> None:
    """A file that is not named any more goes and its record too."""
    owner = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name, "content": "x\n"}
    results = []
    for names in (["a", "b"], ["a"], ["a"]):
        args = {"files": [{"path": str(tmp_path / name), **owner} for name in names], "record": "test"}
        with patch_module_args(args), pytest.raises(SystemExit):
            host_files.main()
        results.append(json.loads(host.capsys.readouterr().out))
    assert [result["changed"] for result in results] == [True, True, False]
    assert (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()
    assert disk.read_record("test") == [str(tmp_path / "a")]
