# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that two owners want: what a folder makes must be its own, and is never put in the place of anybody else's.

Only what a statement names counts. What a DO block composes while it runs cannot be seen beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .database import Database
from .errors import Failure
from .migrations import Migration

_BEFORE_THE_KIND = {"OR", "REPLACE", "GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED", "RECURSIVE", "UNIQUE", "CONSTRAINT", "FOREIGN", "MATERIALIZED"}
_BEFORE_THE_NAME = {"IF", "NOT", "EXISTS", "CONCURRENTLY"}
# The word behind CREATE -> the names among which an object's name must be new
_FAMILIES = {
    "TABLE": "relation", "VIEW": "relation", "SEQUENCE": "relation", "INDEX": "relation",
    "FUNCTION": "routine", "PROCEDURE": "routine", "AGGREGATE": "routine",
    "TYPE": "type", "DOMAIN": "type", "TRIGGER": "trigger", "POLICY": "policy", "PUBLICATION": "publication",
}  # fmt: skip
_ON_A_TABLE = {"trigger", "policy"}
_THERE = """
SELECT 'relation', n.nspname, c.relname, '' FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = ANY(%(names)s)
UNION ALL SELECT 'routine', n.nspname, p.proname, '' FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  WHERE p.proname = ANY(%(names)s)
UNION ALL SELECT 'type', n.nspname, t.typname, '' FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  WHERE t.typname = ANY(%(names)s)
UNION ALL SELECT 'trigger', n.nspname, c.relname, t.tgname FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE t.tgname = ANY(%(names)s)
UNION ALL SELECT 'policy', n.nspname, c.relname, p.polname FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE p.polname = ANY(%(names)s)
UNION ALL SELECT 'publication', '', pubname, '' FROM pg_catalog.pg_publication WHERE pubname = ANY(%(names)s)
"""


@dataclass(frozen=True, order=True)
class Key:
    """What must be unique. part: the name of a trigger or policy, whose relation schema.name is."""

    family: str
    schema: str
    name: str
    part: str = ""

    @property
    def relation(self) -> Key:
        return Key("relation", self.schema, self.name)


@dataclass(frozen=True)
class Made:
    """An object that a file makes. kind: as people call it."""

    key: Key
    kind: str
    migration: Migration
    line: int

    def __str__(self) -> str:
        place = f"{self.key.schema}.{self.key.name}" if self.key.schema else self.key.name
        return f"{self.kind} {self.key.part} on {place}" if self.key.part else f"{self.kind} {place}"


def refuse_clashes(database: Database, files: list[Migration], pending: list[Migration], exclusive: list[str], allowed: Iterable[str]) -> None:
    """Refuse pending files that would take a name that is another's. exclusive: folders that share nothing; allowed: objects, as messages name them."""
    if not exclusive or not pending:
        return
    waiting = {migration.version for migration in pending}
    theirs = [item for migration in files if migration.folder in exclusive for item in made_by(migration)]
    known = {item.key for item in theirs if item.migration.version not in waiting}
    new = [item for item in theirs if item.key not in known and item.key.relation not in known]
    there = _there(database, new)
    found = {str(item): f"{item} is there already and {item.migration.label} makes one" for item in new if item.key in there}
    owned = {item.key: item for item in theirs}
    for item in (one for migration in pending if migration.folder not in exclusive for one in made_by(migration)):
        if item.key in owned:
            found.setdefault(str(item), f"{item} is made by {owned[item.key].migration.label} and by {item.migration.label}, line {item.line}")
    left = {name: words for name, words in found.items() if name not in set(allowed)}
    if left:
        raise Failure(
            f"Names that are taken: {'; '.join(left.values())}. Nothing was written. Leave the folder out that is not wanted (for the tables of the "
            "platform's document: platform_database_profile: none), rename what is yours, record the version as applied if it is the very same object "
            "(adopt_version), or name the object in replaceable if the later one shall take its place.",
            "clash",
            objects=list(left),
        )


def made_by(migration: Migration) -> Iterator[Made]:
    """What a file's statements make by name."""
    for statement in migration.statements:
        found = None if statement.is_rows else _made(statement.words)
        if found is not None:
            yield Made(found[1], found[0], migration, statement.line)


def _made(words: tuple[str, ...]) -> tuple[str, Key] | None:
    """Kind and key of what a CREATE statement makes. words: keywords in upper case, quoted names as they are."""
    if words[:1] != ("CREATE",):
        return None
    at = 1
    while at < len(words) and words[at] in _BEFORE_THE_KIND:
        at += 1
    kind = words[at] if at < len(words) else ""
    family = _FAMILIES.get(kind)
    if family is None:
        return None
    at += 1
    while at < len(words) and words[at] in _BEFORE_THE_NAME:
        at += 1
    if family in _ON_A_TABLE or kind == "INDEX":
        if at >= len(words) or words[at] == "ON" or "ON" not in words[at:]:
            return None
        behind = words.index("ON", at) + 1
        schema, table = _name(words, behind + (words[behind : behind + 1] == ("ONLY",)))
        own = _plain(words[at])
        return kind.lower(), Key(family, schema, own) if kind == "INDEX" else Key(family, schema, table, own)
    schema, name = _name(words, at)
    return kind.lower(), Key(family, "" if family == "publication" else schema, name)


def _name(words: tuple[str, ...], at: int) -> tuple[str, str]:
    """Schema and name of an object; what has no schema is made in public."""
    if words[at + 1 : at + 2] == (".",):
        return _plain(words[at]), _plain(words[at + 2])
    return "public", _plain(words[at])


def _plain(word: str) -> str:
    """A name as the catalogue has it."""
    return word[1:-1].replace('""', '"') if word[0] == '"' else word.lower()


def _there(database: Database, wanted: list[Made]) -> set[Key]:
    """Those of these names that the catalogue has."""
    names = sorted({item.key.part or item.key.name for item in wanted})
    return {Key(*map(str, row)) for row in database.run(_THERE, {"names": names})} if names else set()
