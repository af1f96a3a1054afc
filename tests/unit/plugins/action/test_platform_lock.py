# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs at once, from one machine and from two: real ansible-playbooks, a real database."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.quetrex.platform.plugins.action.platform_lock import key_of, orphaned
from ansible_collections.quetrex.platform.plugins.plugin_utils import lock_holder
from lab.process import until

if TYPE_CHECKING:
    from lab.supabase.testing import MakeScratch, Scratch

pytestmark = pytest.mark.play

pytest_plugins = ["lab.supabase.testing"]

PLAYBOOK = """
- name: Write
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Lock
      quetrex.platform.platform_lock: &lock
        path: "{{ path }}"
        name: quetrex-test
        database: "{{ database }}"
        wait: 0.5
        patience: 1
        go_on: "{{ go_on }}"
    - name: Lock again
      quetrex.platform.platform_lock:
        <<: *lock
    - name: Tell and go on until the test says stop
      ansible.builtin.shell: touch {{ mark }} && while [ -e {{ mark }} ]; do sleep 0.05; done
    - name: Write something
      ansible.builtin.file:
        path: "{{ mark }}.written"
        state: touch
        mode: "0600"
"""


class Writer:
    """One run that takes the lock on its machine (a folder stands for one) and keeps it until told to end."""

    def __init__(self, tmp_path: Path, tree: str, name: str, machine: str, database: dict[str, Any], **more: Any) -> None:
        self.mark = tmp_path / f"{name}.mark"
        playbook = tmp_path / f"{name}.yml"
        playbook.write_text(more.get("playbook", PLAYBOOK))
        given = {"path": str(tmp_path / machine / "platform.lock"), "mark": str(self.mark), "database": database, "go_on": False, **more}
        self.log = tmp_path / f"{name}.log"
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": tree,
            "ANSIBLE_HOME": str(tmp_path / "home"),
            "NO_COLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "0",
        }
        words = [
            str(Path(sys.executable).parent / "ansible-playbook"),
            str(playbook),
            "-e",
            json.dumps(given),
            "-vvv",
            *(["--check"] if more.get("check") else []),
        ]
        self.process = subprocess.Popen(words, env=environment, stdout=self.log.open("w"), stderr=subprocess.STDOUT, cwd=tmp_path, start_new_session=True)

    def holds(self) -> bool:
        """Whether it got the lock and works."""
        assert until(lambda: self.mark.exists() or self.process.poll() is not None, 60)
        return self.mark.exists()

    def wrote(self) -> bool:
        """Whether it went on to its next task."""
        return self.mark.with_name(f"{self.mark.name}.written").exists()

    def kill(self) -> None:
        """End the run as a broken terminal or an impatient owner does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def said(self) -> str:
        """All it printed, in one line."""
        return " ".join(self.log.read_text().split())


Start = Callable[..., Writer]


@pytest.fixture
def start(tmp_path: Path, collection_tree: str) -> Iterator[Start]:
    """Start a run; all are ended with the test."""
    writers: list[Writer] = []

    def run(name: str, machine: str = "here", database: dict[str, Any] | None = None, **words: Any) -> Writer:
        writers.append(Writer(tmp_path, collection_tree, name, machine, database or {}, **words))
        return writers[-1]

    yield run
    for writer in writers:
        if writer.process.poll() is None:
            writer.kill()
        # what a killed playbook had started works as long as this is there
        writer.mark.unlink(missing_ok=True)


@pytest.fixture
def database(scratch: MakeScratch) -> tuple[Scratch, dict[str, Any]]:
    """A database and the setting that names it."""
    made = scratch("new")
    options = made.options()
    return made, {
        "host": options["host"],
        "port": options["port"],
        "name": options["database"],
        "user": "postgres",
        "sslmode": "disable",
        "password": "shown-nowhere",
    }


def locks(scratch: Scratch) -> int:
    """Advisory locks of the database."""
    return int(
        scratch.sql(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )[0][0]
    )


def test_the_second_comer_is_told_who_is_at_work(start: Start) -> None:
    first = start("first")
    assert first.holds(), first.said()
    second = start("second")
    assert not second.holds()
    assert second.process.wait() != 0
    for words in ("Nothing was done: first by ", f"@{os.uname().nodename} since 20", f"(process {first.process.pid}) is writing to quetrex-test"):
        assert words in second.said()
    first.mark.unlink()
    assert first.process.wait(30) == 0, first.said()
    assert start("third").holds()


def test_a_killed_run_leaves_no_lock(start: Start, database: tuple[Scratch, dict[str, Any]]) -> None:
    scratch, setting = database
    first = start("first", database=setting)
    assert first.holds(), first.said()
    assert locks(scratch) == 1
    first.kill()
    assert until(lambda: locks(scratch) == 0, 10)
    second = start("second", database=setting)
    assert second.holds(), second.said()


def test_two_machines_exclude_each_other_by_the_database(start: Start, database: tuple[Scratch, dict[str, Any]]) -> None:
    scratch, setting = database
    first = start("first", "here", setting)
    assert first.holds(), first.said()
    second = start("second", "there", setting)
    assert not second.holds()
    assert f"Nothing was done: first by {first_user(scratch)} since 20" in second.said()
    assert "shown-nowhere" not in first.said() + second.said()
    first.mark.unlink()
    assert first.process.wait(30) == 0, first.said()
    assert until(lambda: locks(scratch) == 0, 10)
    assert start("third", "there", setting).holds()


def first_user(scratch: Scratch) -> str:
    """`user@host` of the holder as the database shows it to everybody."""
    return str(scratch.sql("SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'first by %'")[0][0]).split()[2]


END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE %s AND datname = current_database()"
KEY = "SELECT pg_advisory_lock(%s)"


def test_a_lost_session_is_noticed_and_the_lock_taken_again(start: Start, database: tuple[Scratch, dict[str, Any]]) -> None:
    """As a restart of the database or its pooler ends it: the second controller is refused as before."""
    scratch, setting = database
    first = start("first", "here", setting)
    assert first.holds(), first.said()
    scratch.sql(END_SESSIONS, ("first by %",))
    assert until(lambda: "was lost with its session of the database, and taken again" in first.said(), 10), first.said()
    second = start("second", "there", setting)
    assert not second.holds()
    first.mark.unlink()
    assert first.process.wait(30) == 0, first.said()
    assert first.wrote()


def test_lost_lock_stops_the_run(start: Start, database: tuple[Scratch, dict[str, Any]]) -> None:
    """A run whose lock is another's meanwhile is stopped before its next task."""
    scratch, setting = database
    first = start("first", "here", setting)
    assert first.holds(), first.said()
    with contextlib.closing(scratch.connect()) as other, other.cursor() as cursor:
        # waits in the queue, so that it has the lock in the moment in which the session ends
        cursor.execute("SET application_name = 'deploy by bob@elsewhere'")
        waiting = threading.Thread(target=cursor.execute, args=(KEY, (key_of("quetrex-test"),)))
        waiting.start()
        assert until(lambda: bool(scratch.sql("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")), 10)
        scratch.sql(END_SESSIONS, ("first by %",))
        waiting.join(10)
        assert first.process.wait(30) != 0
    words = "was lost with its session of the database, and deploy by bob@elsewhere has it now"
    assert until(lambda: words in first.said(), 5), first.said()
    assert not first.wrote()


