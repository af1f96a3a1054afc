# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - the texts are this file's own
"""Mistakes that run without an error and harm afterwards: each is refused before anything of it is committed, and in check mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ansible_collections.quetrex.platform.plugins.module_utils.supabase import promises
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.lints import calls_per_row
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.promises import Promises
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.schema import Report, Wanted, converge

if TYPE_CHECKING:
    from lab.supabase.cluster import Cluster

pytest_plugins = ["lab.supabase.testing"]

PROFILE = Path(__file__).resolve().parents[5] / "roles/supabase_database/files/profiles/quetrex"
GIVEN = yaml.safe_load((PROFILE / "assertions.yml").read_text())
NO_MORE = {"lints": [], "lint_schemas": ["public"], "lint_allowed": [], "lints_fail": True}
Write = Callable[[dict[str, str]], str]


def wanted(**more: Any) -> Promises:
    """The profile's promises and every lint, as the role asks for them."""
    expectations = [{"count": None, "sqlstate": None, "claims": None, **item} for item in GIVEN["expectations"]]
    return promises.read({**NO_MORE, "setup": GIVEN["setup"], "expectations": expectations, **more}, statement_timeout=30, lock_timeout=2)


@pytest.fixture(scope="module")
def target(clusters: Callable[[str], Cluster]) -> Iterator[Target]:
    """A database with the profile. Nothing of what the tests plant is ever committed."""
    cluster = clusters("new")
    cluster.execute("CREATE DATABASE promises TEMPLATE postgres OWNER postgres", user="supabase_admin", database="template1")
    found = Target(host=str(cluster.socket_dir), port=cluster.port, database="promises", sslmode="disable")
    apply(found, [], check=False, promises=wanted())
    yield found
    cluster.execute("DROP DATABASE promises WITH (FORCE)", user="supabase_admin", database="template1")


def apply(target: Target, folders: list[str], *, check: bool, **more: Any) -> Report:
    report = Report()
    converge(target, Wanted(folders=[str(PROFILE / "migrations"), *folders], **more), report, check=check, diff=False)
    return report


