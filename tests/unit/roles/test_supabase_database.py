# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema that role supabase_database brings, against a real PostgreSQL with Supabase's roles: every known attack, and what has to work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2.errors
import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.schema import Report, Wanted, converge

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch, Scratch

pytest_plugins = ["lab.supabase.testing"]

FOLDER = Path(__file__).resolve().parents[3] / "roles/supabase_database/files/profiles/quetrex/migrations"
DOCUMENT = FOLDER / "20251128000000_document_schema.sql"
OWNERS_DEFAULT = (
    "functions to postgres: EXECUTE",
    "tables to postgres: DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE",
    "sequences to postgres: SELECT, UPDATE, USAGE",
)
TABLES = ("profiles", "projects", "runner_configs")

# What a signed-in user must not be able to do. {me}, {other}: ids of two accounts.
ATTACKS = {
    "own tier": "UPDATE public.profiles SET subscription_tier = 'enterprise' WHERE id = '{me}'",
    "own status": "UPDATE public.profiles SET subscription_status = 'active' WHERE id = '{me}'",
    "another's customer": "UPDATE public.profiles SET stripe_customer_id = 'cus_other' WHERE id = '{me}'",
    "own e-mail": "UPDATE public.profiles SET email = 'boss@example.com' WHERE id = '{me}'",
    "own created_at": "UPDATE public.profiles SET created_at = '2001-01-01' WHERE id = '{me}'",
    "runner on another's server": "INSERT INTO public.runner_configs (user_id, hetzner_server_id, hetzner_server_ip) VALUES ('{me}', '4711', '10.0.0.1')",
    "fifty runners": "INSERT INTO public.runner_configs (user_id) SELECT '{me}' FROM generate_series(1, 50)",
    "runner's status": "UPDATE public.runner_configs SET status = 'ready' WHERE user_id = '{me}'",
    "connected project": "INSERT INTO public.projects (user_id, name, runner_status) VALUES ('{me}', 'p', 'connected')",
    "connect own project": "UPDATE public.projects SET runner_status = 'connected' WHERE user_id = '{me}'",
    "project for another": "INSERT INTO public.projects (user_id, name) VALUES ('{other}', 'p')",
    "give project away": "UPDATE public.projects SET user_id = '{other}' WHERE user_id = '{me}'",
    "truncate profiles": "TRUNCATE public.profiles CASCADE",
    "truncate projects": "TRUNCATE public.projects",
    "truncate runner_configs": "TRUNCATE public.runner_configs",
    "trigger": "CREATE TRIGGER t BEFORE INSERT ON public.projects FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "second profile": "INSERT INTO public.profiles (id, email) VALUES ('{other}', 'x@example.com')",
    "make a table": "CREATE TABLE public.mine (id int)",
    "call a definer function": "SELECT private.create_profile()",
}
# Of these the document's schema alone lets through on projects with the old default privileges: the test has teeth.
SUCCEED_ON_DOCUMENT = {
    "own tier", "own status", "another's customer", "own e-mail", "own created_at", "runner on another's server", "fifty runners", "runner's status",
    "connected project", "connect own project", "truncate profiles", "truncate projects", "truncate runner_configs",
}  # fmt: skip


def apply(scratch: Scratch) -> Report:
    report = Report()
    converge(Target(**scratch.options()), Wanted(folders=[str(FOLDER)]), report, check=False, diff=False)
    return report


@pytest.fixture(params=["old", "new"])
def repaired(request: pytest.FixtureRequest, scratch: MakeScratch) -> Scratch:
    database = scratch(request.param)
    apply(database)
    return database


def people(database: Scratch) -> dict[str, str]:
    """Two accounts, each with a project and a runner."""
    ids = {"me": database.sign_up("me@example.com"), "other": database.sign_up("other@example.com")}
    for account in ids.values():
        database.sql("INSERT INTO public.projects (user_id, name) VALUES (%s, 'first')", (account,))
        database.sql("INSERT INTO public.runner_configs (user_id, hetzner_server_id) VALUES (%s, %s)", (account, account))
    return ids


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_is_refused(repaired: Scratch, attack: str) -> None:
    ids = people(repaired)
    with repaired.acting("authenticated", ids["me"]) as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute(ATTACKS[attack].format(**ids))


