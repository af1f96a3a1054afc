# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection declares that it needs, what it uses, and which of its parts may know which: functions that list what is wrong."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

OWN = "ansible_collections.quetrex.platform.plugins."
UTILS = f"{OWN}module_utils."
BUILTIN = frozenset({"ansible.builtin", "ansible.legacy", "quetrex.platform"})
TASK = re.compile(r"^\s*(?:- )?([a-z][a-z0-9_]*\.[a-z0-9_]+)\.[a-z0-9_]+:(?:\s|$)", re.MULTILINE)
# Where a filter, a lookup or a group of modules names something of a collection.
NAMED = (
    re.compile(r"\|\s*([a-z][a-z0-9_]*\.[a-z0-9_]+)\.[a-z0-9_]+"),
    re.compile(r"(?:lookup|query|q)\(\s*'([a-z][a-z0-9_]*\.[a-z0-9_]+)\.[a-z0-9_]+'"),
    re.compile(r"^\s*group/([a-z][a-z0-9_]*\.[a-z0-9_]+)\.[a-z0-9_]+:", re.MULTILINE),
)
# Imported by another name than the package has.
PACKAGES = {"psycopg2": "psycopg2-binary"}
# Loaded by name, when a text needs it.
LATE = frozenset({"pglast"})
# These come with ansible-core.
WITH_CORE = frozenset({"ansible", "ansible_collections", "jinja2", "yaml"})
# Each vendor's package stands for itself; what is about several of them is above.
VENDORS = ("cloudflare", "hetzner", "supabase", "uptime")
BELOW_ALL = ("api",)
PRESENTING = frozenset(f"{UTILS}reporting.{name}" for name in ("page", "report", "first_day", "forecast"))


def _text(root: Path, *folders: str) -> str:
    kinds = (".yml", ".yaml", ".j2", ".py", ".md")
    return "\n".join(path.read_text(encoding="utf-8") for folder in folders for path in sorted((root / folder).rglob("*")) if path.suffix in kinds)


def collections(root: Path) -> list[str]:
    """Every collection of galaxy.yml is used by what is published, and every collection that a task uses is declared."""
    declared = set(yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8")).get("dependencies") or {})
    published, roles = _text(root, "roles", "playbooks", "plugins", "docs"), _text(root, "roles", "playbooks")
    tasks = _text(root, "playbooks", *(str(path.relative_to(root)) for kind in ("tasks", "handlers") for path in root.glob(f"roles/*/{kind}")))
    unused = sorted(name for name in declared if not re.search(rf"\b{re.escape(name)}\.[a-z]", published))
    used = {*TASK.findall(tasks), *(name for pattern in NAMED for name in pattern.findall(roles))}
    return [f"galaxy.yml: nothing uses {name}" for name in unused] + [f"galaxy.yml lacks {name}" for name in sorted(used - declared - BUILTIN)]


def _imports(path: Path) -> Iterator[str]:
    """Full names of what a plugin imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = path.parts[path.parts.index("plugins") + 1 : -1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([OWN.rstrip("."), *package[: len(package) - node.level + 1]]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _loaded_late(path: Path) -> Iterator[str]:
    """What a plugin loads by its name."""
    text = path.read_text(encoding="utf-8")
    if "importlib.import_module(" in text:
        words = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        yield from (name for name in LATE if name in words)


def packages(root: Path) -> list[str]:
    """Every package of requirements.txt is imported by a plugin, and every package that one imports is there."""
    lines = [line.partition("#")[0].strip() for line in (root / "requirements.txt").read_text(encoding="utf-8").splitlines()]
    declared = {re.split(r"[<>=!\[; ]", line)[0] for line in lines if line}
    roots = {name.partition(".")[0] for path in (root / "plugins").rglob("*.py") for name in _imports(path)}
    roots |= {name for path in (root / "plugins").rglob("*.py") for name in _loaded_late(path)}
    used = {PACKAGES.get(name, name) for name in roots - WITH_CORE - set(sys.stdlib_module_names)}
    return [f"requirements.txt: nothing imports {name}" for name in sorted(declared - used)] + [
        f"requirements.txt lacks {name}" for name in sorted(used - declared)
    ]


def layers(root: Path) -> list[str]:
    """No part knows what is above it: module_utils no plugin, what all vendors share no vendor, a vendor no other, and the server no presentation."""
    found = []
    for path in sorted((root / "plugins" / "module_utils").rglob("*.py")):
        part = path.relative_to(root / "plugins" / "module_utils").parts[0]
        for name in sorted(set(_imports(path))):
            wrong = _layer_break(part, name)
            if wrong:
                found.append(f"{path.relative_to(root)}: imports {name}: {wrong}")
    return found + _server_side(root)


def _server_side(root: Path) -> list[str]:
    """What runs on a server reaches nothing that presents, over however many imports."""
    base = root / "plugins" / "module_utils"
    names = {path: f"{UTILS}{'.'.join(path.relative_to(base).with_suffix('').parts)}" for path in base.rglob("*.py")}
    known = {name: path for path, name in names.items()}
    reached, queue = set[str](), [names[path] for path in (base / "host").glob("*.py")]
    while queue:
        name = queue.pop()
        if name not in reached:
            reached.add(name)
            queue += [other for other in _imports(known[name]) if other in known]
    return [f"{name.removeprefix(UTILS)} presents something, and what runs on a server imports it" for name in sorted(reached) if name in PRESENTING]


def _layer_break(part: str, name: str) -> str:
    if not name.startswith(OWN):
        return ""
    if not name.startswith(UTILS) and name != UTILS.rstrip("."):
        return "module_utils is below all plugins"
    other = name.removeprefix(UTILS).partition(".")[0]
    if part in VENDORS and other in VENDORS and other != part:
        return "a vendor's package knows no other vendor"
    if part in BELOW_ALL and other != part:
        return "what all vendors share knows none of them"
    return ""
