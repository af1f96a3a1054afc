# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects a statement makes by name, from its parse tree. Pure.

Also by renaming or moving one, and in a DO block where nothing is asked first. What a block composes while it runs cannot be seen beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from . import grammar
from .script import Statement

_OF_A_TABLE = {"OBJECT_TRIGGER": "trigger", "OBJECT_POLICY": "policy", "OBJECT_RULE": "rule"}
_RELATIONS = {
    "OBJECT_TABLE": "table", "OBJECT_VIEW": "view", "OBJECT_MATVIEW": "materialized view", "OBJECT_SEQUENCE": "sequence", "OBJECT_INDEX": "index",
    "OBJECT_FOREIGN_TABLE": "foreign table",
}  # fmt: skip
_ROUTINES = {"OBJECT_FUNCTION": "function", "OBJECT_PROCEDURE": "procedure", "OBJECT_ROUTINE": "function", "OBJECT_AGGREGATE": "aggregate"}
_TYPES = {"OBJECT_TYPE": "type", "OBJECT_DOMAIN": "domain"}
_GIVEN = {"FUNC_PARAM_IN", "FUNC_PARAM_INOUT", "FUNC_PARAM_VARIADIC", "FUNC_PARAM_DEFAULT"}
_TEMPORARY = "t"


@dataclass(frozen=True, order=True)
class Key:
    """What must be unique. part: the name of a trigger, policy or rule, whose relation schema.name is; arguments: a routine's, as the catalogue has them."""

    family: str
    schema: str
    name: str
    part: str = ""
    arguments: str = ""

    @property
    def relation(self) -> Key:
        return Key("relation", self.schema, self.name)


@dataclass(frozen=True)
class Named:
    """A key, and what people call the kind of object."""

    kind: str
    key: Key


def search_path(statement: Statement, before: str) -> str:
    """The schema in which a name without one is made behind this statement."""
    node = None if statement.is_rows else statement.tree
    if node is None or grammar.kind(node) != "VariableSetStmt" or node.name != "search_path":
        return before
    given = [str(getattr(item.val, "sval", "")) for item in node.args or () if hasattr(item, "val")]
    return next((name for name in given if name and name != "$user"), "public")


def made_by(statement: Statement, schema: str = "public") -> Iterator[Named]:
    """What a statement makes. schema: where what has none is made."""
    if statement.data is None and not statement.is_rows and statement.tree is not None:
        for node in _nodes(statement):
            yield from _made(node, schema)


def _nodes(statement: Statement) -> Iterator[Any]:
    """The statement, or those of a block that are written in it."""
    if grammar.kind(statement.tree) != "DoStmt":
        yield statement.tree
        return
    for text in grammar.texts_of_block(statement.text):
        inner = grammar.tree(text)
        if inner is not None:
            yield inner


def _made(node: Any, schema: str) -> Iterable[Named]:
    reader = _READERS.get(grammar.kind(node))
    return reader(node, schema) if reader else ()


def _schema(node: Any, schema: str) -> Iterator[Named]:
    for part in node.schemaElts or ():
        yield from _made(part, node.schemaname or schema)


def _index(node: Any, schema: str) -> Iterator[Named]:
    if node.idxname:
        yield Named("index", Key("relation", node.relation.schemaname or schema, node.idxname))


def _defined(node: Any, schema: str) -> Iterator[Named]:
    kind = grammar.name(node.kind)
    if kind == "OBJECT_AGGREGATE":
        yield _routine("aggregate", node.defnames, () if node.oldstyle else node.args[0], schema)
    elif kind == "OBJECT_TYPE":
        yield _type("type", node.defnames, schema)


def _relation(kind: str, place: Any, schema: str) -> Iterator[Named]:
    """A relation that stays: names of temporary ones are nobody else's."""
    if place.relpersistence != _TEMPORARY and place.schemaname != "pg_temp":
        yield Named(kind, Key("relation", place.schemaname or schema, place.relname))


def _of_a_table(kind: str, relation: Any, name: str, schema: str) -> Named:
    return Named(kind, Key(kind, relation.schemaname or schema, relation.relname, name))


