#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module supabase_scratch: a PostgreSQL of its own on the controller, to be thrown away."""

from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_scratch
short_description: Start or remove a throw-away PostgreSQL on the controller
version_added: "1.0.0"
description:
  - Starts a PostgreSQL on a socket in a folder, without a network and without durability, to rehearse on; and removes it with everything in it.
options:
  path:
    description: A short path; data, log and socket lie in it. Nothing else may.
    type: path
    required: true
  state:
    description: Whether it runs, or is gone.
    type: str
    choices: [started, absent]
    default: started
  major:
    description: The oldest version of PostgreSQL that will do.
    type: int
    default: 15
  bin_dir:
    description: Folder of C(initdb) and C(pg_ctl), if they are not found by themselves.
    type: path
attributes:
  check_mode:
    support: full
    description: Tells whether it would be started or removed.
  diff_mode:
    support: none
    description: There is nothing to show but whether it runs.
  idempotent:
    support: full
    description: One that runs, or is gone, is left alone.
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Somewhere to rehearse
  quetrex.platform.supabase_scratch:
    path: /tmp/rehearsal
"""

RETURN = r"""
connection:
  description: Options for the modules that connect to a database.
  type: dict
  returned: when O(state=started)
  sample: {host: /tmp/rehearsal, port: 5432, user: postgres, database: postgres, sslmode: disable}
failure:
  description: What went wrong, for code.
  type: dict
  returned: on failure
  contains:
    code: {description: A short constant., type: str, returned: always}
    details: {description: What the code needs to know., type: dict, returned: always}
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import run
from ansible_collections.quetrex.platform.plugins.module_utils.supabase import scratch


def main() -> None:
    spec = {
        "path": {"type": "path", "required": True},
        "state": {"type": "str", "choices": ["started", "absent"], "default": "started"},
        "major": {"type": "int", "default": 15},
        "bin_dir": {"type": "path"},
    }
    module = AnsibleModule(spec, supports_check_mode=True)
    folder, started = Path(module.params["path"]), module.params["state"] == "started"
    changed = scratch.running(folder) != started or (not started and folder.exists())

    def work() -> dict[str, Any]:
        if changed and not module.check_mode:
            if started:
                scratch.start(module.run_command, folder, module.params["major"], module.params["bin_dir"])
            else:
                scratch.remove(module.run_command, folder)
        connection = {"host": str(folder), "port": 5432, "user": scratch.USER, "database": "postgres", "sslmode": "disable"}
        return {"changed": changed, **({"connection": connection} if started else {})}

    run(module, work)


if __name__ == "__main__":
    main()
