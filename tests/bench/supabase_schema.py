# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""supabase_schema beside psql, dbmate and the Supabase CLI, in the same run, on the same server: seconds. JSON to stdout and to results/.

`python tests/bench/supabase_schema.py [--migrations 1000] [--runs 3] [--peers FOLDER]`, where FOLDER is an npm project with `dbmate` and `supabase`
(`npm install dbmate supabase` in an empty folder makes one). Without it only psql is compared, and nothing is written to results/.

A migration is a table with row level security and a policy. The floor is one psql that runs each file in a transaction with its ledger row, which
costs one fsync per file as it does everywhere; `psql_one_transaction` shows how much of it that is. `ours` is the module's code in a process of its
own; `ours_as_task` is the module as Ansible runs it, to be read beside `ping_as_task`, which does nothing. Each tool applies all, finds nothing to
do, and applies one more. Afterwards the CLI is asked whether it agrees with our ledger, and we with the CLI's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULT = Path(__file__).parent / "results" / "supabase_schema.json"
TREE = ROOT / ".cache" / "tree"
sys.path[:0] = [str(ROOT / "tests"), str(TREE)]

from lab.supabase.cluster import Cluster, bin_dir  # noqa: E402 - needs the path above

OURS = """
import sys
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.schema import Report, Wanted, converge
report = Report()
target = Target(host="127.0.0.1", port=int(sys.argv[1]), database=sys.argv[2], sslmode="disable")
converge(target, Wanted(folders=[sys.argv[3]], state=sys.argv[4]), report, check=False, diff=False)
print(len(report.outcome.ran), report.changed)
"""
LEDGER = (
    "CREATE SCHEMA IF NOT EXISTS supabase_migrations; "
    "CREATE TABLE IF NOT EXISTS supabase_migrations.schema_migrations (version text PRIMARY KEY, statements text[], name text);"
)


