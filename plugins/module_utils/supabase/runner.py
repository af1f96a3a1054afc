# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applying a plan: one transaction and two round trips per file, every commit proved by reading it back."""

from __future__ import annotations

import contextlib
import io
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from . import catalog, ledger, notes, script
from .database import ConnectionLost, Database, SqlError
from .errors import Failure, explain_sql
from .migrations import Index, Migration, concurrent_index
from .script import Step

# Looks at what a file made before it is committed, and raises Failure if that must not be. Whatever it does is taken back.
Judge = Callable[[Database], None]

# Lock not available, deadlock, serialization failure: nothing happened, so the file can be run again.
_REPEATABLE = {"55P03", "40P01", "40001"}
_ENUM_VALUE_TOO_NEW = "55P04"
# A rehearsal commits nothing between two files: new enum values stay unusable, and every lock is held to the end (out of shared memory).
_NEEDS_A_COMMIT = {_ENUM_VALUE_TOO_NEW, "53200"}
_PENDING_EVENTS = "55006"
_ENDS = "2D000"
# What a statement says that was run a second time.
_DONE_ALREADY = {"CREATE": {"42P07", "42P04", "42710"}, "DROP": {"42704", "3D000"}}
# Statements after which nothing new is there that a later file could need.
_MAKES_NOTHING = {"VacuumStmt", "ReindexStmt", "ClusterStmt", "AlterSystemStmt", "AlterDatabaseStmt"}

