# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small program that holds the platform's lock exactly as long as one ansible-playbook lives.

It reads what to hold as JSON from standard input, answers one line of JSON, and stays until the process it holds the lock for is gone,
however that ends: the file's lock and the database's session go with this program, so no lock is ever left behind.

A session that ends before, because the database or its pooler restarts, is noticed and the lock taken again. The run is stopped when another one was
faster, and when the database cannot be asked for a while.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STEP = 0.2
CONNECT_TIMEOUT = 4
# Seconds between two signs of life to the database, and how many of them are missing when it gives the session up: a controller that vanished
# without a word frees the lock within a minute and a half, also behind a pooler, which would keep its own connection for as long as it likes.
BEAT, MISSED = 15.0, 6
# seconds for which a run goes on without a session that it had, while the database is away
PATIENCE = 120.0
# for a run that was told to stop
ENDS_WITHIN = 10.0
POOLER_OF_TRANSACTIONS = 6543
HOLDERS = """SELECT activity.application_name, activity.backend_start::text
FROM pg_catalog.pg_locks AS locks LEFT JOIN pg_catalog.pg_stat_activity AS activity USING (pid)
WHERE locks.locktype = 'advisory' AND locks.granted AND locks.objsubid = 1
  AND locks.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND (locks.classid::bigint << 32 | locks.objid::bigint) = %s"""
SESSION = "SELECT set_config('application_name', %s, false), set_config('idle_session_timeout', %s, false)"


class Held(Exception):
    """Another run has the lock; `by` says which."""

    def __init__(self, by: Mapping[str, Any]) -> None:
        super().__init__("held")
        self.by = dict(by)


class Unusable(Exception):
    """The database cannot hold a lock now; the words say why. `for_good`: asking again is of no use, or would look like guessing a password."""

    def __init__(self, words: str, for_good: bool = False) -> None:
        super().__init__(words)
        self.for_good = for_good


def application_name(who: Mapping[str, Any]) -> str:
    """What others see of the holder in the database, which keeps 63 bytes."""
    return f"{who['playbook']} by {who['user']}@{who['host']} since {who['since']}".encode()[:63].decode(errors="ignore")


