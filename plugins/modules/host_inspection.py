#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module host_inspection: how a server is, as data."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_inspection
short_description: Look at everything on a server that matters to the platform
version_added: "1.0.0"
description:
  - Looks, in one call and a few things at once, at disks, memory, open sockets, the firewall's rules in force, containers, units and timers, pending
    upgrades, the origin's certificate, releases, backups and whether the platform is in maintenance. It judges nothing.
  - The firewall's file is loaded into a network of its own, so that the rules in force can be compared with what the kernel makes of the file.
options:
  stack_dir:
    description: Folder of the stack's files.
    type: path
    default: /opt/platform
  state_dir:
    description: Folder of the state, on the volume.
    type: path
    default: /srv/platform
  parts:
    description: What to look at; all of it when empty.
    type: list
    elements: str
    choices: [base, disks, memory, listeners, firewall, containers, units, upgrades, certificates, releases, backups, history, maintenance]
    default: []
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: How full the disks are
  quetrex.platform.host_inspection:
    parts: [disks]
  become: true
  register: server
"""

RETURN = r"""
inspection:
  description: What was seen, by part. A part that could not be looked at has C(error).
  returned: success
  type: dict
  sample: {disks: [{path: /, size: 80000000000, used: 20000000000, share: 0.26, inodes: 0.04}]}
seconds:
  description: How long it took.
  returned: success
  type: float
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.host.inspection import PARTS, Places, inspect
from ansible_collections.quetrex.platform.plugins.module_utils.run_command import run


def main() -> None:
    """Run the module."""
    spec = {
        "stack_dir": {"type": "path", "default": "/opt/platform"},
        "state_dir": {"type": "path", "default": "/srv/platform"},
        "parts": {"type": "list", "elements": "str", "choices": list(PARTS), "default": []},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    given = module.params

    def ask(argv: list[str]) -> tuple[int, str, str]:
        try:
            return run(module.run_command, argv, environ={"LC_ALL": "C", "NO_COLOR": "1"})
        except OSError as error:
            return -1, "", str(error)

    began = time.monotonic()
    places = Places(given["stack_dir"], given["state_dir"], ("/", given["state_dir"]))
    inspection = inspect(ask, places, given["parts"] or PARTS)
    module.exit_json(changed=False, inspection=inspection, seconds=round(time.monotonic() - began, 2))


if __name__ == "__main__":
    main()