TABLE = """CREATE TABLE public.{name} (id int PRIMARY KEY, owner uuid DEFAULT auth.uid()); ALTER TABLE public.{name} ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON public.{name} TO authenticated;\n"""
OWN = "CREATE POLICY own ON public.{name} FOR SELECT TO authenticated USING ((SELECT auth.uid()) = owner);\n"
GONE = "AS 'BEGIN RETURN (SELECT count(*) FROM public.gone); END'"
# What was planted -> the files, and what the refusal says
MISTAKES: dict[str, tuple[dict[str, str], str]] = {
    "policies that recurse": (
        {
            "1_x.sql": TABLE.format(name="x")
            + "CREATE POLICY own ON public.x FOR SELECT TO authenticated USING (id IN (SELECT y.id FROM public.x y WHERE y.owner = (SELECT auth.uid())))"
        },
        "1_x: grant_unusable: public.x (authenticated, SELECT: infinite recursion",
    ),
    "a helper that nobody may call": (
        {
            "1_x.sql": TABLE.format(name="x")
            + "CREATE FUNCTION private.mine(wanted int) RETURNS boolean LANGUAGE plpgsql STABLE AS 'BEGIN RETURN true; END';"
            + "CREATE POLICY own ON public.x FOR SELECT TO authenticated USING (private.mine(id))"
        },
        "grant_unusable: public.x (authenticated, SELECT: permission denied",
    ),
    "a default that nobody may compute": (
        {
            "1_x.sql": TABLE.format(name="x")
            + OWN.format(name="x")
            + "CREATE FUNCTION private.next() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'; ALTER TABLE public.x ALTER id SET DEFAULT private.next();"
            + "GRANT INSERT ON public.x TO authenticated; CREATE POLICY new ON public.x FOR INSERT TO authenticated WITH CHECK ((SELECT auth.uid()) = owner)"
        },
        "grant_unusable: public.x (authenticated, INSERT: permission denied",
    ),
    "a view of what its readers may not read": (
        {
            "1_x.sql": "CREATE VIEW public.x WITH (security_invoker) AS SELECT id FROM auth.identities; GRANT SELECT ON public.x TO authenticated",
        },
        "grant_unusable: public.x (authenticated, SELECT: permission denied for table identities",
    ),
    "a function that reads what is not there": (
        {
            "1_x.sql": "CREATE FUNCTION public.x(a int) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM public.gone); END';"
            "GRANT EXECUTE ON FUNCTION public.x(int) TO authenticated",
        },
        'grant_unusable: public.x(a integer) (authenticated, EXECUTE: relation "public.gone" does not exist',
    ),
    "a function that everybody may call": (
        {"1_x.sql": f"CREATE FUNCTION public.x() RETURNS bigint LANGUAGE plpgsql {GONE}; GRANT EXECUTE ON FUNCTION public.x() TO PUBLIC"},
        'grant_unusable: public.x() (anon, EXECUTE: relation "public.gone" does not exist',
    ),
    "a function that does not run with NULL": (
        {
            "1_x.sql": f"CREATE FUNCTION public.x(a int, b uuid, c jsonb, d text, e date, VARIADIC f text[]) RETURNS bigint STRICT LANGUAGE plpgsql {GONE};"
            "GRANT EXECUTE ON FUNCTION public.x TO authenticated",
        },
        'text[]) (authenticated, EXECUTE: relation "public.gone" does not exist',
    ),
    "a sequence that nobody may draw from": (
        {
            "1_x.sql": "CREATE TABLE public.x (id bigserial PRIMARY KEY, n bigint GENERATED ALWAYS AS IDENTITY, owner uuid DEFAULT auth.uid());"
            "ALTER TABLE public.x ENABLE ROW LEVEL SECURITY; GRANT SELECT, INSERT ON public.x TO authenticated;"
            + OWN.format(name="x")
            + "CREATE POLICY new ON public.x FOR INSERT TO authenticated WITH CHECK ((SELECT auth.uid()) = owner)"
        },
        "grant_unusable: public.x (authenticated, INSERT: permission denied for sequence x_id_seq)",
    ),
    "a table without row level security": ({"1_x.sql": "CREATE TABLE public.x (id int); GRANT SELECT ON public.x TO anon"}, "1_x: rls_disabled: public.x"),
    "a grant that gives subscriptions away": ({"1_x.sql": "GRANT UPDATE ON public.profiles TO authenticated"}, "1_x: A user cannot change her subscription"),
    "a policy that shows everybody's rows": (
        {"1_x.sql": "CREATE POLICY everybody ON public.projects FOR SELECT TO authenticated USING (true)"},
        "1_x: A user sees her own rows of projects",
    ),
    "a trigger of sign-ups replaced": (
        {
            "1_x.sql": "CREATE FUNCTION private.x() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS 'BEGIN RETURN new; END';"
            "CREATE OR REPLACE TRIGGER on_auth_user_created AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION private.x()",
        },
        "1_x: Statement 2 of setup",
    ),
    "a publication made again": (
        {"1_x.sql": "DROP PUBLICATION supabase_realtime; CREATE PUBLICATION supabase_realtime"},
        "1_x: Realtime follows projects and runner configurations",
    ),
    "the first of two files": (
        {"1_x.sql": "GRANT TRUNCATE ON public.projects TO authenticated", "2_y.sql": TABLE.format(name="y") + OWN.format(name="y")},
        "1_x: A user cannot empty the table projects",
    ),
    "an error behind a statement that check mode cannot run": ({"1_x.sql": "VACUUM public.projects", "2_y.sql": "SELECT nothing"}, "2_y, line 1"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_before_it_harms(target: Target, migrations: Write, mistake: str) -> None:
    files, words = MISTAKES[mistake]
    folder = migrations(files)
    for check in (True, False):
        report = Report()
        with pytest.raises(Failure) as caught:
            converge(target, Wanted(folders=[str(PROFILE / "migrations"), folder], promises=wanted()), report, check=check, diff=False)
        assert words.split(": ", 1)[-1] in caught.value.message
        if check or len(files) > 1:
            assert words in caught.value.message
        assert report.outcome.ran == [] or check
    assert apply(target, [], check=False, promises=wanted()).changed is False


def test_what_a_refusal_advises_is_accepted(target: Target, migrations: Write) -> None:
    """Allowed as the message writes it; tried in check mode, so that nothing stays."""
    folder = migrations({"1_x.sql": "CREATE TABLE public.x (id int); GRANT SELECT ON public.x TO anon"})
    with pytest.raises(Failure, match=r'add "rls_disabled public\.x" to lint_allowed'):
        apply(target, [folder], check=True, promises=wanted())
    assert apply(target, [folder], check=True, promises=wanted(lint_allowed=["rls_disabled public.x"])).changed
    assert apply(target, [folder], check=True, promises=wanted(lints_fail=False)).changed


def test_sound_files_pass(target: Target, migrations: Write) -> None:
    folder = migrations(
        {"1_x.sql": f"SET search_path = '';\n{TABLE.format(name='x')}{OWN.format(name='x')}", "2_y.sql": TABLE.format(name="y") + OWN.format(name="y")}
    )
    assert [item["version"] for item in apply(target, [folder], check=True, promises=wanted()).outcome.ran] == ["1", "2"]


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("(auth.uid() = owner)", True),
        ("(( SELECT auth.uid() AS uid) = owner)", False),
        ("(org = ( SELECT (auth.jwt() ->> 'org'::text)))", False),
        ("(org = ( SELECT ((auth.jwt() -> 'app_metadata'::text) ->> 'org'::text)))", False),
        ("(owner = ( SELECT (NULLIF((auth.jwt() ->> 'sub'::text), ''::text))::uuid AS \"nullif\"))", False),
        ("(EXISTS ( SELECT 1 FROM members m WHERE (m.user_id = auth.uid())))", True),
        ("(EXISTS ( SELECT 1 FROM members m WHERE (m.user_id = ( SELECT auth.uid() AS uid))))", False),
        ("(org = ( SELECT (auth.jwt() ->> docs.claim)))", True),
        ("(owner = (current_setting('request.jwt.claim.sub'::text, true))::uuid)", True),
        ("(note = 'auth.uid()'::text), (owner IS NOT NULL)", False),
    ],
)
def test_what_is_evaluated_once_per_row(expression: str, found: bool) -> None:
    assert calls_per_row(expression) is found
