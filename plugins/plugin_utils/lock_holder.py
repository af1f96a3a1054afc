# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small program that holds the platform's lock exactly as long as one ansible-playbook lives.

It reads what to hold as JSON from standard input, answers one line of JSON, and stays until the process it holds the lock for is gone,
however that ends: the file's lock and the database's session go with this program, so no lock is ever left behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STEP = 0.2
CONNECT_TIMEOUT = 4
POOLER_OF_TRANSACTIONS = 6543
HOLDERS = """SELECT activity.application_name, activity.backend_start::text
FROM pg_catalog.pg_locks AS locks LEFT JOIN pg_catalog.pg_stat_activity AS activity USING (pid)
WHERE locks.locktype = 'advisory' AND locks.granted AND locks.objsubid = 1
  AND (locks.classid::bigint << 32 | locks.objid::bigint) = %s"""
# A controller that vanished without a word is noticed within a minute and a half; a waiting one is never thrown out for being idle.
SESSION = (
    "SELECT set_config('application_name', %s, false), set_config('idle_session_timeout', '0', false), set_config('tcp_keepalives_idle', '30', false),"
    " set_config('tcp_keepalives_interval', '15', false), set_config('tcp_keepalives_count', '4', false)"
)


class Held(Exception):
    """Another run has the lock; `by` says which."""

    def __init__(self, by: Mapping[str, Any]) -> None:
        super().__init__("held")
        self.by = dict(by)


class Unusable(Exception):
    """The database cannot hold a lock now; the words say why."""


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


def connect(database: Mapping[str, Any]) -> Any:
    """A session, each of its statements a transaction."""
    if not database.get("host"):
        raise Unusable("there is no database yet")
    if int(database.get("port") or 5432) == POOLER_OF_TRANSACTIONS:
        raise Unusable("port 6543 is a pooler in transaction mode, which holds no lock; use 5432")
    try:
        import psycopg2
    except ImportError as error:
        raise Unusable("the Python package psycopg2 is missing on this machine") from error
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
            session = psycopg2.connect(connect_timeout=CONNECT_TIMEOUT, keepalives_idle=30, keepalives_interval=15, keepalives_count=4, **given)
        except psycopg2.Error as error:
            raise Unusable(" ".join(str(error).split())) from error
    session.autocommit = True
    return session


def take_database(session: Any, key: int, who: Mapping[str, Any]) -> None:
    """Have the session hold the lock of this key."""
    import psycopg2

    try:
        with session.cursor() as cursor:
            cursor.execute(SESSION, (application_name(who),))
            cursor.execute("SELECT pg_catalog.pg_try_advisory_lock(%s)", (key,))
            if cursor.fetchone()[0]:
                return
            cursor.execute(HOLDERS, (key,))
            holder = cursor.fetchone()
    except psycopg2.Error as error:
        raise Unusable(" ".join(str(error).split())) from error
    raise Held({"application_name": holder[0] or "somebody", "since": holder[1]} if holder else {})


def take(order: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """The answer, and what has to stay open. Tries again until `wait` seconds are over: a run that just ended is about to let go."""
    who, deadline = order["who"], time.monotonic() + float(order["wait"])
    session, trouble = None, ""
    if order.get("database"):
        try:
            session = connect(order["database"])
        except Unusable as error:
            trouble = str(error)
    while True:
        try:
            file, refused = take_both(Path(order["path"]), session, int(order["key"]), who)
        except Held as held:
            if (held.by.get("pid"), held.by.get("started")) == (who["pid"], who["started"]):
                return {"held": True, "again": True, "database": ""}, []
            if time.monotonic() >= deadline:
                return {"held": False, "by": held.by}, []
            time.sleep(STEP)
        else:
            return {"held": True, "database": trouble or refused}, [file, session]


def take_both(path: Path, session: Any, key: int, who: Mapping[str, Any]) -> tuple[Any, str]:
    """The locked file, and why the database does not hold the lock too; neither is kept when either is another's."""
    file = take_file(path, who)
    try:
        if session is not None:
            take_database(session, key, who)
    except Held:
        file.close()
        raise
    except Unusable as error:
        return file, str(error)
    return file, ""


def stay(owner: int) -> None:
    """Return when the process is gone."""
    pidfd_open = getattr(os, "pidfd_open", None)
    with contextlib.suppress(ProcessLookupError):
        if pidfd_open is not None:
            select.select([pidfd_open(owner)], [], [])
            return
        while True:
            os.kill(owner, 0)
            time.sleep(STEP)


def main() -> int:
    """Hold what standard input asks for."""
    order = json.load(sys.stdin)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    answer, kept = take(order)
    print(json.dumps(answer), flush=True)
    if not kept:
        return 0
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    stay(int(order["who"]["pid"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
