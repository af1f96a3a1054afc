# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL that comes and goes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.modules import supabase_scratch


def run(capfd: pytest.CaptureFixture[str], path: Path, **arguments: Any) -> dict[str, Any]:
    with patch_module_args({"path": str(path), **arguments}), pytest.raises(SystemExit):
        supabase_scratch.main()
    result: dict[str, Any] = json.loads(capfd.readouterr().out)
    return result


@pytest.mark.postgres
def test_check_start_again_remove(capfd: pytest.CaptureFixture[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="pg") as base:
        path = Path(base) / "s"
        assert run(capfd, path, _ansible_check_mode=True)["changed"] is True
        assert not path.exists()
        try:
            started = run(capfd, path)
            assert started["changed"] is True, started
            psycopg2.connect(host=started["connection"]["host"], user="postgres", dbname="postgres").close()
            assert run(capfd, path)["changed"] is False
        finally:
            assert run(capfd, path, state="absent")["changed"] is True
        assert not path.exists()
        assert run(capfd, path, state="absent")["changed"] is False


def test_a_path_too_long_for_a_socket(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(capfd, tmp_path / ("x" * 90))["failure"]["code"] == "path"
