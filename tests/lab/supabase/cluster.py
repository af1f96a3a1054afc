# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL with what Supabase adds to it, in a folder.

    with Cluster(tmp_path / "db", privileges="old") as cluster:
        connection = cluster.connect("postgres")

Works without a lab and without a network: by default it listens on a unix socket only. Initialising is done once per
content of ``sql/`` and kept as a template; a new cluster is a copy of it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

import psycopg2
import psycopg2.extensions

Privileges = Literal["old", "new", "bare"]

SQL = Path(__file__).parent / "sql"
SUPERUSER = "supabase_admin"
START_BUDGET = 30.0
# Overrides of the template's settings; a cluster appends its own below them.
SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "wal_level": "logical",
    "max_connections": "60",
    "shared_buffers": "32MB",
    # what a statement does is the same, and most of the tests' statements are planned once
    "jit": "off",
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d %a ",
}


# What new projects of the vendor have.
MAJOR = 17


def bin_dir() -> Path:
    """Programs of the PostgreSQL of POSTGRES_VERSION, or those in POSTGRES_BIN. What the machine lacks comes from its Debian release, see majors.py."""
    wanted = os.environ.get("POSTGRES_VERSION") or str(MAJOR)
    return _programs(wanted, os.environ.get("POSTGRES_BIN", ""), cache_dir())


@functools.cache
def _programs(wanted: str, given: str, cache: Path) -> Path:
    path = Path(given or f"/usr/lib/postgresql/{wanted}/bin")
    if (path / "initdb").exists():
        return path
    from lab.supabase import majors

    if given or int(wanted) not in majors.SUITES or os.geteuid() != 0:
        raise RuntimeError(f"PostgreSQL {wanted} is not installed; install the package postgresql-{wanted}, or name another with POSTGRES_VERSION")
    return majors.programs(cache, int(wanted))


def on_path() -> dict[str, str]:
    """The environment in which others find these programs."""
    return {"PATH": f"{bin_dir()}:{os.environ['PATH']}"}


def account() -> int:
    """Number of a user that is no root and has a name here, as initdb wants: the package's own, or nobody."""
    try:
        return pwd.getpwnam("postgres").pw_uid
    except KeyError:
        return 65534


def unprivileged(argv: list[str], *, follow_parent: bool = False) -> list[str]:
    """argv as somebody PostgreSQL and PgBouncer agree to run as: neither runs as root.

    A user namespace in which root has another number needs no chown, and no folder others may enter.
    """
    if Path(argv[0]).parent == bin_dir() and not bin_dir().is_relative_to("/usr"):
        # Those see to it themselves, see majors.py: nobody but root can enter the root they stand in.
        from lab.supabase import majors

        return ["env", f"{majors.FOLLOW_PARENT}=1", *argv] if follow_parent else argv
    prefix = ["unshare", "--user", f"--map-user={account()}", f"--map-group={account()}", "--"] if os.geteuid() == 0 else []
    if follow_parent:
        # A test run that is killed takes its servers with it.
        prefix += ["setpriv", "--pdeathsig", "INT", "--"]
    return [*prefix, *argv]


def cache_dir() -> Path:
    return Path(os.environ.get("LAB_CACHE", "~/.cache/quetrex-lab")).expanduser()


def template_key(privileges: Privileges) -> str:
    digest = hashlib.sha256()
    digest.update(subprocess.run([str(bin_dir() / "postgres"), "--version"], check=True, capture_output=True).stdout + str(account()).encode())
    for path in sorted(SQL.glob("*.sql")):
        digest.update(path.read_bytes())
    digest.update(repr(SETTINGS).encode() + privileges.encode())
    return digest.hexdigest()[:16]