@pytest.mark.parametrize("attack", sorted(SUCCEED_ON_DOCUMENT))
def test_attack_succeeds_on_the_document_alone(scratch: MakeScratch, attack: str) -> None:
    database = scratch("old")
    database.sql(DOCUMENT.read_text())
    ids = {"me": database.sign_up("me@example.com"), "other": database.sign_up("other@example.com")}
    for account in ids.values():
        database.sql("INSERT INTO public.profiles (id, email) VALUES (%s, 'x')", (account,))
        database.sql("INSERT INTO public.projects (user_id, name) VALUES (%s, 'first')", (account,))
        database.sql("INSERT INTO public.runner_configs (user_id) VALUES (%s)", (account,))
    with database.acting("authenticated", ids["me"]) as cursor:
        cursor.execute(ATTACKS[attack].format(**ids))


def test_truncate_privilege(scratch: MakeScratch) -> None:
    """Truncate survives the new privileges on the document alone."""
    database = scratch("new")
    database.sql(DOCUMENT.read_text())
    with database.acting("anon") as cursor:
        cursor.execute("TRUNCATE public.projects")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["SELECT 1 FROM {}", "DELETE FROM {}", "TRUNCATE {} CASCADE", "INSERT INTO {} DEFAULT VALUES"])
def test_anonymous_visitors_reach_nothing(repaired: Scratch, table: str, statement: str) -> None:
    with repaired.acting("anon") as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute(statement.format(f"public.{table}"))


@pytest.mark.parametrize("table", TABLES)
def test_others_rows_are_invisible(repaired: Scratch, table: str) -> None:
    ids = people(repaired)
    with repaired.acting("authenticated", ids["me"]) as cursor:
        cursor.execute(f"SELECT {'id' if table == 'profiles' else 'user_id'} FROM public.{table}")  # noqa: S608 - TABLES are our own
        assert [str(row[0]) for row in cursor.fetchall()] == [ids["me"]]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE public.profiles SET full_name = 'x' WHERE id = '{other}'",
        "UPDATE public.projects SET name = 'x' WHERE user_id = '{other}'",
        "DELETE FROM public.projects WHERE user_id = '{other}'",
    ],
)
def test_others_rows_cannot_be_changed(repaired: Scratch, statement: str) -> None:
    ids = people(repaired)
    with repaired.acting("authenticated", ids["me"]) as cursor:
        cursor.execute(statement.format(**ids))
        assert cursor.rowcount == 0


def test_users_do_what_the_app_lets_them_do(repaired: Scratch) -> None:
    ids = people(repaired)
    with repaired.acting("authenticated", ids["me"]) as cursor:
        cursor.execute("UPDATE public.profiles SET full_name = 'Me', avatar_url = 'https://x/y.png' WHERE id = %s RETURNING updated_at = now()", (ids["me"],))
        assert cursor.fetchall() == [(True,)]
        cursor.execute("INSERT INTO public.projects (name, github_repo, github_owner) VALUES ('second', 'r', 'o') RETURNING user_id::text, runner_status")
        assert cursor.fetchall() == [(ids["me"], "disconnected")]
        cursor.execute("INSERT INTO public.projects (user_id, name) VALUES (%s, 'third')", (ids["me"],))
        cursor.execute("UPDATE public.projects SET name = 'renamed' WHERE name = 'second'")
        assert cursor.rowcount == 1
        cursor.execute("DELETE FROM public.projects WHERE name = 'renamed'")
        assert cursor.rowcount == 1
        cursor.execute("SELECT count(*) FROM public.runner_configs")
        assert cursor.fetchall() == [(1,)]


