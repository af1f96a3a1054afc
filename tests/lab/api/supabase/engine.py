# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands behind a project: the lab's real database, or (in unit tests and for further projects) nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import psycopg2

if TYPE_CHECKING:
    from lab.config import Lab


class Engine(Protocol):
    """What the API does to the machines."""

    def stop(self, ref: str) -> None: ...
    def start(self, ref: str) -> None: ...
    def restrict(self, ref: str, allowed: Sequence[str]) -> None: ...
    def enforce_tls(self, ref: str, enforced: bool) -> None: ...
    def set_password(self, ref: str, password: str) -> None: ...
    def query(self, ref: str, sql: str, *, read_only: bool) -> list[dict[str, Any]]: ...


class NullEngine:
    """No database: nothing happens, and there is nothing to ask."""

    def stop(self, ref: str) -> None:
        """Nothing to stop."""

    def start(self, ref: str) -> None:
        """Nothing to start."""

    def restrict(self, ref: str, allowed: Sequence[str]) -> None:
        """Nobody to keep out."""

    def enforce_tls(self, ref: str, enforced: bool) -> None:
        """Nobody connects."""

    def set_password(self, ref: str, password: str) -> None:
        """Nobody logs in."""

    def query(self, ref: str, sql: str, *, read_only: bool) -> list[dict[str, Any]]:
        return []


class LabEngine:
    """The lab's own project is the real PostgreSQL; other projects have none."""

    def __init__(self, lab: Lab, ref: str) -> None:
        self.lab = lab
        self.ref = ref

    def stop(self, ref: str) -> None:
        if ref == self.ref:
            _service().halt(self.lab)

    def start(self, ref: str) -> None:
        if ref == self.ref:
            _service().up(self.lab)

    def restrict(self, ref: str, allowed: Sequence[str]) -> None:
        everybody = {"0.0.0.0/0", "::/0"} <= set(allowed)
        if ref == self.ref:
            _service().restrict(self.lab, None if everybody else allowed)

    def enforce_tls(self, ref: str, enforced: bool) -> None:
        if ref == self.ref:
            _service().enforce_tls(self.lab, enforced)

    def set_password(self, ref: str, password: str) -> None:
        # postgres itself may not: it is a replication role, which only a superuser alters
        if ref == self.ref:
            with contextlib.closing(_service().connect(self.lab)) as connection, connection.cursor() as cursor:
                cursor.execute("ALTER ROLE postgres PASSWORD %s", (password,))

    def query(self, ref: str, sql: str, *, read_only: bool) -> list[dict[str, Any]]:
        if ref != self.ref:
            return []
        connection = _service().connect(self.lab, "postgres")
        with contextlib.closing(connection), connection.cursor() as cursor:
            if read_only:
                cursor.execute("SET default_transaction_read_only = on")
            cursor.execute(sql)
            if cursor.description is None:
                return []
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


QueryError = psycopg2.Error


def _service() -> Any:
    from lab.supabase import service

    return service
