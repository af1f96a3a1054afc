# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An export is whole or not there, and says what it holds."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.module_utils.supabase import programs
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure
from ansible_collections.quetrex.platform.plugins.modules import supabase_export

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch, Scratch

pytest_plugins = ["lab.supabase.testing"]
PASSWORD = "correct-horse-battery"


def run(capfd: pytest.CaptureFixture[str], database: Scratch, path: Path, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
    given = {**database.options(password=PASSWORD), "path": str(path), "_ansible_check_mode": check, **arguments}
    with patch_module_args(given), pytest.raises(SystemExit):
        supabase_export.main()
    output = capfd.readouterr()
    assert PASSWORD not in output.out + output.err
    result: dict[str, Any] = json.loads(output.out)
    return result


@pytest.fixture
def database(scratch: MakeScratch) -> Scratch:
    made = scratch("new")
    made.sql("CREATE TABLE public.a (id int PRIMARY KEY, name text); INSERT INTO public.a SELECT n, 'n' || n FROM generate_series(1, 5) n")
    made.sign_up("one@example.com")
    return made


def test_check_take_again_change(capfd: pytest.CaptureFixture[str], database: Scratch, tmp_path: Path) -> None:
    path = tmp_path / "exports" / "first"
    assert run(capfd, database, path, check=True)["changed"] is True
    assert not path.parent.exists()
    taken = run(capfd, database, path)
    assert (taken["changed"], taken["tables"]) == (True, {"auth.identities": 0, "auth.users": 1, "public.a": 5})
    assert [item.name for item in path.parent.iterdir()] == ["first"]
    assert PASSWORD not in (path / "manifest.json").read_text()
    assert run(capfd, database, path)["changed"] is False

    assert run(capfd, database, path, state="compared")["moved_on"] == []
    database.sql("UPDATE public.a SET name = 'other' WHERE id = 3")
    assert run(capfd, database, path, state="compared")["moved_on"] == ["public.a"]
    database.sql("UPDATE public.a SET name = 'n3' WHERE id = 3")
    assert run(capfd, database, path, state="compared")["moved_on"] == []


def test_a_failure_leaves_nothing(capfd: pytest.CaptureFixture[str], database: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: Any) -> str:
        raise Failure("pg_dump: the disk is full", "program_failed")

    monkeypatch.setattr(programs, "run", broken)
    assert run(capfd, database, tmp_path / "exports" / "first")["failure"]["code"] == "program_failed"
    assert list((tmp_path / "exports").iterdir()) == []


def test_an_older_pg_dump_is_refused(capfd: pytest.CaptureFixture[str], database: Scratch, tmp_path: Path) -> None:
    old = tmp_path / "bin" / "pg_dump"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 12.4'\n")
    old.chmod(0o755)
    result = run(capfd, database, tmp_path / "first", bin_dir=str(old.parent))
    major = database.sql("SHOW server_version_num")[0][0][:2]
    assert (result["failure"]["code"], f"{major} or newer" in result["msg"]) == ("program", True)


def test_exports_are_thinned_out_and_encrypted(capfd: pytest.CaptureFixture[str], database: Scratch, tmp_path: Path) -> None:
    """The newest by the clock stay, and what somebody named or added to; an encrypted one is an export again once its owner opened it."""
    key = tmp_path / "exports.key"
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    recipients = [next(line.split()[-1] for line in key.read_text().splitlines() if "public key" in line)]
    exports = tmp_path / "exports"
    for name in ("20260101T000000Z", "20260102T000000Z", "20260103T000000Z", "20260104T000000Z", "before-the-move"):
        run(capfd, database, exports / name)
    (exports / "20260101T000000Z/way_back.yml").touch()
    assert {item.stat().st_mode & 0o777 for item in exports.rglob("database.dump")} == {0o600}
    wanted: dict[str, Any] = {"state": "finished", "keep": 2, "recipients": recipients}
    told = run(capfd, database, exports / "20260104T000000Z", check=True, **wanted)
    assert (told["removed"], told["sealed"]) == (["20260102T000000Z"], ["20260103T000000Z", "20260104T000000Z"])
    assert len(list(exports.iterdir())) == 5
    assert run(capfd, database, exports / "20260104T000000Z", **wanted) == told
    assert not run(capfd, database, exports / "20260104T000000Z", **wanted)["changed"]
    assert sorted(item.name for item in exports.iterdir()) == ["20260101T000000Z", "20260103T000000Z", "20260104T000000Z", "before-the-move"]
    newest = exports / "20260104T000000Z"
    assert sorted(item.name for item in newest.iterdir()) == ["database.dump.age", "manifest.json"]
    assert b"one@example.com" not in (newest / "database.dump.age").read_bytes()
    refused = run(capfd, database, newest)
    assert refused["failure"]["code"] == "sealed"
    assert "age --decrypt" in refused["msg"]
    subprocess.run(["age", "--decrypt", "-i", key, "-o", newest / "database.dump", newest / "database.dump.age"], check=True)
    assert run(capfd, database, newest, state="compared")["moved_on"] == []


@pytest.mark.parametrize("recipient", ["age1wrong", "-----BEGIN AGE ENCRYPTED FILE-----"])
def test_whom_nothing_can_be_encrypted_to_is_refused_first(capfd: pytest.CaptureFixture[str], database: Scratch, tmp_path: Path, recipient: str) -> None:
    result = run(capfd, database, tmp_path / "exports/first", recipients=[recipient])
    assert "age:" in result["msg"]
    assert not (tmp_path / "exports").exists()


def test_an_encryption_that_was_killed_is_finished_by_the_next(capfd: pytest.CaptureFixture[str], database: Scratch, tmp_path: Path) -> None:
    """Both forms are there: the open one goes."""
    export = tmp_path / "20260101T000000Z"
    run(capfd, database, export)
    (export / "database.dump.age").write_bytes(b"half")
    key = tmp_path / "exports.key"
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    public = next(line.split()[-1] for line in key.read_text().splitlines() if "public key" in line)
    run(capfd, database, export, state="finished", recipients=[public])
    assert sorted(item.name for item in export.iterdir()) == ["database.dump.age", "manifest.json"]
    assert subprocess.run(["age", "--decrypt", "-i", key, export / "database.dump.age"], check=True, capture_output=True).stdout.startswith(b"PGDMP")
