# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role with a program that answers as told: what serves is kept on the controller however the release ended, and every failure fails the run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lab.supabase.testing import RunPlaybook

pytest_plugins = ["lab.supabase.testing"]

IMAGE, BEFORE = (f"registry.example.com/app/web@sha256:{digit * 64}" for digit in "ab")
CURRENT = {"colour": "green", "image": IMAGE, "config": "c", "version": "2", "at": "2026-01-01T00:00:00Z"}


def play(playbook: RunPlaybook, folder: Path, code: int, answer: dict[str, Any], services: dict[str, Any] | None = None) -> tuple[int, str]:
    """Exit code and output of the role's release."""
    program = folder / "bin" / "quetrex-release"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho \"$@\" >> {folder}/asked\ncat <<'END'\n{json.dumps(answer)}\nEND\nexit {code}\n")
    program.chmod(0o755)
    (folder / "release.json").write_text(json.dumps({"image": BEFORE, "version": "1"}))
    role = {"include_role": {"name": "quetrex.platform.app_release"}}
    (folder / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [role]}]))
    given = {
        "platform_state_dir": str(folder),
        "platform_web_image": IMAGE,
        "platform_runner_image": IMAGE.replace("web", "runner"),
        "platform_services": services or {},
        # nothing is installed on this machine
        "__app_release_files": [],
        "__app_release_module_files": [],
        "ansible_become": False,
    }
    done = playbook(folder / "play.yml", "-e", json.dumps(given), environment={"PATH": f"{program.parent}:{os.environ['PATH']}"})
    return done.returncode, " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("code", "outcome", "current", "kept"),
    [
        (0, "done", CURRENT, IMAGE),
        (5, "unclean", CURRENT, IMAGE),
        (6, "partly", CURRENT, IMAGE),
        (1, "failed", {**CURRENT, "image": BEFORE}, BEFORE),
        (4, "refused", None, BEFORE),
    ],
)
def test_what_serves_is_kept_and_a_failure_fails(playbook: RunPlaybook, tmp_path: Path, code: int, outcome: str, current: Any, kept: str) -> None:
    answer = {"changed": bool(code), "outcome": outcome, "current": current, "kept": None}
    answer |= {"failed": True, "msg": f"what {outcome} says.", "failure": {"code": "x", "logs": "last lines"}} if code else {}
    ended, said = play(playbook, tmp_path, code, answer)
    assert ended == (2 if code else 0), said
    assert json.loads((tmp_path / "release.json").read_text())["image"] == kept
    assert (f"what {outcome} says. last lines" in said) is bool(code)


def test_a_program_without_an_answer_fails(playbook: RunPlaybook, tmp_path: Path) -> None:
    assert play(playbook, tmp_path, 2, {})[0] == 2
    assert json.loads((tmp_path / "release.json").read_text())["image"] == BEFORE


def test_what_was_removed_or_kept_of_other_services_is_said(playbook: RunPlaybook, tmp_path: Path) -> None:
    """Folders on the volume by name, for only their owner removes them."""
    services = {"admin": {"changed": False, "current": CURRENT, "kept": "a later release is kept"}}
    answer = {
        "changed": True,
        "outcome": "done",
        "current": CURRENT,
        "kept": None,
        "services": services,
        "removed": ["worker"],
        "stays": ["/srv/platform/services/worker"],
    }
    ended, said = play(playbook, tmp_path, 0, answer)
    assert ended == 0, said
    assert "Removed, because the inventory has them no more: worker. What they kept stays: /srv/platform/services/worker" in said
    assert "a later release is kept. Serving:" in said


def test_a_runner_that_the_platform_does_without(playbook: RunPlaybook, tmp_path: Path) -> None:
    """Its image may still stand in the inventory; it is not released."""
    ended, said = play(playbook, tmp_path, 0, {"changed": False, "outcome": "done", "current": CURRENT, "kept": None}, {"runner": None})
    assert ended == 0, said
    words = (tmp_path / "asked").read_text().split()
    assert IMAGE in words
    assert "--runner" not in words
