# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Compose and containers say reaches CI's log without the services' secrets."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))

from quetrex_release.__main__ import main
from quetrex_release.outcome import ReleaseError
from quetrex_release.redact import INSTEAD, redacted, words
from quetrex_release.settings import Settings

from ansible_collections.quetrex.platform.plugins.module_utils.writing import env_file

SECRETS = {"A": "it's $ecret\\", "B": "first-line\nsecond-line", "C": "postgresql://me:p%2Fw-p%2Fw-p@host/x", "D": "abc"}
FORMS = ["it's $ecret\\", "first-line", "second-line", "p/w-p/w-p", "p%2Fw-p%2Fw-p", "of-the-record"]


@pytest.fixture(name="stack")
def a_stack(tmp_path: Path) -> Path:
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "web.env").write_text(env_file({**SECRETS, "NEXT_PUBLIC_URL": "https://example.com", "URL": "https://example.com"}))
    (tmp_path / "release-database.json").write_text(json.dumps({"connection": {"password": "of-the-record"}}))
    return tmp_path


@pytest.mark.parametrize("form", FORMS)
def test_every_form(stack: Path, form: str) -> None:
    assert redacted({"msg": [f"line 10: unterminated quoted value '{form}'"]}, words(stack)) == {"msg": [f"line 10: unterminated quoted value '{INSTEAD}'"]}


def test_line_of_an_env_file(stack: Path) -> None:
    """As a program quotes it that could not read the line."""
    for line in (stack / "env" / "web.env").read_text().splitlines()[:3]:
        said = redacted(line, words(stack))
        assert not any(form in said for form in FORMS)


def test_public_and_short_values_stay(stack: Path) -> None:
    assert redacted("abc https://example.com", words(stack)) == "abc https://example.com"


def test_failure_and_traceback(stack: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for error in (ReleaseError("docker_failed", "docker compose failed: second-line", "logs: first-line"), RuntimeError("second-line")):

        def fail(_stack: Path, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(Settings, "read", fail)
        assert main(["--stack", str(stack), "--json", "status"]) != 0
        said = capsys.readouterr()
        assert not any(form in said.out + said.err for form in FORMS)
        assert INSTEAD in said.out
