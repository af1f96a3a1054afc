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
  - PostgreSQL knows one password for a user. The previous one opens nothing from then on; connections that are open go on.
  - Ends when the database has let somebody in with the new one. Attempts are few and spread, because the pooler blocks an address after ten wrong passwords
    and the database's own host bans it after the third; there are six in a minute and a half through the pooler, and two at the host. A reset that Supabase
    reports and that does not take effect is recognised within them.
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
  former_password:
    description: The previous one, if it is known. If it opens the database, O(password) is not tried before the change, so that a rotation that works has
      no wrong login. It is tried again when the database does not take O(password), to say whether it still works.
    type: str
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
    code: {description: A short constant such as V(not_taken)., type: str, returned: always}
    details: {description: What the code needs to know., type: dict, returned: always}
"""

import dataclasses
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import run
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.account import api_of, api_spec
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.arguments import connection_spec, target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.logins import Logins, pace


def argument_spec() -> dict[str, Any]:
    return {**api_spec(), **connection_spec(), "ref": {"type": "str", "required": True}, "former_password": {"type": "str", "no_log": True}}


def converge(parameters: dict[str, Any], *, check: bool) -> bool:
    """Whether the database had, or would have, to take another one."""
    login = target(parameters, "supabase_password")
    if not login.password:
        raise Failure("There is no password for the database to take.", "no_password")
    api = api_of(parameters, login.password, parameters["former_password"])
    logins = Logins(pace(login), api.clock.now, api.wait)
    former = parameters["former_password"] if parameters["former_password"] != login.password else None
    # The former one first: the one that is right does not count as a wrong one.
    known = logins.lets_in(dataclasses.replace(login, password=former)) if former else None
    if not known and logins.lets_in(login):
        return False
    if check:
        return True
    api.send("PATCH", f"/v1/projects/{parameters['ref']}/database/password", {"password": login.password})
    api.allow(logins.pace.span)
    if not logins.comes_to_let_in(login):
        raise not_taken(logins.lets_in_if_harmless(dataclasses.replace(login, password=former)) if known else known)
    return True


def not_taken(still: bool | None) -> Failure:
    """What is said when Supabase reported success and the database does not take the password. still: whether it takes the former one, if that is known."""
    message = (
        "Supabase says that it has changed the password, and the database does not take it. "
        + {
            True: "The former password still works, so nothing that uses it is cut off. ",
            False: "The former password does not work either. ",
            None: "",
        }[still]
        + "Leave the former password in use, wait ten minutes, and run again; if it happens twice, reset it in the dashboard under Database > Settings."
    )
    return Failure(message, "not_taken", former_works=still)


def main() -> None:
    module = AnsibleModule(argument_spec(), supports_check_mode=True)
    run(module, lambda: {"changed": converge(module.params, check=module.check_mode)})


if __name__ == "__main__":
    main()
