# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's own runner: made, failed, repeated and taken away, and at each step the row in `runner_configs` says what is true."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcloud
import psycopg2
import pytest

from lab.config import CHECKOUT
from lab.platform import Platform

from .conftest import NewLab

pytestmark = [pytest.mark.lab, pytest.mark.long]
BIN = Path(sys.executable).parent
ROWS = "SELECT hetzner_server_id, host(hetzner_server_ip), hetzner_region, status FROM public.runner_configs WHERE user_id = %s"


class Users:
    """The database's side of it, asked as its owner."""

    def __init__(self, platform: Platform) -> None:
        facts = platform.facts["supabase"]
        place = {"host": facts["host"], "hostaddr": facts["address"], "port": facts["port"], "dbname": facts["database"]}
        self.connection = psycopg2.connect(user=facts["user"], password=facts["password"], sslmode="require", **place)
        self.connection.autocommit = True

    def ask(self, sql: str, *arguments: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, arguments)
            return cursor.fetchall() if cursor.description else []

    def sign_up(self) -> str:
        user = str(uuid.uuid4())
        self.ask("INSERT INTO auth.users (id, email) VALUES (%s, %s)", user, f"{user}@example.com")
        return user


@pytest.fixture(scope="module")
def platform(new_lab: NewLab) -> Iterator[Platform]:
    """A lab with the schema and nothing else."""
    with new_lab("run") as lab:
        made = Platform(lab)
        schema = [str(BIN / "ansible"), "localhost", "-m", "ansible.builtin.include_role", "-a", "name=quetrex.platform.supabase_database"]
        done = subprocess.run(schema, cwd=CHECKOUT, env=made.environment, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        yield made


def servers(platform: Platform) -> list[dict[str, Any]]:
    api = platform.facts["apis"]["hetzner"]
    found: list[dict[str, Any]] = hcloud.Client(token=api["token"], api_endpoint=api["url"]).request("GET", "/servers")["servers"]
    return found


def groups(platform: Platform) -> dict[str, list[str]]:
    done = subprocess.run([str(BIN / "ansible-inventory"), "--list"], cwd=CHECKOUT, env=platform.environment, capture_output=True, text=True, check=True)
    listed = json.loads(done.stdout)
    return {name: listed.get(name, {}).get("hosts", []) for name in ("platform_runners", "platform_servers")}


def answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def test_runner_of_a_user(platform: Platform) -> None:
    """One user one runner and a row that is true."""
    users = Users(platform)
    user, other = users.sign_up(), users.sign_up()
    mine = ["-e", f"runner_user_id={user}"]

    # too dear: nothing is bought, and the row says so
    dear = platform.play("runner_provision", "-e", f"runner_user_id={other}", "-e", "runner_monthly_budget=1")
    assert "the budget is 1.00" in dear.output, dear.explain()
    assert (dear.code != 0, servers(platform), users.ask(ROWS, other)) == (True, [], [(None, None, "ash", "failed")])

    # the container does not come up: the server is there, and the row does not promise a runner
    broken = platform.play("runner_provision", *mine, "-e", "user_runner_image=registry.quetrex.test/nothing@sha256:" + "0" * 64)
    (server,) = servers(platform)
    address = server["public_net"]["ipv4"]["ip"]
    assert (broken.code != 0, users.ask(ROWS, user)) == (True, [(str(server["id"]), address, "ash", "failed")]), broken.explain()
    assert "its row says failed" in broken.output

    made = platform.play("runner_provision", *mine)
    assert made.code == 0, made.explain()
    assert users.ask(ROWS, user) == [(str(server["id"]), address, "ash", "ready")]
    again = platform.play("runner_provision", *mine)
    assert (again.code, again.changed) == (0, 0), again.explain()

    # small, labelled, hardened, alone
    ((runner,),) = users.ask("SELECT id::text FROM public.runner_configs WHERE user_id = %s", user)
    (server,) = servers(platform)
    assert server["labels"] == {"platform": "quetrex", "environment": "lab", "role": "runner", "runner": runner, "user": user}
    assert server["server_type"]["memory"] < 8
    assert groups(platform) == {"platform_runners": [server["name"]], "platform_servers": []}
    assert "healthy" in platform.on_server("docker ps --format '{{.Names}} {{.Status}}' | grep ^runner")
    assert platform.on_server("docker ps --quiet --filter publish=1-65535 | wc -l").strip() == "0"
    assert "permitrootlogin no" in platform.on_server("sshd -T")
    assert (answers(address, 22), answers(address, 8080), answers(address, 443)) == (True, False, False)

    # a second one only on purpose
    second = platform.play("runner_provision", *mine, "-e", f"runner_id={uuid.uuid4()}")
    assert (second.code != 0, "has 1 of at most 1 runners" in second.output, len(servers(platform))) == (True, True, 1), second.explain()

    # away: told beforehand, then true, then nothing left to do
    look = platform.play("runner_destroy", *mine, "--check")
    assert (look.code, len(servers(platform)), users.ask(ROWS, user)[0][3]) == (0, 1, "ready"), look.explain()
    assert f"server {server['name']}" in look.output
    gone = platform.play("runner_destroy", *mine)
    assert (gone.code, servers(platform), users.ask(ROWS, user)) == (0, [], []), gone.explain()
    state = Path(platform.facts["state_dir"])
    assert [path.name for path in state.glob(f"{server['name']}*")] == []
    assert address not in (state / "known_hosts").read_text()
    after = platform.play("runner_destroy", *mine)
    assert (after.code, after.changed) == (0, 0), after.explain()
    assert len(users.ask(ROWS, other)) == 1
