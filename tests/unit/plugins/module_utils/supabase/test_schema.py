# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applying migrations to a real PostgreSQL: the four ways, crashes, rivals, and everything that is refused."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase import ledger, notes
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database, Target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.migrations import Migration
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.runner import Limits
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.schema import Report, Wanted, converge
from lab.supabase.bouncer import Bouncer, RunningBouncer

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch, Scratch

pytest_plugins = ["lab.supabase.testing"]

Write = Callable[[dict[str, str]], str]
A = {"20260101000000_a.sql": "CREATE TABLE public.a (id int PRIMARY KEY);\nINSERT INTO public.a VALUES (1);\n"}
B = {"20260102000000_b.sql": "ALTER TABLE public.a ADD COLUMN name text;\n"}


def run(scratch: Scratch, folder: str, *, check: bool = False, diff: bool = False, limits: Limits | None = None, **wanted: Any) -> Report:
    report = Report()
    converge(
        Target(**scratch.options()), Wanted(folders=[folder], limits=limits or Limits(sleep=lambda _seconds: None), **wanted), report, check=check, diff=diff
    )
    return report


def refused(scratch: Scratch, folder: str, **wanted: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        run(scratch, folder, **wanted)
    return caught.value


def versions(scratch: Scratch) -> list[str]:
    return [row[0] for row in scratch.sql("SELECT version FROM supabase_migrations.schema_migrations ORDER BY 1")]


@pytest.fixture
def database(scratch: MakeScratch) -> Scratch:
    return scratch("new")


def test_check_run_again_change(database: Scratch, migrations: Write) -> None:
    folder = migrations(A)
    checked = run(database, folder, check=True)
    assert checked.changed is True
    assert checked.difference is not None
    assert "column public.a.id integer not null" in checked.difference[1]
    assert database.sql("SELECT to_regclass('public.a'), to_regnamespace('supabase_migrations')") == [(None, None)]

    first = run(database, folder, diff=True)
    assert ([item["version"] for item in first.outcome.ran], first.difference) == (["20260101000000"], checked.difference)
    assert database.sql("SELECT version, name, statements FROM supabase_migrations.schema_migrations") == [("20260101000000", "a", [A["20260101000000_a.sql"]])]
    assert run(database, folder).changed is False

    folder = migrations(B)
    assert [item["version"] for item in run(database, folder).outcome.ran] == ["20260102000000"]
    assert database.sql("SELECT id, name FROM public.a") == [(1, None)]
    assert run(database, folder, state="verified").changed is False


def test_failing_file(database: Scratch, migrations: Write) -> None:
    """A failing file is named with its line and leaves nothing."""
    folder = migrations(A | {"20260103000000_bad.sql": "CREATE TABLE public.half ();\n\nSELECT nothing FROM public.a;\n"})
    report = Report()
    with pytest.raises(Failure) as caught:
        converge(Target(**database.options()), Wanted(folders=[folder]), report, check=False, diff=False)
    assert "20260103000000_bad, line 3" in caught.value.message
    assert caught.value.details["sqlstate"] == "42703"
    assert ([item["version"] for item in report.outcome.ran], report.changed) == (["20260101000000"], True)
    assert database.sql("SELECT to_regclass('public.half')") == [(None,)]
    assert versions(database) == ["20260101000000"]


def test_check_mode_meets_the_real_error(database: Scratch, migrations: Write) -> None:
    folder = migrations(A | {"20260103000000_bad.sql": "INSERT INTO public.a VALUES (1);"})
    assert refused(database, folder, check=True).details["sqlstate"] == "23505"


def test_deferred_constraints_are_tried_in_check_mode(database: Scratch, migrations: Write) -> None:
    text = "CREATE TABLE public.p (id int PRIMARY KEY, up int REFERENCES public.p DEFERRABLE INITIALLY DEFERRED); INSERT INTO public.p VALUES (1, 2);"
    folder = migrations({"20260101000000_p.sql": text})
    assert "foreign key" in refused(database, folder, check=True).message
    assert "foreign key" in refused(database, folder).message


def test_edited_and_missing_and_late(database: Scratch, migrations: Write) -> None:
    folder = migrations(A | B)
    run(database, folder)
    (Path(folder) / "20260101000000_a.sql").write_text("-- other comment\nCREATE TABLE public.a (id int PRIMARY KEY); INSERT INTO public.a VALUES (1);")
    assert run(database, folder).changed is False
    (Path(folder) / "20260101000000_a.sql").write_text("CREATE TABLE public.a (id bigint);")
    assert refused(database, folder).code == "edited"
    (Path(folder) / "20260101000000_a.sql").unlink()
    assert refused(database, folder).code == "missing"
    assert run(database, folder, missing="ignore").changed is False
    migrations(A | {"20260101120000_late.sql": "SELECT 1"})
    assert refused(database, folder).code == "out_of_order"
    assert run(database, folder, out_of_order="ignore").changed is True


def test_a_ledger_of_the_cli_is_understood(database: Scratch, migrations: Write) -> None:
    folder = migrations(A | B)
    database.sql("""CREATE SCHEMA supabase_migrations;
        CREATE TABLE supabase_migrations.schema_migrations (version text PRIMARY KEY, statements text[], name text, created_by text, idempotency_key text);
        CREATE TABLE public.a (id int PRIMARY KEY);
        INSERT INTO supabase_migrations.schema_migrations VALUES
          ('20260101000000', ARRAY['CREATE TABLE public.a (id int PRIMARY KEY)', 'INSERT INTO public.a VALUES (1)'], 'a', 'me', 'key')""")
    assert [item["version"] for item in run(database, folder).outcome.ran] == ["20260102000000"]


def test_a_ledger_of_an_early_cli_is_completed(database: Scratch, migrations: Write) -> None:
    folder = migrations(A | B)
    database.sql(
        "CREATE SCHEMA supabase_migrations; CREATE TABLE supabase_migrations.schema_migrations (version text PRIMARY KEY); CREATE TABLE public.a (id int)"
    )
    database.sql("INSERT INTO supabase_migrations.schema_migrations VALUES ('20260101000000')")
    report = run(database, folder)
    assert report.plan is not None
    assert (report.plan.unverifiable, versions(database)) == (["20260101000000_a"], ["20260101000000", "20260102000000"])


def test_adopting_runs_nothing(database: Scratch, migrations: Write) -> None:
    folder = migrations(A | B)
    assert run(database, folder, state="adopted", adopt_version="20260101000000", check=True).adopted == ["20260101000000_a"]
    assert run(database, folder, state="adopted", adopt_version="20260101000000").adopted == ["20260101000000_a"]
    assert run(database, folder, state="adopted", adopt_version="20260101000000").changed is False
    assert (versions(database), database.sql("SELECT to_regclass('public.a')")) == (["20260101000000"], [(None,)])
    assert refused(database, folder, state="verified").code == "pending"
    assert refused(database, folder, state="adopted", adopt_version="20990101000000").code == "adopt_version"


def test_session_settings_of_one_file_do_not_reach_the_next(database: Scratch, migrations: Write) -> None:
    setting = {"20260101000001_s.sql": "SELECT set_config('search_path', '', false); SET ROLE anon; SET statement_timeout = '61s'"}
    seen = "current_user <> 'anon' AND current_setting('statement_timeout') <> '61s' AND current_setting('search_path') <> ''"
    asking = {"20260101000002_t.sql": f"DO $$ BEGIN ASSERT {seen}, 'of the file before'; END $$"}
    folder = migrations(A | setting | asking | B)
    run(database, folder, check=True)
    assert len(run(database, folder).outcome.ran) == 4


def test_a_hidden_end_of_the_transaction_is_noticed(database: Scratch, migrations: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the parser ever miss it, a lock of the transaction does not."""
    monkeypatch.setattr("ansible_collections.quetrex.platform.plugins.module_utils.supabase.script.is_plain", lambda _text: True)
    folder = migrations({"20260101000000_x.sql": "CREATE TABLE public.x (); COMMIT; BEGIN; CREATE TABLE public.y ();"})
    assert refused(database, folder).details["sqlstate"] == "2D000"
    assert database.sql("SELECT to_regclass('public.y')") == [(None,)]
    assert versions(database) == []


def test_concurrent_indexes(database: Scratch, migrations: Write) -> None:
    folder = migrations(A | {"20260102000000_i.sql": "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS a_i ON public.a ((id / 10));"})
    database.sql("CREATE TABLE public.a (id int PRIMARY KEY); INSERT INTO public.a VALUES (1), (2)")
    run(database, folder, state="adopted", adopt_version="20260101000000")
    assert run(database, folder, check=True).outcome.skipped == ["20260102000000_i"]
    assert refused(database, folder).details["sqlstate"] == "23505"
    assert database.sql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'public.a_i'::regclass") == [(False,)]
    database.sql("DELETE FROM public.a WHERE id = 2")
    run(database, folder)
    assert database.sql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'public.a_i'::regclass") == [(True,)]
    assert run(database, folder).changed is False


def test_a_lock_on_a_table_is_waited_for_again(database: Scratch, migrations: Write) -> None:
    folder = migrations(A)
    run(database, folder)
    folder = migrations(B)
    rival = database.connect()
    rival.autocommit = False
    rival.cursor().execute("SELECT * FROM public.a")
    sleeps: list[float] = []

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) == 2:
            rival.close()

    report = run(database, folder, limits=Limits(lock_timeout=0.05, sleep=sleep))
    assert ([item["attempts"] for item in report.outcome.ran], len(sleeps)) == ([3], 2)


def test_a_rehearsal_waits_for_locks_again(database: Scratch, migrations: Write) -> None:
    run(database, migrations(A))
    rival = database.connect()
    rival.autocommit = False
    rival.cursor().execute("LOCK TABLE public.a")
    report = run(database, migrations(B), check=True, limits=Limits(lock_timeout=0.05, sleep=lambda _seconds: rival.close()))
    assert [item["version"] for item in report.outcome.ran] == ["20260102000000"]


def test_rehearsal_of_deferred_constraints(database: Scratch, migrations: Write) -> None:
    """A rehearsal checks deferred constraints where a commit would."""
    folder = migrations(
        {
            "1_p.sql": "CREATE TABLE public.p (id int PRIMARY KEY, up int REFERENCES public.p DEFERRABLE INITIALLY DEFERRED);",
            "2_p.sql": "INSERT INTO public.p VALUES (1, 2), (2, 1);",
            "3_p.sql": "ALTER TABLE public.p ADD COLUMN name text;",
        }
    )
    assert len(run(database, folder, check=True).outcome.ran) == 3


def test_a_lock_that_is_never_given_ends_the_run(database: Scratch, migrations: Write) -> None:
    run(database, migrations(A))
    with contextlib.closing(database.connect()) as rival:
        rival.autocommit = False
        rival.cursor().execute("LOCK TABLE public.a")
        error = refused(database, migrations(B), limits=Limits(lock_timeout=0.02, retries=2, sleep=lambda _seconds: None))
    assert (error.details["sqlstate"], error.details["attempts"]) == ("55P03", 3)


def test_a_statement_that_takes_too_long_is_ended(database: Scratch, migrations: Write) -> None:
    folder = migrations({"20260101000000_slow.sql": "SELECT pg_sleep(60)"})
    assert refused(database, folder, limits=Limits(statement_timeout=0.05)).details["sqlstate"] == "57014"


def test_the_second_run_waits_and_names_the_first(database: Scratch, migrations: Write) -> None:
    folder = migrations(A)
    with Database(Target(**database.options(), purpose="the first run")) as first, ledger.lock(first, 1):
        error = refused(database, folder, limits=Limits(lock_wait=0.05))
    assert error.code == "locked"
    assert "the first run pid" in error.message
    assert run(database, folder).changed is True


@pytest.mark.parametrize("runs", [2, 20])
def test_runs_at_once_apply_each_file_once(database: Scratch, migrations: Write, runs: int) -> None:
    files = {f"202601010000{number:02}_t.sql": f"CREATE TABLE public.t{number} (); SELECT pg_sleep(0.005)" for number in range(10)}
    folder = migrations(files)
    ran: list[str] = []
    problems: list[Failure] = []

    def go() -> None:
        try:
            ran.extend(item["version"] for item in run(database, folder).outcome.ran)
        except Failure as error:
            problems.append(error)

    threads = [threading.Thread(target=go) for _number in range(runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (problems, sorted(ran), versions(database)) == ([], sorted(name[:14] for name in files), sorted(name[:14] for name in files))


def _kill_sessions(database: Scratch, which: str) -> None:
    database.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE %s",
        (f"{which}%",),
        user="supabase_admin",
    )


@pytest.mark.parametrize("statement", range(1, 15))
def test_killed_at_any_statement_the_next_run_goes_on(database: Scratch, migrations: Write, monkeypatch: pytest.MonkeyPatch, statement: int) -> None:
    """The connection dies before the n-th message is sent."""
    folder = migrations(A | B)
    real, count, killed = Database.run, iter(range(1, 10_000)), []

    def counted(self: Database, sql: str, arguments: Any = None) -> list[tuple[Any, ...]]:
        if next(count) == statement:
            _kill_sessions(database, "quetrex")
            killed.append(sql)
        return real(self, sql, arguments)

    monkeypatch.setattr(Database, "run", counted)
    with contextlib.suppress(Failure):
        run(database, folder)
    monkeypatch.setattr(Database, "run", real)
    assert len(killed) == 1
    there = database.sql("SELECT to_regclass('public.a') IS NOT NULL")[0][0]
    assert there == (database.sql("SELECT to_regclass('supabase_migrations.schema_migrations') IS NOT NULL")[0][0] and "20260101000000" in versions(database))
    run(database, folder)
    assert versions(database) == ["20260101000000", "20260102000000"]


ALONE = {"20260101120000_i.sql": "CREATE UNIQUE INDEX CONCURRENTLY a_i ON public.a (id);"}


# The rows come once each, or the primary key says so.
MIXED = {
    "20260101120000_i.sql": (
        "INSERT INTO public.a VALUES (2);\nCREATE UNIQUE INDEX CONCURRENTLY a_i ON public.a (id);\nVACUUM public.a;\nINSERT INTO public.a VALUES (3);\n"
    )
}


def _die_after(message: int, options: dict[str, Any], folder: str) -> None:
    """In a process of its own: a run that is killed when the server has answered its n-th message."""
    real, count = Database.run, itertools.count(1)

    def counted(self: Database, sql: str, arguments: Any = None) -> list[tuple[Any, ...]]:
        rows = real(self, sql, arguments)
        if next(count) == message:
            os.kill(os.getpid(), signal.SIGKILL)
        return rows

    Database.run = counted  # type: ignore[method-assign]
    converge(Target(**options), Wanted(folders=[folder]), Report(), check=False, diff=False)


def _consistent(database: Scratch) -> bool:
    """Whether each transactional file is there if and only if it is recorded, and no index is recorded that serves nobody."""
    sql = """SELECT to_regclass('public.a') IS NOT NULL, EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('public.a') AND attname = 'name'),
               EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('public.a_i') AND indisvalid)"""
    table, column, index = database.sql(sql)[0]
    recorded = set(versions(database)) if database.sql("SELECT to_regclass('supabase_migrations.schema_migrations') IS NOT NULL")[0][0] else set()
    return (table, column) == ("20260101000000" in recorded, "20260102000000" in recorded) and index >= ("20260101120000" in recorded)


def test_killed_after_any_statement(scratch: MakeScratch, migrations: Write) -> None:
    """Between any two messages, those between building an index and noting it included. The last turn is the one that nothing kills."""
    folder = migrations(A | MIXED | B)
    for message in itertools.count(1):
        database = scratch("new")
        process = multiprocessing.get_context("fork").Process(target=_die_after, args=(message, database.options(), folder))
        process.start()
        process.join(60)
        assert process.exitcode in {0, -signal.SIGKILL}, (message, process.exitcode)
        assert _consistent(database), message
        run(database, folder)
        assert (versions(database), _consistent(database)) == (["20260101000000", "20260101120000", "20260102000000"], True), message
        assert run(database, folder).changed is False
        assert database.sql("SELECT id FROM public.a ORDER BY 1") == [(1,), (2,), (3,)], message
        if process.exitcode == 0:
            break
    assert message > 15


def test_unrecorded_index(database: Scratch, migrations: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that was built and not recorded is not built again."""
    run(database, migrations(A))
    folder = migrations(ALONE)

    def lost(_database: Database, _migration: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(notes, "record", lost)
    with pytest.raises(KeyboardInterrupt):
        run(database, folder)
    monkeypatch.undo()
    before = database.sql("SELECT 'public.a_i'::regclass::oid")
    assert [item["version"] for item in run(database, folder).outcome.ran] == ["20260101120000"]
    assert database.sql("SELECT 'public.a_i'::regclass::oid") == before


def test_foreign_index_of_same_name(database: Scratch, migrations: Write) -> None:
    """Somebody else's index of the same name is never taken for ours."""
    run(database, migrations(A))
    folder = migrations(ALONE)
    database.sql("CREATE INDEX a_i ON public.a ((id + 1))")
    for _attempt in range(2):
        assert refused(database, folder).details["sqlstate"] == "42P07"
    assert versions(database) == ["20260101000000"]


def test_a_commit_whose_answer_was_lost_is_proved_by_reading(database: Scratch, migrations: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = migrations(A)
    real = Database.run

    def lossy(self: Database, sql: str, arguments: Any = None) -> list[tuple[Any, ...]]:
        rows = real(self, sql, arguments)
        if "COMMIT; SELECT version" in sql:
            _kill_sessions(database, "quetrex")
            return real(self, "SELECT 1")
        return rows

    monkeypatch.setattr(Database, "run", lossy)
    assert [item["version"] for item in run(database, folder).outcome.ran] == ["20260101000000"]


def test_a_row_that_vanishes_is_not_called_success(database: Scratch, migrations: Write) -> None:
    run(database, migrations(A))
    database.sql("CREATE RULE gone AS ON INSERT TO supabase_migrations.schema_migrations DO INSTEAD NOTHING")
    assert refused(database, migrations(B)).code == "commit_lost"


def test_a_file_with_transactions_of_its_own(database: Scratch, migrations: Write) -> None:
    text = "SET x.y = '1';\nBEGIN;\nCREATE TABLE public.w (id int);\nCOMMIT;\nBEGIN ISOLATION LEVEL SERIALIZABLE;\nINSERT INTO public.w VALUES (1);\nEND;\n"
    folder = migrations({"1_w.sql": text})
    run(database, folder, check=True)
    run(database, folder)
    assert database.sql("SELECT w.id, m.version, m.statements FROM public.w, supabase_migrations.schema_migrations m") == [(1, "1", [text])]
    assert database.sql(NOTES) == [(0,)]
    assert run(database, folder).changed is False


def test_with_and_without_its_own_transaction_a_file_is_the_same(database: Scratch, migrations: Write) -> None:
    """Where the CLI applied the file with BEGIN and COMMIT, either text counts."""
    run(database, migrations({}))
    database.sql("""CREATE SCHEMA supabase_migrations;
        CREATE TABLE supabase_migrations.schema_migrations (version text PRIMARY KEY, statements text[], name text);
        INSERT INTO supabase_migrations.schema_migrations VALUES ('0001', ARRAY['begin', 'create table public.t ()', 'commit'], 't')""")
    for text in ("begin;\ncreate table public.t ();\ncommit;", "create table public.t ();"):
        assert run(database, migrations({"0001_t.sql": text}), state="verified").changed is False


def test_copy_and_the_lines_of_pg_dump(database: Scratch, migrations: Write) -> None:
    rows = "1\tit's\n2\t;--\n"
    table = "CREATE TABLE public.c (id int PRIMARY KEY, w text);"
    text = f"\\restrict aB3\n\n{table}\nCOPY public.c (id, w) FROM stdin;\n{rows}\\.\n\nINSERT INTO public.c VALUES (3, '\\.');\n\\unrestrict aB3\n"
    folder = migrations({"20260101000000_c.sql": text})
    run(database, folder, check=True)
    run(database, folder)
    assert database.sql("SELECT id, w FROM public.c ORDER BY 1") == [(1, "it's"), (2, ";--"), (3, "\\.")]
    assert "line 2" in refused(database, migrations({"20260101000001_d.sql": "SELECT 1;\nCOPY public.c FROM stdin;\n1\tx\n\\.\n"})).message


def test_an_enum_value_that_its_own_file_uses(database: Scratch, migrations: Write) -> None:
    run(database, migrations({"1_e.sql": "CREATE TYPE public.mood AS ENUM ('ok'); CREATE TABLE public.m (mood public.mood);"}))
    text = "ALTER TYPE public.mood ADD VALUE 'great';\nINSERT INTO public.m VALUES ('great');\nSELECT nothing;"
    failed = refused(database, migrations({"2_e.sql": text}))
    assert ("line 3" in failed.message, database.sql("SELECT count(*) FROM public.m")) == (True, [(0,)])
    run(database, migrations({"2_e.sql": text.removesuffix("SELECT nothing;")}))
    assert (database.sql("SELECT mood FROM public.m"), versions(database)) == ([("great",)], ["1", "2"])


def test_what_resets_the_session_keeps_lock_and_limits(database: Scratch, migrations: Write) -> None:
    asked = "SELECT 1 / (current_setting('lock_timeout') = '5s')::int"
    held = "SELECT 1 / (EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND pid = pg_backend_pid()))::int"
    files = {"1_a.sql": f"RESET ALL; {asked}; DISCARD ALL; {asked}; {held};", "2_b.sql": "SELECT pg_advisory_unlock_all();", "3_c.sql": f"{held};"}
    folder = migrations(files)
    run(database, folder, check=True)
    assert len(run(database, folder).outcome.ran) == 3


def test_settings_before_a_step_hold_for_a_run_that_goes_on(database: Scratch, migrations: Write) -> None:
    text = "SET search_path = auth_x;\nCREATE SCHEMA auth_x;\nCOMMIT;\nCREATE TABLE here (id int);\nSELECT {};"
    assert "up to line 3" in refused(database, migrations({"1_s.sql": text.format("nothing")})).message
    run(database, migrations({"1_s.sql": text.format("1")}))
    assert database.sql("SELECT to_regclass('auth_x.here') IS NOT NULL") == [(True,)]


def test_an_invalid_index_of_another_table_is_left_alone(database: Scratch, migrations: Write) -> None:
    run(database, migrations(A))
    database.sql("CREATE SCHEMA other; CREATE TABLE other.a (id int); CREATE INDEX a_i ON other.a (id)")
    database.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'other.a_i'::regclass", user="supabase_admin")
    run(database, migrations(ALONE))
    assert database.sql("SELECT to_regclass('other.a_i') IS NOT NULL, to_regclass('public.a_i') IS NOT NULL") == [(True, True)]


BAD = "20260103000000_bad.sql"
# What is refused -> the file as its message advises, and what else it says to give
NOTES = "SELECT count(*) FROM quetrex_platform.begun"
ADVICE: dict[str, tuple[dict[str, str], dict[str, str], dict[str, Any]]] = {
    "edited": ({"20260101000000_a.sql": "SELECT 1"}, A, {}),
    "missing": ({"20260101000000_a.sql": ""}, {}, {"missing": "ignore"}),
    "out_of_order": ({"20251231000000_late.sql": "SELECT 1"}, {}, {"out_of_order": "ignore"}),
    "file_name": ({"bad.sql": "SELECT 1"}, {BAD: "SELECT 1"}, {}),
    "duplicate_version": ({"20260101000000_twin.sql": "SELECT 1"}, {BAD: "SELECT 1"}, {}),
    "not_alone": ({BAD: "BEGIN; VACUUM public.a; SELECT 1; COMMIT;"}, {BAD: "BEGIN; COMMIT; VACUUM public.a; BEGIN; SELECT 1; COMMIT;"}, {}),
    "transaction_control": ({BAD: "BEGIN; DROP TABLE public.a; ROLLBACK; SELECT 1;"}, {BAD: "BEGIN; SELECT 1;"}, {}),
    "unrunnable": ({BAD: "\\echo hello\nSELECT 1;"}, {BAD: "SELECT 1;"}, {}),
    "migration_failed": ({BAD: "VACUUM public.a;\nSELECT nothing;"}, {BAD: "VACUUM public.a;\nSELECT 1;"}, {}),
}


@pytest.mark.parametrize("code", ADVICE)
def test_the_advice_of_a_refusal_is_accepted(database: Scratch, migrations: Write, code: str) -> None:
    folder = migrations(A)
    run(database, folder)
    wrong, right, more = ADVICE[code]
    migrations(wrong)
    if code == "missing":
        (Path(folder) / "20260101000000_a.sql").unlink()
    assert refused(database, folder).code == code
    for name in wrong:
        if right and name not in A:
            (Path(folder) / name).unlink()
    run(database, migrations(right), **more)


def test_what_was_committed_of_a_file_must_stand(database: Scratch, migrations: Write) -> None:
    """The advice is to restore it, or to adopt the file."""
    text = "CREATE TABLE public.p ();\nVACUUM;\nSELECT nothing;"
    refused(database, migrations({"1_p.sql": text}))
    assert refused(database, migrations({"1_p.sql": text.replace("public.p", "public.q")})).code == "begun_differently"
    assert refused(database, migrations({"1_p.sql": text})).code == "migration_failed"
    assert run(database, migrations({"1_p.sql": text}), state="adopted", adopt_version="1").adopted == ["1_p"]
    assert run(database, migrations({})).changed is False
    assert database.sql(NOTES) == [(0,)]


@pytest.mark.parametrize("steps", [False, True])
def test_notes_of_before(database: Scratch, migrations: Write, steps: bool) -> None:
    """A file that an earlier version left half done, noted beside the CLI's ledger: it goes on there, and nothing of the platform's stays."""
    text = "CREATE TABLE public.p ();\nVACUUM;\nCREATE TABLE public.q ();" if steps else "CREATE INDEX CONCURRENTLY p_i ON public.p (id)"
    read = Migration("1", "p", "", text)
    database.sql("CREATE SCHEMA supabase_migrations")
    database.sql("CREATE TABLE public.p ()" if steps else "CREATE TABLE public.p (id int); CREATE INDEX p_i ON public.p (id)")
    columns = "version text PRIMARY KEY, digest text NOT NULL" + (", step integer NOT NULL DEFAULT 0, begun boolean NOT NULL DEFAULT true" if steps else "")
    database.sql(f"CREATE TABLE supabase_migrations.quetrex_begun ({columns})")
    note: tuple[Any, ...] = ("1", read.done_before(len(text.split(";", maxsplit=1)[0])), 1, False) if steps else ("1", read.digest)
    database.sql(f"INSERT INTO supabase_migrations.quetrex_begun VALUES ({', '.join(['%s'] * len(note))})", note)  # noqa: S608 - a constant
    assert [item["version"] for item in run(database, migrations({"1_p.sql": text})).outcome.ran] == ["1"]
    assert database.sql("SELECT relname::text FROM pg_class WHERE relnamespace = 'supabase_migrations'::regnamespace AND relkind = 'r'") == [
        ("schema_migrations",)
    ]
    assert database.sql(NOTES) == [(0,)]
    assert run(database, migrations({})).changed is False


def test_two_round_trips_per_file(database: Scratch, migrations: Write) -> None:
    run(database, migrations(A))
    few = len(run(database, migrations(B)).queries)
    many = len(run(database, migrations({f"2026020100000{number}_n.sql": "SELECT 1" for number in range(5)})).queries)
    assert many - few == 4 * 2


@pytest.fixture
def pooler(clusters: Any) -> Callable[[Literal["transaction", "session"]], contextlib.AbstractContextManager[Target]]:
    """A PgBouncer in front of the cluster: a target for either mode, on a port that gives nothing away."""
    cluster = clusters("new")
    cluster.execute("ALTER ROLE postgres PASSWORD 'pw'", user="supabase_admin")

    @contextlib.contextmanager
    def start(mode: Literal["transaction", "session"]) -> Any:
        folder = Path(str(cluster.socket_dir)) / mode
        bouncer = Bouncer(folder, str(cluster.socket_dir), cluster.port, "pw", mode=mode, port=5432)
        with RunningBouncer(bouncer):
            yield Target(host=str(folder), password="pw", sslmode="disable")

    return start


def test_a_transaction_pooler_is_refused(pooler: Any, migrations: Write) -> None:
    with pooler("transaction") as target, pytest.raises(Failure) as caught:
        converge(target, Wanted(folders=[migrations(A)]), Report(), check=False, diff=False)
    assert caught.value.code == "transaction_pooler"


def test_a_session_pooler_is_fine(pooler: Any, migrations: Write) -> None:
    with pooler("session") as target:
        report = Report()
        converge(target, Wanted(folders=[migrations({"20260101000000_n.sql": "SELECT 1"})]), report, check=True, diff=False)
    assert report.changed is True


def test_a_wrong_password_is_not_shown(database: Scratch, tmp_path: Path) -> None:
    with pytest.raises(Failure) as caught:
        Database(Target(host=str(tmp_path), password="hunter2", sslmode="disable"))
    assert "hunter2" not in caught.value.message
    assert "hunter2" not in repr(Target(host="x", password="hunter2"))


def test_verification_needs_a_certificate() -> None:
    with pytest.raises(Failure, match="ca_certificate"):
        Database(Target(host="db.example.com"))
