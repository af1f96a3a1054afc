# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects a migration makes by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.clashes import made_by, there
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database, Target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.migrations import Migration

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch

pytest_plugins = ["lab.supabase.testing"]


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("create table profiles (id int)", ["table public.profiles"]),
        ('CREATE UNLOGGED TABLE IF NOT EXISTS "App"."Profiles" (id int)', ["table App.Profiles"]),
        ("create or replace view open_todos as select 1", ["view public.open_todos"]),
        ("create materialized view a.b as select 1", ["materialized view a.b"]),
        ("create or replace function public.handle_new_user() returns trigger language plpgsql as $$ begin end $$", ["function public.handle_new_user"]),
        ("create constraint trigger t after insert on auth.users for each row execute function f()", ["trigger t on auth.users"]),
        ("CREATE OR REPLACE TRIGGER on_auth_user_created AFTER UPDATE OF a, b ON users FOR EACH ROW EXECUTE FUNCTION f()",
         ["trigger on_auth_user_created on public.users"]),
        ('create policy "Users ""see""" on only_me for select using (true)', ['policy Users "see" on public.only_me']),
        ("create unique index concurrently if not exists i on only a.t (x)", ["index a.i"]),
        ("create index on a.t (x)", []),
        ("create type mood as enum ('a'); create domain d as int", ["type public.mood", "domain public.d"]),
        ("create publication supabase_realtime for table a", ["publication supabase_realtime"]),
        # what words alone do not say
        ("create temp table profiles (id int); create table pg_temp.profiles (id int)", []),
        ("select 1 as id into profiles", []),
        ("create table profiles as select 1", ["table public.profiles"]),
        ("create schema a create table t (id int) create view b.v as select 1", ["table a.t", "view b.v"]),
        ("set search_path = '$user', app, public; create table profiles (id int); reset search_path; create table profiles (id int)",
         ["table app.profiles", "table public.profiles"]),
        ("alter table people rename to profiles; alter table staging.t set schema public", ["table public.profiles", "table public.t"]),
        ("alter trigger a on auth.users rename to on_auth_user_created", ["trigger on_auth_user_created on auth.users"]),
        ("alter function private.f(int) set schema public; alter function f(int) rename to handle_new_user",
         ["function public.f", "function public.handle_new_user"]),
        ("do $$ begin create table profiles (id int); execute 'create policy p on a.t'; execute format('create table %I ()', 'x'); end $$",
         ["table public.profiles", "policy p on a.t"]),
        (("do $$ begin if not exists (select from pg_publication) then create publication p; end if; begin create type t as enum (); "
         "exception when duplicate_object then null; end; end $$"), []),
        ("create rule r as on insert to a.t do nothing", ["rule r on a.t"]),
        ("create type a.b as (x int); create type c as range (subtype = int)", ["type a.b", "type public.c"]),
        ("create function f() returns void language sql as 'create table profiles ()'", ["function public.f"]),
        ("create schema if not exists private; create extension x; create role y; drop table z", []),
    ],
)  # fmt: skip
def test_what_a_file_makes(sql: str, found: list[str]) -> None:
    assert [str(item) for item in made_by(Migration("20260101000000", "a", "f", sql))] == found


ROUTINES = """create function f() returns int language sql as 'select 1';
create function f(a int, b text[], c timestamp with time zone, d varchar(3), out e int, inout g uuid) returns record language sql as 'select 1, $5';
create function f(variadic a numeric[]) returns bigint language sql as 'select 1::bigint';
create aggregate g(int) (sfunc = int4pl, stype = int);
create rule r as on insert to t do nothing;
create procedure p(a double precision, b char, c decimal, d bit varying, e json) language sql as 'select 1'"""


def test_names_are_the_catalogues(scratch: MakeScratch) -> None:
    """A routine is known by its arguments as well: another of the same name is no clash."""
    database = scratch("new")
    database.sql("create table t (); " + ROUTINES)
    made = list(made_by(Migration("1", "a", "f", ROUTINES)))
    with Database(Target(**database.options())) as opened:
        assert {item.key for item in made} <= there(opened, made)
        others = list(made_by(Migration("2", "b", "f", "create function f(a bigint) returns int language sql as 'select 1'")))
        assert {item.key for item in others} & there(opened, others) == set()
