# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deploy key may ask for, and that everything else is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))

from quetrex_release.forced import Refused, judge

MINE = "registry.example.com/app/web"
IMAGE = f"{MINE}@sha256:{'a' * 64}"
RUNNER = "registry.example.com/app/runner"
SECOND = f"{RUNNER}@sha256:{'b' * 64}"


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["rollback"],
        ["rollback", "--check"],
        ["rollback", "--runner"],
        ["deploy", IMAGE],
        ["deploy", IMAGE.replace("@", ":1.0.0@")],
        ["deploy", "--check", IMAGE],
        ["deploy", "--runner", SECOND],
        ["deploy", "--check", IMAGE, "--runner", SECOND],
        ["deploy", "--service", f"web={IMAGE}"],
        ["deploy", "--check", "--service", f"runner={SECOND}"],
        ["rollback", "--service", "runner"],
    ],
)
def test_allowed(words: list[str]) -> None:
    assert judge(words, [MINE], [RUNNER]) == words


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["sh"],
        ["status", "--stack", "/tmp"],
        ["--stack", "/tmp", "status"],
        ["deploy"],
        ["deploy", f"{MINE}:latest"],
        ["deploy", f"evil.example.com/web@sha256:{'a' * 64}"],
        ["deploy", f"{MINE}-evil@sha256:{'a' * 64}"],
        ["deploy", IMAGE + "\n"],
        ["deploy", IMAGE, "--inventory"],
        ["deploy", "--inventory", IMAGE],
        ["rollback", ";", "id"],
        ["services"],
        ["deploy", SECOND],
        ["deploy", "--runner", IMAGE],
        ["deploy", IMAGE, "--runner"],
        ["deploy", IMAGE, "--runner", SECOND, "--inventory"],
        ["deploy", "--check", "--check", IMAGE],
        ["ensure"],
        ["deploy", "--service", f"web={SECOND}"],
        ["deploy", "--service", f"redis={IMAGE}"],
    ],
)
def test_refused(words: list[str]) -> None:
    with pytest.raises(Refused):
        judge(words, [MINE], [RUNNER])
