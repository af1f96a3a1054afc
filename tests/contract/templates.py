# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which values a role's templates paste: neither through a writer of the file's language, nor of a kind that every language reads as it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import nodes

from contract import expressions

WRITERS = frozenset(
    {f"quetrex.platform.{name}" for name in ("literal", "nginx_string", "url", "env_file", "ssh_files", "bearer_digest", "header_digest")}
    | {"quote", "int", "float", "bool", "hash", "to_json", "to_nice_json", "to_yaml", "to_nice_yaml"}
)
"""What gives back text that the reader takes as one value, or a number or a switch."""
KEEPING = frozenset(
    {"join", "max", "min", "sum", "round", "lower", "upper", "unique", "sort", "list", "first", "last", "select", "dictsort", "default", "trim", "string"}
)
"""What makes nothing harmful of harmless values."""


class Judge:
    """One template with the internal variables of its role."""

    def __init__(self, tree: nodes.Template, own: Mapping[str, Any]) -> None:
        self.tree, self.own = tree, own
        self.macros = {macro.name: macro for macro in tree.find_all(nodes.Macro)}
        self.resolving: set[str] = set()

    def pasted(self) -> Iterator[tuple[int, str]]:
        """Line and expression of each value that nobody has written."""
        for node, parents in expressions.with_parents(self.tree):
            if isinstance(node, nodes.Output):
                for part in node.nodes:
                    if not isinstance(part, nodes.TemplateData) and not self.harmless(part, (*parents, node)):
                        yield part.lineno, shown(part)

    def harmless(self, node: nodes.Node, parents: tuple[nodes.Node, ...]) -> bool:
        """Whether every value an expression can have is written, or made of what stands in the role itself."""
        if isinstance(node, (nodes.Const, nodes.TemplateData)):
            return True
        if isinstance(node, nodes.Filter):
            return self._filtered(node, parents)
        if isinstance(node, nodes.CondExpr):
            return all(self.harmless(one, parents) for one in (node.expr1, node.expr2) if one is not None)
        if isinstance(node, (nodes.Getattr, nodes.Getitem)):
            return self._part(node, parents)
        if isinstance(node, nodes.Name):
            return self._name(node.name, parents)
        if isinstance(node, nodes.Call):
            # a macro's own text is judged where it stands
            return isinstance(node.node, nodes.Name) and node.node.name in self.macros
        if isinstance(node, (nodes.BinExpr, nodes.Concat, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.UnaryExpr, nodes.Output)):
            return all(self.harmless(child, parents) for child in node.iter_child_nodes())
        return isinstance(node, (nodes.Compare, nodes.Test, nodes.Not))

    def _filtered(self, node: nodes.Filter, parents: tuple[nodes.Node, ...]) -> bool:
        if node.name in WRITERS:
            return True
        if node.name == "map":
            return bool(node.args) and isinstance(node.args[0], nodes.Const) and node.args[0].value in WRITERS
        return node.name in KEEPING and all(self.harmless(one, parents) for one in (node.node, *node.args) if one is not None)

    def _part(self, node: nodes.Getattr | nodes.Getitem, parents: tuple[nodes.Node, ...]) -> bool:
        """A part of one of the role's own variables; anything else is somebody else's."""
        key = node.attr if isinstance(node, nodes.Getattr) else node.arg.value if isinstance(node.arg, nodes.Const) else None
        if isinstance(node.node, nodes.Name):
            value = self.own.get(node.node.name)
            if isinstance(value, Mapping):
                return all(self.text(one) for name, one in value.items() if key in (None, name))
            if isinstance(value, list):
                return all(self.text(one) for one in value)
        return self.harmless(node.node, parents)

    def _name(self, name: str, parents: tuple[nodes.Node, ...]) -> bool:
        for place in range(len(parents) - 1, -1, -1):
            parent, above = parents[place], parents[:place]
            if isinstance(parent, nodes.For):
                found = bound(parent.target, name)
                if found is not None:
                    return self._elements(parent.iter, found, above)
            if isinstance(parent, nodes.Macro) and name in [argument.name for argument in parent.args]:
                return self._argument(parent, name)
        if name in self.own and name not in self.resolving:
            self.resolving.add(name)
            try:
                return self.text(self.own[name])
            finally:
                self.resolving.discard(name)
        return False

    def _elements(self, source: nodes.Node, place: tuple[int, ...], parents: tuple[nodes.Node, ...]) -> bool:
        """What a loop gives its name: the elements of a list in the template, one place of each where they are tuples, keys and values of a mapping."""
        node: nodes.Node | None = source
        while isinstance(node, nodes.Filter) and node.name in ("dictsort", "select", "sort", "unique"):
            node = node.node
        if isinstance(node, nodes.List):
            return all(
                self.harmless(one.items[place[0]] if place and isinstance(one, nodes.Tuple) else one, parents)  #
                for one in node.items
            )
        if isinstance(node, nodes.Dict) and place:
            return all(self.harmless(pair.value if place[0] else pair.key, parents) for pair in node.items)
        return node is not None and self.harmless(node, parents)

    def _argument(self, macro: nodes.Macro, name: str) -> bool:
        """What a macro is called with."""
        place = [argument.name for argument in macro.args].index(name)
        for node, parents in expressions.with_parents(self.tree):
            if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == macro.name:
                named = {one.key: one.value for one in node.kwargs}
                value = named.get(name) or (node.args[place] if place < len(node.args) else None)
                if value is not None and not self.harmless(value, parents):
                    return False
        return True

    def text(self, value: Any) -> bool:
        """Whether a value of the role's own, with the templates in it, is harmless."""
        if isinstance(value, Mapping):
            return all(self.text(one) for one in value.values())
        if isinstance(value, list):
            return all(self.text(one) for one in value)
        parsed = expressions.tree(value) if isinstance(value, str) else None
        return parsed is None or not any(True for _found in Inner(parsed, self).pasted())


class Inner(Judge):
    """A template in one of the role's variables."""

    def __init__(self, tree: nodes.Template, outer: Judge) -> None:
        super().__init__(tree, outer.own)
        self.resolving = outer.resolving


def bound(target: nodes.Node, name: str) -> tuple[int, ...] | None:
    """Where in a loop's target a name stands: () when it is all of it."""
    if isinstance(target, nodes.Name):
        return () if target.name == name else None
    names = [one.name if isinstance(one, nodes.Name) else "" for one in target.iter_child_nodes()]
    return (names.index(name),) if name in names else None


def shown(node: nodes.Node) -> str:
    """The names in an expression."""
    names = [node] if isinstance(node, nodes.Name) else list(node.find_all(nodes.Name))
    return ", ".join(sorted({name.name for name in names})) or "an expression"


def pasted(root: Path) -> list[str]:
    """What is wrong, in the order of the files."""
    found = []
    for path in sorted(root.glob("roles/*/templates/*")):
        tree = expressions.tree(path.read_text())
        file = path.parents[1] / "vars" / "main.yml"
        own = (expressions.read(file) if file.exists() else None) or {}
        for line, what in Judge(tree, own).pasted() if tree else ():
            found.append(f"{path.relative_to(root)}:{line}: {what} is pasted; hand it to a writer, or to quetrex.platform.literal with its kind")
    return found
