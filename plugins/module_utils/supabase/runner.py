# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applying a plan: one transaction and two round trips per file, every commit proved by reading it back."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import catalog, ledger
from .database import ConnectionLost, Database, SqlError
from .errors import Failure, explain_sql
from .migrations import Migration, concurrent_index

# Lock not available, deadlock, serialization failure: nothing happened, so the file can be run again.
_REPEATABLE = {"55P03", "40P01", "40001"}
_ENUM_VALUE_TOO_NEW = "55P04"
_ENDS = "2D000"
_MARK = "quetrex.transaction"
# What a statement says that was run a second time.
_DONE_ALREADY = {"CREATE": {"42P07", "42P04", "42710"}, "DROP": {"42704", "3D000"}}

_PRELUDE = """RESET ALL; RESET SESSION AUTHORIZATION; RESET ROLE; BEGIN; {limits}; \
SET LOCAL idle_in_transaction_session_timeout = 0; SELECT pg_catalog.set_config('{mark}', pg_catalog.pg_current_xact_id()::text, true);
"""
# Whoever ends our transaction inside a file and begins another loses the mark. A cast that fails says so at a third of what a DO block costs.
_ENDED, _MOVED = "the migration ended its transaction and began another", "the server connection changed: this is a pooler in transaction mode"
_PROOF = f"""RESET ROLE; SELECT CASE
WHEN pg_catalog.current_setting('{{mark}}', true) IS DISTINCT FROM pg_catalog.pg_current_xact_id()::text THEN '{_ENDED}'
WHEN pg_catalog.pg_backend_pid() <> {{pid}} THEN '{_MOVED}' ELSE '0' END::int;
"""  # noqa: S608 - constants of this file


@dataclass(frozen=True)
class Limits:
    """Seconds, except retries. clock and sleep are replaced in tests."""

    lock_wait: float = 60
    lock_timeout: float = 5
    statement_timeout: float = 300
    retries: int = 5
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


