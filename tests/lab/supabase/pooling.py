# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixture: a database behind a pooler that refuses as the vendor's does. ``pytest_plugins = ["lab.supabase.pooling"]``."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.process import until
from lab.supabase import strict
from lab.supabase.bouncer import RunningBouncer
from lab.supabase.cluster import Cluster, Privileges

pytest_plugins = ["lab.supabase.testing"]


class Pooled:
    """One project's pooler in this process; `now` is what time it is for its breaker."""

    ref = "abcdefghijklmnopqrst"
    password = "first-correct-horse"

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.now = 0.0
        self.rules = strict.Rules()
        self.port, self.transaction_port = free_port(), free_port()
        self.pooler: strict.Pooler

    def options(self) -> dict[str, Any]:
        """Words of libpq for a session of its owner."""
        return {"host": "127.0.0.1", "port": self.port, "user": f"postgres.{self.ref}", "password": self.password, "dbname": "postgres", "sslmode": "disable"}

    def set_password(self, password: str) -> None:
        self.cluster.execute("ALTER ROLE postgres PASSWORD %s", (password,), user="supabase_admin")

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def settle(self) -> None:
        """Until sessions that were closed are known to be."""
        assert until(lambda: not any(self.pooler.taken.values()), 5)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def pooled(clusters: Callable[[Privileges], Cluster]) -> Iterator[Pooled]:
    made = Pooled(clusters("new"))
    made.set_password(made.password)
    # A socket's path may hold 107 bytes, which a test's folder easily exceeds.
    folder = Path(tempfile.mkdtemp(prefix="pooled"))
    try:
        with contextlib.ExitStack() as stack:
            ports = []
            numbers: dict[strict.Mode, int] = {"session": made.port, "transaction": made.transaction_port}
            for mode, number in numbers.items():
                stack.enter_context(RunningBouncer(strict.backend(folder / mode, made.cluster.socket_dir, made.cluster.port, mode)))
                ports.append(strict.Port(number, mode, str(folder / mode / ".s.PGSQL.6543")))
            made.pooler = strict.Pooler(made.ref, ("127.0.0.1",), tuple(ports), lambda: made.rules, clock=lambda: made.now)
            yield stack.enter_context(_given(made))
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def _given(made: Pooled) -> Iterator[Pooled]:
    with strict.running(made.pooler):
        yield made
