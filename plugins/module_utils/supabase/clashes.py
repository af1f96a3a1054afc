# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that two owners want: what a folder makes must be its own, and is never put in the place of anybody else's.

What statements make is read from their parse trees, see names.py; what is there, from the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from . import names
from .database import Database
from .errors import Failure
from .migrations import Migration
from .names import Key
from .script import Statement

_THERE = """
SELECT 'relation', n.nspname, c.relname, '', '' FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relname = ANY(%(names)s)
UNION ALL SELECT 'routine', n.nspname, p.proname, '', coalesce((SELECT string_agg(t.typname, ', ' ORDER BY a.number)
  FROM pg_catalog.unnest(p.proargtypes) WITH ORDINALITY a(type, number) JOIN pg_catalog.pg_type t ON t.oid = a.type), '')
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE p.proname = ANY(%(names)s)
UNION ALL SELECT 'type', n.nspname, t.typname, '', '' FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  WHERE t.typname = ANY(%(names)s)
UNION ALL SELECT 'trigger', n.nspname, c.relname, t.tgname, '' FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE t.tgname = ANY(%(names)s)
UNION ALL SELECT 'policy', n.nspname, c.relname, p.polname, '' FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE p.polname = ANY(%(names)s)
UNION ALL SELECT 'rule', n.nspname, c.relname, r.rulename, '' FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE r.rulename = ANY(%(names)s)
UNION ALL SELECT 'publication', '', pubname, '', '' FROM pg_catalog.pg_publication WHERE pubname = ANY(%(names)s)
"""


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
    present = there(database, new)
    found = {str(item): f"{item} is there already and {item.migration.label} makes one" for item in new if item.key in present}
    owned = {item.key: item for item in theirs}
    for migration in (one for one in pending if one.folder not in exclusive):
        for item in made_by(migration):
            if item.key in owned:
                found.setdefault(str(item), f"{item} is made by {owned[item.key].migration.label} and by {migration.label}, line {item.line}")
        for statement, key in _unreadable(migration, owned):
            words = f"{owned[key]} is made by {owned[key].migration.label}, and {migration.label}, line {statement.line}, names it in unknown grammar"
            found.setdefault(str(owned[key]), words)
    left = {name: words for name, words in found.items() if name not in set(allowed)}
    if left:
        raise Failure(
            f"Names that are taken: {'; '.join(left.values())}. Nothing was written. Leave the folder out that is not wanted (for the "
            "profile's tables: platform_database_profile: none), rename what is yours, record the version as applied if it is the very same object "
            "(adopt_version), or name the object in replaceable if the later one shall take its place.",
            "clash",
            objects=list(left),
        )


def made_by(migration: Migration) -> Iterator[Made]:
    """What a file's statements make by name."""
    schema = "public"
    for statement in migration.statements:
        for named in names.made_by(statement, schema):
            yield Made(named.key, named.kind, migration, statement.line)
        schema = names.search_path(statement, schema)


def _unreadable(migration: Migration, owned: Iterable[Key]) -> Iterator[tuple[Statement, Key]]:
    """Statements of a grammar that the parser does not know, and that make something and name one of these."""
    for statement in migration.statements:
        if statement.data is None and not statement.is_rows and statement.tree is None and statement.words[:1] in {("CREATE",), ("ALTER",)}:
            said = {word[1:-1].replace('""', '"') if word[0] == '"' else word.lower() for word in statement.words}
            yield from ((statement, key) for key in owned if (key.part or key.name) in said)


def there(database: Database, wanted: list[Made]) -> set[Key]:
    """Those of these names that the catalogue has."""
    names = sorted({item.key.part or item.key.name for item in wanted})
    return {Key(*map(str, row)) for row in database.run(_THERE, {"names": names})} if names else set()
