# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: a real database per test. In a test module: ``pytest_plugins = ["lab.supabase.testing"]``.

``scratch("old")`` copies the untouched database of a cluster that lives as long as the test run.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2.extensions
import pytest

from lab.supabase.cluster import SUPERUSER, Cluster, Privileges, on_path

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Scratch:
    """A database of a test's own."""

    cluster: Cluster
    name: str

    def options(self, **more: Any) -> dict[str, Any]:
        """Connection options as the collection's modules take them."""
        return {"host": str(self.cluster.socket_dir), "port": self.cluster.port, "database": self.name, "sslmode": "disable", **more}

    def connect(self, user: str = "postgres") -> psycopg2.extensions.connection:
        return self.cluster.connect(user, self.name)

    def sql(self, sql: str, arguments: tuple[Any, ...] | None = None, *, user: str = "postgres") -> list[tuple[Any, ...]]:
        return self.cluster.execute(sql, arguments, user=user, database=self.name)

    @contextlib.contextmanager
    def acting(self, role: str, subject: str | None = None) -> Iterator[psycopg2.extensions.cursor]:
        """What PostgREST does with a request: log in, take the role of its token, set the claims; rolled back at the end."""
        connection = self.connect("authenticator")
        connection.autocommit = False
        with contextlib.closing(connection), connection.cursor() as cursor:
            claims = json.dumps({"role": role, **({"sub": subject} if subject else {})})
            cursor.execute(f"SET LOCAL ROLE {role}; SELECT set_config('request.jwt.claims', %s, true)", (claims,))
            yield cursor
            connection.rollback()

    def sign_up(self, email: str | None = None, **metadata: str) -> str:
        """What Supabase Auth does with a new account; its id."""
        sql = """INSERT INTO auth.users (id, aud, role, email, raw_user_meta_data, created_at)
                 VALUES (gen_random_uuid(), 'authenticated', 'authenticated', %s, %s, now()) RETURNING id"""
        return str(self.sql(sql, (email, json.dumps(metadata)), user="supabase_auth_admin")[0][0])


MakeScratch = Callable[[Privileges], Scratch]
RunPlaybook = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Privileges], Cluster]]:
    """One running cluster per kind of privileges, started when first asked for."""
    with contextlib.ExitStack() as stack:
        # Exports want programs of the server's version, and find them as on any controller.
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("PATH", on_path()["PATH"])
        running: dict[Privileges, Cluster] = {}

        def get(privileges: Privileges) -> Cluster:
            if privileges not in running:
                running[privileges] = stack.enter_context(Cluster(tmp_path_factory.mktemp("cluster") / "data", privileges=privileges, fsync=False))
            return running[privileges]

        yield get


@pytest.fixture
def scratch(clusters: Callable[[Privileges], Cluster]) -> Iterator[MakeScratch]:
    made: list[Scratch] = []

    def make(privileges: Privileges = "new") -> Scratch:
        cluster = clusters(privileges)
        name = f"scratch_{next(_NUMBERS)}"
        owner = SUPERUSER if privileges == "bare" else "postgres"
        cluster.execute(f"CREATE DATABASE {name} TEMPLATE postgres OWNER {owner}", user=SUPERUSER, database="template1")
        made.append(Scratch(cluster, name))
        return made[-1]

    yield make
    for item in made:
        item.cluster.execute(f"DROP DATABASE IF EXISTS {item.name} WITH (FORCE)", user=SUPERUSER, database="template1")


@pytest.fixture
def migrations(tmp_path: Path) -> Callable[[dict[str, str]], str]:
    """Writes a folder of migrations {file name: SQL}; its path. Repeated calls add files."""

    def write(files: dict[str, str]) -> str:
        folder = tmp_path / "migrations"
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8", newline="")
        return str(folder)

    return write


@pytest.fixture
def playbook(collection_tree: Path, tmp_path: Path) -> RunPlaybook:
    """Runs a playbook on localhost with this interpreter: playbook(path, *arguments, environment={…})."""

    def run(path: Path, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).parent / "ansible-playbook")
        argv = [program, "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", *arguments, str(path)]
        settings = {"ANSIBLE_COLLECTIONS_PATH": str(collection_tree), "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_NOCOLOR": "1"}
        environ = {**os.environ, **settings, **(environment or {})}
        return subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=180, check=False, cwd=tmp_path)

    return run
