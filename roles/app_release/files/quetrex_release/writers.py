# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of the whole platform, which every playbook that writes holds in the database: what the deploy key asks for takes it as well.

Without it continuous integration would release on a server that a playbook is about to replace. The database is where both can see it; while it
cannot be asked, a release goes on with the lock of this server alone, as a playbook does.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from quetrex_release.outcome import Outcome, ReleaseError
from quetrex_release.store import Store, StoreError

HOLDER = """SELECT activity.application_name FROM pg_catalog.pg_locks AS locks LEFT JOIN pg_catalog.pg_stat_activity AS activity USING (pid)
WHERE locks.locktype = 'advisory' AND locks.granted AND locks.objsubid = 1
  AND locks.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND (locks.classid::bigint << 32 | locks.objid::bigint) = %s"""


def key_of(name: str) -> int:
    """The number that stands for a lock's name in the database, the same as for playbooks."""
    return int.from_bytes(hashlib.sha256(f"quetrex.platform {name}".encode()).digest()[:8], "big", signed=True)


def give_back(session: Any, key: int) -> None:
    """Let playbooks in at once."""
    with contextlib.suppress(StoreError):
        session.execute("SELECT pg_catalog.pg_advisory_unlock(%s)", (key,))


@contextlib.contextmanager
def alone(stack: Path, command: str, by: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Keep playbooks out as long as this lasts; refused while one of them writes, with its name."""
    store = Store.read(stack / "release-database.json")
    if store is None:
        yield
        return
    key = key_of("{platform}-{environment}".format(**store.names))
    name = f"{command} by {by}@{socket.gethostname()} since {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}"
    with contextlib.ExitStack() as held:
        try:
            session = held.enter_context(store.session())
            session.execute("SELECT set_config('application_name', %s, false)", (name.encode()[:63].decode(errors="ignore"),))
            session.execute("SELECT pg_catalog.pg_try_advisory_lock(%s)", (key,))
            taken = session.fetchone()[0]
            if not taken:
                session.execute(HOLDER, (key,))
                found = session.fetchone()
                other = (found[0] if found else "") or "a playbook"
                raise ReleaseError("locked", f"{other} is writing to the platform; wait until it ends.", outcome=Outcome.locked)
            # given back by name: a database notices only later that a session has ended
            held.callback(give_back, session, key)
        except StoreError as error:
            tell(f"the platform's lock cannot be asked for, a playbook would not see this release: {error}")
        yield