def take_file(path: Path, who: Mapping[str, Any]) -> Any:
    """The open file, locked and signed; it has to be kept open."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = file.read()
        file.close()
        raise Held(json.loads(text) if text.strip() else {}) from None
    file.truncate(0)
    json.dump(dict(who), file)
    file.flush()
    return file


def is_hopeless(said: str) -> bool:
    """Whether asking again would be one more wrong password: what the database, or a pooler that counts them, said of it."""
    return any(words in said for words in ("password authentication failed", "SASL authentication failed", "ECIRCUITBREAKER"))


def connect(database: Mapping[str, Any]) -> Any:
    """A session, each of its statements a transaction."""
    if not database.get("host"):
        raise Unusable(database.get("trouble") or "there is no database yet", for_good=True)
    if int(database.get("port") or 5432) == POOLER_OF_TRANSACTIONS:
        raise Unusable("port 6543 is a pooler in transaction mode, which holds no lock; use 5432", for_good=True)
    try:
        import psycopg2
    except ImportError as error:
        raise Unusable("the Python package psycopg2 is missing on this machine", for_good=True) from error
    certificate = database.get("ca_certificate") or ""
    with contextlib.ExitStack() as stack:
        if "-----BEGIN" in certificate:
            file = stack.enter_context(tempfile.NamedTemporaryFile("w", suffix=".pem"))
            file.write(certificate)
            file.flush()
            certificate = file.name
        words = {
            "host": database["host"], "hostaddr": database.get("address"), "port": int(database.get("port") or 5432), "user": database.get("user"),
            "password": database.get("password"), "dbname": database.get("name") or "postgres", "sslmode": database.get("sslmode") or "verify-full",
            "sslrootcert": certificate or None,
        }  # fmt: skip
        given = {key: value for key, value in words.items() if value is not None}
        try:
            session = psycopg2.connect(
                connect_timeout=CONNECT_TIMEOUT, keepalives_idle=10, keepalives_interval=5, keepalives_count=3, tcp_user_timeout=20000, **given
            )
        except psycopg2.Error as error:
            said = " ".join(str(error).split())
            raise Unusable(said, for_good=is_hopeless(said)) from error
    session.autocommit = True
    return session


def take_database(session: Any, key: int, name: str, beat: float = BEAT) -> None:
    """Have the session hold the lock of this key, under a name that others are told."""
    import psycopg2

    try:
        with session.cursor() as cursor:
            cursor.execute(SESSION, (name, f"{int(beat * MISSED * 1000)}ms"))
            cursor.execute("SELECT pg_catalog.pg_try_advisory_lock(%s)", (key,))
            if cursor.fetchone()[0]:
                return
            cursor.execute(HOLDERS, (key,))
            holder = cursor.fetchone()
    except psycopg2.Error as error:
        raise Unusable(" ".join(str(error).split())) from error
    raise Held({"application_name": holder[0] or "somebody", "since": holder[1]} if holder else {})


class Lock:
    """What one order asks for, as far as it is held: a file, and a session of the database."""

    def __init__(self, order: Mapping[str, Any]) -> None:
        self.order, self.who, self.key = order, order["who"], int(order["key"])
        self.name, self.beat = application_name(self.who), float(order.get("beat") or BEAT)
        self.file: Any = None
        self.session: Any = None

    def take(self) -> dict[str, Any]:
        """The answer to the run. Tries again until `wait` seconds are over: a run that just ended is about to release it."""
        deadline, trouble = time.monotonic() + float(self.order["wait"]), ""
        if self.order.get("database"):
            try:
                self.session = connect(self.order["database"])
            except Unusable as error:
                trouble = str(error)
        while True:
            try:
                refused = self.take_both()
            except Held as held:
                if (held.by.get("pid"), held.by.get("started")) == (self.who["pid"], self.who["started"]):
                    return self.take_again(held.by)
                if time.monotonic() >= deadline:
                    self.close()
                    return {"held": False, "by": held.by}
                time.sleep(STEP)
            else:
                return {"held": True, "database": trouble or refused}

    def take_both(self) -> str:
        """Why the database does not hold the lock too; neither is kept when either is another's."""
        self.file = take_file(Path(self.order["path"]), self.who)
        try:
            if self.session is not None:
                take_database(self.session, self.key, self.name, self.beat)
        except Held:
            self.file.close()
            self.file = None
            raise
        except Unusable as error:
            self.close()
            return str(error)
        return ""

    def take_again(self, first: Mapping[str, Any]) -> dict[str, Any]:
        """This run has the file already. It takes the database's lock as well if it could not before, as on a platform whose database is new."""
        self.name = application_name(first)
        try:
            if self.session is not None:
                take_database(self.session, self.key, self.name, self.beat)
        except Held as held:
            self.close()
            if held.by.get("application_name") != self.name:
                return {"held": False, "by": held.by}
        except Unusable:
            self.close()
        return {"held": True, "again": True, "database": ""}

    def close(self) -> None:
        """Let the lock and its session go. The lock first: a database notices only later that a session has ended."""
        import psycopg2

        if self.session is not None:
            with contextlib.suppress(psycopg2.Error), self.session.cursor() as cursor:
                cursor.execute("SELECT pg_catalog.pg_advisory_unlock_all()")
            self.session.close()
        self.session = None

    def alive(self) -> bool:
        """Whether the session still answers."""
        import psycopg2

        try:
            with self.session.cursor() as cursor:
                cursor.execute("SELECT 1")
        except psycopg2.Error:
            self.close()
        return self.session is not None

    def regain(self) -> None:
        """Take the lost lock again. A lock under this run's own name is the session that the database has not given up yet."""
        try:
            self.session = connect(self.order["database"])
            take_database(self.session, self.key, self.name, self.beat)
        except Held as held:
            self.close()
            if held.by.get("application_name") != self.name:
                raise
        except Unusable:
            self.close()
            raise


