# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixture: the local Management API over HTTP with a clock of the test's own. ``pytest_plugins = ["lab.supabase.management"]``."""

from __future__ import annotations

import contextlib
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from lab.api import supabase
from lab.api.kit import wrap
from lab.api.testing import ScratchLab, serving
from lab.supabase import identity
from lab.supabase.cluster import Cluster, Privileges

pytest_plugins = ["lab.supabase.testing"]


class DatabaseEngine(supabase.NullEngine):
    """Questions go to a real database."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def set_password(self, ref: str, password: str) -> None:
        self.cluster.execute("ALTER ROLE postgres PASSWORD %s", (password,), user="supabase_admin")

    def query(self, ref: str, sql: str, *, read_only: bool) -> list[dict[str, Any]]:
        with contextlib.closing(self.cluster.connect()) as connection, connection.cursor() as cursor:
            if read_only:
                cursor.execute("SET default_transaction_read_only = on")
            cursor.execute(sql)
            names = [column.name for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


class ManagementServer:
    """One account with one project; `now` is what time it is, for the API and for its client."""

    # of the database, where one is asked for
    password = "first-correct-horse"

    def __init__(self, root: Path, cluster: Cluster) -> None:
        self.now = 1_800_000_000.0
        self.cluster = cluster
        self.lab = ScratchLab(root)
        self.engine = DatabaseEngine(cluster)
        self.app = supabase.create_app(self.lab, self.engine, clock=lambda: self.now)
        self.token = supabase.token("scratch")
        self.ref = identity.load(self.lab).ref
        self.url = ""
        self.statuses: list[int] = []
        self._wrapped = wrap(self.app, self.lab, "supabase")

    @property
    def projects(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.app.state.world.data["projects"]
        return found

    def fault(self, fault: dict[str, Any]) -> None:
        self.app.state.faults.add(fault)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def call(self, method: str, path: str) -> None:
        """As somebody else with the same account."""
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.token}"}, method=method)
        with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()

    def violations(self) -> list[str]:
        path = self.lab.path("contract-violations.jsonl")
        return [json.dumps(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.statuses.append(message["status"])
            await send(message)

        await self._wrapped(scope, receive, watch)


@pytest.fixture
def management(tmp_path: Path, clusters: Callable[[Privileges], Cluster], monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagementServer]:
    from ansible_collections.quetrex.platform.plugins.module_utils.api import client, policy

    made = ManagementServer(tmp_path, clusters("new"))

    class Waiting(policy.Clock):
        def now(self) -> float:
            return made.now

        def sleep(self, seconds: float) -> None:
            made.sleep(seconds)

    monkeypatch.setattr(client, "Clock", Waiting)
    with serving(made) as made.url:
        yield made
    assert made.violations() == []


@pytest.fixture
def asking(tmp_path: Path, management: ManagementServer) -> Iterator[Cluster]:
    """The project's database on an address, where the password is asked for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    with Cluster(tmp_path / "asking", port=port, listen="127.0.0.1", fsync=False) as cluster:
        (tmp_path / "asking" / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        cluster.execute(f"ALTER ROLE postgres PASSWORD '{management.password}'; SELECT pg_reload_conf()", user="supabase_admin")
        management.engine.cluster = cluster
        yield cluster
