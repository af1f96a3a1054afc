# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects a migration makes by name."""

from __future__ import annotations

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.clashes import made_by
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.migrations import Migration


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("create table profiles (id int)", ["table public.profiles"]),
        ('CREATE UNLOGGED TABLE IF NOT EXISTS "App"."Profiles" (id int)', ["table App.Profiles"]),
        ("create or replace view open_todos as select 1", ["view public.open_todos"]),
        ("create materialized view a.b as select 1", ["view a.b"]),
        ("create or replace function public.handle_new_user() returns trigger language plpgsql as $$ begin end $$", ["function public.handle_new_user"]),
        ("create constraint trigger t after insert on auth.users for each row execute function f()", ["trigger t on auth.users"]),
        ("CREATE OR REPLACE TRIGGER on_auth_user_created AFTER UPDATE OF a, b ON users FOR EACH ROW EXECUTE FUNCTION f()",
         ["trigger on_auth_user_created on public.users"]),
        ('create policy "Users ""see""" on only_me for select using (true)', ['policy Users "see" on public.only_me']),
        ("create unique index concurrently if not exists i on only a.t (x)", ["index a.i"]),
        ("create index on a.t (x)", []),
        ("create type mood as enum ('a'); create domain d as int", ["type public.mood", "domain public.d"]),
        ("create publication supabase_realtime for table a", ["publication supabase_realtime"]),
        ("create schema if not exists private; create extension x; create role y; drop table z", []),
    ],
)  # fmt: skip
def test_what_a_file_makes(sql: str, found: list[str]) -> None:
    assert [str(item) for item in made_by(Migration("20260101000000", "a", "f", sql))] == found
