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
