# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of releases away from the server: one row in the platform's database, which a new server reads before its first release."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SECONDS = 5
POOLER_OF_TRANSACTIONS = 6543
# Fifty releases of both are a tenth of what is still read.
FETCH = "SELECT record FROM quetrex_platform.releases WHERE platform = %(platform)s AND environment = %(environment)s AND octet_length(record::text) <= 1000000"
KEEP = (
    "INSERT INTO quetrex_platform.releases (platform, environment, record) VALUES (%(platform)s, %(environment)s, %(record)s) "
    "ON CONFLICT (platform, environment) DO UPDATE SET record = EXCLUDED.record, updated_at = now()"
)


class StoreError(Exception):
    """Why the record could not be read or kept; no reason to stop a release."""


class Store:
    """The row of one platform and environment."""

    def __init__(self, connection: Mapping[str, Any], platform: str, environment: str, *, read_only: bool = False) -> None:
        self.connection, self.read_only = dict(connection), read_only
        self.names = {"platform": platform, "environment": environment}

    @classmethod
    def read(cls, file: Path) -> Store | None:
        """The store that the stack's file describes; None without one."""
        try:
            told = json.loads(file.read_text())
        except FileNotFoundError:
            return None
        if not told.get("connection"):
            return None
        return cls(told["connection"], told["platform"], told["environment"], read_only=bool(told.get("read_only")))

    def fetch(self) -> object:
        """What is kept there, as it is: whoever has the application's connection can have written it. An empty record if there is none."""
        with self._cursor() as cursor:
            cursor.execute(FETCH, self.names)
            row = cursor.fetchone()
        return row[0] if row else {}

    def keep(self, record: Mapping[str, Any]) -> None:
        """Replaces the record."""
        if self.read_only:
            raise StoreError("this server reads the record of another one and writes none")
        with self._cursor() as cursor:
            cursor.execute(KEEP, {**self.names, "record": json.dumps(record)})

    @contextlib.contextmanager
    def session(self) -> Iterator[Any]:
        """A session in which each statement stands for itself, and what it locks stays locked until it ends."""
        if int(self.connection.get("port") or 5432) == POOLER_OF_TRANSACTIONS:
            raise StoreError("port 6543 is a pooler in transaction mode, which holds no lock; use 5432")
        with self._opened() as opened:
            opened.autocommit = True
            with opened.cursor() as cursor:
                cursor.execute(f"SET statement_timeout = '{SECONDS}s'")
                yield Session(cursor)

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Any]:
        with self._opened() as opened, words_of_the_driver():
            opened.set_session(readonly=self.read_only)
            with opened, opened.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = '{SECONDS}s'")
                yield cursor

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Any]:
        with words_of_the_driver():
            import psycopg2

            opened = psycopg2.connect(**self.connection, connect_timeout=SECONDS, application_name="quetrex-release")
        try:
            yield opened
        finally:
            opened.close()


class Session:
    """A cursor whose errors are those of the store."""

    def __init__(self, cursor: Any) -> None:
        self.cursor = cursor

    def execute(self, sql: str, values: tuple[Any, ...]) -> None:
        """One statement."""
        with words_of_the_driver():
            self.cursor.execute(sql, values)

    def fetchone(self) -> Any:
        """The first row of its answer."""
        return self.cursor.fetchone()


@contextlib.contextmanager
def words_of_the_driver() -> Iterator[None]:
    """What the database's driver says, as an error of the store; a server without the driver releases all the same."""
    try:
        import psycopg2
    except ImportError as error:
        raise StoreError("python3-psycopg2 is not installed on the server") from error
    try:
        yield
    except psycopg2.Error as error:
        raise StoreError(" ".join(str(error).split())[:300] or type(error).__name__) from error
