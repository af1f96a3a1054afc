# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The callback beside the default one, in real runs of ansible-playbook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.play

PLAYBOOK = """
- name: First
  hosts: localhost
  gather_facts: false
  roles: [one, two]
- name: Second
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Caught
      block:
        - name: Fail
          ansible.builtin.fail:
      rescue:
        - name: Go on
          ansible.builtin.debug:
            msg: caught
    - name: End
      ansible.builtin.assert:
        that: not (broken | default(false))
"""
ROLE = """
- name: Change
  ansible.builtin.command: "true"
  changed_when: true
  notify: Later
"""
HANDLER = """
- name: Later
  ansible.builtin.command: "true"
  changed_when: true
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    for role in ("one", "two"):
        (tmp_path / "roles" / role / "tasks").mkdir(parents=True)
        (tmp_path / "roles" / role / "tasks" / "main.yml").write_text(ROLE)
    (tmp_path / "roles" / "one" / "handlers").mkdir()
    (tmp_path / "roles" / "one" / "handlers" / "main.yml").write_text(HANDLER)
    return tmp_path


def run(project: Path, collection_tree: Path, *arguments: str, path: str | None = "out/timeline.json") -> tuple[int, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    settings = {
        "ANSIBLE_CALLBACKS_ENABLED": "quetrex.platform.timeline",
        "ANSIBLE_COLLECTIONS_PATH": str(collection_tree),
        "ANSIBLE_HOME": str(project / "home"),
        "ANSIBLE_NOCOLOR": "1",
    }
    if path:
        settings["QUETREX_TIMELINE_PATH"] = str(project / path)
    playbook = [str(Path(sys.executable).with_name("ansible-playbook")), "play.yml", *arguments]
    done = subprocess.run(playbook, cwd=project, env=kept | settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def stages(project: Path) -> list[tuple[Any, ...]]:
    data = json.loads((project / "out/timeline.json").read_text())
    assert data["playbook"] == "play"
    assert data["finished"] is True
    return [(stage["play"], stage["name"], stage["changed"], stage["failed"]) for stage in data["stages"]]


def test_headings_table_and_json(project: Path, collection_tree: Path) -> None:
    code, output = run(project, collection_tree)
    assert code == 0, output
    assert stages(project) == [("First", "one", 2, 0), ("First", "two", 1, 0), ("Second", "Second", 0, 0)]
    headings = [line.split()[2] for line in output.splitlines() if line.startswith("── ")]
    assert headings == ["one", "two", "one", "Second"], "the handler of role one runs at the end of the play"
    recap, table = output.index("PLAY RECAP"), output.index("TIMELINE")
    assert recap < table, "the table is the last thing a person sees"
    assert output.rstrip().splitlines()[-1].startswith("total")


def test_a_failed_run_has_its_timeline_too(project: Path, collection_tree: Path) -> None:
    code, output = run(project, collection_tree, "-e", "broken=true")
    assert code == 2, output
    assert stages(project)[-1] == ("Second", "Second", 0, 1)


def test_nothing_is_written_unless_asked(project: Path, collection_tree: Path) -> None:
    code, _output = run(project, collection_tree, path=None)
    assert code == 0
    assert not (project / "out").exists()


def test_an_unwritable_path_warns_and_does_not_fail(project: Path, collection_tree: Path) -> None:
    (project / "file").write_text("")
    code, output = run(project, collection_tree, path="file/timeline.json")
    assert code == 0
    assert "cannot write" in output


SAYING = """#!/usr/bin/python
import json
print(json.dumps({"changed": False, "timeline_say": "DIAGNOSIS: " + "long " * 40 + "=> RESET: why"}))
"""


def test_one_line_for_a_module(project: Path, collection_tree: Path) -> None:
    """What a module has to say is one line and a budget is the last."""
    (project / "library").mkdir()
    (project / "library" / "speak.py").write_text(SAYING)
    more = "\n    - name: Speak\n      speak:\n    - name: Budget\n      ansible.builtin.set_stats:\n        data: {timeline_budget: 600}\n"
    (project / "play.yml").write_text(PLAYBOOK.rstrip() + more)
    code, output = run(project, collection_tree)
    assert code == 0, output
    (said,) = (line for line in output.splitlines() if "DIAGNOSIS" in line)
    assert said.endswith("=> RESET: why")
    words = output.rstrip().splitlines()[-1].split()
    assert (words[0], words[1], words[3:]) == ("budget", "600.0", ["s", "left"])
