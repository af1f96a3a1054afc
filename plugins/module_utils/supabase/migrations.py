# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migration files: the Supabase CLI's folder, read and judged before anything connects."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from .errors import Failure
from .lexer import Statement, Unterminated, statements, tokens

_NAME = re.compile(r"(?P<version>\d{14})_(?P<name>.*)\.sql", re.DOTALL)


@dataclass(frozen=True)
class Migration:
    """One file: folder/<14 digits>_<name>.sql."""

    version: str
    name: str
    folder: str
    text: str

    @property
    def label(self) -> str:
        return f"{self.version}_{self.name}"

    @property
    def sql(self) -> str:
        """What is sent: the file without a byte order mark, which PostgreSQL would take for a word."""
        return self.text.removeprefix("\ufeff")

    @cached_property
    def digest(self) -> str:
        """As the server computes it of the ledger's copy."""
        return hashlib.md5(self.text.encode(), usedforsecurity=False).hexdigest()

    @cached_property
    def statements(self) -> list[Statement]:
        try:
            return statements(self.sql)
        except Unterminated as error:
            raise Failure(f"{self.label}: {error}. Nothing was run.", "unterminated", version=self.version) from error

    @cached_property
    def transactional(self) -> bool:
        return not any(cannot_be_in_transaction(statement.words) for statement in self.statements)

    def says_the_same(self, recorded: list[str]) -> bool:
        """Whether the ledger's copy differs from the file in layout and comments at most.

        The CLI splits a file into statements and trims them; ours is one element holding the whole file.
        """
        try:
            theirs = [token for part in recorded for token in tokens(part.removeprefix("\ufeff"))]
        except Unterminated:
            return False
        return [_plain(token) for token in tokens(self.sql)] == [_plain(token) for token in theirs]


def _plain(token: str) -> str:
    return token.replace("\r\n", "\n")


def read_folder(folder: str) -> list[Migration]:
    """The migrations of one folder in order; refuses names the CLI would silently skip."""
    if not Path(folder).is_dir():
        raise Failure(f"The migrations folder {folder} does not exist.", "no_folder", folder=folder)
    # Not by pathlib: with a thousand files its objects cost more than the reading.
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.name.endswith(".sql") and entry.is_file())
    return [_read(folder, name) for name in names]


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
            f"{file}: a migration is named <14 digits>_<name>.sql, for example 20261122120000_add_table.sql. Rename it or move it out of {folder}.",
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


def refuse_unrunnable(migration: Migration) -> None:
    """Refuse what cannot be run the way we run it, naming the line, before anything is sent."""
    for statement in migration.statements:
        why = _unrunnable(statement.words)
        if why:
            raise Failure(f"{migration.label}, line {statement.line}: {why}", "unrunnable", version=migration.version, line=statement.line)
    if not migration.transactional and len(migration.statements) != 1:
        line = next(item.line for item in migration.statements if cannot_be_in_transaction(item.words))
        raise Failure(
            f"{migration.label}, line {line}: this statement cannot run in a transaction, so it needs a migration of its own: "
            "if the file failed half-way, nobody could say which half was done.",
            "not_alone",
            version=migration.version,
            line=line,
        )


def _unrunnable(words: tuple[str, ...]) -> str:
    if "\\" in words:
        return "psql commands (\\…) only exist in psql. Write SQL."
    if words[0] == "COPY" and _adjacent(words, "FROM", "STDIN"):
        return "COPY … FROM STDIN carries its data outside of SQL. Use INSERT, or load data in another way."
    if controls_transaction(words):
        return f"{' '.join(words[:2])} would end or begin a transaction. Each migration runs in one transaction of its own; leave transaction control out."
    return ""


def controls_transaction(words: tuple[str, ...]) -> bool:
    """Whether the statement begins or ends a transaction (savepoints do not)."""
    first, second, third = (*words[:3], "", "", "")[:3]
    if first in {"BEGIN", "COMMIT", "END", "ABORT"}:
        return True
    if first == "ROLLBACK":
        return second != "TO" and not (second in {"WORK", "TRANSACTION"} and third == "TO")
    return (first, second) in {("START", "TRANSACTION"), ("PREPARE", "TRANSACTION")}


def cannot_be_in_transaction(words: tuple[str, ...]) -> bool:
    """Whether PostgreSQL refuses the statement inside a transaction block."""
    first, second = (*words, "", "")[:2]
    if first == "VACUUM":
        return True
    if first in {"CREATE", "DROP"} and second in {"DATABASE", "TABLESPACE", "SUBSCRIPTION"}:
        return True
    if first == "CLUSTER":
        return len(words) == 1
    if (first, second) == ("ALTER", "SYSTEM"):
        return True
    if first == "REINDEX":
        return "CONCURRENTLY" in words or any(word in words[:6] for word in ("DATABASE", "SYSTEM", "SCHEMA"))
    if first in {"CREATE", "DROP"} and "INDEX" in words[:3]:
        return "CONCURRENTLY" in words[:4]
    return first == "ALTER" and second == "TABLE" and "DETACH" in words and words[-1] == "CONCURRENTLY"


def concurrent_index(migration: Migration) -> str | None:
    """Name of the index a CREATE INDEX CONCURRENTLY file makes, as written (possibly quoted)."""
    words, written = migration.statements[0].words, migration.statements[0].tokens
    if words[0] != "CREATE" or "INDEX" not in words[:3] or "CONCURRENTLY" not in words[:4]:
        return None
    at = words.index("CONCURRENTLY") + 1
    if words[at : at + 3] == ("IF", "NOT", "EXISTS"):
        at += 3
    return None if words[at] == "ON" else written[at]


def _adjacent(words: tuple[str, ...], first: str, second: str) -> bool:
    return any(pair == (first, second) for pair in pairwise(words))
