# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files: names, texts, and what is refused before anything is sent."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.migrations import (
    Index,
    Migration,
    concurrent_index,
    passed_over,
    read_folder,
    read_folders,
)
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.script import is_plain


def migration(text: str) -> Migration:
    return Migration("20260101000000", "x", "folder", text)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("-1_x.sql", b"", "file_name"),
        ("\u0661_x.sql", b"", "file_name"),
        ("20260101000000.sql", b"", "file_name"),
        ("readme.sql", b"", "file_name"),
        ("20260101000000_x.sql", b"\xff", "encoding"),
        ("20260101000000_x.sql", b"SELECT 1\0", "encoding"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Failure) as caught:
        read_folder(str(tmp_path))
    assert caught.value.code == code


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch()
    (tmp_path / "20260101000000_b.sql").write_bytes(b"SELECT 1;\r\n")
    assert [(item.label, item.text) for item in read_folder(str(tmp_path))] == [("20260101000000_b", "SELECT 1;\r\n")]


def test_a_version_is_used_once_over_all_folders(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"20260101000000_{folder}.sql").touch()
    with pytest.raises(Failure, match="20260101000000_a and 20260101000000_b"):
        read_folders([str(tmp_path / "a"), str(tmp_path / "b")])


def test_versions_of_any_width_run_in_the_clis_order(tmp_path: Path) -> None:
    for name in ("0_c", "09_x", "1_b", "0001_notes", "20260101000000123_a", "20260101000000_"):
        (tmp_path / f"{name}.sql").touch()
    assert [item.version for item in read_folder(str(tmp_path))] == ["0", "0001", "09", "1", "20260101000000", "20260101000000123"]


def test_files_that_are_passed_over_are_named(tmp_path: Path) -> None:
    for name in (
        "20260101000000_a.sql",
        "20260101000001_b.SQL",
        "20260101000002_c.sql.j2",
        "deep/er/20260101000003_d.sql",
        "deep/notes.md",
        "README.md",
        "e.pgsql",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "20260101000004_f.sql").symlink_to(tmp_path / "nowhere.sql")
    names = [path.removeprefix(f"{tmp_path}/") for path in passed_over([str(tmp_path)])]
    assert names == ["20260101000001_b.SQL", "20260101000002_c.sql.j2", "20260101000004_f.sql", "deep/er/20260101000003_d.sql", "e.pgsql"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ROLLBACK", "transaction_control"),
        ("CREATE TABLE t (); ABORT", "transaction_control"),
        ("BEGIN; PREPARE TRANSACTION 'x'", "transaction_control"),
        ("BEGIN; COMMIT AND CHAIN", "transaction_control"),
        ("BEGIN; VACUUM; COMMIT", "not_alone"),
        ("\\connect x", "unrunnable"),
        ("SELECT 1 \\gexec", "unrunnable"),
        ("COPY t FROM STDIN", "unrunnable"),
    ],
)
def test_what_cannot_be_run(text: str, code: str) -> None:
    with pytest.raises(Failure, match="line 1") as caught:
        migration(text).steps()
    assert caught.value.code == code


def steps(text: str, **options: bool) -> list[str]:
    """Each step in short: what is sent, after a mark of those that run alone."""
    found = []
    for step in migration(text).steps(**options):  # type: ignore[arg-type]
        sent = " ".join("; ".join(part.sql for part in step.parts).replace(";", " ; ").split()).strip("; ")
        found.append(f"alone: {sent}" if step.alone else sent)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SAVEPOINT a; ROLLBACK TO a; RELEASE a", 1),
        ("ROLLBACK TO SAVEPOINT a; ROLLBACK WORK TO a", 1),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END", 1),
        ("DO $$ BEGIN PERFORM 1; END $$", 1),
        ("COPY t FROM '/x'; SELECT 'COMMIT'", 1),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", 1),
        ("ALTER TYPE t ADD VALUE 'x'; SELECT 1", 1),
        ("BEGIN; CREATE TABLE a (); COMMIT", 1),
        ("SET x.y = 1; START TRANSACTION; CREATE TABLE a (); END; ", 1),
        ("BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2; COMMIT; SELECT 3", 3),
        ("-- nothing", 1),
    ],
)
def test_what_runs_in_transactions(text: str, expected: int) -> None:
    assert len(steps(text)) == expected
    assert not any(step.startswith("alone") for step in steps(text))