def _routine(kind: str, names: Any, parameters: Any, schema: str) -> Named:
    types = [item.argType for item in parameters or () if grammar.name(item.mode) in _GIVEN]
    return Named(kind, Key("routine", *_qualified(names, schema), arguments=_arguments(types)))


def _type(kind: str, names: Any, schema: str) -> Named:
    return Named(kind, Key("type", *_qualified(names, schema)))


def _qualified(names: Any, schema: str) -> tuple[str, str]:
    words = grammar.words(names)
    return (words[-2] if len(words) > 1 else schema), words[-1]


def _arguments(types: Iterable[Any]) -> str:
    """The names of types as pg_type has them: an array's begins with an underscore."""
    return ", ".join(("_" if item.arrayBounds else "") + grammar.words(item.names)[-1] for item in types)


def _other_name(node: Any, schema: str) -> Iterator[Named]:
    kind, place = grammar.name(node.renameType), node.relation
    if kind in _OF_A_TABLE:
        yield _of_a_table(_OF_A_TABLE[kind], place, node.newname, schema)
    elif kind in _RELATIONS:
        yield Named(_RELATIONS[kind], Key("relation", place.schemaname or schema, node.newname))
    elif kind in _ROUTINES:
        where, _name = _qualified(node.object.objname, schema)
        yield Named(_ROUTINES[kind], Key("routine", where, node.newname, arguments=_arguments(node.object.objargs or ())))
    elif kind in _TYPES:
        yield Named(_TYPES[kind], Key("type", _qualified(node.object, schema)[0], node.newname))
    elif kind == "OBJECT_PUBLICATION":
        yield Named("publication", Key("publication", "", node.newname))


def _other_schema(node: Any, _schema: str) -> Iterator[Named]:
    kind = grammar.name(node.objectType)
    if kind in _RELATIONS:
        yield Named(_RELATIONS[kind], Key("relation", node.newschema, node.relation.relname))
    elif kind in _ROUTINES:
        name = grammar.words(node.object.objname)[-1]
        yield Named(_ROUTINES[kind], Key("routine", node.newschema, name, arguments=_arguments(node.object.objargs or ())))
    elif kind in _TYPES:
        yield Named(_TYPES[kind], Key("type", node.newschema, grammar.words(node.object)[-1]))


_READERS: dict[str, Callable[[Any, str], Iterable[Named]]] = {
    "CreateSchemaStmt": _schema,
    "CreateStmt": lambda node, schema: _relation("table", node.relation, schema),
    "CreateForeignTableStmt": lambda node, schema: _relation("foreign table", node.base.relation, schema),
    "CreateTableAsStmt": lambda node, schema: _relation(_RELATIONS[grammar.name(node.objtype)], node.into.rel, schema),
    "ViewStmt": lambda node, schema: _relation("view", node.view, schema),
    "CreateSeqStmt": lambda node, schema: _relation("sequence", node.sequence, schema),
    "IndexStmt": _index,
    "CreateFunctionStmt": lambda node, schema: [_routine("procedure" if node.is_procedure else "function", node.funcname, node.parameters, schema)],
    "DefineStmt": _defined,
    "CreateEnumStmt": lambda node, schema: [_type("type", node.typeName, schema)],
    "CreateRangeStmt": lambda node, schema: [_type("type", node.typeName, schema)],
    "CompositeTypeStmt": lambda node, schema: [Named("type", Key("type", node.typevar.schemaname or schema, node.typevar.relname))],
    "CreateDomainStmt": lambda node, schema: [_type("domain", node.domainname, schema)],
    "CreateTrigStmt": lambda node, schema: [_of_a_table("trigger", node.relation, node.trigname, schema)],
    "CreatePolicyStmt": lambda node, schema: [_of_a_table("policy", node.table, node.policy_name, schema)],
    "RuleStmt": lambda node, schema: [_of_a_table("rule", node.relation, node.rulename, schema)],
    "CreatePublicationStmt": lambda node, _schema: [Named("publication", Key("publication", "", node.pubname))],
    "RenameStmt": _other_name,
    "AlterObjectSchemaStmt": _other_schema,
}
