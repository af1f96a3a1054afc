# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Jinja expressions of roles and playbooks as syntax trees: which option is used where, and what becomes of it there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jinja2 import Environment, TemplateSyntaxError, nodes

YAML = ("roles/*/tasks/**/*.yml", "roles/*/handlers/**/*.yml", "roles/*/vars/**/*.yml", "roles/*/defaults/**/*.yml", "playbooks/**/*.yml")
CONDITIONS = frozenset({"when", "that", "until", "failed_when", "changed_when"})
SHELLS = frozenset({"sh", "/bin/sh", "bash", "/bin/bash"})


class _Loader(yaml.SafeLoader):
    """Ansible's own tags are values like any other."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: str(node.value))


class Names(dict[str, Any]):
    """Every filter and every test exists: Ansible and collections add theirs."""

    def __contains__(self, _name: object) -> bool:
        return True

    def __missing__(self, _name: str) -> Any:
        return lambda *_words, **_named: None

    def get(self, _name: object, _default: Any = None) -> Any:
        return lambda *_words, **_named: None


ENVIRONMENT = Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])  # noqa: S701 - nothing is rendered
ENVIRONMENT.filters = Names()
ENVIRONMENT.tests = Names()


class Text(NamedTuple):
    """One template: the file, the keys that lead to it in a YAML file, and what stands there."""

    file: str
    keys: tuple[str, ...]
    source: str
    tree: nodes.Template

    @property
    def whole(self) -> nodes.Node | None:
        """The one expression that is all of the text; its type survives."""
        body = self.tree.body
        if len(body) == 1 and isinstance(body[0], nodes.Output) and len(body[0].nodes) == 1 and not isinstance(body[0].nodes[0], nodes.TemplateData):
            return body[0].nodes[0]
        return None


def tree(source: str) -> nodes.Template | None:
    if "{{" not in source and "{%" not in source:
        return None
    try:
        return ENVIRONMENT.parse(source)
    except TemplateSyntaxError:
        return None


def _leaves(data: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _leaves(value, (*keys, str(key)))
    elif isinstance(data, list):
        for value in data:
            yield from _leaves(value, keys)
    elif isinstance(data, str):
        yield keys, data


def yaml_files(root: Path) -> list[Path]:
    return sorted({path for pattern in YAML for path in root.glob(pattern) if path.is_file()})


def read(path: Path) -> Any:
    return yaml.load(path.read_text(), _Loader)  # noqa: S506 - a SafeLoader


def texts(root: Path) -> Iterator[Text]:
    """Every template of roles and playbooks; a condition is one without its braces."""
    for path in yaml_files(root):
        for keys, found in _leaves(read(path)):
            bare = keys and keys[-1] in CONDITIONS and "{{" not in found and "{%" not in found
            parsed = tree("{{ " + found + " }}" if bare else found)
            if parsed:
                yield Text(str(path.relative_to(root)), keys, found, parsed)
    for path in sorted(root.glob("roles/*/templates/**/*")):
        parsed = tree(path.read_text()) if path.is_file() else None
        if parsed:
            yield Text(str(path.relative_to(root)), (), path.read_text(), parsed)


def with_parents(node: nodes.Node, parents: tuple[nodes.Node, ...] = ()) -> Iterator[tuple[nodes.Node, tuple[nodes.Node, ...]]]:
    yield node, parents
    for child in node.iter_child_nodes():
        yield from with_parents(child, (*parents, node))


# --- switches and numbers --------------------------------------------------------------------------

KINDS = frozenset({"bool", "int", "float"})
KEYWORDS = frozenset({"no_log", "validate_certs", "become", "check_mode", "diff_mode", "any_errors_fatal", "run_once", "ignore_errors"})


def untyped(root: Path, types: Mapping[str, str]) -> list[str]:
    """Options that are switches or numbers, used as whatever they came as: on the command line (`-e name=false`), in AWX and in INI files they are words.

    Each is followed by `| bool`, `| int` or `| float`, except where it is handed on whole to what converts it: the argument of a module, a keyword
    of a task, or an option of the same type.
    """
    found = []
    for text in texts(root):
        for node, parents in with_parents(text.tree):
            kind = types.get(node.name) if isinstance(node, nodes.Name) else None
            if kind not in KINDS or not isinstance(node, nodes.Name):
                continue
            value, above = _with_default(node, parents)
            if isinstance(above, nodes.Filter) and above.name == kind and above.node is value:
                continue
            if text.whole is value and _converts(text, kind, types):
                continue
            found.append(f"{text.file}: {node.name} without | {kind}{' in ' + text.keys[-1] if text.keys else ''}")
    return sorted(set(found))


def _with_default(node: nodes.Node, parents: tuple[nodes.Node, ...]) -> tuple[nodes.Node, nodes.Node]:
    """The value with the defaults it has, and what stands above."""
    for parent in reversed(parents):
        if not (isinstance(parent, nodes.Filter) and parent.name in ("default", "d") and parent.node is node):
            return node, parent
        node = parent
    return node, parents[0]


def _converts(text: Text, kind: str, types: Mapping[str, str]) -> bool:
    if text.keys[-1] in KEYWORDS or types.get(text.keys[-1]) == kind:
        return True
    modules = [key for key in text.keys[:-1] if re.fullmatch(r"[a-z_]+\.[a-z_]+\.[a-z_]+", key)]
    # `ansible.builtin` has set_fact, set_stats, assert and others that take things as they are
    return bool(modules) and not modules[-1].startswith("ansible.builtin.") and text.keys[-2] == modules[-1]


# --- words of a shell ------------------------------------------------------------------------------

WRITTEN = frozenset({"quote", "int", "quetrex.platform.nginx_string", "quetrex.platform.url", "hash"})
PROGRAMS = frozenset({"origin_certificate_reload"})
"""Options that are a line of a shell."""


def pasted(root: Path) -> list[str]:
    """Values that stand in the program of a `sh -c` as they are, instead of as words: `| quote`, or better an argument after the program ("$0")."""
    found = []
    for path in yaml_files(root):
        data = read(path)
        own = data if isinstance(data, dict) else {}
        for program in _programs(data):
            found += [f"{path.relative_to(root)}: {what} is pasted into the shell program {program[:40]!r}" for what in _pasted(program, own)]
    return sorted(set(found))


def _programs(data: Any) -> Iterator[str]:
    """The third word of every [sh, -c, program]."""
    for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from _programs(value)
    if isinstance(data, list):
        for place, word in enumerate(data[:-2]):
            if isinstance(word, str) and word in SHELLS and data[place + 1] == "-c" and isinstance(data[place + 2], str):
                yield data[place + 2]


def _pasted(source: str, own: Mapping[str, Any]) -> Iterator[str]:
    parsed = tree(source)
    for output in parsed.find_all(nodes.Output) if parsed else ():
        for node in output.nodes:
            if not isinstance(node, nodes.TemplateData):
                yield from _unwritten(node, own)


def inline(root: Path, exempt: frozenset[str]) -> list[str]:
    """Programs of a shell that stand in a role's variables or tasks, where shellcheck does not read them. An option may be a program."""
    found = []
    for path in yaml_files(root):
        where = path.relative_to(root)
        if where.parts[0] != "roles" or where.parts[1] in exempt or where.parts[2] not in ("vars", "tasks", "handlers"):
            continue
        for program in _programs(read(path)):
            parsed = tree(program)
            parts = [node for output in parsed.find_all(nodes.Output) for node in output.nodes] if parsed else []
            given = len(parts) == 1 and (_is_file_of_the_role(parts[0]) or (isinstance(parts[0], nodes.Name) and parts[0].name in PROGRAMS))
            found += [] if given else [f"{where}: a program of a shell, {' '.join(program.split())[:40]!r}; put it into a file of the role"]
    return sorted(set(found))


