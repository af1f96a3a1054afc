#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module supabase_assertions: who may do what on the database, tried and rolled back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_assertions
short_description: Try who may do what on a Supabase database, and lint its schema
version_added: "1.0.0"
description:
  - Runs each expectation as PostgREST runs a request (role set, claims set), in one transaction that is rolled back at the end.
  - Looks through the catalogue for what makes such a schema unsafe or slow.
  - Fails when an expectation is not met or a lint finds something, and lists all of it.
extends_documentation_fragment:
  - quetrex.platform.database
options:
  setup:
    description: SQL that makes the rows the expectations are about, run as O(user) at the beginning of the transaction.
    type: list
    elements: str
    default: []
  expectations:
    description: What is tried, each for itself, on what O(setup) left.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What is expected, in words.
        type: str
        required: true
      role:
        description: Role of the request, such as V(anon), V(authenticated) or V(service_role). O(user) has to be a member of it.
        type: str
        required: true
      claims:
        description: Claims of the request's token; C(role) is added.
        type: dict
      statement:
        description: One SQL statement.
        type: str
        required: true
      expect:
        description:
          - V(denied) when a privilege or policy refuses it (SQLSTATE 42501), V(error) with O(expectations[].sqlstate).
          - V(rows) when it returns O(expectations[].count) rows, V(affected) when it changes that many. Rows a policy hides are neither.
        type: str
        choices: [rows, affected, denied, error]
        required: true
      count:
        description: How many rows; any number if not given.
        type: int
      sqlstate:
        description: The error's five letters.
        type: str
  lints:
    description: Names of the lints to run; V([]) means all of them, V(["none"]) none.
    type: list
    elements: str
    default: []
  lint_schemas:
    description: The schemas that the API exposes.
    type: list
    elements: str
    default: [public]
  lint_allowed:
    description: Findings that are as they are on purpose, as C(<lint> <object>).
    type: list
    elements: str
    default: []
  lints_fail:
    description: Whether findings of the lints fail the task. Otherwise they are warnings.
    type: bool
    default: true
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

from ansible_collections.quetrex.platform.plugins.module_utils.supabase import assertions, lints
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.arguments import connection_spec, target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure


def argument_spec() -> dict[str, Any]:
    expectation = {
        "name": {"type": "str", "required": True},
        "role": {"type": "str", "required": True},
        "claims": {"type": "dict"},
        "statement": {"type": "str", "required": True},
        "expect": {"type": "str", "choices": ["rows", "affected", "denied", "error"], "required": True},
        "count": {"type": "int"},
        "sqlstate": {"type": "str"},
    }
    return {
        **connection_spec(),
        "setup": {"type": "list", "elements": "str", "default": []},
        "expectations": {"type": "list", "elements": "dict", "default": [], "options": expectation},
        "lints": {"type": "list", "elements": "str", "default": []},
        "lint_schemas": {"type": "list", "elements": "str", "default": ["public"]},
        "lint_allowed": {"type": "list", "elements": "str", "default": []},
        "lints_fail": {"type": "bool", "default": True},
        "lock_timeout": {"type": "float", "default": 2},
        "statement_timeout": {"type": "float", "default": 30},
    }


def examine(parameters: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Results of the expectations, and findings of the lints."""
    expectations = [assertions.read(given) for given in parameters["expectations"]]
    for number, sql in enumerate(parameters["setup"], 1):
        assertions.refuse_unsafe(f"Statement {number} of setup", sql)
    names = parameters["lints"]
    lints.refuse_unknown([name for name in names if name != "none"])
    with Database(target(parameters, "supabase_assertions")) as database, database.transaction():
        findings = [] if names == ["none"] else lints.run(database, names, parameters["lint_schemas"], parameters["lint_allowed"])
        limits = {name: parameters[name] for name in ("statement_timeout", "lock_timeout")}
        assertions.prepare(database, parameters["setup"], **limits)
        return [assertions.attempt(database, expectation) for expectation in expectations], findings


def complaint(results: list[dict[str, Any]], findings: list[dict[str, Any]]) -> str:
    """One line per thing that is wrong."""
    missed = [f"{item['name']} (as {item['role']}): expected {item['expected']}, got {item['got']}" for item in results if not item["passed"]]
    found = [f"{item['lint']}: {item['object']}{' (' + item['detail'] + ')' if item['detail'] else ''}. {item['advice']}" for item in findings]
    return "\n".join(missed + found)


def main() -> None:
    module = AnsibleModule(argument_spec(), supports_check_mode=True)
    try:
        results, findings = examine(module.params)
    except Failure as error:
        module.fail_json(msg=error.message, failure={"code": error.code, "details": error.details}, expectations=[], findings=[])
    told: dict[str, Any] = {"changed": False, "expectations": results, "findings": findings}
    fatal = findings if module.params["lints_fail"] else []
    if findings and not fatal:
        module.warn(complaint([], findings))
    words = complaint(results, fatal)
    if words:
        names = {"expectations": [item["name"] for item in results if not item["passed"]], "lints": sorted({item["lint"] for item in fatal})}
        module.fail_json(msg=words, failure={"code": "not_met", "details": names}, **told)
    module.exit_json(msg=f"{len(results)} expectations met, {len(findings) or 'nothing'} found by the lints.", **told)


if __name__ == "__main__":
    main()
