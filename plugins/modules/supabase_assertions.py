#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module supabase_assertions: who may do what on the database, tried and rolled back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_assertions
short_description: Test the permissions of a Supabase database and lint its schema
version_added: "1.0.0"
description:
  - Runs each expectation as PostgREST runs a request (role set, claims set), in one transaction that is rolled back at the end.
  - Looks through the catalogue for what makes such a schema unsafe or slow.
  - Fails when an expectation is not met or a lint finds something, and lists all of it.
extends_documentation_fragment:
  - quetrex.platform.database
  - quetrex.platform.promises
options:
  lints:
    description: Names of the lints to run; V([]) means all of them, V(["none"]) none.
    type: list
    elements: str
    default: []
  lock_timeout:
    description: Seconds to wait for a lock. Queries of the app queue up behind a waiting statement, so keep it short.
    type: float
    default: 2
  statement_timeout:
    description: Seconds a single statement may run.
    type: float
    default: 30
attributes:
  check_mode:
    support: full
    description: The same as without, for nothing is changed in either.
  diff_mode:
    support: none
    description: There is nothing to compare.
  idempotent:
    support: full
    description: Changes nothing.
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Users cannot give themselves a subscription
  quetrex.platform.supabase_assertions:
    host: db.abcdefghijklmnopqrst.supabase.co
    password: "{{ vault_database_password }}"
    ca_certificate: /etc/ssl/supabase.pem
    setup:
      - INSERT INTO auth.users (id, email) VALUES ('7c8c4d0e-0000-4000-8000-000000000001', 'one@invalid')
    expectations:
      - name: A user reads her own profile and nobody else's
        role: authenticated
        claims: {sub: 7c8c4d0e-0000-4000-8000-000000000001}
        statement: SELECT * FROM public.profiles
        expect: rows
        count: 1
      - name: A user cannot change her subscription
        role: authenticated
        claims: {sub: 7c8c4d0e-0000-4000-8000-000000000001}
        statement: UPDATE public.profiles SET subscription_tier = 'enterprise'
        expect: denied
"""

RETURN = r"""
expectations:
  description: What came of each expectation.
  type: list
  elements: dict
  returned: always
  contains:
    name: {description: As given., type: str, returned: always}
    role: {description: As given., type: str, returned: always}
    passed: {description: Whether it was met., type: bool, returned: always}
    expected: {description: What had to come., type: str, returned: always}
    got: {description: What came., type: str, returned: always}
    count: {description: Rows returned or changed., type: int, returned: when there was no error}
    sqlstate: {description: Of the error., type: str, returned: when there was one}
findings:
  description: What the lints found.
  type: list
  elements: dict
  returned: always
  contains:
    lint: {description: Name of the lint., type: str, returned: always}
    object: {description: What it found., type: str, returned: always}
    detail: {description: What is wrong with it., type: str, returned: always}
    advice: {description: What to do., type: str, returned: always}
failure:
  description: What went wrong, for code.
  type: dict
  returned: on failure
  contains:
    code: {description: V(not_met) or another short constant., type: str, returned: always}
    details: {description: What the code needs to know., type: dict, returned: always}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import run
from ansible_collections.quetrex.platform.plugins.module_utils.supabase import promises
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.arguments import connection_spec, target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure


def argument_spec() -> dict[str, Any]:
    return {
        **connection_spec(),
        **promises.option_spec(),
        "lints": {"type": "list", "elements": "str", "default": []},
        "lock_timeout": {"type": "float", "default": 2},
        "statement_timeout": {"type": "float", "default": 30},
    }


def examine(parameters: dict[str, Any]) -> promises.Verdict:
    wanted = promises.read(parameters, statement_timeout=parameters["statement_timeout"], lock_timeout=parameters["lock_timeout"])
    with Database(target(parameters, "supabase_assertions")) as database, database.transaction():
        return promises.examine(database, wanted)


def main() -> None:
    module = AnsibleModule(argument_spec(), supports_check_mode=True)
    told: dict[str, Any] = {"expectations": [], "findings": []}

    def work() -> dict[str, Any]:
        verdict = examine(module.params)
        told.update(changed=False, expectations=verdict.results, findings=verdict.findings)
        if verdict.warnings:
            module.warn("\n".join(verdict.warnings))
        if verdict.complaints:
            raise Failure("\n".join(verdict.complaints), "not_met", details=verdict.names)
        return {"msg": f"{len(verdict.results)} expectations met, {len(verdict.findings) or 'nothing'} found by the lints.", **told}

    run(module, work, lambda: told)


if __name__ == "__main__":
    main()
