# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the deploy key asks for and playbooks exclude each other: a real PostgreSQL, the playbooks' own holder of the lock."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.quetrex.platform.plugins.action import platform_lock
from ansible_collections.quetrex.platform.plugins.plugin_utils import lock_holder

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))

from quetrex_release import forced
from quetrex_release.outcome import Outcome, ReleaseError
from quetrex_release.writers import alone, key_of

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch

pytest_plugins = ["lab.supabase.testing"]


@pytest.fixture
def stack(scratch: MakeScratch, tmp_path: Path) -> Path:
    """A stack whose record is kept in a database."""
    options = scratch("new").options()
    connection = {"host": options["host"], "port": options["port"], "user": "postgres", "dbname": options["database"], "sslmode": "disable"}
    told = {"platform": "quetrex", "environment": "production", "connection": connection}
    (tmp_path / "release-database.json").write_text(json.dumps(told))
    return tmp_path


def playbook(stack: Path) -> lock_holder.Lock:
    """The lock as site takes it, for the inventory's database."""
    connection = json.loads((stack / "release-database.json").read_text())["connection"]
    who = {"pid": os.getpid(), "started": "", "playbook": "site", "user": "alice", "host": "laptop", "since": "2026-01-01T00:00:00Z"}
    database = {**connection, "name": connection["dbname"]}
    key = platform_lock.key_of("quetrex-production")
    return lock_holder.Lock({"path": str(stack / "controller/lock"), "key": key, "wait": 0, "who": who, "database": database})


def test_while_a_playbook_writes_nothing_is_released(stack: Path) -> None:
    lock = playbook(stack)
    assert lock.take() == {"held": True, "database": ""}
    words = "site by alice@laptop since 2026-01-01T00:00:00Z is writing to the platform"
    with pytest.raises(ReleaseError, match=words) as refused, alone(stack, "deploy", "ci", print):
        pytest.fail("the release began")
    assert refused.value.outcome is Outcome.locked
    lock.close()
    with alone(stack, "deploy", "ci", print):
        pass


def test_playbook_during_release(stack: Path) -> None:
    """While a release goes on a playbook is refused by its name."""
    with alone(stack, "deploy", "ci", print):
        answer = playbook(stack).take()
        assert not answer["held"]
        assert answer["by"]["application_name"].startswith("deploy by ci@")
    lock = playbook(stack)
    assert lock.take()["held"]
    lock.close()


def test_without_the_database_a_release_goes_on_and_says_so(stack: Path) -> None:
    told = json.loads((stack / "release-database.json").read_text())
    (stack / "release-database.json").write_text(json.dumps({**told, "connection": {**told["connection"], "host": "127.0.0.1", "port": 9}}))
    said: list[str] = []
    with alone(stack, "deploy", "ci", said.append):
        pass
    assert "a playbook would not see this release" in said[0]


def test_a_failed_release_is_no_trouble_of_the_database(stack: Path) -> None:
    """What goes wrong inside is what went wrong; and the lock is free again."""
    with pytest.raises(ReleaseError, match="never healthy"), alone(stack, "deploy", "ci", print):
        raise ReleaseError("never_healthy", "never healthy")
    lock = playbook(stack)
    assert lock.take()["held"]
    lock.close()


def test_the_deploy_key_keeps_playbooks_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(forced, "main", lambda argv: asked.append(argv) or 0)
    monkeypatch.setattr(forced, "PROGRAM", str(tmp_path / "platform-deploy"))
    monkeypatch.setattr(forced.os, "geteuid", lambda: 0)
    (tmp_path / "platform-deploy.json").write_text(json.dumps({"stack": str(tmp_path)}))
    (tmp_path / "release.json").write_text(json.dumps({"repositories": []}))
    assert forced.run(["rollback"], "") == 0
    assert asked == [["--stack", str(tmp_path), "--json", "--alone", "rollback"]]


def test_both_mean_the_same_lock() -> None:
    names: list[Any] = ["quetrex-production", "x-y"]
    assert [key_of(name) for name in names] == [platform_lock.key_of(name) for name in names]
