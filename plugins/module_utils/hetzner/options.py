# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with the options of the inventory, said before anything is asked for."""

from __future__ import annotations

import re
import typing as t

STATES = ("running", "initializing", "starting", "stopping", "off", "deleting", "migrating", "rebuilding", "unknown")
CONNECT_WITH = ("public_ipv4", "public_ipv6", "hostname", "ipv4_dns_ptr", "private_ipv4")
PROJECT = frozenset({"name", "api_token", "api_endpoint"})
_LISTS = ("status", "locations", "types", "images")


def problem(options: t.Mapping[str, t.Any]) -> str | None:
    """Return what is wrong with templated options and how to put it right; None when nothing is. Tokens are never repeated."""
    for name in _LISTS:
        found = _list_problem(name, options[name])
        if found:
            return found
    for one in options["status"] or []:
        if one not in STATES:
            return f"status: {one!r} is none; there are {', '.join(STATES)}"
    if options["connect_with"] not in CONNECT_WITH:
        return f"connect_with: {options['connect_with']!r} is none; there are {', '.join(CONNECT_WITH)}"
    if not isinstance(options["group"], str) or not options["group"].strip():
        return f"group: {options['group']!r} is no name for a group"
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", f"{options['hostvars_prefix']}id{options['hostvars_suffix']}"):
        return "hostvars_prefix, hostvars_suffix: variable names have only letters, digits and underscores, and no digit first"
    return _projects_problem(options["projects"])


def _list_problem(name: str, value: t.Any) -> str | None:
    if value is not None and not (isinstance(value, list) and all(isinstance(one, (str, int, float)) and str(one) for one in value)):
        return f"{name}: has to be a list of names, not {value!r}"
    return None


def _projects_problem(projects: t.Any) -> str | None:
    if not isinstance(projects, list):
        return "projects: has to be a list of projects, each with api_token"
    for position, project in enumerate(projects):
        where = f"projects[{position}]"
        if not isinstance(project, dict):
            return f"{where}: has to have api_token, and name and api_endpoint where wanted"
        unknown = sorted(str(key) for key in project if key not in PROJECT)
        if unknown:
            return f"{where}: unknown {', '.join(unknown)}; there are {', '.join(sorted(PROJECT))}"
        if not project.get("api_token"):
            return f"{where}: api_token is missing; give it in the file, as a template, or as HCLOUD_TOKEN"
        if not all(isinstance(value, str) for value in project.values() if value is not None):
            return f"{where}: all values have to be text"
    return None


SETTINGS = {"platform": "platform_name", "environment": "platform_environment"}
"""Labels that say whose a server is, and the settings they are made of."""
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


class SelectorError(ValueError):
    """A selector that cannot be meant, with what to do about it."""


def compose_selector(given: str, settings: t.Mapping[str, t.Any]) -> str:
    """Return a label selector for the servers of the platform that the settings name, and what was given beside.

    Without these settings the inventory is not one of this platform, and the selector is the one given.
    """
    named = {label: settings.get(setting) for label, setting in SETTINGS.items()}
    if all(value is None for value in named.values()):
        return given
    for label, value in named.items():
        if not isinstance(value, str) or not _LABEL.fullmatch(value):
            raise SelectorError(f"{SETTINGS[label]} is {value!r}; the servers are found by it. Write it into group_vars/all beside this file")
    rest = [part for part in _parts(given) if not _repeats(part, named)]
    return ",".join([*(f"{label}={value}" for label, value in named.items()), *rest])


def _parts(selector: str) -> list[str]:
    """Split at commas, but not within the parentheses of a set."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", selector) if part.strip()]


def _repeats(part: str, named: t.Mapping[str, t.Any]) -> bool:
    """Return whether a part says what the settings say; refuse one that says something else of the same label."""
    found = re.match(r"!?\s*([\w./-]+)", part)
    label = found[1] if found else ""
    if label not in named:
        return False
    if re.fullmatch(rf"{label}\s*==?\s*{re.escape(named[label])}", part):
        return True
    raise SelectorError(
        f"label_selector: {part!r} is not what {SETTINGS[label]} says, which is {named[label]!r}. Remove it from label_selector: "
        f"{','.join(f'{key}={value}' for key, value in named.items())} is made of {' and '.join(SETTINGS.values())}"
    )
