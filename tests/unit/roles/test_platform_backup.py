# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backup program does beside restic: copies that belong together, and what counts as a new volume."""

from __future__ import annotations

import functools
import importlib.util
import json
import subprocess
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[3] / "roles/platform_backup/files/platform-backup"


@pytest.fixture(scope="module")
def program() -> Any:
    """The program as a module."""
    loader = SourceFileLoader("platform_backup_program", str(PROGRAM))
    spec = importlib.util.spec_from_loader("platform_backup_program", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def backup(program: Any, tmp_path: Path) -> Any:
    """A backup of an empty volume."""
    for name in ("state", "ssh"):
        (tmp_path / name).mkdir()
    (tmp_path / "password").write_text("first")
    return program.Backup(
        {
            "state_dir": str(tmp_path / "state"), "record": str(tmp_path / "record/backup.json"), "host_keys": str(tmp_path / "ssh"), "host": "quetrex-test",
            "environment": {}, "keep": {"last": 1}, "lock": str(tmp_path / "lock"), "lock_wait": 0, "append_only": False,
            "password_file": str(tmp_path / "password"), "known_file": str(tmp_path / "password.known"),
        }
    )  # fmt: skip


def fill(backup: Any, generation: int, commands: str = "SET a 1\n") -> Path:
    """Redis's files of one generation."""
    folder: Path = backup.redis / "appendonlydir"
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    (folder / f"appendonly.aof.{generation}.incr.aof").write_text(commands)
    (folder / "appendonly.aof.manifest").write_text(f"file appendonly.aof.{generation}.incr.aof seq {generation} type i\n")
    return folder


def staged(backup: Any) -> dict[str, str]:
    """What was copied."""
    return {path.name: path.read_text() for path in (backup.state / ".backup/redis/appendonlydir").iterdir()}


def interrupt(monkeypatch: pytest.MonkeyPatch, program: Any, rewrite: Callable[[], None]) -> None:
    """Let Redis rewrite its files while they get their second names."""
    link: Callable[..., None] = program.os.link

    def during(source: Path, target: Path) -> None:
        link(source, target)
        if source.name.endswith(".manifest"):
            rewrite()

    monkeypatch.setattr(program.os, "link", during)
    monkeypatch.setattr(program.time, "sleep", lambda seconds: None)


def test_redis_is_copied_in_a_combination_that_was(backup: Any, monkeypatch: pytest.MonkeyPatch, program: Any) -> None:
    fill(backup, 1)
    rewrites = iter([True, False])
    interrupt(monkeypatch, program, lambda: fill(backup, 2) and None if next(rewrites) else None)
    backup.stage_redis()
    assert sorted(staged(backup)) == ["appendonly.aof.2.incr.aof", "appendonly.aof.manifest"]
    assert "seq 2" in staged(backup)["appendonly.aof.manifest"]


def test_redis_that_never_rests_is_an_error_and_no_half_copy(backup: Any, monkeypatch: pytest.MonkeyPatch, program: Any) -> None:
    fill(backup, 1)
    numbers = iter(range(2, 100))
    interrupt(monkeypatch, program, lambda: fill(backup, next(numbers)) and None)
    with pytest.raises(program.BackupError, match="rewritten again and again"), backup.redis_beside():
        pytest.fail("nothing is copied")
    assert not (backup.state / ".backup").exists()


def test_files_of_redis_get_second_names_and_no_second_room(backup: Any) -> None:
    fill(backup, 1)
    (backup.redis / "appendonlydir/temp-rewriteaof-7.aof").write_text("half")
    with backup.redis_beside():
        for name in staged(backup):
            assert (backup.state / ".backup/redis/appendonlydir" / name).samefile(backup.redis / "appendonlydir" / name)
        assert sorted(staged(backup)) == ["appendonly.aof.1.incr.aof", "appendonly.aof.manifest"]
    assert not (backup.state / ".backup").exists()


def test_host_keys_lie_beside_the_state_for_root_alone(backup: Any, tmp_path: Path) -> None:
    key = tmp_path / "ssh/ssh_host_ed25519_key"
    key.write_text("private")
    backup.stage_identity()
    copy = backup.state / "identity/ssh_host_ed25519_key"
    assert (copy.read_text(), copy.stat().st_mode & 0o777, copy.parent.stat().st_mode & 0o777) == ("private", 0o600, 0o700)


def test_a_volume_without_state_is_never_copied(backup: Any, program: Any) -> None:
    with pytest.raises(program.BackupError, match="no state of a platform"):
        backup.backup()


def test_a_volume_that_was_in_use_before_is_left_as_it_is(backup: Any) -> None:
    fill(backup, 1)
    assert backup.restore() == {"changed": True, "restored": None}
    assert backup.restore() == {"changed": False, "restored": None}
    assert (backup.redis / "appendonlydir/appendonly.aof.1.incr.aof").exists()


def test_new_volume_without_repository(backup: Any, program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new volume is no empty platform while the repository cannot be reached."""
    (backup.state / "lost+found").mkdir()
    refused = subprocess.CompletedProcess(["restic"], 1, "", "Fatal: dial tcp: connection refused")
    monkeypatch.setattr(program.Backup, "restic", lambda self, *words, **more: refused)
    with pytest.raises(program.BackupError, match="cannot be opened"):
        backup.restore()
    assert not (backup.state / program.MARKER).exists()


def test_status_tells_the_age_or_that_there_is_none(backup: Any, program: Any) -> None:
    assert backup.status() == {"changed": False, "last": None, "age_seconds": None, "checked": None}
    backup.write(backup.record, {"at": "2026-01-01T00:00:00Z", "seconds": 1.0, "snapshots": 1})
    found = backup.status()
    assert found["last"]["snapshots"] == 1
    assert found["age_seconds"] > 0


def test_failed_copy_is_reported(backup: Any, program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed copy is told with the time of the last good one."""
    backup.write(backup.record, {"ok": True, "at": "2026-01-01T00:00:00Z"})
    (tmp_path / "settings.json").write_text(json.dumps(backup.settings))
    monkeypatch.setattr(program, "SETTINGS", tmp_path / "settings.json")
    assert program.main(["backup"]) == 1
    last = backup.status()["last"]
    assert (last["ok"], last["at"]) == (False, "2026-01-01T00:00:00Z")
    assert "no state of a platform" in last["error"]


class Keys:
    """A repository that opens with its keys alone, as restic's commands see it."""

    def __init__(self, *passwords: str) -> None:
        self.keys, self.said = {f"id-{word}": word for word in passwords}, list[str]()

    def answer(self, backup: Any, *words: str, password_file: str = "", **_more: Any) -> subprocess.CompletedProcess[str]:
        words = tuple(word for word in words if word != "--no-lock")
        used = Path(password_file or backup.settings["password_file"]).read_text()
        self.said.append(" ".join(words[:2]))
        if used not in self.keys.values():
            return subprocess.CompletedProcess(["restic"], 12, "", "Fatal: wrong password or no key found")
        if words[:2] == ("key", "add"):
            word = Path(words[3]).read_text()
            self.keys[f"id-{word}"] = word
        if words[:2] == ("key", "remove"):
            assert self.keys[words[2]] != used, "restic removes no key that is in use"
            del self.keys[words[2]]
        listed = [{"id": key, "current": word == used} for key, word in self.keys.items()]
        return subprocess.CompletedProcess(["restic"], 0, json.dumps(listed) if words[:2] == ("key", "list") else "", "")


def test_another_password_takes_the_place_of_the_one_before(backup: Any, program: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys = Keys("first", "a-colleague's")
    monkeypatch.setattr(backup, "restic", functools.partial(keys.answer, backup))
    backup.prepare()
    (tmp_path / "password").write_text("second")
    (backup.state / program.MARKER).write_text("{}")
    assert backup.restore() == {"changed": True, "restored": None}
    assert sorted(keys.keys.values()) == ["a-colleague's", "second"]
    assert ((tmp_path / "password.known").read_text(), (tmp_path / "password.known").stat().st_mode & 0o777) == ("second", 0o600)
    keys.said.clear()
    assert backup.restore() == {"changed": False, "restored": None}
    assert keys.said == [], "the repository is asked nothing while the password is the same"


@pytest.mark.parametrize("dies_at", ["key add", "key list", "key remove"])
def test_killed_password_change(backup: Any, program: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dies_at: str) -> None:
    """A change of password that was killed is finished by the next."""
    keys, alive = Keys("first"), [False]

    def restic(self: Any, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        done = keys.answer(self, *words, **more)
        if dies_at in " ".join(words) and not alive[0]:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(program.Backup, "restic", restic)
    backup.know()
    (tmp_path / "password").write_text("second")
    with pytest.raises(KeyboardInterrupt):
        backup.rekey()
    alive[0] = True
    assert backup.rekey()
    assert list(keys.keys.values()) == ["second"]