# Each is refused by a constraint; before there were any, one account could fill the database or show others a script's address.
OVER_LIMIT = {
    "a name of 5 MB": "UPDATE public.profiles SET full_name = repeat('x', 5000000) WHERE id = '{me}'",
    "a script as picture": "UPDATE public.profiles SET avatar_url = 'javascript:alert(1)' WHERE id = '{me}'",
    "data as picture": "UPDATE public.profiles SET avatar_url = 'data:text/html,x' WHERE id = '{me}'",
    "a script behind a blank": "UPDATE public.profiles SET avatar_url = E' java\\tscript:alert(1)//' WHERE id = '{me}'",
    "a picture's address of 3 KB": "UPDATE public.profiles SET avatar_url = 'https://x/' || repeat('x', 3000) WHERE id = '{me}'",
    "a long project": "INSERT INTO public.projects (name) VALUES (repeat('x', 201))",
    "a long repository": "UPDATE public.projects SET github_repo = repeat('x', 201) WHERE user_id = '{me}'",
    "a long owner": "INSERT INTO public.projects (name, github_owner) VALUES ('x', repeat('x', 101))",
    "20,000 projects": "INSERT INTO public.projects (name) SELECT 'x' FROM generate_series(1, 20000)",
}


@pytest.mark.parametrize("statement", OVER_LIMIT)
def test_what_one_user_stores_is_bounded(repaired: Scratch, statement: str) -> None:
    ids = people(repaired)
    with repaired.acting("authenticated", ids["me"]) as cursor, pytest.raises(psycopg2.errors.CheckViolation):
        cursor.execute(OVER_LIMIT[statement].format(**ids))


@pytest.mark.parametrize("address", ["", "me.png", "avatars/a:b.png", "/me.png?v=1:2", "https://x.example/y.png", "HTTP://x", "//cdn.example/me.png", None])
def test_paths_and_web_addresses_are_pictures(repaired: Scratch, address: str | None) -> None:
    ids = people(repaired)
    with repaired.acting("authenticated", ids["me"]) as cursor:
        cursor.execute("UPDATE public.profiles SET avatar_url = %s WHERE id = %s", (address, ids["me"]))
        assert cursor.rowcount == 1


def test_limit_of_projects(repaired: Scratch) -> None:
    """A thousand projects of each user and any number by the service key."""
    ids = people(repaired)
    for account in ids.values():
        with repaired.acting("authenticated", account) as cursor:
            cursor.execute("INSERT INTO public.projects (name) SELECT 'x' FROM generate_series(1, 999)")
            with pytest.raises(psycopg2.errors.CheckViolation, match="at most 1000 projects"):
                cursor.execute("INSERT INTO public.projects (name) VALUES ('one more')")
    with repaired.acting("service_role") as cursor:
        cursor.execute("INSERT INTO public.projects (user_id, name) SELECT %s, 'x' FROM generate_series(1, 1001)", (ids["me"],))


def test_sign_up_survives_what_a_provider_says(repaired: Scratch) -> None:
    account = repaired.sign_up("long@example.com", full_name="x" * 5000, avatar_url="javascript:alert(1)")
    assert repaired.sql("SELECT char_length(full_name), avatar_url FROM public.profiles WHERE id = %s", (account,)) == [(200, None)]


def test_rows_over_the_limits_are_kept_aside_and_cut(scratch: MakeScratch, tmp_path: Path) -> None:
    database = scratch("old")
    before = [path for path in sorted(FOLDER.iterdir()) if path.name < "20251128000600"]
    for path in before:
        (tmp_path / path.name).write_text(path.read_text())
    converge(Target(**database.options()), Wanted(folders=[str(tmp_path)]), Report(), check=False, diff=False)
    account = database.sign_up("me@example.com", full_name="n" * 300, avatar_url="ftp://x/y")
    database.sql("INSERT INTO public.projects (user_id, name) VALUES (%s, %s), (%s, 'short')", (account, "p" * 300, account))
    apply(database)
    assert database.sql("SELECT char_length(full_name), avatar_url FROM public.profiles") == [(200, None)]
    assert database.sql("SELECT char_length(full_name), avatar_url FROM private.profiles_over_limit") == [(300, "ftp://x/y")]
    assert database.sql("SELECT char_length(name) FROM public.projects ORDER BY 1") == [(5,), (200,)]
    assert database.sql("SELECT char_length(name) FROM private.projects_over_limit") == [(300,)]