@pytest.mark.parametrize(("go_on", "words"), [(False, "cannot be asked again"), (True, "held on this machine alone from here on")], ids=["stop", "recovery"])
def test_a_run_that_lost_its_session_for_good_stops_or_says_so(start: Start, database: tuple[Scratch, dict[str, Any]], go_on: bool, words: str) -> None:
    scratch, setting = database
    first = start("first", "here", setting, go_on=go_on)
    assert first.holds(), first.said()
    name = setting["name"]
    away(scratch, name)
    try:
        assert until(lambda: words in first.said(), 20), first.said()
        first.mark.unlink(missing_ok=True)
        assert (first.process.wait(30) == 0, first.wrote()) == (go_on, go_on)
    finally:
        scratch.cluster.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true", user="supabase_admin")


def away(scratch: Scratch, name: str) -> None:
    """Let nobody into the database, and end who is there."""
    scratch.cluster.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", user="supabase_admin")
    scratch.cluster.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,), user="supabase_admin")


def test_second_taking_adds_the_database(start: Start, database: tuple[Scratch, dict[str, Any]], tmp_path: Path) -> None:
    """`recover` begins while the database is away, and `site` is a part of it."""
    scratch, setting = database
    playbook = PLAYBOOK.replace("        <<: *lock\n", '        <<: *lock\n        database: "{{ later }}"\n')
    first = start("first", "here", {"password": "shown-nowhere"}, playbook=playbook, later=setting)
    assert first.holds(), first.said()
    assert locks(scratch) == 1
    assert not start("second", "there", setting).holds()


