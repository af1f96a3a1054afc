# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files: names, texts, and what is refused before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.migrations import (
    Migration,
    concurrent_index,
    read_folder,
    read_folders,
    refuse_unrunnable,
)


def migration(text: str) -> Migration:
    return Migration("20260101000000", "x", "folder", text)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("2026010100000_short.sql", b"", "file_name"),
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


@pytest.mark.parametrize(
    "text",
    [
        "COMMIT", "SELECT 1; commit; begin", "BEGIN", "START TRANSACTION", "END", "ROLLBACK", "ABORT", "PREPARE TRANSACTION 'x'", "COMMIT AND CHAIN",
        "\\connect x", "SELECT 1 \\gexec", "COPY t FROM STDIN", "COPY t (a) FROM stdin WITH CSV",
        "VACUUM; SELECT 1", "CREATE TABLE t (); CREATE INDEX CONCURRENTLY i ON t (a)",
    ],
)  # fmt: skip
def test_what_cannot_be_run(text: str) -> None:
    with pytest.raises(Failure, match="line 1"):
        refuse_unrunnable(migration(text))


@pytest.mark.parametrize(
    ("text", "transactional"),
    [
        ("SAVEPOINT a; ROLLBACK TO a; RELEASE a", True),
        ("ROLLBACK TO SAVEPOINT a; ROLLBACK WORK TO a", True),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END", True),
        ("DO $$ BEGIN PERFORM 1; END $$", True),
        ("COPY t FROM '/x'; SELECT 'COMMIT'", True),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", True),
        ("ALTER TYPE t ADD VALUE 'x'", True),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", False),
        ("DROP INDEX CONCURRENTLY i", False),
        ("REINDEX TABLE CONCURRENTLY t", False),
        ("VACUUM ANALYZE t", False),
        ("ALTER SYSTEM SET work_mem = '1MB'", False),
        ("ALTER TABLE a DETACH PARTITION b CONCURRENTLY", False),
    ],
)
def test_what_runs_in_a_transaction(text: str, transactional: bool) -> None:
    refuse_unrunnable(migration(text))
    assert migration(text).transactional is transactional


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CREATE INDEX CONCURRENTLY My_Index ON t (a)", "My_Index"),
        ('CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "Odd" ON t (a)', '"Odd"'),
        ("CREATE INDEX CONCURRENTLY ON t (a)", None),
        ("VACUUM", None),
    ],
)
def test_the_name_of_a_concurrent_index(text: str, name: str | None) -> None:
    assert concurrent_index(migration(text)) == name


def test_the_clis_copy_of_a_file_is_recognised() -> None:
    ours = migration("-- why\nCREATE TABLE a ();\n\nINSERT INTO a DEFAULT VALUES;\n")
    assert ours.says_the_same(["-- why\nCREATE TABLE a ()", "INSERT INTO a DEFAULT VALUES"])
    assert not ours.says_the_same(["CREATE TABLE a ()", "INSERT INTO b DEFAULT VALUES"])
    assert not ours.says_the_same(["CREATE TABLE a ("])