def test_the_service_key_does_the_rest(repaired: Scratch) -> None:
    ids = people(repaired)
    with repaired.acting("service_role") as cursor:
        cursor.execute("UPDATE public.profiles SET subscription_tier = 'team', stripe_customer_id = 'cus_1' WHERE id = %s", (ids["me"],))
        cursor.execute("UPDATE public.projects SET runner_status = 'connected', last_activity = now() WHERE user_id = %s", (ids["me"],))
        cursor.execute("INSERT INTO public.runner_configs (user_id, hetzner_server_id) VALUES (%s, '1')", (ids["me"],))
        cursor.execute("DELETE FROM public.runner_configs WHERE hetzner_server_id = '1'")
        assert cursor.rowcount == 1
        with pytest.raises(psycopg2.errors.UniqueViolation):
            cursor.execute("UPDATE public.profiles SET stripe_customer_id = 'cus_1' WHERE id = %s", (ids["other"],))


@pytest.mark.parametrize("email", ["new@example.com", None])
def test_sign_up_makes_the_profile(repaired: Scratch, email: str | None) -> None:
    account = repaired.sign_up(email, full_name="New", avatar_url="https://x/y.png")
    rows = repaired.sql("SELECT email, full_name, avatar_url, subscription_tier FROM public.profiles WHERE id = %s", (account,))
    assert rows == [(email, "New", "https://x/y.png", "individual")]


def test_the_profile_follows_the_account(repaired: Scratch) -> None:
    account = people(repaired)["me"]
    repaired.sql("UPDATE auth.users SET email = 'changed@example.com' WHERE id = %s", (account,), user="supabase_auth_admin")
    assert repaired.sql("SELECT email FROM public.profiles WHERE id = %s", (account,)) == [("changed@example.com",)]
    repaired.sql("DELETE FROM auth.users WHERE id = %s", (account,), user="supabase_auth_admin")
    for table in TABLES:
        assert repaired.sql(f"SELECT count(*) FROM public.{table}") == [(1,)]  # noqa: S608 - TABLES are our own


def test_new_tables_are_closed(repaired: Scratch) -> None:
    repaired.sql("CREATE TABLE public.later (id int); CREATE FUNCTION public.later() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    for role in ("anon", "authenticated", "service_role"):
        for statement in ("SELECT * FROM public.later", "TRUNCATE public.later", "SELECT public.later()"):
            with repaired.acting(role, "00000000-0000-0000-0000-000000000000") as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)


def test_realtime_follows_projects_and_runners(repaired: Scratch) -> None:
    rows = repaired.sql("SELECT tablename FROM pg_publication_tables WHERE pubname = 'supabase_realtime' ORDER BY 1")
    assert rows == [("projects",), ("runner_configs",)]


def test_old_and_new_privileges_end_in_the_same_schema(scratch: MakeScratch) -> None:
    from ansible_collections.quetrex.platform.plugins.module_utils.supabase import catalog
    from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database

    found = []
    for kind in ("old", "new"):
        database = scratch(kind)  # type: ignore[arg-type]
        apply(database)
        with Database(Target(**database.options())) as session, session.transaction() as inside:
            lines = catalog.snapshot(inside, catalog.Scope(catalog.MANAGED))
        # What supabase_admin would create is Supabase's own business; that an owner may use what it makes needs no grant.
        found.append([line for line in lines if not line.startswith("grant default of supabase_admin") and not line.endswith(OWNERS_DEFAULT)])
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", ["old", "new"])
def test_a_database_with_the_document_by_hand_is_adopted(scratch: MakeScratch, kind: str) -> None:
    database = scratch(kind)  # type: ignore[arg-type]
    database.sql(DOCUMENT.read_text())
    before = database.sign_up("old@example.com", full_name="Old")
    database.sql("INSERT INTO public.projects (name) VALUES ('nobody''s')")
    target = Target(**database.options())
    adopted = Report()
    converge(target, Wanted(folders=[str(FOLDER)], state="adopted", adopt_version="20251128000000"), adopted, check=False, diff=False)
    assert adopted.adopted == [DOCUMENT.stem]
    assert [item["version"] for item in apply(database).outcome.ran] == [path.name[:14] for path in sorted(FOLDER.glob("*.sql"))[1:]]
    assert database.sql("SELECT id::text, full_name FROM public.profiles") == [(before, "Old")]
    assert database.sql("SELECT name FROM private.unowned_projects") == [("nobody's",)]
    assert apply(database).changed is False
