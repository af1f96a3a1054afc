# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses servers and a state folder that are not of the platform that the settings name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.quetrex.platform.plugins.plugin_utils.identity import Host, Platform, group_problems, record, state_problems


def host_of(name: str, variables: Mapping[str, Any]) -> Host:
    """The inventory's host as far as it matters here."""
    labels = variables.get("hcloud_labels")
    return Host(
        name,
        labels if isinstance(labels, Mapping) else None,
        str(variables.get("ansible_host") or ""),
        local=str(variables.get("ansible_connection") or "") in ("local", "ansible.builtin.local"),
    )


class ActionModule(ActionBase):
    """Looks at the inventory and at the folder; asks nobody."""

    _requires_connection = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        result: dict[str, Any] = {**super().run(tmp, task_vars), "changed": False}
        _checked, given = self.validate_argument_spec(
            argument_spec={
                "name": {"type": "str", "required": True},
                "environment": {"type": "str", "required": True},
                "group": {"type": "str", "required": True},
                "state_dir": {"type": "path", "required": True},
                "servers_needed": {"type": "bool", "default": True},
                "state_needed": {"type": "bool", "default": True},
                "record": {"type": "bool", "default": True},
            }
        )
        variables = task_vars or {}
        platform, folder = Platform(given["name"], given["environment"]), Path(given["state_dir"]).expanduser()
        named = [given["group"]] if given["group"] in variables["hostvars"] else []
        hosts = [host_of(name, variables["hostvars"][name]) for name in variables.get("groups", {}).get(given["group"], named)]
        problems = group_problems(given["group"], hosts, platform, needed=given["servers_needed"])
        problems += [] if problems else state_problems(folder, platform, hosts, needed=given["state_needed"])
        if problems:
            raise AnsibleActionFail("Nothing was changed: " + "; ".join(problems) + ".")
        # A note on this machine is no change of the platform, as a lock is none.
        recorded = given["record"] and not self._task.check_mode and record(folder, platform)
        return {**result, "servers": [host.name for host in hosts], "recorded": recorded}
