# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a migration may do while the old release still serves."""

from __future__ import annotations

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.expand import refuse_removals, removal
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.migrations import Migration
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.script import read


def said(sql: str) -> str:
    (only,) = read(sql).statements
    return removal(only)


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE a",
        "drop materialized view a",
        "DROP FUNCTION f()",
        "TRUNCATE a",
        "DELETE FROM a",
        "ALTER TABLE a DROP COLUMN b",
        "ALTER TABLE a DROP b",
        "ALTER TABLE a DROP IF EXISTS b",
        "ALTER TABLE a ADD COLUMN c int, DROP COLUMN b",
        "ALTER TABLE ONLY a ALTER COLUMN b TYPE bigint",
        "ALTER TABLE a ALTER b SET DATA TYPE bigint",
        "ALTER TABLE a ALTER b SET NOT NULL",
        "ALTER TABLE a ADD COLUMN b int NOT NULL",
        "ALTER TABLE a ADD b numeric(5, 2) NOT NULL",
        "ALTER TABLE a RENAME TO b",
        "ALTER TABLE a RENAME COLUMN b TO c",
        "ALTER TYPE t RENAME VALUE 'a' TO 'b'",
        "ALTER TABLE a SET SCHEMA b",
        "ALTER TABLE IF EXISTS ONLY app.a * ALTER type TYPE bigint",
        "ALTER TABLE rename RENAME TO b",
        "ALTER TABLE a ADD IF NOT EXISTS b int CHECK (b > 0) NOT NULL",
        "ALTER FUNCTION app.f(int, text) RENAME TO g",
        "ALTER VIEW v SET SCHEMA b",
        "WITH gone AS (DELETE FROM a RETURNING b) SELECT count(*) FROM gone WHERE b",
        "WITH some AS (SELECT b FROM a WHERE b) DELETE FROM a",
        "DO $$ BEGIN DROP TABLE a; END $$",
        "DO $do$ BEGIN IF true THEN ALTER TABLE a DROP b; END IF; END $do$ LANGUAGE plpgsql",
        "DO $$ BEGIN EXECUTE 'DROP TABLE ' || 'a'; END $$",
        "DO 'BEGIN TRUNCATE a; END'",
        "DROP TRIGGER t ON a",
        "DROP PUBLICATION supabase_realtime",
        "ALTER PUBLICATION supabase_realtime DROP TABLE a",
        "ALTER PUBLICATION supabase_realtime SET TABLE b",
        "DROP OWNED BY app",
        "ALTER TYPE t DROP ATTRIBUTE b",
        "ALTER TABLE a ADD COLUMN b int PRIMARY KEY",
        "INSERT INTO c WITH gone AS (DELETE FROM a RETURNING b) SELECT b FROM gone",
        "EXPLAIN ANALYZE DELETE FROM a",
        "DO $$ BEGIN CASE WHEN true THEN DROP TABLE a; END CASE; END $$",
        "DO $$ BEGIN PERFORM 1; EXCEPTION WHEN others THEN DROP TABLE a; END $$",
        "DO LANGUAGE plpython3u $$ plpy.execute('DROP TABLE a') $$",
        "ALTER FROBNICATOR a DISMANTLE",
    ],
)
def test_taking_away_is_found(sql: str) -> None:
    assert said(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE a (b int NOT NULL)",
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; -- DROP TABLE a $$",
        "DROP POLICY p ON a",
        "DROP INDEX i",
        "DELETE FROM a WHERE b",
        "ALTER TABLE a ADD COLUMN b int",
        "ALTER TABLE a ADD COLUMN b int NOT NULL DEFAULT 0",
        "ALTER TABLE a ADD COLUMN b bigint GENERATED ALWAYS AS IDENTITY NOT NULL",
        "ALTER TABLE a ADD CONSTRAINT c CHECK (b IS NOT NULL) NOT VALID",
        "ALTER TABLE a DROP CONSTRAINT c",
        "ALTER TABLE a ALTER b DROP NOT NULL",
        "ALTER TABLE a ALTER b DROP DEFAULT",
        "ALTER TABLE a ALTER b SET DEFAULT 'DROP TABLE a'",
        "ALTER TABLE a RENAME CONSTRAINT b TO c",
        "ALTER INDEX i RENAME TO j",
        "ALTER TYPE t ADD VALUE 'x'",
        "ALTER TABLE a ALTER COLUMN type SET DEFAULT 'x'",
        "ALTER TABLE a ALTER type DROP NOT NULL",
        "ALTER TABLE a ADD COLUMN rename int",
        "ALTER TABLE a ADD COLUMN schema text, ADD rename text",
        "ALTER TABLE rename ADD COLUMN b int",
        "ALTER TABLE a ADD COLUMN b int CHECK (b IS NOT NULL)",
        "ALTER TABLE a ADD COLUMN IF NOT EXISTS b int NOT NULL DEFAULT 0",
        "ALTER TABLE a ADD CONSTRAINT \"drop\" CHECK (rename <> '')",
        "ALTER POLICY p ON app.a USING (true)",
        "ALTER PUBLICATION supabase_realtime ADD TABLE a",
        "ALTER TABLE a ADD COLUMN b bigserial NOT NULL",
        "CREATE FUNCTION f() RETURNS void BEGIN ATOMIC DELETE FROM a; END",
        "ALTER TYPE t ADD ATTRIBUTE b int",
        "WITH gone AS (DELETE FROM a WHERE b RETURNING b) INSERT INTO c SELECT b FROM gone",
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1) THEN CREATE TYPE t AS ENUM ('a'); END IF; END $$",
        "DO $$ BEGIN CREATE TRIGGER t BEFORE DELETE ON a FOR EACH ROW EXECUTE FUNCTION f(); END $$",
    ],
)
def test_adding_and_loosening_is_let_through(sql: str) -> None:
    assert said(sql) == ""


def test_a_folder_in_use_is_judged_unless_told() -> None:
    file = Migration("20260101000000", "gone", "app", "SELECT 1;\nALTER TABLE a DROP b;")
    with pytest.raises(Failure, match="20260101000000_gone, line 2: DROP COLUMN") as caught:
        refuse_removals([file], {"app"}, ["app"], [])
    assert caught.value.code == "removal"
    refuse_removals([file], {"app"}, ["app"], ["20260101000000"])
    refuse_removals([file], set(), ["app"], [])
    refuse_removals([file], {"app"}, [], [])
