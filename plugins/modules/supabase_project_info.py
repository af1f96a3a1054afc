#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module supabase_project_info: state, settings and usage of a project."""

from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_project_info
short_description: State, settings, backups and usage of a Supabase project
version_added: "1.0.0"
description:
  - Asks the Management API about a project with at most sixteen of the sixty requests that an account has per minute.
  - What a paused project cannot say is left empty.
extends_documentation_fragment:
  - quetrex.platform.supabase_api
options:
  ref:
    description: The project's reference; this or O(name).
    type: str
  name:
    description: The project's name.
    type: str
  organization:
    description: Slug of the organisation, where a name is used in several.
    type: str
  keys:
    description: Whether to return the project's API keys as well. Set C(no_log) on the task then.
    type: bool
    default: false
  samples:
    description:
      - File on the controller that remembers the numbers, one line per look and at most one per hour, to tell when a limit will be reached.
      - A date needs samples that are a day apart. Without a file there is none but for the accounts, whose rows say when they came.
    type: path
attributes:
  check_mode:
    support: full
    description: Only reads; O(samples) is not added to in check mode.
  diff_mode:
    support: none
    description: There is nothing to change.
  idempotent:
    support: full
    description: Never reports a change.
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: How full it is
  quetrex.platform.supabase_project_info:
    api_token: "{{ vault_supabase_api_token }}"
    name: quetrex
    samples: "{{ platform_state_dir }}/database_samples.jsonl"
  register: database
"""

RETURN = r"""
project:
  description: >-
    ref, name, organization, plan, region, status, postgres_version, host, pooler, ssl_enforced, allowed_networks, backups (daily, newest, pitr, pitr_from,
    pitr_until), addons, disk_gb, disk, read_only, numbers, slow_queries, and keys when asked.
  type: dict
  returned: success
usage:
  description: Each number against its limit; empty while the project sleeps.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: "V(database_bytes), V(auth_users), V(monthly_active_users), V(connections) or V(disk_bytes)."
      type: str
      returned: always
    used: {description: How much., type: float, returned: always}
    limit: {description: How much there may be; none where the plan sets no limit., type: float, returned: always}
    share: {description: used / limit., type: float, returned: always}
    per_day: {description: Growth a day; none while too little is known., type: float, returned: always}
    days_seen: {description: How many days the growth was watched., type: float, returned: always}
    reached: {description: "The day the limit is reached at that pace, within ten years.", type: str, returned: always}
failure:
  description: What went wrong, for code.
  type: dict
  returned: on failure
  contains:
    code: {description: A short constant such as V(not_found)., type: str, returned: always}
    details: {description: What the code needs to know., type: dict, returned: always}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import run
from ansible_collections.quetrex.platform.plugins.module_utils.supabase import project, project_info
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.account import api_of, api_spec
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.usage import look


def argument_spec() -> dict[str, Any]:
    return {
        **api_spec(),
        "ref": {"type": "str"},
        "name": {"type": "str"},
        "organization": {"type": "str"},
        "keys": {"type": "bool", "default": False, "no_log": False},
        "samples": {"type": "path"},
    }


def examine(parameters: dict[str, Any], *, check: bool) -> dict[str, Any]:
    api = api_of(parameters)
    found = project.find(api, project.Wanted(ref=parameters["ref"], name=parameters["name"], organization=parameters["organization"]))
    if found is None:
        raise Failure(f"There is no project called {parameters['name']}.", "not_found")
    told = project_info.gather(api, found["ref"], keys=parameters["keys"])
    numbers, limits = project_info.numbers_and_limits(told)
    return {"project": told, "usage": look(numbers, limits, parameters["samples"], found["ref"], check=check)}


def main() -> None:
    module = AnsibleModule(argument_spec(), supports_check_mode=True, required_one_of=[("ref", "name")], mutually_exclusive=[("ref", "name")])
    run(module, lambda: {"changed": False, **examine(module.params, check=module.check_mode)})


if __name__ == "__main__":
    main()