def test_a_holder_that_vanished_frees_the_lock(database: tuple[Scratch, dict[str, Any]], tmp_path: Path) -> None:
    """No packet tells of it, as behind a pooler that keeps its connection: the database ends a session without a sign of life, and no other."""
    scratch, setting = database
    who = {"pid": os.getpid(), "started": "", "playbook": "first", "user": "alice", "host": "laptop", "since": "now"}
    order = {"path": str(tmp_path / "lock"), "key": 4711, "wait": 0, "who": who, "database": setting, "beat": 0.2}
    holder = subprocess.Popen([sys.executable, lock_holder.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdin
    assert holder.stdout
    json.dump(order, holder.stdin)
    holder.stdin.close()
    try:
        assert json.loads(holder.stdout.readline())["held"]
        assert not until(lambda: locks(scratch) == 0, 0.2 * lock_holder.MISSED * 2), "it shows signs of life"
        holder.send_signal(signal.SIGSTOP)
        assert until(lambda: locks(scratch) == 0, 0.2 * lock_holder.MISSED * 10)
    finally:
        holder.kill()
        holder.wait()


def test_lock_without_database(start: Start) -> None:
    """Without the database the machine is locked and a warning says so."""
    nowhere = {"host": "127.0.0.1", "port": 9, "user": "postgres", "sslmode": "disable"}
    first = start("first", database=nowhere)
    assert first.holds(), first.said()
    assert "The lock is held on this machine alone" in first.said()
    assert not start("second", database=nowhere).holds()


def test_a_database_that_is_not_known_yet_stops_nobody(start: Start) -> None:
    first = start("first", database={"password": "shown-nowhere"})
    assert first.holds(), first.said()
    assert "there is no database yet" in first.said()
    assert "shown-nowhere" not in first.said()


def test_a_pooler_of_transactions_is_not_trusted_with_a_lock(start: Start) -> None:
    first = start("first", database={"host": "127.0.0.1", "port": 6543})
    assert first.holds(), first.said()
    assert "pooler in transaction mode" in first.said()


def test_check_mode_takes_none(start: Start) -> None:
    first = start("first")
    assert first.holds(), first.said()
    look = start("look", check=True)
    assert look.process.wait(60) == 0, look.said()


@pytest.mark.parametrize(
    ("parent", "command", "alone"),
    [(1, b"/sbin/init\0", True), (1, b"python\0/usr/bin/ansible-playbook\0site.yml\0", False), (4711, b"anything\0", False)],
    ids=["killed", "first process of a container", "alive"],
)
def test_a_worker_of_a_killed_run_takes_no_lock(parent: int, command: bytes, alone: bool, tmp_path: Path) -> None:
    """Bound to the system's first process the lock would be held until the machine stops."""
    (tmp_path / str(parent)).mkdir()
    (tmp_path / str(parent) / "cmdline").write_bytes(command)
    assert orphaned(parent, tmp_path) is alone