class Bench:
    """One server, one folder of migrations per tool's taste, one database per measurement."""

    def __init__(self, cluster: Cluster, folder: Path, count: int, peers: Path | None) -> None:
        self.cluster, self.folder, self.count, self.peers = cluster, folder, count, peers
        self.number = 0
        self.texts = {f"{20260101000000 + n}_t{n}.sql": self._text(n) for n in range(count)}
        self.project = folder / "project"
        self.ours = self.project / "supabase" / "migrations"
        self.dbmate = folder / "dbmate"
        for place in (self.ours, self.dbmate):
            place.mkdir(parents=True)
        for name, text in self.texts.items():
            self.write(name, text)

    @staticmethod
    def _text(n: int) -> str:
        return (
            f"CREATE TABLE public.t{n} (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL, name text);\n"
            f"ALTER TABLE public.t{n} ENABLE ROW LEVEL SECURITY;\n"
            f"CREATE POLICY own ON public.t{n} FOR ALL TO authenticated USING ((SELECT auth.uid()) = user_id);\n"
        )

    def write(self, name: str, text: str) -> None:
        (self.ours / name).write_text(text)
        (self.dbmate / name).write_text(f"-- migrate:up\n{text}\n-- migrate:down\n")

    @contextlib.contextmanager
    def one_more(self) -> Iterator[None]:
        """A migration that nobody has applied yet."""
        name = f"{20260101000000 + self.count}_t{self.count}.sql"
        self.texts[name] = self._text(self.count)
        self.write(name, self.texts[name])
        yield
        del self.texts[name]
        for place in (self.ours, self.dbmate):
            (place / name).unlink()

    @property
    def newest(self) -> str:
        return max(self.texts)

    def database(self) -> str:
        self.number += 1
        name = f"bench_{self.number}"
        self.cluster.execute(f"CREATE DATABASE {name} TEMPLATE postgres OWNER postgres", user="supabase_admin", database="template1")
        return name

    def url(self, database: str) -> str:
        return f"postgresql://postgres:postgres@127.0.0.1:{self.cluster.port}/{database}?sslmode=disable"

    def run(self, argv: list[str], text: str | None = None, **environment: str) -> str:
        environ = {**os.environ, "PYTHONPATH": str(TREE), "NO_COLOR": "1", "CI": "1", "DO_NOT_TRACK": "1", **environment}
        done = subprocess.run(argv, input=text, capture_output=True, text=True, env=environ, cwd=self.project, check=False, timeout=240)
        if done.returncode:
            raise RuntimeError(f"{argv[0]}: {(done.stdout + done.stderr)[-1500:]}")
        return done.stdout + done.stderr

    def apply_ours(self, database: str, state: str = "applied") -> str:
        return self.run([sys.executable, "-c", OURS, str(self.cluster.port), database, str(self.ours), state])

    def task(self, module: str, **arguments: Any) -> str:
        """A module as Ansible runs it, in a run of its own."""
        program = Path(sys.executable).parent / "ansible"
        argv = [str(program), "localhost", "-c", "local", "-m", module, "-a", json.dumps(arguments), "-e", f"ansible_python_interpreter={sys.executable}"]
        return self.run(argv, ANSIBLE_COLLECTIONS_PATH=str(TREE), ANSIBLE_LOCALHOST_WARNING="false", ANSIBLE_INVENTORY_UNPARSED_WARNING="false")

    def task_ours(self, database: str) -> str:
        return self.task(
            "quetrex.platform.supabase_schema",
            host="127.0.0.1",
            port=self.cluster.port,
            database=database,
            sslmode="disable",
            migrations=[str(self.ours)],
        )

    def apply_psql(self, database: str, *, one: bool = False, only: str | None = None) -> None:
        parts = [f"{LEDGER} BEGIN;" if one else LEDGER]
        for name, text in self.texts.items():
            if only and name != only:
                continue
            row = f"INSERT INTO supabase_migrations.schema_migrations VALUES ('{name[:14]}', ARRAY[$sql${text}$sql$], '{name[15:-4]}');"  # noqa: S608 - our own
            parts.append(f"{text}{row}" if one else f"BEGIN;\n{text}{row}\nCOMMIT;")
        parts.append("COMMIT;" if one else "")
        self.psql(database, "\n".join(parts))

    def psql(self, database: str, text: str) -> None:
        argv = [
            str(bin_dir() / "psql"),
            "-Xqv",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.cluster.port),
            "-U",
            "postgres",
            "-d",
            database,
            "-o",
            os.devnull,
        ]
        self.run(argv, text)

    def apply_dbmate(self, database: str) -> None:
        program = next((self.peers or Path()).glob("node_modules/@dbmate/*/bin/dbmate"))
        self.run([str(program), "--no-dump-schema", "--migrations-dir", str(self.dbmate), "up"], DATABASE_URL=self.url(database))

    @property
    def clis(self) -> dict[str, Path]:
        """The Supabase CLIs of the project, by version."""
        found = sorted((self.peers or Path()).glob("node_modules/**/@supabase/cli-*/bin/supabase"))
        return {str(json.loads((path.parents[1] / "package.json").read_text())["version"]): path for path in found}

    def cli(self, program: Path, database: str, *arguments: str) -> str:
        return self.run([str(program), *arguments, "--db-url", self.url(database).partition("?")[0]], text="y\n", HOME=str(self.folder))

    def push(self, program: Path) -> Callable[[str], object]:
        return lambda database: self.cli(program, database, "db", "push", "--yes")


def seconds(what: Callable[[], object]) -> float:
    began = time.monotonic()
    what()
    return time.monotonic() - began


def measure(
    bench: Bench, tool: Callable[[str], object], idle: Callable[[str], object], runs: int, more: Callable[[str], object] | None = None
) -> dict[str, float]:
    """Apply all, no change, one new; medians. more: how one is applied, if not like all."""
    found: dict[str, list[float]] = {"apply_all": [], "no_change": [], "one_new": []}
    for _run in range(runs):
        database = bench.database()
        found["apply_all"].append(seconds(lambda: tool(database)))  # noqa: B023 - called at once
        found["no_change"].append(seconds(lambda: idle(database)))  # noqa: B023 - called at once
        with bench.one_more():
            found["one_new"].append(seconds(lambda: (more or tool)(database)))  # noqa: B023 - called at once
    return {what: round(statistics.median(times), 3) for what, times in found.items()}


