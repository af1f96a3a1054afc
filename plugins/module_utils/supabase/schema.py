# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fetch -> plan -> rehearse or apply -> fetch again, for the schema of a database."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

from . import catalog, drift, ledger, promises
from .clashes import refuse_clashes
from .database import Database, SqlError, Target, refuse_transaction_pooling
from .errors import Failure
from .expand import refuse_removals
from .migrations import Migration, passed_over, read_folders
from .plan import Plan, make_plan, refuse_contradictions
from .promises import Promises
from .runner import Judge, Limits, Outcome, Runner


@dataclass(frozen=True)
class Wanted:
    """What the caller asked for. state: applied, adopted (up to adopt_version) or verified."""

    folders: list[str]
    state: str = "applied"
    adopt_version: str | None = None
    compare: bool = False
    versions: list[str] = field(default_factory=list)
    missing: str = "fail"
    retired: list[str] = field(default_factory=list)
    out_of_order: str = "fail"
    expand_only: list[str] = field(default_factory=list)
    removals: list[str] = field(default_factory=list)
    exclusive: list[str] = field(default_factory=list)
    replaceable: list[str] = field(default_factory=list)
    promises: Promises = field(default_factory=Promises)
    limits: Limits = field(default_factory=Limits)


@dataclass
class Report:
    """What came of it; filled as we go, so that a failure can say how far it got."""

    changed: bool = False
    plan: Plan | None = None
    outcome: Outcome = field(default_factory=Outcome)
    adopted: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    difference: tuple[list[str], list[str]] | None = None
    queries: list[str] = field(default_factory=list)

    def as_result(self) -> dict[str, Any]:
        """The module's result, without msg and queries."""
        plan = self.plan or Plan()
        return {
            "changed": self.changed,
            "ran": self.outcome.ran,
            "adopted": self.adopted,
            "pending": [migration.label for migration in plan.pending],
            "applied": plan.applied,
            "missing": plan.missing,
            "unverifiable": plan.unverifiable,
            "passed_over": self.passed_over,
            "left_out": self.left_out,
            "not_rehearsed": self.outcome.skipped,
        }


class Session:
    """A locked connection that can be replaced by another when it is lost."""

    def __init__(self, target: Target, report: Report) -> None:
        self.target = target
        self.report = report
        self._stack = contextlib.ExitStack()

    def open(self) -> Database:
        database = self._stack.enter_context(Database(self.target))
        database.queries = self.report.queries
        return database

    def lock(self, database: Database, wait: float) -> None:
        self._stack.enter_context(ledger.lock(database, wait))

    def close(self) -> None:
        self._stack.close()


def converge(target: Target, wanted: Wanted, report: Report, *, check: bool, diff: bool) -> None:
    """Bring the database to the wanted state; report is filled also when this raises Failure."""
    read = read_folders(wanted.folders)
    files = [migration for migration in read if not wanted.versions or migration.version in wanted.versions]
    report.left_out = [migration.label for migration in read if migration not in files]
    report.passed_over = passed_over(wanted.folders)
    report.outcome.warnings += [
        f"{path} is passed over: a migration lies in the folder itself and is named <digits>_<name>.sql." for path in report.passed_over
    ]
    session = Session(target, report)
    with contextlib.closing(session):
        database = session.open()
        refuse_transaction_pooling(database)
        if not _plan(database, files, wanted, report) or wanted.state == "verified":
            return
        # Somebody else may have been at work until we got the lock.
        session.lock(database, wanted.limits.lock_wait)
        if not _plan(database, files, wanted, report):
            return

        def reconnect() -> Database:
            again = session.open()
            session.lock(again, wanted.limits.lock_wait)
            return again

        runner = Runner(database, wanted.limits, reconnect)
        if wanted.state == "adopted":
            if wanted.compare:
                _refuse_difference(target, files, wanted, report)
            _adopt(runner, wanted, report, check=check)
        else:
            _apply(runner, report, wanted.promises, check=check, diff=diff)
        if report.changed and not check:
            _plan(runner.database, files, wanted, report)


def _plan(database: Database, files: list[Migration], wanted: Wanted, report: Report) -> bool:
    """Compare files and ledger into report; whether there is anything to do."""
    retired = {migration.version for migration in read_folders(wanted.retired)} - {migration.version for migration in files}
    rows = [row for row in ledger.read(database) if row.version not in retired]
    plan = report.plan = make_plan(files, rows, lambda versions: ledger.recorded(database, versions))
    refuse_contradictions(plan, missing=wanted.missing, out_of_order="ignore" if wanted.state == "adopted" else wanted.out_of_order)
    if wanted.state == "verified" and plan.pending:
        labels = [migration.label for migration in plan.pending]
        raise Failure(f"Not applied: {', '.join(labels)}.", "pending", versions=labels)
    if wanted.state == "adopted":
        return bool(_to_adopt(plan, wanted, files))
    for migration in plan.pending:
        migration.steps()
    waiting = {migration.version for migration in plan.pending}
    begun = {migration.folder for migration in files if migration.version not in waiting}
    refuse_removals(plan.pending, begun, wanted.expand_only, wanted.removals)
    refuse_clashes(database, files, plan.pending, wanted.exclusive, wanted.replaceable)
    return bool(plan.pending)