@dataclass
class Outcome:
    """What happened, also as far as it got when something failed."""

    ran: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Runner:
    """Runs migrations on a session that holds the lock. reconnect gives a new session with the lock held."""

    def __init__(self, database: Database, limits: Limits, reconnect: Callable[[], Database]) -> None:
        self.database = database
        self.limits = limits
        self.reconnect = reconnect
        self.pid = _server_pid(database)

    def apply(self, pending: list[Migration], outcome: Outcome) -> None:
        """Run the pending migrations in order; outcome is filled as we go."""
        if pending:
            ledger.ensure(self.database)
        for migration in pending:
            began = self.limits.clock()
            attempts = self._with_retries(migration)
            outcome.ran.append({"version": migration.version, "name": migration.name, "seconds": round(self.limits.clock() - began, 3), "attempts": attempts})

    def adopt(self, migrations: list[Migration]) -> None:
        """Record migrations as applied without running them, all or none."""
        ledger.ensure(self.database)
        self.database.run("BEGIN")
        for migration in migrations:
            self.database.run(ledger.insert_sql(), ledger.values(migration))
        self.database.run("COMMIT")
        lost = [migration.label for migration in migrations if not ledger.contains(self.database, migration.version)]
        if lost:
            raise Failure(f"Not in the ledger after the commit: {', '.join(lost)}.", "commit_lost", versions=lost)

    def _with_retries(self, migration: Migration) -> int:
        for attempt in range(1, self.limits.retries + 2):
            try:
                self._run(migration)
            except SqlError as error:
                self.database.rollback()
                if error.sqlstate not in _REPEATABLE or attempt > self.limits.retries:
                    raise _in_file(migration, error, attempt) from error
                self.limits.sleep(min(30, 0.5 * 2**attempt) * random.uniform(0.5, 1))  # noqa: S311 - spreads runs, no secret
            else:
                return attempt
        raise AssertionError("unreachable")

    def _run(self, migration: Migration) -> None:
        if migration.transactional:
            self._in_transaction(migration)
        else:
            self._alone(migration)

    def _in_transaction(self, migration: Migration) -> None:
        """First round trip: begin, limits, the file. Second: proof, ledger row, commit, read back."""
        prelude = self._prelude()
        try:
            self.database.run(prelude + migration.sql)
        except SqlError as error:
            error.line = error.line and error.line - prelude.count("\n")
            raise
        except ConnectionLost as error:
            raise Failure(
                f"The connection was lost while {migration.label} ran. Nothing of it was kept; run again. {error.message}", "connection_lost"
            ) from error
        if not self.database.in_transaction:
            raise Failure(
                f"{migration.label} ended its transaction: what came before that is done, and it is not recorded. Repair by hand.", "transaction_control"
            )
        self._commit(migration)

    def _commit(self, migration: Migration) -> None:
        proof = _PROOF.format(mark=_MARK, pid=self.pid)
        sql = f"{proof}{ledger.insert_sql()}; COMMIT; {ledger.READ_BACK}"
        try:
            rows = self.database.run(sql, (*ledger.values(migration), migration.version))
        except SqlError as error:
            if _ENDED in error.message:
                raise SqlError(f"{_ENDED}. {explain_sql(_ENDS)}", _ENDS) from error
            raise
        except ConnectionLost as error:
            self.database = self.reconnect()
            self.pid = _server_pid(self.database)
            rows = [(migration.version,)] if ledger.exists(self.database) and ledger.contains(self.database, migration.version) else []
            if not rows:
                raise Failure(
                    f"The connection was lost before {migration.label} was committed. Nothing of it was kept; run again. {error.message}", "connection_lost"
                ) from error
        if rows != [(migration.version,)]:
            raise Failure(
                f"{migration.label} is not in the ledger after its commit. Something removed it; nothing further was run.",
                "commit_lost",
                version=migration.version,
            )

    def _prelude(self) -> str:
        return _PRELUDE.format(limits=self._limits("SET LOCAL"), mark=_MARK)

    def _limits(self, verb: str) -> str:
        return f"{verb} lock_timeout = {int(self.limits.lock_timeout * 1000)}; {verb} statement_timeout = {int(self.limits.statement_timeout * 1000)}"

    def _alone(self, migration: Migration) -> None:
        """A statement that PostgreSQL refuses in a transaction: noted, run, checked, then recorded."""
        self.database.run(f"RESET ALL; RESET ROLE; {self._limits('SET')}")
        index = concurrent_index(migration)
        if index and (broken := _index(self.database, index, valid=False)):
            # Left behind by a run that was killed. Nothing uses it, and IF NOT EXISTS would take it for the real one.
            self.database.run(f"DROP INDEX CONCURRENTLY {broken}")
        self._begin(migration, index)
        if index and (broken := _index(self.database, index, valid=False)):
            raise Failure(
                f"{migration.label} left the index {broken} INVALID. Find out why (duplicates?), then run again; it will be dropped and built anew.",
                "invalid_index",
            )
        ledger.record(self.database, migration)
        if not ledger.contains(self.database, migration.version):
            raise Failure(f"{migration.label} is not in the ledger after it ran.", "commit_lost", version=migration.version)
        self.database.run("RESET ALL")

    def _begin(self, migration: Migration, index: str | None) -> None:
        """Run it, unless a run that was killed did and could not say so any more."""
        resumed = ledger.begun(self.database, migration)
        # An index of this name that was there before us is somebody else's: that has to fail, now and after a kill.
        if not resumed and not (index and _index(self.database, index, valid=True)):
            ledger.note(self.database, migration)
        try:
            self.database.run(migration.sql)
        except SqlError as error:
            done = resumed and error.sqlstate in _DONE_ALREADY.get(migration.statements[0].words[0], ())
            if not done:
                ledger.forget(self.database, migration)
                raise

    def rehearse(self, pending: list[Migration], outcome: Outcome, schemas: catalog.Scope) -> tuple[list[str], list[str]]:
        """Really run everything in one transaction and roll it back; the catalogue lines that would go and come.

        Its locks are real while it lasts, so it waits for locks no longer than an apply would.
        """
        with self.database.transaction() as database:
            before = catalog.snapshot(database, schemas)
            for migration in pending:
                if not self._rehearse_one(migration, outcome):
                    break
            if self.database.in_transaction:
                database.run("RESET ROLE; SET CONSTRAINTS ALL IMMEDIATE")
                return catalog.difference(before, catalog.snapshot(database, schemas))
        return [], []

    def _rehearse_one(self, migration: Migration, outcome: Outcome) -> bool:
        """Whether the rehearsal can go on."""
        if not migration.transactional:
            outcome.skipped.append(migration.label)
            outcome.warnings.append(f"{migration.label} cannot run in a transaction, so check mode did not try it.")
            return True
        began = self.limits.clock()
        try:
            self.database.run(f"RESET ALL; RESET ROLE; {self._limits('SET LOCAL')}; SAVEPOINT quetrex;\n{migration.sql}")
        except SqlError as error:
            error.line = error.line and error.line - 1
            depends = outcome.skipped or error.sqlstate == _ENUM_VALUE_TOO_NEW
            if not depends:
                raise _in_file(migration, error, 1) from error
            self.database.run("ROLLBACK TO SAVEPOINT quetrex")
            outcome.warnings.append(f"Check mode stopped before {migration.label}, which needs something that only a real run can commit: {error.message}")
            return False
        outcome.ran.append({"version": migration.version, "name": migration.name, "seconds": round(self.limits.clock() - began, 3), "attempts": 1})
        return True


def _server_pid(database: Database) -> int:
    return int(database.run("SELECT pg_catalog.pg_backend_pid()")[0][0])


def _in_file(migration: Migration, error: SqlError, attempts: int) -> Failure:
    where = f", line {error.line}" if error.line and error.line > 0 else ""
    times = f" ({attempts} attempts)" if attempts > 1 else ""
    return Failure(
        f"{migration.label}{where}: {error.message}{times} Nothing of this file was kept.",
        "migration_failed",
        version=migration.version,
        sqlstate=error.sqlstate,
        line=error.line,
        attempts=attempts,
    )


def _index(database: Database, name: str, *, valid: bool) -> str | None:
    """Qualified name of a valid or an INVALID index of this name, if there is one."""
    sql = """SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE i.indisvalid = %s AND c.relname = %s"""
    plain = name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
    rows = database.run(sql, (valid, plain))
    return str(rows[0][0]) if rows else None