def _is_file_of_the_role(node: nodes.Node) -> bool:
    """`lookup('ansible.builtin.file', 'reload.sh')`: a program of the role that stands in a file of its own, where shellcheck reads it."""
    if not (isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == "lookup"):
        return False
    words = [arg.value for arg in node.args if isinstance(arg, nodes.Const)]
    return len(words) == len(node.args) == 2 and words[0] == "ansible.builtin.file" and str(words[1]).endswith(".sh")


def _unwritten(node: nodes.Node, own: Mapping[str, Any]) -> Iterator[str]:
    """Names below an expression that no writer has made words of."""
    if isinstance(node, nodes.Const) or (isinstance(node, nodes.Filter) and node.name in WRITTEN) or _is_file_of_the_role(node):
        return
    if isinstance(node, nodes.Filter) and node.name == "join" and isinstance(node.node, nodes.Filter) and node.node.name == "map":
        mapped = node.node.args[0] if node.node.args else None
        if isinstance(mapped, nodes.Const) and mapped.value in WRITTEN:
            return
    if isinstance(node, nodes.CondExpr):
        yield from _unwritten(node.expr1, own)
        if node.expr2 is not None:
            yield from _unwritten(node.expr2, own)
    elif isinstance(node, nodes.BinExpr):
        yield from _unwritten(node.left, own)
        yield from _unwritten(node.right, own)
    elif isinstance(node, nodes.Name) and isinstance(own.get(node.name), str):
        yield from _pasted(own[node.name], own)
    elif not (isinstance(node, nodes.Name) and node.name in PROGRAMS):
        yield ", ".join(sorted({name.name for name in ([node] if isinstance(node, nodes.Name) else node.find_all(nodes.Name))})) or "an expression"
