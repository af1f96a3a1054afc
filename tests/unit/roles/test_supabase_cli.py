# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Supabase CLI itself, both of its generations, on one database with us: each believes the other's ledger."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase import drift, store
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database, Target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.runner import Limits
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.schema import Report, Wanted, converge
from lab.config import LabError
from lab.supabase.cli import VERSIONS, install
from lab.supabase.cluster import Cluster

PROFILE = Path(__file__).resolve().parents[3] / "roles/supabase_database/files/profiles/quetrex/migrations"
FILES = {
    "20260101000000_a.sql": "-- kept as it is\nCREATE TABLE public.a (id int PRIMARY KEY);\r\nINSERT INTO public.a VALUES (1);\n\n",
    "20260102000000_b.sql": "ALTER TABLE public.a ADD COLUMN name text DEFAULT 'semi;colon';\n",
    "20260103000000_c.sql": "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$;",
}
LABELS = [name[:-4] for name in FILES]


@dataclass(frozen=True)
class Cli:
    """A CLI in a project folder, and a database that both of us use."""

    program: Path
    project: Path
    port: int
    database: str

    def __call__(self, *arguments: str) -> str:
        url = f"postgresql://postgres:postgres@127.0.0.1:{self.port}/{self.database}"
        environment = {**os.environ, "HOME": str(self.project), "NO_COLOR": "1", "CI": "1", "DO_NOT_TRACK": "1"}
        words = [str(self.program), *arguments, "--db-url", url]
        done = subprocess.run(words, input="y\n", capture_output=True, text=True, cwd=self.project, env=environment, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    @property
    def folder(self) -> Path:
        return self.project / "supabase" / "migrations"

    def ours(self, state: str = "applied", **wanted: Any) -> Report:
        report = Report()
        target = Target(host="127.0.0.1", port=self.port, database=self.database, sslmode="require")
        converge(target, Wanted(folders=[str(self.folder)], state=state, **wanted), report, check=False, diff=False)
        return report

    def believes_all(self) -> bool:
        """Whether the CLI lists every file as local and remote, and finds nothing to push."""
        listed = self("migration", "list")
        both = all(listed.count(label[:14]) == 2 for label in LABELS)
        return both and "up to date" in self("db", "push", "--yes")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """With TLS: the CLI connects with nothing less."""
    folder = tmp_path_factory.mktemp("cli")
    key, certificate = folder / "server.key", folder / "server.crt"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    subprocess.run([*words, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    settings = {"ssl": "on", "ssl_key_file": str(key), "ssl_cert_file": str(certificate)}
    with Cluster(folder / "db", port=port, listen="127.0.0.1", fsync=False, settings=settings) as made:
        yield made


@pytest.fixture(params=[*(pytest.param(version, marks=pytest.mark.long) for version in VERSIONS[:-1]), VERSIONS[-1]])
def cli(request: pytest.FixtureRequest, cluster: Cluster, tmp_path: Path) -> Cli:
    database = f"cli_{os.urandom(4).hex()}"
    try:
        program = install(request.param)
    except LabError as error:
        pytest.skip(str(error))
    cluster.execute(f"CREATE DATABASE {database} TEMPLATE postgres OWNER postgres", user="supabase_admin", database="template1")
    made = Cli(program, tmp_path, cluster.port, database)
    made.folder.mkdir(parents=True)
    for name, text in FILES.items():
        (made.folder / name).write_bytes(text.encode())
    return made


def test_the_cli_believes_our_ledger_and_gives_the_files_back(cli: Cli) -> None:
    assert [item["version"] for item in cli.ours().outcome.ran] == [label[:14] for label in LABELS]
    assert cli.believes_all()
    for name in FILES:
        (cli.folder / name).unlink()
    cli("migration", "fetch")
    # The whole file, comments and all; the CLI ends what it takes for a statement with a semicolon of its own.
    assert {path.name: path.read_bytes().decode().removesuffix(";\n") for path in cli.folder.iterdir()} == FILES
    assert cli.ours("verified").changed is False


def test_we_believe_the_clis_ledger_and_go_on_from_it(cli: Cli) -> None:
    last = cli.folder / f"{LABELS[-1]}.sql"
    text = last.read_bytes()
    last.unlink()
    cli("db", "push", "--yes")
    assert cli.ours("verified").changed is False
    last.write_bytes(text)
    assert [item["version"] for item in cli.ours().outcome.ran] == [LABELS[-1][:14]]
    assert cli.believes_all()


def test_what_was_adopted_here_or_repaired_there_counts_for_both(cli: Cli) -> None:
    cli("migration", "repair", "--status", "applied", LABELS[0][:14], "--yes")
    assert cli.ours("adopted", adopt_version=LABELS[1][:14]).adopted == [LABELS[1]]
    cli.ours("adopted", adopt_version=LABELS[2][:14])
    assert cli.believes_all()
    assert cli.ours("verified").changed is False


OWN_TRIGGER = """
CREATE FUNCTION public.handle_new_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.handle_new_user();
"""


def test_a_project_of_the_cli_is_adopted_and_goes_back(cli: Cli, cluster: Cluster) -> None:
    """Its seeds and its sign-up trigger stay, the platform's own schema is in nobody's way, and without it the CLI goes on as before."""
    (cli.folder / "20260104000000_sign_up.sql").write_text(OWN_TRIGGER)
    (cli.project / "supabase/seed.sql").write_text("INSERT INTO public.a VALUES (7);\n")
    cli("db", "push", "--include-seed", "--yes")
    assert cli.ours().changed is False
    target = Target(host="127.0.0.1", port=cli.port, database=cli.database, sslmode="require")
    with Database(target) as opened:
        store.make(opened, store.missing(opened))
    assert drift.find(target, [str(cli.folder)], Limits()) == ([], [])
    assert cluster.execute("SELECT id FROM public.a ORDER BY 1", database=cli.database) == [(1,), (7,)]

    (cli.folder / "20260105000000_ours.sql").write_text("ALTER TABLE public.a ADD COLUMN ours int;\n")
    assert [item["version"] for item in cli.ours().outcome.ran] == ["20260105000000"]
    (cli.folder / "20260106000000_theirs.sql").write_text("ALTER TABLE public.a ADD COLUMN theirs int;\n")
    cluster.execute("DROP SCHEMA quetrex_platform CASCADE", database=cli.database)
    cli("db", "push", "--include-seed", "--yes")
    assert cli.believes_all()
    assert cluster.execute("SELECT id, ours, theirs FROM public.a ORDER BY 1", database=cli.database) == [(1, None, None), (7, None, None)]
    assert cli.ours("verified").changed is False


# As pg_dump and editors write them: transactions of the file's own, and settings that stay.
OWN_TRANSACTIONS = {
    "20260104000000_wrapped.sql": "begin;\ncreate table public.d (id int primary key, at timestamptz default now());\ncommit;\n",
    "20260105000000_twice.sql": "SET check_function_bodies = off;\nBEGIN WORK;\nalter table public.d enable row level security;\nCOMMIT WORK;\n"
    "START TRANSACTION;\ncreate index d_at on public.d (at);\nEND TRANSACTION;\n",
}


def test_no_drift_of_transactions_of_a_files_own(cli: Cli) -> None:
    """What the CLI made of such files is what they make here, in the shadow database as well."""
    for name, text in OWN_TRANSACTIONS.items():
        (cli.folder / name).write_text(text)
    cli("db", "push", "--yes")
    assert cli.ours("verified").changed is False
    target = Target(host="127.0.0.1", port=cli.port, database=cli.database, sslmode="require")
    assert drift.find(target, [str(cli.folder)], Limits()) == ([], [])
    with Database(target) as opened:
        opened.run("DROP INDEX public.d_at; ALTER TABLE public.d DISABLE ROW LEVEL SECURITY")
    gone, come = drift.find(target, [str(cli.folder)], Limits())
    assert [line for line in gone if "d_at" in line]
    assert [line for line in come if "row security OFF" in line]


def test_a_project_with_the_profile_goes_back_with_its_files(cli: Cli) -> None:
    """The profile's files are migrations like any others: copied into the project's folder they are the CLI's."""
    report = Report()
    converge(Target(host="127.0.0.1", port=cli.port, database=cli.database, sslmode="require"), Wanted([str(PROFILE)]), report, check=False, diff=False)
    cli.ours(retired=[str(PROFILE)])
    shutil.copytree(PROFILE, cli.folder, dirs_exist_ok=True)
    assert cli.believes_all()
    assert cli.ours("verified").changed is False
