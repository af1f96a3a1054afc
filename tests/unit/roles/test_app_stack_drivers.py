# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role tells the application of its database, read by the drivers people use: a real PostgreSQL answers over TLS, or is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql

from lab import pki, rendering
from lab.config import Lab
from lab.supabase.cluster import Cluster
from lab.supabase.pooling import free_port

ROLE = Path(__file__).resolve().parents[3] / "roles" / "app_stack"
USER, NAME = "we b:@/é", "da-ta_b.c~d"
PASSWORD = """p@s/s:w?o#r&d=%zz+$HOME 'q"\\ é"""
ASKED = "SELECT current_user::text AS u, current_database()::text AS d, (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS t"
NODE_PACKAGES = ("pg@8.23.1", "postgres@3.4.9", "drizzle-orm@0.45.4", "@prisma/adapter-pg@7.10.1")
PYTHON_PACKAGES = ("asyncpg==0.32.0", "SQLAlchemy==2.0.51", "psycopg2-binary==2.9.12", "greenlet==3.5.6")
DRIVERS = {
    "pg": "const { Client } = require('pg'); const c = new Client({ connectionString: url }); await c.connect();"
    "show((await c.query(asked)).rows[0]); await c.end()",
    "postgres.js": "const s = require('postgres')(url, { connect_timeout: 20 }); show((await s.unsafe(asked))[0]); await s.end()",
    "drizzle": "const s = require('postgres')(url, { connect_timeout: 20 }); const d = require('drizzle-orm/postgres-js').drizzle(s);"
    "show((await d.execute(require('drizzle-orm').sql.raw(asked)))[0]); await s.end()",
    "prisma": "const { PrismaPg } = require('@prisma/adapter-pg'); const a = await new PrismaPg({ connectionString: url }).connect();"
    "const r = (await a.queryRaw({ sql: asked, args: [], argTypes: [] })).rows[0]; show({ u: r[0], d: r[1], t: r[2] }); await a.dispose()",
    "psycopg2": "import psycopg2; c = psycopg2.connect(url); k = c.cursor(); k.execute(asked); show(*k.fetchone())",
    "sqlalchemy": "import sqlalchemy as s; c = s.create_engine(url).connect(); show(*c.execute(s.text(asked)).one())",
    "asyncpg": "import asyncio, asyncpg\nasync def go():\n c = await asyncpg.connect(url); show(*await c.fetchrow(asked)); await c.close()\nasyncio.run(go())",
    "sqlalchemy with asyncpg": "import asyncio, sqlalchemy as s; from sqlalchemy.ext.asyncio import create_async_engine as e\nasync def go():\n"
    " address = url.partition('?')[0].replace('postgresql:', 'postgresql+asyncpg:')\n"
    " async with e(address).connect() as c: show(*(await c.execute(s.text(asked))).one())\nasyncio.run(go())",
}
"""Driver -> a program in its language that opens DATABASE_URL, asks, and shows what it was answered."""
PYTHON = ("psycopg2", "sqlalchemy", "asyncpg", "sqlalchemy with asyncpg")


@dataclass(frozen=True)
class Database:
    """A PostgreSQL that takes TLS and a password alone, and two authorities: its certificate's own and a stranger's."""

    port: int
    right: Path
    wrong: Path

    def told(self, authority: Path) -> dict[str, str]:
        """The environment of the application's container; the authority stands in a file of the test's instead of the container's."""
        settings = {"host": "localhost", "port": self.port, "user": USER, "password": PASSWORD, "name": NAME, "ca_certificate": authority.read_text()}
        given = {"platform_domain": "example.com", "platform_supabase_database": settings, "__app_stack_database_ca": str(authority)}
        found: dict[str, str] = rendering.value(ROLE, "__app_stack_database_env", given)
        return dict(found)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("database")
    lab = type("Scratch", (Lab,), {"root": folder})("pg")  # its authority alone
    key, certificate = pki.issue(lab, ["localhost"])
    (folder / "stranger").mkdir()
    _key, wrong = pki.authority(folder / "stranger", "A stranger")
    port = free_port()
    settings = {"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key", "password_encryption": "scram-sha-256"}
    cluster = Cluster(folder / "data", port, privileges="bare", listen="127.0.0.1", fsync=False, settings=settings)
    cluster.create()
    for source, name in ((certificate, "server.crt"), (key, "server.key")):
        shutil.copy(source, folder / "data" / name)
        (folder / "data" / name).chmod(0o600)
    (folder / "data" / "pg_hba.conf").write_text("local all all trust\nhostssl all all samehost scram-sha-256\n")
    with cluster:
        admin = {"user": "supabase_admin"}
        for text in ("CREATE ROLE {} LOGIN PASSWORD {}", "CREATE DATABASE {name}"):
            words = sql.SQL(text).format(sql.Identifier(USER), sql.Literal(PASSWORD), name=sql.Identifier(NAME))
            with cluster.connect(**admin) as connection:
                cluster.execute(words.as_string(connection), **admin)
        yield Database(port, pki.ca(lab), wrong)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drivers, from npm and PyPI, in folders of the test's own."""
    folder = tmp_path_factory.mktemp("drivers")
    (folder / "package.json").write_text("{}")
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *NODE_PACKAGES], cwd=folder, check=True, timeout=600)
    pip, version = ROLE.parents[1] / ".cache" / "uv" / "bin" / "pip", f"{sys.version_info.major}.{sys.version_info.minor}"
    words = ["install", "--quiet", "--only-binary=:all:", "--target", str(folder / "python"), "--python-version", version]
    subprocess.run([str(pip), *words, *PYTHON_PACKAGES], check=True, timeout=600)
    return folder


def opened(driver: str, told: dict[str, str], packages: Path) -> dict[str, Any] | None:
    """What the driver was answered; None where it would not go on."""
    if driver in PYTHON:
        head = "import json, os; url = os.environ['DATABASE_URL']; asked = os.environ['ASKED']\n"
        head += "def show(u, d, t): print(json.dumps({'u': u, 'd': d, 't': t}))\n"
        words = [sys.executable, "-c", head + DRIVERS[driver]]
    else:
        head = "const { DATABASE_URL: url, ASKED: asked } = process.env; const show = (row) => console.log(JSON.stringify(row));"
        words = ["node", "-e", f"{head}(async () => {{ {DRIVERS[driver]} }})().catch((e) => {{ console.error(e); process.exit(1) }})"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(packages / "python"), "ASKED": ASKED, **told}
    done = subprocess.run(words, cwd=packages, env=environment, capture_output=True, text=True, timeout=120, check=False)
    print(done.stderr[-1500:])
    assert PASSWORD not in done.stderr
    return dict(json.loads(done.stdout)) if done.returncode == 0 else None


@pytest.mark.long
@pytest.mark.parametrize("driver", DRIVERS)
def test_every_driver_reads_the_same(database: Database, packages: Path, driver: str) -> None:
    """User, password and database with odd characters arrive whole; the connection is encrypted, and a stranger's authority is not taken."""
    found = opened(driver, database.told(database.right), packages)
    assert found == {"u": USER, "d": NAME, "t": True}
    assert opened(driver, database.told(database.wrong), packages) is None


@pytest.mark.postgres
def test_libpq_reads_it(database: Database, tmp_path: Path) -> None:
    """The same for the driver that is here anyway."""
    found = opened("psycopg2", database.told(database.right), tmp_path)
    assert found == {"u": USER, "d": NAME, "t": True}
    assert opened("psycopg2", database.told(database.wrong), tmp_path) is None
