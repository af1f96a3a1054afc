# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of releases in the platform's database: a real PostgreSQL with the platform's own migrations."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.schema import Report, Wanted, converge

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))

from quetrex_release.engine import Engine
from quetrex_release.store import Store, StoreError

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch, Scratch

pytest_plugins = ["lab.supabase.testing"]
ROOT = Path(__file__).resolve().parents[3]
RECORD = {
    "current": {"image": "web@sha256:1", "at": "2026-01-02T00:00:00Z"},
    "history": [],
    "runner": {"current": {"image": "r", "at": "2026-01-01T00:00:00Z"}},
}


@pytest.fixture
def database(scratch: MakeScratch) -> Scratch:
    made = scratch("new")
    converge(Target(**made.options()), Wanted(folders=[str(ROOT / "roles/supabase_database/files/migrations")]), Report(), check=False, diff=False)
    return made


def store(database: Scratch, environment: str = "production", **more: Any) -> Store:
    given = database.options()
    connection = {"host": given["host"], "port": given["port"], "user": "postgres", "dbname": database.name, "sslmode": "disable"}
    return Store(connection | more, "quetrex", environment)


def test_what_one_server_keeps_the_next_one_reads(database: Scratch) -> None:
    assert store(database).fetch() == {}
    store(database).keep(RECORD)
    store(database).keep({**RECORD, "inventory": "web@sha256:0"})
    assert store(database).fetch() == {**RECORD, "inventory": "web@sha256:0"}
    assert store(database, "staging").fetch() == {}


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_nobody_reads_it_through_the_api(database: Scratch, role: str) -> None:
    with database.acting(role) as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute("SELECT * FROM platform.releases")


def test_a_database_that_is_away_is_an_answer_not_a_crash(database: Scratch) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        store(database, dbname="nothing").fetch()
    with pytest.raises(StoreError):
        store(database, host="/nowhere").keep(RECORD)


def test_without_a_database_there_is_no_store(tmp_path: Path) -> None:
    assert Store.read(tmp_path / "absent.json") is None
    file = tmp_path / "release-database.json"
    file.write_text(json.dumps({"platform": "p", "environment": "e", "connection": {}}))
    assert Store.read(file) is None
    file.write_text(json.dumps({"platform": "p", "environment": "e", "connection": {"host": "h"}}))
    found = Store.read(file)
    assert found is not None
    assert found.names == {"platform": "p", "environment": "e"}


class Server:
    """The part of a server that keeps the record."""

    settings = None

    def __init__(self, store: Store | None, record: dict[str, Any]) -> None:
        self.store, self.kept = store, record

    def record(self) -> dict[str, Any]:
        return self.kept

    def save_record(self, record: dict[str, Any]) -> None:
        self.kept = record


def engine(store: Store | None, record: dict[str, Any]) -> tuple[Engine, Server]:
    server = Server(store, record)
    return Engine(server, lambda line: None), server  # type: ignore[arg-type]


def test_a_new_server_goes_on_where_the_old_one_was(database: Scratch) -> None:
    store(database).keep(RECORD)
    new, server = engine(store(database), {})
    new.adopt()
    assert server.kept == RECORD
    assert new.choose("web@sha256:inventory", None) == ("web@sha256:inventory", None)


def test_the_servers_own_later_record_wins_and_is_kept(database: Scratch) -> None:
    store(database).keep(RECORD)
    later = {**RECORD, "current": {"image": "web@sha256:2", "at": "2026-01-03T00:00:00Z"}}
    mine, server = engine(store(database), later)
    mine.adopt()
    assert server.kept == later
    assert mine.publish() is True
    assert store(database).fetch() == later


def test_a_database_that_is_away_stops_no_release() -> None:
    lonely, _server = engine(Store({"host": "/nowhere"}, "p", "e"), dict(RECORD))
    lonely.adopt()
    assert "/nowhere" in str(lonely.publish())
    assert engine(None, dict(RECORD))[0].publish() == "no database is set"