@pytest.mark.parametrize(
    "text",
    [
        "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)",
        "DROP INDEX CONCURRENTLY i",
        "REINDEX TABLE CONCURRENTLY t",
        "REINDEX (CONCURRENTLY on, VERBOSE) TABLE t",
        "REINDEX SCHEMA s",
        "VACUUM ANALYZE t",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "ALTER TABLE a DETACH PARTITION b CONCURRENTLY",
        "CREATE DATABASE d",
        "VACUUM (IN_A_LATER_GRAMMAR) OF SOMETHING",
    ],
)
def test_what_runs_alone(text: str) -> None:
    assert steps(f"SELECT 1; {text}; SELECT 2") == ["SELECT 1", f"alone: {text}", "SELECT 2"]


def test_resetting_the_session_keeps_our_limits_and_our_lock() -> None:
    (step,) = migration("RESET ALL;\nSELECT 1;\nDISCARD ALL;\nSELECT 2").steps(limits="SET LOCAL a = 1")
    (part,) = step.parts
    assert part.sql.count("SET LOCAL a = 1") == 2
    assert "DISCARD ALL" not in part.sql
    assert part.sql.count("\n") == 3


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("CREATE TABLE a (b text DEFAULT 'commit; vacuum'); -- begin, don't\n", True),
        ("CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $x$ BEGIN PERFORM $$END$$; END $x$;", True),
        ('CREATE TABLE "commit" ("it\'s" int);', True),
        ("SELECT a$x$ FROM t; COMMIT; SELECT b$x$ FROM t", False),
        ("SELECT 1; -- it's\nCOMMIT; SELECT 'x'", False),
        ("SELECT E'\\''; COMMIT; SELECT ''", False),
        ("/* ' */ COMMIT; SELECT ''", False),
        ("SELECT 'open", False),
        ("DO $x$ open", False),
        ("SELECT $1; vacuum; SELECT $1", False),
    ],
)
def test_what_needs_no_parser(text: str, plain: bool) -> None:
    assert is_plain(text) is plain


def test_an_enum_value_can_have_a_transaction_of_its_own() -> None:
    assert steps("ALTER TYPE t ADD VALUE 'x'; SELECT 'x'::t", enum_values_alone=True) == ["ALTER TYPE t ADD VALUE 'x'", "SELECT 'x'::t"]


def calls(work: Callable[[], object]) -> int:
    """How many functions a piece of work calls, which no other load of the machine changes."""
    counted = [0]

    def count(_frame: object, event: str, _argument: object) -> None:
        counted[0] += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted[0]


def test_a_large_seed_takes_four_times_a_quarter_of_it() -> None:
    """Work that grows with the square would call sixteen times as much."""
    few, many = (migration("BEGIN;\n" + "INSERT INTO a VALUES (1);\n" * rows + "COMMIT;") for rows in (1_000, 4_000))  # noqa: S608 - no input
    assert calls(many.steps) < 5 * calls(few.steps)
    assert len(many.steps()) == 1


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("CREATE INDEX CONCURRENTLY My_Index ON T (a)", Index("my_index", '"t"')),
        ('CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "Odd" ON "S".t (a)', Index("Odd", '"S"."t"')),
        ("CREATE INDEX CONCURRENTLY ON t (a)", None),
        ("VACUUM", None),
    ],
)
def test_the_name_of_a_concurrent_index(text: str, index: Index | None) -> None:
    assert concurrent_index(migration(text).statements[0]) == index


def test_a_transaction_of_its_own_is_layout() -> None:
    wrapped = migration("begin;\nCREATE TABLE a ();\nCOMMIT;\n")
    assert wrapped.says_the_same(["CREATE TABLE a ()"])
    assert wrapped.says_the_same(["begin", "CREATE TABLE a ()", "commit"])
    assert migration("CREATE TABLE a ();").says_the_same(["begin", "CREATE TABLE a ()", "commit"])
    assert migration("\\restrict x\nCREATE TABLE a ();").says_the_same(["CREATE TABLE a ()"])
    assert not wrapped.says_the_same(["begin", "CREATE TABLE a ()", "rollback"])
    assert not migration("COPY a FROM stdin;\n1\n\\.\n").says_the_same(["COPY a FROM stdin;\n2\n\\.\n"])


def test_the_clis_copy_of_a_file_is_recognised() -> None:
    ours = migration("-- why\nCREATE TABLE a ();\n\nINSERT INTO a DEFAULT VALUES;\n")
    assert ours.says_the_same(["-- why\nCREATE TABLE a ()", "INSERT INTO a DEFAULT VALUES"])
    assert not ours.says_the_same(["CREATE TABLE a ()", "INSERT INTO b DEFAULT VALUES"])
    assert not ours.says_the_same(["CREATE TABLE a ("])


def test_a_missing_parser_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pglast.parser", None)
    with pytest.raises(Failure, match="The Python package pglast is needed on the controller") as caught:
        migration("BEGIN; COMMIT").steps()
    assert caught.value.code == "pglast"
    assert len(migration("SELECT 1").steps()) == 1