def agreement(bench: Bench, program: Path) -> dict[str, bool]:
    """Whether this CLI and we understand each other's ledger."""
    ours, theirs = bench.database(), bench.database()
    bench.apply_ours(ours)
    listed = bench.cli(program, ours, "migration", "list")
    pushed = bench.cli(program, ours, "db", "push", "--yes")
    bench.push(program)(theirs)
    return {
        "cli_lists_all_as_applied": all(listed.count(name[:14]) >= 2 for name in bench.texts),
        "cli_has_nothing_to_push": "up to date" in pushed,
        "we_have_nothing_to_do_after_the_cli": bench.apply_ours(theirs).strip() == "0 False",
        "we_verify_the_cli": bench.apply_ours(theirs, "verified").strip() == "0 False",
    }


def certificate(folder: Path) -> dict[str, str]:
    """Settings for TLS: the CLI connects with nothing less. The others go without, as it costs them no more than a handshake."""
    key, file = folder / "server.key", folder / "server.crt"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    subprocess.run([*argv, "-keyout", str(key), "-out", str(file)], check=True, capture_output=True)
    return {"ssl": "on", "ssl_key_file": str(key), "ssl_cert_file": str(file)}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--migrations", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers", type=Path)
    given = parser.parse_args()
    result: dict[str, Any] = {"migrations": given.migrations, "runs": given.runs, "cores": os.cpu_count(), "load": [round(item, 1) for item in os.getloadavg()]}
    with tempfile.TemporaryDirectory(prefix="bench") as scratch:
        folder = Path(scratch)
        settings = {"max_locks_per_transaction": "4096", **certificate(folder)}  # locks: for the one transaction; the same for all
        with Cluster(folder / "db", port=free_port(), listen="127.0.0.1", settings=settings) as cluster:
            bench = Bench(cluster, folder, given.migrations, given.peers)
            result["seconds"] = compare(bench, given.runs)
            if given.peers:
                result["agreement"] = {version: agreement(bench, program) for version, program in bench.clis.items()}
    told = result["seconds"]
    result["ours_to_floor"] = round(told["ours"]["apply_all"] / told["psql_per_file"]["apply_all"], 3)
    start = told["ping_as_task"]["no_change"]
    result["task_to_floor_beyond_the_task_start"] = round((told["ours_as_task"]["apply_all"] - start) / told["psql_per_file"]["apply_all"], 3)
    result["no_change_beyond_the_task_start"] = round(told["ours_as_task"]["no_change"] - start, 3)
    text = json.dumps(result, indent=2)
    print(text)
    if given.peers:
        RESULT.write_text(text + "\n")


def compare(bench: Bench, runs: int) -> dict[str, dict[str, float]]:
    """Tool -> what -> seconds."""
    select = "SELECT version FROM supabase_migrations.schema_migrations ORDER BY 1"

    def look(database: str) -> None:
        bench.psql(database, select)

    def one(database: str) -> None:
        bench.apply_psql(database, only=bench.newest)

    told = {
        "psql_per_file": measure(bench, bench.apply_psql, look, runs, one),
        "ours": measure(bench, bench.apply_ours, bench.apply_ours, runs),
        "ours_as_task": measure(bench, bench.task_ours, bench.task_ours, runs),
        "ping_as_task": {"no_change": round(statistics.median(seconds(lambda: bench.task("ansible.builtin.ping", data="pong")) for _run in range(runs)), 3)},
        "psql_one_transaction": measure(bench, lambda database: bench.apply_psql(database, one=True), look, 1, one),
        "python_start": {"no_change": round(seconds(lambda: bench.run([sys.executable, "-c", "import psycopg2"])), 3)},
    }
    if bench.peers:
        told["dbmate"] = measure(bench, bench.apply_dbmate, bench.apply_dbmate, runs)
        for version, program in bench.clis.items():
            told[f"supabase_cli_{version}"] = measure(bench, bench.push(program), bench.push(program), runs)
    return told


if __name__ == "__main__":
    main()