def _to_adopt(plan: Plan, wanted: Wanted, files: list[Migration]) -> list[Migration]:
    limit = wanted.adopt_version or ""
    if limit not in {migration.version for migration in files}:
        raise Failure(f"adopt_version {limit} is not the version of any migration.", "adopt_version", version=limit)
    return [migration for migration in plan.pending if migration.version <= limit]


def _refuse_difference(target: Target, files: list[Migration], wanted: Wanted, report: Report) -> None:
    """Refuse to record files that do not make what is there, so that a new database would be another one."""
    plan = report.plan or Plan()
    waiting = {migration.version for migration in plan.pending if migration.version > (wanted.adopt_version or "")}
    report.difference = gone, come = drift.compare(target, [migration for migration in files if migration.version not in waiting], wanted.limits)
    if gone or come:
        words = [f"without {line}" for line in gone] + [f"besides {line}" for line in come]
        raise Failure(
            f"The database is not what the files up to {wanted.adopt_version} make: {'; '.join(words)[:3000]}. Nothing was recorded. "
            "Complete the files, or change the database, until both are the same.",
            "differs",
            gone=gone,
            come=come,
        )


def _adopt(runner: Runner, wanted: Wanted, report: Report, *, check: bool) -> None:
    plan = report.plan or Plan()
    chosen = [migration for migration in plan.pending if migration.version <= (wanted.adopt_version or "")]
    if not check:
        runner.adopt(chosen)
    report.adopted = [migration.label for migration in chosen]
    report.changed = bool(chosen)


def _apply(runner: Runner, report: Report, wanted: Promises, *, check: bool, diff: bool) -> None:
    plan = report.plan or Plan()
    scope = catalog.Scope()
    if check:
        report.difference = _rehearse(runner, plan.pending, report.outcome, scope, wanted)
        report.changed = True
        return
    if wanted and len(plan.pending) > 1:
        # Each file is committed for itself, and the last one may show what the first one broke. What only a commit can show is left to the apply.
        _rehearse(runner, plan.pending, Outcome(), scope, wanted)
    before = _snapshot(runner.database, scope) if diff else []
    try:
        runner.apply(plan.pending, report.outcome, _judge(wanted) if wanted else None)
    finally:
        report.changed = bool(report.outcome.ran)
    if diff:
        report.difference = catalog.difference(before, _snapshot(runner.database, scope))


# What a statement would have made that a rehearsal cannot run (CREATE INDEX CONCURRENTLY).
_OF_SKIPPED = ("foreign_key_without_index",)


def _judge(wanted: Promises) -> Judge:
    return lambda database: promises.refuse_broken(promises.examine(database, wanted))


def _rehearse(runner: Runner, pending: list[Migration], outcome: Outcome, scope: catalog.Scope, wanted: Promises) -> tuple[list[str], list[str]]:
    """Run everything and take it back. What has to hold is tried on the result, by what tries it before a commit and afterwards."""
    broken: list[str] = []

    def last(database: Database, so_far: list[Migration]) -> None:
        if len(so_far) == len(pending):
            without = _OF_SKIPPED if outcome.skipped else ()
            broken.extend(_complaints(database, wanted, without))

    difference = runner.rehearse(pending, outcome, scope, last if wanted else None)
    if broken:
        raise _refused(runner, pending, scope, wanted, broken)
    return difference


def _complaints(database: Database, wanted: Promises, without: tuple[str, ...] = ()) -> list[str]:
    """What is wrong in this state; a setup that cannot run is one thing of it."""
    try:
        return promises.examine(database, wanted, without=without).complaints
    except SqlError:
        raise
    except Failure as error:
        return [error.message]


def _refused(runner: Runner, pending: list[Migration], scope: catalog.Scope, wanted: Promises, broken: list[str]) -> Failure:
    """Name the file behind each complaint: the one from which on it holds to the end."""
    seen: list[tuple[str, set[str]]] = []
    with runner.database.transaction() as database:
        database.run("SAVEPOINT quetrex_judge")
        seen.append(("before these files", set(_complaints(database, wanted))))
    runner.rehearse(pending, Outcome(), scope, lambda database, so_far: seen.append((so_far[-1].label, set(_complaints(database, wanted)))))
    words = []
    for complaint in broken:
        since = [where for at, (where, _there) in enumerate(seen) if all(complaint in there for _where, there in seen[at:])]
        words.append(f"{since[0] if since else pending[-1].label}: {complaint}")
    text = "\n".join(words)
    return Failure(f"Nothing was applied, because what comes after the migrations would refuse the result:\n{text}", "not_met", promises=words)


def _snapshot(database: Database, scope: catalog.Scope) -> list[str]:
    with database.transaction() as inside:
        return catalog.snapshot(inside, scope)
