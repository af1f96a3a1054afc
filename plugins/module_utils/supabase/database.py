# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to a database: every statement of this package goes through Database.run."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from .errors import Failure, explain_connection, explain_sql, redact

PSYCOPG2_ERROR: ImportError | None = None
try:
    import psycopg2
    import psycopg2.extensions
except ImportError as error:
    PSYCOPG2_ERROR = error

IN_TRANSACTION = 2
TRANSACTION_POOLER_PORT = 6543
# A transaction pooler hands an idle server connection to whoever asks next, so somebody who asks a few times meets ours.
PROBES = 4


class SqlError(Failure):
    """The server refused a statement. line: in the text that was sent, when the server said so."""

    def __init__(self, message: str, sqlstate: str | None, line: int | None = None) -> None:
        super().__init__(message, "sql", sqlstate=sqlstate)
        self.sqlstate = sqlstate
        self.line = line


class ConnectionLost(Failure):
    """The connection ended while a statement ran; what became of it is not known here."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "connection_lost")


@dataclass(frozen=True)
class Target:
    """Where and as whom to connect. address: where host is, instead of asking DNS; ca_certificate: a path or the PEM itself."""

    host: str
    address: str | None = None
    port: int = 5432
    user: str = "postgres"
    password: str | None = field(default=None, repr=False)
    database: str = "postgres"
    sslmode: str = "verify-full"
    ca_certificate: str | None = None
    connect_timeout: int = 10
    purpose: str = "quetrex.platform"

    @property
    def application_name(self) -> str:
        """What others see of us: who holds the lock, and from where. The server keeps 63 bytes."""
        return f"{self.purpose} pid {os.getpid()} on {socket.gethostname()}"[:63]

    @property
    def label(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.database}"


class Database:
    """One session. Transactions are explicit: BEGIN and COMMIT are statements like any other."""

    def __init__(self, target: Target) -> None:
        if PSYCOPG2_ERROR:
            raise Failure("The Python package psycopg2 (or psycopg2-binary) is needed on the controller.", "psycopg2")
        self.target = target
        self.queries: list[str] = []
        # Rows that the last statement returned or changed; -1 where that means nothing.
        self.affected = -1
        self._connection = _connect(target)

    def run(self, sql: str, arguments: Sequence[Any] | Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Send sql as one message; the rows of its last statement."""
        self.queries.append(sql)
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, arguments)
                self.affected = cursor.rowcount
                return cursor.fetchall() if cursor.description else []
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            if self._connection.closed:
                raise ConnectionLost(self._words(error)) from error
            raise self._refused(error, sql) from error
        except psycopg2.Error as error:
            raise self._refused(error, sql) from error

    def copy_in(self, sql: str, source: Any) -> None:
        """Feed COPY … FROM STDIN from something that can be read."""
        self.queries.append(sql)
        try:
            with self._connection.cursor() as cursor:
                cursor.copy_expert(sql, source)
        except psycopg2.Error as error:
            if self._connection.closed:
                raise ConnectionLost(self._words(error)) from error
            raise self._refused(error, sql) from error

    def transaction(self, *, isolation: str = "READ COMMITTED") -> contextlib.AbstractContextManager[Database]:
        """A transaction that is rolled back, whatever happens in it."""
        return _rolled_back(self, isolation)

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.info.transaction_status == IN_TRANSACTION)

    @property
    def client_pid(self) -> int:
        """The server process as the protocol told us; a pooler tells something else than the server does."""
        return int(self._connection.get_backend_pid())

    def rollback(self) -> None:
        """End whatever transaction is open, in whatever state it is."""
        if not self._connection.closed and self._connection.info.transaction_status:
            self.run("ROLLBACK")

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _refused(self, error: Any, sql: str) -> SqlError:
        position = error.diag.statement_position
        line = sql.count("\n", 0, int(position) - 1) + 1 if position else None
        advice = explain_sql(error.pgcode)
        words = " ".join(part for part in (error.diag.message_primary or self._words(error), error.diag.message_detail, error.diag.message_hint) if part)
        return SqlError(redact(f"{words} {advice}".strip(), self.target.password), error.pgcode, line)

    def _words(self, error: Exception) -> str:
        return redact(" ".join(str(error).split()), self.target.password)


@contextlib.contextmanager
def _rolled_back(database: Database, isolation: str) -> Iterator[Database]:
    database.run(f"BEGIN ISOLATION LEVEL {isolation}")
    try:
        yield database
    finally:
        database.rollback()


def _connect(target: Target) -> Any:
    with ca_file(target) as ca_path:
        arguments: dict[str, Any] = {
            "host": target.host,
            "hostaddr": target.address,
            "port": target.port,
            "user": target.user,
            "password": target.password,
            "dbname": target.database,
            "sslmode": target.sslmode,
            "sslrootcert": ca_path,
            "connect_timeout": target.connect_timeout,
            "application_name": target.application_name,
            "client_encoding": "UTF8",
            # A link that died silently must not hold a run for hours.
            "keepalives_idle": 15,
            "keepalives_interval": 5,
            "keepalives_count": 4,
        }
        try:
            connection = psycopg2.connect(**{name: value for name, value in arguments.items() if value is not None})
        except psycopg2.Error as error:
            words = redact(" ".join(str(error).split()), target.password)
            code, advice = explain_connection(words)
            raise Failure(f"Cannot connect to {target.label}: {words}. {advice}", code) from error
    connection.autocommit = True
    return connection


@contextlib.contextmanager
def ca_file(target: Target) -> Iterator[str | None]:
    """Path of the CA certificate for libpq, which reads files only."""
    given = target.ca_certificate
    if not given:
        if target.sslmode.startswith("verify") and not target.host.startswith("/"):
            raise Failure(
                f"sslmode={target.sslmode} needs ca_certificate. Supabase signs with roots of its own that no system trusts: "
                "download the certificate from the dashboard, Database > Settings.",
                "ca_missing",
            )
        yield None
    elif "-----BEGIN" in given:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(given)
            file.flush()
            yield file.name
    else:
        path = os.path.expanduser(given)  # noqa: PTH111 - a plain string for libpq
        if not os.access(path, os.R_OK):
            raise Failure(f"The CA certificate {path} is not there, or not readable.", "ca_missing")
        yield path


def refuse_transaction_pooling(database: Database) -> None:
    """Refuse a pooler that gives every transaction another server: session locks neither hold nor exclude there.

    A direct connection is known by its process id: the protocol and the server name the same one.
    """
    own = int(database.run("SELECT pg_catalog.pg_backend_pid()")[0][0])
    if own == database.client_pid:
        return
    port = database.target.port
    if port == TRANSACTION_POOLER_PORT or _is_shared(database, own):
        raise Failure(
            f"{database.target.label} is a pooler in transaction mode: every transaction may run on another server connection, "
            "so session locks leak and exclude nobody, and two runs could apply one migration at the same time. "
            "Use the direct host or the session pooler, both on port 5432.",
            "transaction_pooler",
            port=port,
        )


def _is_shared(database: Database, own: int) -> bool:
    """Whether somebody else is given the server connection that a session would keep to itself. One more login: sessions are few, and refused beyond that."""
    try:
        other = Database(database.target)
    except Failure as error:
        if "EMAXCONNSESSION" in error.message:
            # Only a pooler in session mode has such a limit.
            return False
        raise
    with other:
        for _probe in range(PROBES):
            with other.transaction():
                if int(other.run("SELECT pg_catalog.pg_backend_pid()")[0][0]) == own:
                    return True
                if int(database.run("SELECT pg_catalog.pg_backend_pid()")[0][0]) != own:
                    return True
    return False
