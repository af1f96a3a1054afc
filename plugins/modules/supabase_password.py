#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module supabase_password: the database takes the password that the inventory has."""

from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_password
short_description: The password of a Supabase project's database
version_added: "1.1.0"
description:
  - Logs in with O(password). If the database refuses it, the project's owner gives it that one through the Management API.
  - PostgreSQL knows one password for a user. The one before opens nothing from then on; connections that are open go on.
  - Ends when the database has let somebody in with the new one.
extends_documentation_fragment:
  - quetrex.platform.supabase_api
  - quetrex.platform.database
  - quetrex.platform.attributes
  - quetrex.platform.attributes.no_diff
options:
  ref:
    description: The project's reference, twenty letters.
    type: str
    required: true
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: The database takes the password of the inventory
  quetrex.platform.supabase_password:
    api_token: "{{ vault_supabase_api_token }}"
    ref: abcdefghijklmnopqrst
    host: aws-0-us-east-1.pooler.supabase.com
    user: postgres.abcdefghijklmnopqrst
    password: "{{ vault_supabase_database_password }}"
    ca_certificate: /etc/ssl/supabase.pem
"""

RETURN = r"""
failure:
  description: What went wrong, for code.
  type: dict
  returned: on failure
  contains:
    code: {description: A short constant such as V(password)., type: str, returned: always}
    details: {description: What the code needs to know., type: dict, returned: always}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.account import api_of, api_spec
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.arguments import connection_spec, target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database, Target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure

# Seconds between two attempts to log in: the shared pooler asks the database anew when a password was wrong.
PAUSE = 0.5


def argument_spec() -> dict[str, Any]:
    return {**api_spec(), **connection_spec(), "ref": {"type": "str", "required": True}}


def lets_in(login: Target) -> bool:
    """Whether the database takes the password; any other reason to refuse is an error."""
    try:
        with Database(login):
            return True
    except Failure as error:
        if error.code != "password":
            raise
        return False


def converge(parameters: dict[str, Any], *, check: bool) -> bool:
    """Whether the database had, or would have, to take another one."""
    login = target(parameters, "supabase_password")
    if not login.password:
        raise Failure("There is no password for the database to take.", "no_password")
    if lets_in(login):
        return False
    if not check:
        api = api_of(parameters, login.password)
        api.send("PATCH", f"/v1/projects/{parameters['ref']}/database/password", {"password": login.password})
        while not lets_in(login):
            api.wait(PAUSE, "the database does not take the password that it was given")
    return True


def main() -> None:
    module = AnsibleModule(argument_spec(), supports_check_mode=True)
    try:
        module.exit_json(changed=converge(module.params, check=module.check_mode))
    except Failure as error:
        module.fail_json(msg=error.message, failure={"code": error.code, "details": error.details})


if __name__ == "__main__":
    main()