def line(words: str) -> str:
    """A line of its own in the run's output."""
    return f"\n[LOCK] {words}\n"


class Run:
    """The process that the lock is held for."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        opener = getattr(os, "pidfd_open", None)
        self.descriptor: int | None = opener(pid) if opener is not None else None

    def ended(self, seconds: float, watched: Any = None) -> bool:
        """Wait until it is gone, the watched session stirs, or the time is over; whether it is gone."""
        if self.descriptor is not None:
            ready = select.select([self.descriptor, *([watched] if watched is not None else [])], [], [], seconds)[0]
            return self.descriptor in ready
        deadline = time.monotonic() + seconds
        with contextlib.suppress(PermissionError):
            while time.monotonic() < deadline:
                try:
                    os.kill(self.pid, 0)
                except ProcessLookupError:
                    return True
                if watched is not None and select.select([watched], [], [], 0)[0]:
                    return False
                time.sleep(STEP)
        return False

    def tell(self, words: str) -> None:
        """A line for whoever sees the run's errors. Its workers have no terminal, and neither has this program."""
        with contextlib.suppress(OSError), self.errors() as stream:
            stream.write(line(words))

    def errors(self) -> Any:
        """Where the run's errors go."""
        return os.fdopen(os.open(f"/proc/{self.pid}/fd/2", os.O_WRONLY | os.O_APPEND | os.O_NOCTTY), "w", encoding="utf-8")

    def stop(self, words: str) -> None:
        """End it before its next task, and say why."""
        words = f"{words} This run is stopped before it writes anything more; run it again, it goes on where it was."
        with contextlib.ExitStack() as stack:
            stream: Any = None
            with contextlib.suppress(OSError):
                stream = stack.enter_context(self.errors())
            # nobody reads a pipe after the run has ended, and in a file its own last words would lie over these
            last = stream is not None and stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
            if stream is not None and not last:
                stream.write(line(words))
                stream.flush()
            self.end()
            if last:
                stream.write(line(words))

    def end(self) -> None:
        """As Ctrl-C does, and harder if need be."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            if self.ended(ENDS_WITHIN):
                return


def stay(lock: Lock, run: Run) -> None:
    """Return when the run is gone; meanwhile see that the database still holds what it held."""
    while not run.ended(lock.beat if lock.session is not None else 3600, lock.session):
        if lock.session is not None and not lock.alive():
            watch_over(lock, run)


def watch_over(lock: Lock, run: Run) -> None:
    """After the session was lost: the lock again, or the end of the run."""
    name, patience = lock.order.get("name") or "the platform", float(lock.order.get("patience") or PATIENCE)
    deadline, told = time.monotonic() + patience, False
    while lock.session is None:
        try:
            lock.regain()
        except Held as held:
            run.stop(f"The lock of {name} was lost with its session of the database, and {held.by.get('application_name', 'another run')} has it now.")
            return
        except Unusable as error:
            if error.for_good or (time.monotonic() >= deadline and not told):
                if lock.order.get("go_on"):
                    run.tell(f"The lock of {name} is held on this machine alone from here on, another machine would not see it: {error}")
                else:
                    run.stop(f"The lock of {name} was lost with its session of the database, which cannot be asked again: {error}.")
                told = True
                if error.for_good:
                    return
        if lock.session is None and run.ended(min(1.0, lock.beat)):
            return
    run.tell(f"The lock of {name} was lost with its session of the database, and taken again.")


def main() -> int:
    """Hold what standard input asks for."""
    order = json.load(sys.stdin)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    lock = Lock(order)
    print(json.dumps(lock.take()), flush=True)
    if lock.file is None and lock.session is None:
        return 0
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    with contextlib.suppress(ProcessLookupError):
        stay(lock, Run(int(order["who"]["pid"])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
