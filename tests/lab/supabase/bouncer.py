# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PgBouncer in front of a cluster, as the pooler of a hosted project: transaction mode, two forms of user name."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal

import psycopg2

from lab.supabase.cluster import unprivileged

BINARY = "/usr/sbin/pgbouncer"


@dataclass(frozen=True)
class Bouncer:
    """One PgBouncer. ``users`` are all names it accepts; every one of them becomes ``postgres`` behind it, as at the vendor."""

    folder: Path
    server_host: str
    server_port: int
    password: str
    listen: str = ""
    port: int = 6543
    mode: Literal["transaction", "session"] = "transaction"
    users: tuple[str, ...] = ("postgres",)
    certificate: tuple[Path, Path] | None = None
    pool_size: int = 15
    # Passwords are the roles' own in the database, asked for at each login as this role; users keep their names behind it then.
    auth_user: str = ""
    extra: dict[str, str] = field(default_factory=dict)

    def configure(self) -> Path:
        """Write the configuration; its path."""
        self.folder.mkdir(parents=True, exist_ok=True)
        users = self.folder / "users.txt"
        names = [(self.auth_user, "")] if self.auth_user else [(user, self.password) for user in self.users]
        _write_secret(users, "".join(f'"{user}" "{password}"\n' for user, password in names))
        settings = {
            "listen_addr": self.listen,
            "listen_port": str(self.port),
            "unix_socket_dir": "" if self.listen else str(self.folder),
            "auth_type": "scram-sha-256",
            "auth_file": str(users),
            "pool_mode": self.mode,
            "default_pool_size": str(self.pool_size),
            "max_client_conn": "200",
            "ignore_startup_parameters": "extra_float_digits,options",
            "logfile": "",
            **self.extra,
        }
        if self.certificate:
            key, chain = self.certificate
            settings |= {"client_tls_sslmode": "allow", "client_tls_key_file": str(key), "client_tls_cert_file": str(chain)}
        if self.auth_user:
            settings |= {"auth_user": self.auth_user, "auth_query": "SELECT usename, passwd FROM pg_shadow WHERE usename = $1"}
        target = f"host={self.server_host} port={self.server_port}" + ("" if self.auth_user else f" user=postgres password={self.password}")
        path = self.folder / "pgbouncer.ini"
        body = "".join(f"{name} = {value}\n" for name, value in settings.items())
        _write_secret(path, f"[databases]\npostgres = {target} dbname=postgres\n* = {target}\n\n[pgbouncer]\n{body}")
        return path

    def argv(self) -> list[str]:
        return unprivileged([BINARY, str(self.folder / "pgbouncer.ini")])

    def ready(self) -> bool:
        try:
            host = self.listen.split(",", maxsplit=1)[0] or str(self.folder)
            psycopg2.connect(host=host, port=self.port, user=self.users[0], password=self.password or "?", dbname="postgres", connect_timeout=5).close()
        except psycopg2.OperationalError as error:
            # Whoever asks the database for passwords is known to work by its refusal.
            return bool(self.auth_user) and "authentication failed" in str(error)
        return True


class RunningBouncer:
    """A PgBouncer for the length of a ``with`` block."""

    def __init__(self, bouncer: Bouncer) -> None:
        self.bouncer = bouncer

    def __enter__(self) -> Bouncer:
        path = self.bouncer.configure()
        with (self.bouncer.folder / "pgbouncer.log").open("ab") as log:
            argv = unprivileged([BINARY, str(path)], follow_parent=True)
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self.bouncer.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("PgBouncer did not start: " + Path(log.name).read_text()[-1000:])
            time.sleep(0.02)
        return self.bouncer

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
