# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the shared settings one by one, so that one that cannot be read does not hide the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError


def read_settings(variables: Mapping[str, Any], templar: Any, others: Iterable[str] = ()) -> tuple[dict[str, Any], dict[str, str]]:
    """Values by name, and why the rest has none. `others` are prefixes of variables that are no settings, because they belong to roles."""
    given, unreadable = {}, {}
    for name, value in variables.items():
        if not name.startswith("platform_") or name.startswith(tuple(others)):
            continue
        try:
            given[name] = templar.template(value) if templar else value
        except AnsibleError as error:
            unreadable[name] = " ".join(str(error).split())
    return given, unreadable
