# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of releases in the platform's database: a real PostgreSQL with the platform's own schema."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase import store as schema
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database, Target

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))

from quetrex_release.engine import Engine
from quetrex_release.record import Record, Release, Track
from quetrex_release.store import Store, StoreError

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch, Scratch

pytest_plugins = ["lab.supabase.testing"]
ROOT = Path(__file__).resolve().parents[3]
FIRST, SECOND = (Release("blue", f"web@sha256:{digit * 64}", "c", "1", "2026-01-02T00:00:00Z") for digit in "12")
MADE = Record().having(Track().add(FIRST), "web")
RECORD = MADE.plain()


@pytest.fixture
def database(scratch: MakeScratch) -> Scratch:
    made = scratch("new")
    with Database(Target(**made.options())) as opened:
        schema.make(opened, schema.missing(opened))
    return made


def store(database: Scratch, environment: str = "production", **more: Any) -> Store:
    given = database.options()
    connection = {"host": given["host"], "port": given["port"], "user": "postgres", "dbname": database.name, "sslmode": "disable"}
    return Store(connection | more, "quetrex", environment)


def test_what_one_server_keeps_the_next_one_reads(database: Scratch) -> None:
    assert store(database).fetch() == {}
    store(database).keep(RECORD)
    store(database).keep({**RECORD, "inventory": SECOND.image})
    assert store(database).fetch() == {**RECORD, "inventory": SECOND.image}
    assert store(database, "staging").fetch() == {}


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_nobody_reads_it_through_the_api(database: Scratch, role: str) -> None:
    with database.acting(role) as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute("SELECT * FROM quetrex_platform.releases")


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

    settings = SimpleNamespace(known=lambda service: {"web"}, service="web", services={}, exchanges={})

    def __init__(self, store: Store | None, record: Record, *, own: bool = False) -> None:
        self.store, self.kept, self.own = store, record, own
        self.state = self

    def record(self) -> Record:
        return self.kept

    def save_record(self, record: Record) -> None:
        self.kept = record

    def own_record(self) -> bool:
        return self.own


def engine(store: Store | None, record: Record, *, own: bool = False) -> tuple[Engine, Server]:
    server = Server(store, record, own=own)
    return Engine(server, lambda line: None), server  # type: ignore[arg-type]


def test_a_new_server_goes_on_where_the_old_one_was(database: Scratch) -> None:
    store(database).keep(RECORD)
    new, server = engine(store(database), Record())
    new.adopt()
    assert server.kept == MADE
    assert new.choose(SECOND.image, None) == (SECOND.image, None)


def test_the_servers_own_record_wins_and_is_kept(database: Scratch) -> None:
    store(database).keep(RECORD)
    later = MADE.having(MADE.web.add(SECOND), "web")
    mine, server = engine(store(database), later)
    mine.adopt()
    assert server.kept == later
    assert mine.publish() is True
    assert store(database).fetch() == later.plain()


def test_adoption_of_later_record(database: Scratch) -> None:
    """A later record is adopted only where the server has not written its own."""
    later = MADE.having(MADE.web.add(SECOND), "web")
    store(database).keep(later.plain())
    for own in (True, False):
        made, server = engine(store(database), MADE, own=own)
        made.adopt()
        assert server.kept == (MADE if own else later)


@pytest.mark.parametrize("text", ["[]", '"x"', "7", "null", '{"current": {"at": "9999"}}'])
def test_what_is_no_record_is_ignored(database: Scratch, text: str) -> None:
    store(database).keep(RECORD)
    database.sql("UPDATE quetrex_platform.releases SET record = %s::jsonb RETURNING 1", (text,))
    made, server = engine(store(database), Record())
    made.adopt()
    assert (made.kept, server.kept) == (None, Record())


def test_a_record_that_is_too_large_is_not_read(database: Scratch) -> None:
    store(database).keep({**RECORD, "more": "x" * 2_000_000})
    assert store(database).fetch() == {}


def test_a_reader_writes_nothing(database: Scratch, tmp_path: Path) -> None:
    store(database).keep(RECORD)
    given = store(database)
    told = {**given.names, "connection": given.connection, "read_only": True}
    (tmp_path / "release-database.json").write_text(json.dumps(told))
    reader = Store.read(tmp_path / "release-database.json")
    assert reader is not None
    assert reader.fetch() == RECORD
    made, server = engine(reader, Record())
    made.adopt()
    server.save_record(MADE.having(MADE.web.add(SECOND), "web"))
    assert "writes none" in str(made.publish())
    with pytest.raises(StoreError, match="read-only"), reader._cursor() as cursor:
        cursor.execute("UPDATE quetrex_platform.releases SET record = '{}'")
    assert database.sql("SELECT environment, record FROM quetrex_platform.releases") == [("production", RECORD)]


def test_a_database_that_is_away_stops_no_release() -> None:
    lonely, _server = engine(Store({"host": "/nowhere"}, "p", "e"), MADE)
    lonely.adopt()
    assert "/nowhere" in str(lonely.publish())
    assert engine(None, MADE)[0].publish() == "no database is set"