def template(privileges: Privileges, cache: Path | None = None) -> Path:
    """The initialised, cleanly stopped data folder of this kind; made when absent."""
    folder = (cache or cache_dir()) / f"postgres-{privileges}-{template_key(privileges)}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".postgres-", dir=folder.parent))
    try:
        _initialise(scratch / "data", privileges)
        # Somebody else may have finished first; both made the same.
        with contextlib.suppress(OSError):
            (scratch / "data").rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def _initialise(data: Path, privileges: Privileges) -> None:
    argv = [str(bin_dir() / "initdb"), "-D", str(data), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
    subprocess.run(unprivileged(argv), check=True, capture_output=True, cwd="/")
    with (data / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
        file.write("include_if_exists = 'cluster.conf'\n")
    if privileges == "bare":
        return
    with tempfile.TemporaryDirectory(prefix="pg") as sockets, Server(data, Path(sockets), fsync=False).running("INT"):
        connection = psycopg2.connect(host=sockets, user=SUPERUSER, dbname="postgres")
        with contextlib.closing(connection):
            connection.autocommit = True
            with connection.cursor() as cursor:
                for name in ("roles.sql", "auth.sql", f"privileges_{privileges}.sql"):
                    cursor.execute((SQL / name).read_text())
                cursor.execute("ALTER DATABASE template0 ALLOW_CONNECTIONS true")
        # A catalogue's privileges are those of its database, and a new database has them from the one it copies.
        for name in ("template0", "template1", "postgres"):
            with contextlib.closing(psycopg2.connect(host=sockets, user=SUPERUSER, dbname=name)) as each, each, each.cursor() as cursor:
                cursor.execute("GRANT SELECT ON pg_catalog.pg_shadow TO pgbouncer")
        with contextlib.closing(psycopg2.connect(host=sockets, user=SUPERUSER, dbname="postgres")) as connection:
            connection.autocommit = True
            connection.cursor().execute("ALTER DATABASE template0 ALLOW_CONNECTIONS false")


class Server:
    """The process ``postgres`` over a data folder."""

    def __init__(self, data: Path, socket_dir: Path, port: int = 5432, *, fsync: bool = True, listen: str = "", settings: dict[str, str] | None = None) -> None:
        self.data = data
        self.socket_dir = socket_dir
        self.port = port
        self.settings = {"unix_socket_directories": str(socket_dir), "port": str(port), "listen_addresses": listen, **(settings or {})}
        if not fsync:
            self.settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self) -> None:
        lines = [f"{name} = '{value}'\n" for name, value in sorted(self.settings.items())]
        (self.data / "cluster.conf").write_text("".join(lines))

    def argv(self) -> list[str]:
        return [str(bin_dir() / "postgres"), "-D", str(self.data)]

    def start(self) -> None:
        self.configure()
        # A copy of a folder whose server was killed still names the old process.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        with (self.data.parent / f"{self.data.name}.log").open("ab") as log:
            self.process = subprocess.Popen(unprivileged(self.argv(), follow_parent=True), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/")
        deadline = time.monotonic() + START_BUDGET
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {log.name}\n{Path(log.name).read_text()[-2000:]}")
            time.sleep(0.02)

    def ready(self) -> bool:
        try:
            psycopg2.connect(host=str(self.socket_dir), port=self.port, user=SUPERUSER, dbname="postgres", connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self, how: str = "INT") -> None:
        """INT: clean, connections cut. QUIT: at once, recovery at the next start. KILL: the worst case."""
        if self.process is None:
            return
        self.process.send_signal(signal.Signals[f"SIG{how}"])
        self.process.wait(timeout=START_BUDGET)
        self.process = None

    @contextlib.contextmanager
    def running(self, how: str) -> Iterator[Server]:
        self.start()
        try:
            yield self
        finally:
            self.stop(how)


class Cluster:
    """A throw-away cluster: made on entry, gone on exit.

    ``privileges``: the default privileges of ``old`` or ``new`` Supabase projects, or ``bare`` for a plain PostgreSQL.
    ``listen``: also listen on this address (``port`` is then a real port).
    """

    def __init__(
        self,
        path: Path,
        port: int = 5432,
        socket_dir: Path | None = None,
        privileges: Privileges = "new",
        *,
        listen: str = "",
        fsync: bool = True,
        settings: dict[str, str] | None = None,
        cache: Path | None = None,
    ) -> None:
        self.path = path
        self.port = port
        self.privileges = privileges
        self._own_sockets = socket_dir is None
        # A socket's path may hold 107 bytes, which a test's folder easily exceeds.
        self.socket_dir = socket_dir or Path(tempfile.mkdtemp(prefix="pg"))
        self._cache = cache
        self.server = Server(path, self.socket_dir, port, fsync=fsync, listen=listen, settings=settings)

    def __enter__(self) -> Self:
        self.create()
        self.server.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.server.stop("QUIT")
        shutil.rmtree(self.path, ignore_errors=True)
        if self._own_sockets:
            shutil.rmtree(self.socket_dir, ignore_errors=True)

    def create(self) -> None:
        """Copy the template, unless the folder already is a cluster."""
        if (self.path / "PG_VERSION").exists():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", "--reflink=auto", str(template(self.privileges, self._cache)), str(self.path)], check=True)

    def parameters(self, user: str = "postgres", database: str = "postgres") -> dict[str, Any]:
        """Arguments of psycopg2.connect over the socket, where no password is asked for."""
        return {"host": str(self.socket_dir), "port": self.port, "user": user, "dbname": database}

    def connect(self, user: str = "postgres", database: str = "postgres", *, autocommit: bool = True) -> psycopg2.extensions.connection:
        connection: psycopg2.extensions.connection = psycopg2.connect(**self.parameters(user, database))
        connection.autocommit = autocommit
        return connection

    def execute(self, sql: str, arguments: tuple[Any, ...] | None = None, *, user: str = "postgres", database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run sql on a connection of its own; the rows of its last statement, or none."""
        with contextlib.closing(self.connect(user, database)) as connection, connection.cursor() as cursor:
            cursor.execute(sql, arguments)
            return cursor.fetchall() if cursor.description else []

    def restart(self, how: str = "INT") -> None:
        self.server.stop(how)
        self.server.start()
