# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files against ledger: what is to be run, and what must not be run over. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .errors import Failure
from .migrations import Migration

Recorded = Callable[[list[str]], dict[str, list[str]]]


@dataclass(frozen=True)
class Row:
    """One row of the ledger. digest: of the only statement, or None when there are none or several."""

    version: str
    name: str | None
    digest: str | None
    count: int


@dataclass(frozen=True)
class Plan:
    """Everything is a list of labels or migrations, in the order in which they run."""

    pending: list[Migration] = field(default_factory=list)
    applied: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)
    unverifiable: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)


def make_plan(files: list[Migration], ledger: Iterable[Row], recorded: Recorded) -> Plan:
    """recorded fetches the ledger's copies of the given versions; asked only for those whose digest differs."""
    rows = {row.version: row for row in ledger}
    known = [migration for migration in files if migration.version in rows]
    doubtful = [migration for migration in known if rows[migration.version].digest != migration.digest]
    empty = {migration.version for migration in doubtful if not rows[migration.version].count}
    copies = recorded([migration.version for migration in doubtful if migration.version not in empty])
    versions = {migration.version for migration in files}
    pending = [migration for migration in files if migration.version not in rows]
    return Plan(
        pending=pending,
        applied=[migration.label for migration in known],
        edited=[item.label for item in doubtful if item.version in copies and not item.says_the_same(copies[item.version])],
        unverifiable=[migration.label for migration in doubtful if migration.version in empty],
        missing=[f"{row.version}_{row.name}" if row.name else row.version for row in rows.values() if row.version not in versions],
        out_of_order=[migration.label for migration in pending if _is_late(migration, known)],
    )


def _is_late(migration: Migration, known: list[Migration]) -> bool:
    """Older than something applied from the same folder. Folders are numbered independently of each other."""
    return any(other.folder == migration.folder and other.version > migration.version for other in known)


def refuse_contradictions(plan: Plan, *, missing: str, out_of_order: str) -> None:
    """Refuse to go on when files and ledger contradict each other. missing, out_of_order: 'fail' or 'ignore'."""
    if plan.edited:
        raise Failure(
            f"Edited after they were applied: {', '.join(plan.edited)}. The database has the old text. "
            "Restore the file and put the change into a new migration.",
            "edited",
            versions=plan.edited,
        )
    if plan.missing and missing == "fail":
        raise Failure(
            f"Applied, but without a file: {', '.join(plan.missing)}. "
            "Add the folder they come from to migrations, or set missing=ignore if another project owns them.",
            "missing",
            versions=plan.missing,
        )
    if plan.out_of_order and out_of_order == "fail":
        raise Failure(
            f"Older than what is already applied: {', '.join(plan.out_of_order)}. A fresh database would run them in another order. "
            "Give them a new version, or set out_of_order=ignore if they do not depend on the order.",
            "out_of_order",
            versions=plan.out_of_order,
        )
