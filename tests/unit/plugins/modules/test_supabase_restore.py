# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More than a thousand accounts from one database to others: digests, privileges and promises are the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.module_utils.supabase import bootstrap, export
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database, Target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.schema import Report, Wanted, converge
from ansible_collections.quetrex.platform.plugins.modules import supabase_assertions, supabase_export, supabase_restore

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch, Scratch

pytest_plugins = ["lab.supabase.testing"]

ROLE = Path(__file__).resolve().parents[4] / "roles/supabase_database/files/profiles/quetrex"
MANAGED_TABLES = ["auth.users", "auth.identities"]
ACCOUNTS = 1200


def run(capfd: pytest.CaptureFixture[str], module: Any, **arguments: Any) -> dict[str, Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        module.main()
    result: dict[str, Any] = json.loads(capfd.readouterr().out)
    return result


def migrate(database: Scratch, **options: Any) -> None:
    target = Target(**database.options(**options))
    with Database(target) as session:
        bootstrap.make(session, bootstrap.missing(session))
    converge(target, Wanted(folders=[str(ROLE / "migrations")]), Report(), check=False, diff=False)


@pytest.fixture
def source(scratch: MakeScratch) -> Scratch:
    """A project with the old default privileges and people in it."""
    database = scratch("old")
    migrate(database)
    database.sql(
        """INSERT INTO auth.users (id, aud, role, email, encrypted_password, raw_user_meta_data, recovery_token, created_at)
           SELECT gen_random_uuid(), 'authenticated', 'authenticated', CASE WHEN mod(n, 10) > 0 THEN 'u' || n || '@example.com' END, '$2a$10$' || md5(n::text),
             jsonb_build_object('full_name', E'tab\\there \\\\. back\\\\slash\\nline ' || n), 'token' || n, now() - n * interval '1 hour'
           FROM generate_series(1, %s) n""",
        (ACCOUNTS,),
        user="supabase_auth_admin",
    )
    database.sql(
        """INSERT INTO auth.identities (provider_id, user_id, identity_data, provider) SELECT id::text, id, '{"email": "x"}', 'email' FROM auth.users;
           UPDATE public.profiles SET subscription_tier = 'team', updated_at = '2020-01-01' WHERE email LIKE 'u1%%';
           INSERT INTO public.projects (user_id, name) SELECT id, 'project' FROM auth.users;
           INSERT INTO public.runner_configs (user_id, hetzner_server_id, hetzner_server_ip) SELECT id, id::text, '10.0.0.1' FROM auth.users LIMIT 50;
           INSERT INTO auth.sessions (id, user_id) SELECT gen_random_uuid(), id FROM auth.users LIMIT 3""".replace("%%", "%")
    )
    return database


@pytest.fixture
def taken(capfd: pytest.CaptureFixture[str], source: Scratch, tmp_path: Path) -> str:
    path = str(tmp_path / "export")
    assert run(capfd, supabase_export, path=path, managed_tables=MANAGED_TABLES, **source.options())["changed"]
    return path


@pytest.mark.parametrize("kind", ["new", "bare"])
def test_a_thousand_accounts_move(capfd: pytest.CaptureFixture[str], scratch: MakeScratch, taken: str, kind: str) -> None:
    database = scratch(kind)  # type: ignore[arg-type]
    options = database.options(user="supabase_admin" if kind == "bare" else "postgres")
    refused = run(capfd, supabase_restore, path=taken, **options)
    assert refused["failure"]["code"] == "ledger"
    migrate(database, user=options["user"])

    checked = run(capfd, supabase_restore, path=taken, **options, _ansible_check_mode=True)
    assert (checked["changed"], database.sql("SELECT count(*) FROM auth.users", user=options["user"])) == (True, [(0,)]), checked
    loaded = run(capfd, supabase_restore, path=taken, **options)
    assert "failed" not in loaded, loaded["msg"]
    assert (loaded["changed"], loaded["tables"]["auth.users"], loaded["tables"]["public.profiles"]) == (True, ACCOUNTS, ACCOUNTS)
    assert (loaded["difference"], loaded["left_behind"]) == ({"gone": [], "come": []}, {"auth.sessions": 3})
    assert run(capfd, supabase_restore, path=taken, **options)["changed"] is False

    promises = yaml.safe_load((ROLE / "assertions.yml").read_text())
    kept = run(capfd, supabase_assertions, **promises, **options, lints=[])
    assert "failed" not in kept, kept["msg"]
    # Signing up still makes the profile: the trigger on Supabase's own table is there, and on.
    database.sql("INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'new@example.com')", user=options["user"])
    assert database.sql("SELECT count(*) FROM public.profiles WHERE email = 'new@example.com'", user=options["user"]) == [(1,)]

    moved = run(capfd, supabase_restore, path=taken, **options)
    assert moved["failure"]["code"] == "not_empty"
    assert run(capfd, supabase_restore, path=taken, replace=True, **options)["changed"] is True


def test_what_is_refused(capfd: pytest.CaptureFixture[str], scratch: MakeScratch, source: Scratch, taken: str, tmp_path: Path) -> None:
    assert run(capfd, supabase_restore, path=taken, **source.options())["failure"]["code"] == "same_database"
    assert run(capfd, supabase_restore, path=str(tmp_path), **source.options())["failure"]["code"] == "no_export"
    database = scratch("new")
    migrate(database)
    database.sql("GRANT UPDATE ON public.profiles TO authenticated")
    hole = run(capfd, supabase_restore, path=taken, **database.options())
    assert hole["failure"]["code"] == "catalogue"
    assert any("profiles" in line for line in hole["difference"]["come"])
    with (Path(taken) / export.DUMP).open("r+b") as dump:
        dump.seek(5000)
        dump.write(b"\xff" * 10)
    assert run(capfd, supabase_restore, path=taken, **database.options())["failure"]["code"] == "damaged"