# Whoever ends our transaction inside a file and begins another loses both marks. The setting is cheap to read, and RESET takes it away as well; the
# lock of the transaction survives that, and is asked for only then.
_SETTING, _MARK = "quetrex.transaction", 0x51574C58
_MARKS = f"""SELECT pg_catalog.set_config('{_SETTING}', pg_catalog.pg_current_xact_id()::text, true),
  pg_catalog.pg_advisory_xact_lock({_MARK}, pg_catalog.pg_backend_pid());
"""
_SESSION = "RESET ALL; RESET SESSION AUTHORIZATION; RESET ROLE"
_ENDED, _MOVED, _UNLOCKED = (
    "the migration ended its transaction and began another",
    "the server connection changed: this is a pooler in transaction mode",
    "the migration gave the lock back that keeps two runs apart, and another run took it",
)
# Taken once more by whoever has it; all of it is given back at the end.
_LOST = f"WHEN NOT pg_catalog.pg_try_advisory_lock({ledger.LOCK}) THEN '{_UNLOCKED}' ELSE '0' END::int"
# A cast that fails says so at a third of what a DO block costs.
_PROOF = f"""RESET SESSION AUTHORIZATION; RESET ROLE; SELECT CASE
WHEN pg_catalog.pg_backend_pid() <> {{pid}} THEN '{_MOVED}'
WHEN pg_catalog.current_setting('{_SETTING}', true) IS DISTINCT FROM pg_catalog.pg_current_xact_id()::text AND NOT EXISTS (
  SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND pid = {{pid}} AND granted AND classid::bigint = {_MARK} AND objid::bigint = {{pid}}
  AND objsubid = 2) THEN '{_ENDED}'
{_LOST};
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

    def sql(self, verb: str) -> str:
        """verb: SET or SET LOCAL."""
        milliseconds = {"lock_timeout": int(self.lock_timeout * 1000), "statement_timeout": int(self.statement_timeout * 1000)}
        return "; ".join(f"{verb} {name} = {value}" for name, value in {**milliseconds, "idle_in_transaction_session_timeout": 0}.items())


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
        # Whether a rehearsal lacks something that a statement would have made which it could not run.
        self.lacks = False

    def apply(self, pending: list[Migration], outcome: Outcome, judge: Judge | None = None) -> None:
        """Run the pending migrations in order; outcome is filled as we go. judge: asked before the last one is committed."""
        noted: set[str] = set()
        if pending:
            ledger.ensure(self.database)
            noted = notes.noted(self.database)
        for migration in pending:
            began = self.limits.clock()
            last = judge if migration is pending[-1] else None
            attempts = self._with_retries(migration, last, resumed=migration.version in noted)
            outcome.ran.append({"version": migration.version, "name": migration.name, "seconds": round(self.limits.clock() - began, 3), "attempts": attempts})

    def adopt(self, migrations: list[Migration]) -> None:
        """Record migrations as applied without running them, all or none."""
        ledger.ensure(self.database)
        noted = notes.noted(self.database)
        if noted:
            notes.ensure(self.database)
        self.database.run("BEGIN")
        for migration in migrations:
            begun = migration.version in noted
            self.database.run(notes.record_sql(noted=begun), (*([migration.version] if begun else []), *ledger.values(migration)))
        self.database.run("COMMIT")
        lost = [migration.label for migration in migrations if not ledger.contains(self.database, migration.version)]
        if lost:
            raise Failure(f"Not in the ledger after the commit: {', '.join(lost)}.", "commit_lost", versions=lost)

    def _with_retries(self, migration: Migration, judge: Judge | None, *, resumed: bool) -> int:
        enum_values_alone = False
        attempt = 1
        while True:
            work = self._prepare(migration, judge, resumed=resumed, enum_values_alone=enum_values_alone)
            try:
                self._run(work)
            except SqlError as error:
                self.database.rollback()
                if error.sqlstate == _ENUM_VALUE_TOO_NEW and not enum_values_alone and migration.adds_enum_values:
                    # Nothing of the step was kept; now with a commit behind each value, as psql does it.
                    enum_values_alone = True
                    continue
                if error.sqlstate not in _REPEATABLE or attempt > self.limits.retries:
                    raise _in_file(work, error, attempt) from error
                self._pause(attempt)
                attempt += 1
                resumed = resumed or len(work.steps) > 1
            except Failure:
                # Of a connection that was lost there is nothing to roll back.
                with contextlib.suppress(Failure):
                    self.database.rollback()
                raise
            else:
                return attempt

    def _prepare(self, migration: Migration, judge: Judge | None, *, resumed: bool, enum_values_alone: bool) -> _File:
        done = notes.progress(self.database, migration.version) if resumed else None
        limits = self.limits.sql("SET LOCAL")
        work = _File(migration, migration.steps(limits=limits, enum_values_alone=enum_values_alone), judge, done)
        if done and work.next_step is None and migration.adds_enum_values:
            work.steps = migration.steps(limits=limits, enum_values_alone=True)
        return work

    def _run(self, work: _File) -> None:
        if len(work.steps) == 1 and not work.steps[0].alone and not work.done:
            self._in_transaction(work, 0, f"{_SESSION}; {work.steps[0].opening}; {self.limits.sql('SET LOCAL')}; ")
        else:
            self._in_steps(work)

    def _in_steps(self, work: _File) -> None:
        """A file that no single transaction holds: every step notes that it is done, and the last one records the file."""
        self.database.run(f"{_SESSION}; {self.limits.sql('SET')}")
        begins = work.next_step
        if begins is None:
            raise _begun_differently(work)
        notes.ensure(self.database)
        work.kept, work.noted = begins, work.done is not None
        for statement in work.migration.statements:
            if begins and statement.begin < work.start(begins) and script.sets_session(statement):
                self.database.run(statement.text)
        for number in range(begins, len(work.steps)):
            if work.steps[number].alone:
                self._alone(work, number, begun=number == begins and work.begun)
            else:
                self._in_transaction(work, number, f"{work.steps[number].opening}; ")
            work.kept, work.noted = number + 1, True
        if begins == len(work.steps):
            notes.record(self.database, work.migration)
        self.database.run(_SESSION)

    def _in_transaction(self, work: _File, number: int, opening: str) -> None:
        """First round trip: begin, limits, the step. Second: proof, ledger row or note, commit, read back."""
        label = work.migration.label
        try:
            self._send(opening + _MARKS, work.steps[number])
        except ConnectionLost as error:
            raise Failure(f"The connection was lost while {label} ran. {work.words_kept} Run again. {error.message}", "connection_lost") from error
        if not self.database.in_transaction:
            raise Failure(f"{label} ended its transaction: what came before that is done, and it is not recorded. Repair by hand.", "transaction_control")
        last = number == len(work.steps) - 1
        if last and work.judge:
            self._judge(work, f"{label} was not applied, because what comes after it would refuse the result. {work.words_kept}")
        self._commit(work, number, last=last)

    def _send(self, prelude: str, step: Step) -> None:
        """A step as it stands in the file; an error's line is the file's."""
        for part in step.parts:
            if part.data is not None and prelude:
                self.database.run(prelude)
                prelude = ""
            try:
                if part.data is None:
                    self.database.run(prelude + part.sql)
                else:
                    self.database.copy_in(part.sql, io.StringIO(part.data))
            except SqlError as error:
                # Of an error in its rows COPY says no place in the SQL.
                error.line = error.line or (1 if part.data is not None else None)
                error.line = error.line and error.line - prelude.count("\n") + part.line - 1
                raise
            prelude = ""

    def _judge(self, work: _File, words: str) -> None:
        try:
            with _taken_back(self.database):
                if work.judge:
                    work.judge(self.database)
        except SqlError:
            raise
        except Failure as error:
            raise Failure(f"{words}\n{error.message}", error.code, **error.details, version=work.migration.version) from error

    def _commit(self, work: _File, number: int, *, last: bool) -> None:
        migration, proof = work.migration, _PROOF.format(pid=self.pid)
        if last:
            sql = f"{proof}{notes.record_sql(noted=work.noted)}; COMMIT; {ledger.READ_BACK}"
            arguments: tuple[Any, ...] = (*([migration.version] if work.noted else []), *ledger.values(migration), migration.version)
        else:
            after = notes.Progress(number + 1, begun=False, digest=migration.done_before(work.steps[number].end))
            sql = f"{proof}{notes.note_sql()}; COMMIT; SELECT %s"
            arguments = (migration.version, after.step, after.begun, after.digest, migration.version)
        try:
            rows = self.database.run(sql, arguments)
        except SqlError as error:
            if _ENDED in error.message:
                raise SqlError(f"{_ENDED}. {explain_sql(_ENDS)}", _ENDS) from error
            raise
        except ConnectionLost as error:
            rows = self._after_a_lost_commit(work, number, last=last, lost=error)
        if rows != [(migration.version,)]:
            raise Failure(
                f"{migration.label} is not in the ledger after its commit. Something removed it; nothing further was run.",
                "commit_lost",
                version=migration.version,
            )

    def _after_a_lost_commit(self, work: _File, number: int, *, last: bool, lost: ConnectionLost) -> list[tuple[Any, ...]]:
        """Ask a new session whether the commit came through."""
        self.database = self.reconnect()
        self.pid = _server_pid(self.database)
        version = work.migration.version
        if last:
            there = ledger.exists(self.database) and ledger.contains(self.database, version)
        else:
            noted = notes.progress(self.database, version)
            there = noted is not None and noted.step == number + 1
        if there and last:
            return [(version,)]
        kept = "" if there else work.words_kept
        raise Failure(f"The connection was lost before {work.migration.label} was committed. {kept} Run again. {lost.message}", "connection_lost") from lost

    def _alone(self, work: _File, number: int, *, begun: bool) -> None:
        """A statement that PostgreSQL refuses in a transaction: noted, run, checked, then recorded."""
        migration, step = work.migration, work.steps[number]
        if step.alone is None:
            raise AssertionError(number)
        index = concurrent_index(step.alone)
        if index and (broken := _index(self.database, index, valid=False)):
            # Left behind by a run that was killed. Nothing uses it, and IF NOT EXISTS would take it for the real one.
            self.database.run(f"DROP INDEX CONCURRENTLY {broken}")
        # An index of this name that was there before us is somebody else's: that has to fail, now and after a kill.
        if not begun and not (index and _index(self.database, index, valid=True)):
            notes.note(self.database, migration, notes.Progress(number, begun=True, digest=migration.done_before(step.end)))
        try:
            self._send("", step)
        except SqlError as error:
            if not (begun and error.sqlstate in _DONE_ALREADY.get(step.alone.words[0], ())):
                self._not_done(work, number)
                raise
        if index and (broken := _index(self.database, index, valid=False)):
            raise Failure(
                f"{migration.label} left the index {broken} INVALID. Find out why (duplicates?), then run again; it will be dropped and rebuilt.",
                "invalid_index",
            )
        if number < len(work.steps) - 1:
            notes.note(self.database, migration, notes.Progress(number + 1, begun=False, digest=migration.done_before(step.end)))
            return
        notes.record(self.database, migration)
        if not ledger.contains(self.database, migration.version):
            raise Failure(f"{migration.label} is not in the ledger after it ran.", "commit_lost", version=migration.version)
        if work.judge:
            with self.database.transaction():
                self._judge(work, f"{migration.label} was applied: its last statement cannot run in a transaction. What comes after it refuses the result.")

    def _not_done(self, work: _File, number: int) -> None:
        """A statement failed before our eyes: what came before it in the file stays noted."""
        if number:
            before = notes.Progress(number, begun=False, digest=work.migration.done_before(work.start(number)))
            notes.note(self.database, work.migration, before)
        else:
            notes.forget(self.database, work.migration)

    def rehearse(
        self, pending: list[Migration], outcome: Outcome, schemas: catalog.Scope, judge: Callable[[Database, list[Migration]], None] | None = None
    ) -> tuple[list[str], list[str]]:
        """Really run everything in one transaction and roll it back; the catalogue lines that would go and come.

        Its locks are real while it lasts, so it waits for locks no longer than an apply would, and as often. judge: asked after each file, with the
        files so far.
        """
        attempt = 1
        while True:
            tried = Outcome()
            try:
                difference = self._rehearse(pending, tried, schemas, judge)
            except Failure as error:
                if error.details.get("sqlstate") not in _REPEATABLE or attempt > self.limits.retries:
                    raise
                self._pause(attempt)
                attempt += 1
            else:
                return difference
            finally:
                outcome.ran, outcome.skipped = tried.ran, tried.skipped
                outcome.warnings += [warning for warning in tried.warnings if warning not in outcome.warnings]

    def _rehearse(
        self, pending: list[Migration], outcome: Outcome, schemas: catalog.Scope, judge: Callable[[Database, list[Migration]], None] | None
    ) -> tuple[list[str], list[str]]:
        with self.database.transaction() as database:
            # The catalogue's functions wait for locks, too.
            database.run(self.limits.sql("SET LOCAL"))
            before = catalog.snapshot(database, schemas)
            for number, migration in enumerate(pending, 1):
                if not self._rehearse_one(migration, outcome):
                    return [], []
                if judge:
                    with _taken_back(database):
                        judge(database, pending[:number])
            database.run(f"{_SESSION}; SET CONSTRAINTS ALL IMMEDIATE")
            return catalog.difference(before, catalog.snapshot(database, schemas))

    def _rehearse_one(self, migration: Migration, outcome: Outcome) -> bool:
        """Whether the rehearsal can go on."""
        began = self.limits.clock()
        steps = migration.steps(limits=self.limits.sql("SET LOCAL"))
        alone = [step.alone for step in steps if step.alone]
        if alone:
            outcome.skipped.append(migration.label)
            lines = ", ".join(str(statement.line) for statement in alone)
            outcome.warnings.append(f"{migration.label}, line {lines}: cannot run in a transaction, so check mode did not try it.")
        self.lacks = self.lacks or any(statement.kind not in _MAKES_NOTHING for statement in alone)
        try:
            self._send_to_rehearse(steps)
        except SqlError as error:
            if not (self.lacks or error.sqlstate in _NEEDS_A_COMMIT):
                raise _in_file(_File(migration, steps), error, 1) from error
            self.database.run("ROLLBACK TO SAVEPOINT quetrex")
            outcome.warnings.append(f"Check mode stopped before {migration.label}, which needs something that only a real run can commit: {error.message}")
            return False
        if len(alone) < len(steps):
            outcome.ran.append({"version": migration.version, "name": migration.name, "seconds": round(self.limits.clock() - began, 3), "attempts": 1})
        return True

    def _send_to_rehearse(self, steps: list[Step]) -> None:
        """What a commit between two files does beside keeping them: deferred constraints are checked, if a file cannot run before they are."""
        try:
            self._send_all(steps)
        except SqlError as error:
            if error.sqlstate != _PENDING_EVENTS:
                raise
            self.database.run("ROLLBACK TO SAVEPOINT quetrex; SET CONSTRAINTS ALL IMMEDIATE")
            self._send_all(steps)

    def _send_all(self, steps: list[Step]) -> None:
        prelude = f"{_SESSION}; {self.limits.sql('SET LOCAL')}; SAVEPOINT quetrex;\n"
        for step in steps:
            if not step.alone:
                self._send(prelude, step)
                prelude = ""
        self.database.run(f"SELECT CASE {_LOST}")

    def _pause(self, attempt: int) -> None:
        self.limits.sleep(min(30, 0.5 * 2**attempt) * random.uniform(0.5, 1))  # noqa: S311 - spreads runs, no secret


@dataclass
class _File:
    """A file that runs. done: what an earlier run noted of it; kept: how many of its steps are committed; noted: whether the database says so."""

    migration: Migration
    steps: list[Step]
    judge: Judge | None = None
    done: notes.Progress | None = None
    kept: int = 0
    noted: bool = False

    def start(self, number: int) -> int:
        """Where a step begins: behind the end of the previous one."""
        return self.steps[number - 1].end if number else 0

    @property
    def next_step(self) -> int | None:
        """The step to run next; None if what was run has another text now."""
        done = self.done
        if done is None or (done.begun and done.step == 0):
            return 0
        if done.step > len(self.steps) - done.begun:
            return None
        stands = self.migration.done_before(self.steps[done.step].end if done.begun else self.start(done.step))
        return done.step if stands == done.digest else None

    @property
    def begun(self) -> bool:
        """Whether the next step, which runs alone, may have been done by a run that was killed."""
        done = self.done
        if done is None or not done.begun or self.next_step is None:
            return False
        # Before files could have several steps, the digest was of the whole file.
        return done.digest in {self.migration.done_before(self.steps[done.step].end), self.migration.digest}

    @property
    def words_kept(self) -> str:
        if not self.kept:
            return "Nothing of this file was kept."
        line = self.migration.sql.count("\n", 0, self.start(self.kept)) + 1
        return f"What stands up to line {line} of this file is committed and noted: leave that as it is, correct what follows, and run again."


def _begun_differently(work: _File) -> Failure:
    return Failure(
        f"{work.migration.label}: an earlier run committed the first part of this file, and that part has another text now. "
        "Restore it and run again; or do by hand what is left, and adopt the file (state=adopted).",
        "begun_differently",
        version=work.migration.version,
    )


@contextlib.contextmanager
def _taken_back(database: Database) -> Iterator[None]:
    """Work within a transaction of which nothing stays, as the user who connected and without what a file set."""
    database.run(f"SAVEPOINT quetrex_judge; {_SESSION}")
    try:
        yield
    finally:
        database.run("ROLLBACK TO SAVEPOINT quetrex_judge; RELEASE SAVEPOINT quetrex_judge")


def _server_pid(database: Database) -> int:
    return int(database.run("SELECT pg_catalog.pg_backend_pid()")[0][0])


def _in_file(work: _File, error: SqlError, attempts: int) -> Failure:
    where = f", line {error.line}" if error.line and error.line > 0 else ""
    times = f" ({attempts} attempts)" if attempts > 1 else ""
    return Failure(
        f"{work.migration.label}{where}: {error.message}{times} {work.words_kept}",
        "migration_failed",
        version=work.migration.version,
        sqlstate=error.sqlstate,
        line=error.line,
        attempts=attempts,
    )


def _index(database: Database, index: Index, *, valid: bool) -> str | None:
    """Qualified name of a valid or an INVALID index of this name on this table, if there is one."""
    sql = """SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE i.indisvalid = %s AND c.relname = %s AND i.indrelid = pg_catalog.to_regclass(%s)"""
    rows = database.run(sql, (valid, index.name, index.table))
    return str(rows[0][0]) if rows else None
