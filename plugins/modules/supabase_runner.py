#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module supabase_runner: the row of a user's runner in public.runner_configs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_runner
short_description: Keep the row that says which server runs a user's runner
version_added: "1.0.0"
description:
  - Reserves, updates, reads or deletes a row of C(public.runner_configs). A user has at most O(limit) of them, also when two runs meet.
  - All is done in one transaction, as the database role in O(role), so that its grants and policies hold.
extends_documentation_fragment:
  - quetrex.platform.database
options:
  user_id:
    description: UUID of the user, as in C(public.profiles).
    type: str
    required: true
  runner_id:
    description: UUID of the row. Without it the user's only runner is meant; a new one gets any.
    type: str
  state:
    description:
      - V(present) makes the row when it is missing and writes what is given.
      - V(absent) deletes it.
      - V(read) only returns it.
    type: str
    choices: [present, absent, read]
    default: present
  limit:
    description: How many runners the user may have.
    type: int
    default: 1
  server_id:
    description: Hetzner's id of the server. Left alone when not given; empty means none.
    type: str
  server_ip:
    description: Address of the server. Left alone when not given; empty means none.
    type: str
  region:
    description: Location of the server. Left alone when not given; empty means none.
    type: str
  status:
    description: How far it is. Left alone when not given; a new row begins as V(pending).
    type: str
    choices: [pending, provisioning, ready, failed]
  role:
    description: Database role to write as. Empty means as the user who logs in.
    type: str
    default: service_role
attributes:
  check_mode:
    support: full
    description: Does the same and rolls it back.
  diff_mode:
    support: full
    description: Shows the row before and after.
  idempotent:
    support: full
    description: A second run changes nothing.
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: The user's runner is ready
  quetrex.platform.supabase_runner:
    host: aws-0-us-east-1.pooler.supabase.com
    user: postgres.abcdefghijklmnopqrst
    password: "{{ vault_database_password }}"
    ca_certificate: supabase-ca.pem
    user_id: 7c8c4d0e-0000-4000-8000-000000000001
    server_id: "4711"
    server_ip: 203.0.113.7
    region: ash
    status: ready
"""

RETURN = r"""
runner:
  description: The row as it is afterwards; null when there is none.
  returned: success
  type: dict
  sample: {id: 1b0e7a8e-0000-4000-8000-000000000001, hetzner_server_id: "4711", hetzner_server_ip: 203.0.113.7, hetzner_region: ash, status: ready}
runners:
  description: All rows of the user, before.
  returned: success
  type: list
  elements: dict
failure:
  description: What went wrong, for code.
  type: dict
  returned: on failure
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import run
from ansible_collections.quetrex.platform.plugins.module_utils.supabase import runner_configs
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.arguments import connection_spec, target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database

WRITTEN = {"hetzner_server_id": "server_id", "hetzner_server_ip": "server_ip", "hetzner_region": "region", "status": "status"}


def argument_spec() -> dict[str, Any]:
    return {
        **connection_spec(),
        "user_id": {"type": "str", "required": True},
        "runner_id": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "absent", "read"], "default": "present"},
        "limit": {"type": "int", "default": 1},
        "server_id": {"type": "str"},
        "server_ip": {"type": "str"},
        "region": {"type": "str"},
        "status": {"type": "str", "choices": list(runner_configs.STATUSES)},
        "role": {"type": "str", "default": "service_role"},
    }


def keep(parameters: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Look, change, and commit unless it is only a look beforehand."""
    user = runner_configs.identifier("user_id", parameters["user_id"]) or ""
    runner = runner_configs.identifier("runner_id", parameters["runner_id"])
    with Database(target(parameters, "supabase_runner")) as database:
        try:
            runner_configs.begin(database, parameters["role"], user)
            rows = runner_configs.rows_of(database, user)
            before = runner_configs.choose(rows, user, runner)
            after = _changed(database, parameters, rows, before, user, runner)
            database.run("ROLLBACK" if check or after == before else "COMMIT")
        finally:
            database.rollback()
    return {"changed": after != before, "runner": after, "runners": rows, "diff": {"before": before or {}, "after": after or {}}}


def _changed(database: Database, parameters: dict[str, Any], rows: list[dict[str, Any]], before: Any, user: str, runner: str | None) -> Any:
    if parameters["state"] == "read":
        return before
    if parameters["state"] == "absent":
        if before:
            database.run("DELETE FROM public.runner_configs WHERE id = %s", (before["id"],))
        return None
    row = before or runner_configs.reserve(database, user, runner, rows, parameters["limit"])
    return runner_configs.update(database, row, {column: parameters[option] for column, option in WRITTEN.items()})


def main() -> None:
    module = AnsibleModule(argument_spec(), supports_check_mode=True)
    run(module, lambda: keep(module.params, check=module.check_mode))


if __name__ == "__main__":
    main()
