# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody changed past the migrations: the live schema beside the one that the migrations make in a shadow database on the same server.

What the migrations leave to default privileges depends on when a table was made: Supabase opened new objects of `public` to its API roles, and
changed that in running projects. A grant is a difference only when none of the starts explains it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace

from . import bootstrap, catalog, privileges, tables
from .database import Database, Target
from .ledger import ensure
from .migrations import Migration, read_folders
from .runner import Limits, Outcome, Runner


def find(target: Target, folders: list[str], limits: Limits) -> tuple[list[str], list[str]]:
    """Lines of the catalogue that only the migrations make, and lines that only the live database has."""
    return compare(target, read_folders(folders), limits)


def compare(target: Target, files: list[Migration], limits: Limits) -> tuple[list[str], list[str]]:
    """As find, for these files alone."""
    live = _lines(target)
    with Database(target) as database:
        known = (privileges.OLD, privileges.NEW)
        starts = known if database.run(privileges.OPEN)[0][0] else (privileges.CLOSED, *known)
    gone, come = catalog.difference(_made(target, files, limits, starts[0]), live)
    for start in starts[1:]:
        if not any(line.startswith("grant ") for line in (*gone, *come)):
            break
        others = catalog.difference(_made(target, files, limits, start), live)
        gone, come = ([line for line in mine if line in theirs] for mine, theirs in zip((gone, come), others, strict=True))
    return gone, come


def _made(target: Target, files: list[Migration], limits: Limits, start: tuple[str, ...]) -> list[str]:
    """The catalogue that the files make of an empty database with these default privileges."""
    with _shadow(target) as shadow:
        with Database(shadow) as database:
            bootstrap.make(database, bootstrap.missing(database))
            for sql in start:
                database.run(sql)
            ensure(database)
            Runner(database, limits, lambda: database).apply(files, Outcome())
        return _lines(shadow)


def _lines(target: Target) -> list[str]:
    with Database(target) as database, database.transaction():
        return tables.comparable(catalog.snapshot(database, catalog.APPLICATION), {target.user.split(".")[0], "postgres"})


@contextlib.contextmanager
def _shadow(target: Target) -> Iterator[Target]:
    """An empty database beside the real one, dropped at the end."""
    name = f"quetrex_shadow_{os.getpid()}"
    with Database(target) as database:
        database.run(f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            yield replace(target, database=name)
        finally:
            database.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
