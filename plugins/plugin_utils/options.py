# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values given for the roles' own variables: each means what it says, or is refused by its name. On the command line, in AWX and in INI all are text.

A role's specification accepts text for everything and hands on what came: `-e x_names=a.b` would be a list of three letters to the role.
Values are never shown: some are secrets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Optional

import yaml

from . import settings
from .settings import RENAMED

ROLES = Path(__file__).resolve().parents[2] / "roles"
WORDS = ("true", "false", "yes", "no", "on", "off", "1", "0")
"""What the filter `bool` and the check of a specification both understand, in every version of Ansible."""


def specifications(roles: Path = ROLES) -> dict[str, dict[str, Any]]:
    """The options of all roles by name."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(roles.glob("*/meta/argument_specs.yml")):
        data = yaml.load(file.read_text(), loader)  # noqa: S506 - a SafeLoader
        for entry in (data.get("argument_specs") or {}).values():
            found |= entry.get("options") or {}
    return found


def _switch(value: Any) -> Optional[str]:
    if isinstance(value, bool) or str(value).lower() in WORDS:
        return None
    return f"is no switch; write one of {', '.join(WORDS)}"


def _whole(value: Any) -> Optional[str]:
    if (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, str) and re.fullmatch(r"-?(0|[1-9][0-9]*)", value)):
        return None
    return "is no whole number; write it in digits"


def _number(value: Any) -> Optional[str]:
    if (isinstance(value, (int, float)) and not isinstance(value, bool)) or (isinstance(value, str) and re.fullmatch(r"-?(0|[1-9][0-9]*)([.][0-9]+)?", value)):
        return None
    return "is no number; write it in digits"


def _list(value: Any) -> Optional[str]:
    return None if isinstance(value, (list, tuple)) else "is no list; on the command line write -e '{\"NAME\": [...]}', in AWX's variables a list of YAML"


def _mapping(value: Any) -> Optional[str]:
    return None if isinstance(value, Mapping) else "is not a mapping; on the command line write -e '{\"NAME\": {...}}', in AWX's variables a mapping of YAML"


def _text(value: Any) -> Optional[str]:
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return None
    if isinstance(value, (bool, float)):
        return "is a switch or a fraction to YAML; write it in quotes"
    return "is no text; write a single value in quotes"


CHECKS: dict[str, Callable[[Any], Optional[str]]] = {
    "bool": _switch, "int": _whole, "float": _number, "list": _list, "dict": _mapping, "str": _text, "path": _text,
}  # fmt: skip


def wrong(name: str, value: Any, option: Mapping[str, Any]) -> Optional[str]:
    """What is wrong with a value; a template is judged where it gets its value."""
    if value is None or (isinstance(value, str) and ("{{" in value or "{%" in value)):
        return None
    kind = str(option.get("type", "str"))
    problem = CHECKS[kind](value) if kind in CHECKS else None
    if problem is None and kind == "str" and option.get("no_log") and not isinstance(value, str):
        problem = "is a number to YAML, which drops leading zeros; write it in quotes"
    if problem is None and option.get("choices") and not isinstance(value, (list, tuple)):
        choices = [str(choice) for choice in option["choices"]]
        problem = None if str(value) in choices else f"is none of {', '.join(choices)}"
    return problem and problem.replace("NAME", name)


def problems(given: Iterator[tuple[str, Any]], options: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One line per wrong value or renamed option, in the order of the names."""
    found = set()
    for name, value in given:
        if name in options and (problem := wrong(name, value, options[name])):
            found.add(f"{name} {problem}")
        elif RENAMED.get(name) in options:
            found.add(settings.unknown(name, RENAMED))
    return sorted(found)


def given_for_roles(variables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What the inventory and the command line give this host and every other, as it stands there."""
    yield from variables.items()
    hosts, hostvars = (variables.get("groups") or {}).get("all") or (), variables.get("hostvars")
    for host in hosts:
        raw = getattr(hostvars, "raw_get", None)
        if raw:
            yield from raw(host).items()
