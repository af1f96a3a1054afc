# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migration files: the Supabase CLI's folder, read and judged before anything connects."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from . import script
from .errors import Failure
from .lexer import Unreadable, cut, tokens, words
from .script import Refused, Statement, Step

_NAME = re.compile(r"(?P<version>[0-9]+)_(?P<name>.*)\.sql", re.DOTALL)
# Also templates (x.sql.j2), and what other tools call their files
_LIKE_SQL = re.compile(r"\.(?:sql|psql|pgsql|ddl)\b", re.IGNORECASE)
# A transaction of the file's own, which is run in ours: with or without these words the file says the same.
_OWN_TRANSACTION = {
    ("BEGIN",), ("BEGIN", "WORK"), ("BEGIN", "TRANSACTION"), ("START", "TRANSACTION"),
    ("COMMIT",), ("COMMIT", "WORK"), ("COMMIT", "TRANSACTION"), ("END",), ("END", "WORK"), ("END", "TRANSACTION"),
}  # fmt: skip


@dataclass(frozen=True)
class Migration:
    """One file: folder/<digits>_<name>.sql."""

    version: str
    name: str
    folder: str
    text: str

    @property
    def label(self) -> str:
        return f"{self.version}_{self.name}"

    @property
    def sql(self) -> str:
        """The file without a byte order mark, which PostgreSQL would take for a word."""
        return self.text.removeprefix("\ufeff")

    @cached_property
    def digest(self) -> str:
        """As the server computes it of the ledger's copy."""
        return _md5(self.text)

    @cached_property
    def statements(self) -> list[Statement]:
        try:
            return script.read(self.sql).statements
        except Unreadable as error:
            raise self._unreadable(error) from error

    def steps(self, *, limits: str = "", enum_values_alone: bool = False) -> list[Step]:
        """The file in the order in which it runs, see script.steps."""
        try:
            return script.steps(self.sql, limits=limits, enum_values_alone=enum_values_alone)
        except Unreadable as error:
            raise self._unreadable(error) from error
        except Refused as error:
            raise self._refused(str(error), error.code, error.line) from error

    def done_before(self, end: int) -> str:
        """Digest of what stands before a place of the file: a run that goes on there has to know that it is what was run."""
        return _md5(self.sql[:end].rstrip("; \t\r\n"))

    @property
    def adds_enum_values(self) -> bool:
        return any(script.adds_enum_value(statement) for statement in self.statements)

    def says_the_same(self, recorded: list[str]) -> bool:
        """Whether the ledger's copy differs from the file in layout, comments and BEGIN and COMMIT of its own at most.

        The CLI splits a file into statements and trims them; ours is one element holding the whole file.
        """
        try:
            return list(_said([self.text])) == list(_said(recorded))
        except Unreadable:
            return False

    def _unreadable(self, error: Unreadable) -> Failure:
        return self._refused(f"{error}.", "unterminated" if str(error).startswith("unterminated") else "unrunnable", error.line)

    def _refused(self, why: str, code: str, line: int) -> Failure:
        return Failure(f"{self.label}, line {line}: {why} Nothing was run.", code, version=self.version, line=line)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _said(texts: list[str]) -> Iterator[str]:
    """What the texts say: every token of every statement, and the rows of COPY."""
    for text in texts:
        pieces = cut(text.removeprefix("\ufeff"))
        for begin, end in pieces.spans:
            statement = words(pieces.sql[begin:end])
            if statement not in _OWN_TRANSACTION:
                # As written, for upper case in words() is for keywords.
                yield from (token.replace("\r\n", "\n") for token in tokens(pieces.sql[begin:end]))
                yield pieces.data.get(begin, ";").replace("\r\n", "\n")


def read_folder(folder: str) -> list[Migration]:
    """The migrations of one folder in order; refuses names the CLI would silently skip."""
    if not Path(folder).is_dir():
        raise Failure(f"The migrations folder {folder} does not exist.", "no_folder", folder=folder)
    # Not by pathlib: with a thousand files its objects cost more than the reading.
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.endswith(".sql") and entry.is_file()]
    # By version, as the CLI does: 0_x comes before 09_y, whatever the file names' order.
    return sorted((_read(folder, name) for name in names), key=lambda migration: (migration.version, migration.name))


def passed_over(folders: list[str]) -> list[str]:
    """Files that look like SQL and will not run: in a sub-folder, with another suffix, or behind a link to nowhere. The CLI passes them over, too."""
    found: list[str] = []
    for folder in folders:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        for entry in listed:
            if entry.is_dir():
                found += sorted(str(path) for path in Path(entry.path).rglob("*") if not path.is_dir() and _LIKE_SQL.search(path.name))
            elif _LIKE_SQL.search(entry.name) and not (entry.name.endswith(".sql") and entry.is_file()):
                found.append(entry.path)
    return found


def read_folders(folders: list[str]) -> list[Migration]:
    """All folders, each in its own order, one after the other."""
    found = [migration for folder in folders for migration in read_folder(folder)]
    seen: dict[str, Migration] = {}
    for migration in found:
        other = seen.setdefault(migration.version, migration)
        if other is not migration:
            message = f"Version {migration.version} is used twice: {other.label} and {migration.label}. The ledger knows a version once; rename the newer file."
            raise Failure(message, "duplicate_version", version=migration.version, files=[other.label, migration.label])
    return found


def _read(folder: str, file: str) -> Migration:
    match = _NAME.fullmatch(file)
    if match is None:
        raise Failure(
            f"{file}: a migration is named <digits>_<name>.sql, for example 20261122120000_add_table.sql. Rename it or move it out of {folder}.",
            "file_name",
            file=file,
        )
    try:
        # As bytes: the ledger's copy has to reproduce the file exactly.
        with open(f"{folder}/{file}", "rb", buffering=0) as handle:  # noqa: PTH123 - as above
            text = handle.read().decode()
    except UnicodeDecodeError as error:
        raise Failure(f"{file} is not UTF-8 ({error.reason} at byte {error.start}).", "encoding", file=file) from error
    if "\0" in text:
        raise Failure(f"{file} contains a zero byte, which PostgreSQL cannot take.", "encoding", file=file)
    return Migration(match["version"], match["name"], folder, text)


@dataclass(frozen=True)
class Index:
    """The index that CREATE INDEX CONCURRENTLY makes. table: as the statement names it, quoted."""

    name: str
    table: str


def concurrent_index(statement: Statement) -> Index | None:
    """None for other statements, and for an index that PostgreSQL names."""
    if statement.kind != "IndexStmt" or not statement.tree.idxname:
        return None
    relation = statement.tree.relation
    quoted = ['"' + part.replace('"', '""') + '"' for part in (relation.schemaname, relation.relname) if part]
    return Index(statement.tree.idxname, ".".join(quoted))
