#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module supabase_network: single networks may connect to a project's database, or may not."""

from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_network
short_description: Let single networks into a Supabase project's database, or out
version_added: "1.1.0"
description:
  - Adds networks to a project's restrictions or takes them away, and leaves all others as they are.
    M(quetrex.platform.supabase_project) sets the whole list.
  - A project that lets in everybody is left alone. The last networks are not taken away, because nobody could connect then.
extends_documentation_fragment:
  - quetrex.platform.supabase_api
options:
  ref:
    description: The project's reference.
    type: str
  name:
    description: The project's name.
    type: str
  organization:
    description: Slug of the organisation, where several projects have the name.
    type: str
  networks:
    description: Addresses and networks, IPv4 and IPv6.
    type: list
    elements: str
    required: true
  state:
    description: Whether they may connect.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
    description: Reads the restrictions, and tells what would change.
  diff_mode:
    support: full
    description: Shows the restrictions before and after.
  idempotent:
    support: full
    description: Restrictions that are as wanted are left alone.
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: A server that is there for an hour
  quetrex.platform.supabase_network:
    api_token: "{{ vault_supabase_api_token }}"
    ref: abcdefghijklmnopqrst
    networks: [203.0.113.7]

- name: It is gone
  quetrex.platform.supabase_network:
    api_token: "{{ vault_supabase_api_token }}"
    ref: abcdefghijklmnopqrst
    networks: [203.0.113.7]
    state: absent
"""

RETURN = r"""
networks:
  description: The networks that may connect, or would.
  type: list
  elements: str
  returned: when it changed
failure:
  description: What went wrong, for code.
  type: dict
  returned: on failure
  contains:
    code: {description: A short constant such as V(not_found)., type: str, returned: always}
    details: {description: What the code needs to know., type: dict, returned: always}
"""

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import run
from ansible_collections.quetrex.platform.plugins.module_utils.supabase import access
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.account import api_of, api_spec
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.project import Change, Wanted


def argument_spec() -> dict[str, Any]:
    return {
        **api_spec(),
        "ref": {"type": "str"},
        "name": {"type": "str"},
        "organization": {"type": "str"},
        "networks": {"type": "list", "elements": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }


def result(change: Change | None) -> dict[str, Any]:
    if change is None:
        return {"changed": False}
    before, after = (json.dumps({change.what: side}, indent=2) + "\n" for side in (change.before, change.after))
    return {"changed": True, "networks": change.after, "diff": {"before": before, "after": after}}


def main() -> None:
    module = AnsibleModule(argument_spec(), supports_check_mode=True, required_one_of=[("ref", "name")], mutually_exclusive=[("ref", "name")])
    given = module.params
    wanted = Wanted(ref=given["ref"], name=given["name"], organization=given["organization"])
    present, check = given["state"] == "present", module.check_mode
    run(module, lambda: result(access.converge(api_of(given), wanted, given["networks"], present=present, check=check)))


if __name__ == "__main__":
    main()
