# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody changed past the migrations: the live schema beside the one that the migrations make in a shadow database on the same server."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace

from . import bootstrap, catalog, tables
from .database import Database, Target
from .ledger import ensure
from .migrations import read_folders
from .runner import Limits, Outcome, Runner


def find(target: Target, folders: list[str], limits: Limits) -> tuple[list[str], list[str]]:
    """Lines of the catalogue that only the migrations make, and lines that only the live database has."""
    with _shadow(target) as shadow:
        with Database(shadow) as database:
            bootstrap.make(database, bootstrap.missing(database))
            ensure(database)
            Runner(database, limits, lambda: database).apply(read_folders(folders), Outcome())
        wanted = _lines(shadow)
    return catalog.difference(wanted, _lines(target))


def _lines(target: Target) -> list[str]:
    with Database(target) as database, database.transaction():
        return tables.comparable(catalog.snapshot(database, catalog.Scope(catalog.MANAGED)), {target.user.split(".")[0], "postgres"})


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
