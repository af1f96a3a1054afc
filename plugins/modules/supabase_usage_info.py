#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module supabase_usage_info: size, connections, slow queries and accounts, asked of the database itself."""

from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_usage_info
short_description: Size, connections, slow queries and accounts of a database, against its limits
version_added: "1.0.0"
description:
  - Asks the database itself, so that it works without a token of the Management API, and on any PostgreSQL.
  - What is not there (accounts without a schema C(auth), queries without C(pg_stat_statements)) is left out.
extends_documentation_fragment:
  - quetrex.platform.database
options:
  plan:
    description: The organisation's plan, whose limits count. Without it only what O(limits) says, and the server's own limit of connections.
    type: str
    choices: [free, pro, team, enterprise]
  limits:
    description: Limits by the names of RV(usage), before those of the plan; for a server of your own the size of its disk, for instance.
    type: dict
    default: {}
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
- name: How full it is, and when it will be full
  quetrex.platform.supabase_usage_info:
    host: aws-0-us-east-1.pooler.supabase.com
    user: postgres.abcdefghijklmnopqrst
    password: "{{ vault_database_password }}"
    ca_certificate: /etc/ssl/supabase.pem
    plan: pro
    samples: "{{ platform_state_dir }}/database_samples.jsonl"
  register: database
"""

RETURN = r"""
usage:
  description: Each number against its limit.
  type: list
  elements: dict
  returned: success
  contains:
    name: {description: "V(database_bytes), V(auth_users), V(monthly_active_users) or V(connections).", type: str, returned: always}
    used: {description: How much., type: float, returned: always}
    limit: {description: How much there may be; none where nothing sets a limit., type: float, returned: always}
    share: {description: used / limit., type: float, returned: always}
    per_day: {description: Growth a day; none while too little is known., type: float, returned: always}
    days_seen: {description: How many days the growth was watched., type: float, returned: always}
    reached: {description: "The day the limit is reached at that pace, within ten years.", type: str, returned: always}
slow_queries:
  description: The five statements that took most of the time, with query, calls, mean_ms and total_ms.
  type: list
  elements: dict
  returned: success
postgres_version:
  description: The server's version.
  type: str
  returned: success
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

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import run
from ansible_collections.quetrex.platform.plugins.module_utils.supabase import usage
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.arguments import connection_spec, target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database, SqlError

# No such table, column or schema; not allowed.
_NOT_THERE = {"42P01", "42703", "3F000", "42501"}


def argument_spec() -> dict[str, Any]:
    return {
        **connection_spec(),
        "plan": {"type": "str", "choices": ["free", "pro", "team", "enterprise"]},
        "limits": {"type": "dict", "default": {}},
        "samples": {"type": "path"},
    }


def numbers_of(database: Database) -> dict[str, float]:
    """The numbers by name; without accounts where there is no schema auth, or one of another kind."""
    try:
        sql, names = usage.numbers_sql(auth=True)
        row = database.run(sql)[0]
    except SqlError as error:
        if error.sqlstate not in _NOT_THERE:
            raise
        sql, names = usage.numbers_sql(auth=False)
        row = database.run(sql)[0]
    return dict(zip(names, map(float, row)))


def slow_of(database: Database) -> list[dict[str, Any]]:
    """The slowest statements, where the extension is there and the library behind it is loaded."""
    where = database.run(
        "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'"
    )
    if not where:
        return []
    try:
        return [dict(zip(("query", "calls", "mean_ms", "total_ms"), row)) for row in database.run(usage.SLOW.format(schema=where[0][0]))]
    except SqlError:
        return []


def examine(parameters: dict[str, Any], *, check: bool) -> dict[str, Any]:
    login = target(parameters, "supabase_usage_info")
    with Database(login) as database:
        database.run("SET default_transaction_read_only = on; SET statement_timeout = '30s'")
        numbers, slow = numbers_of(database), slow_of(database)
        version = str(database.run("SHOW server_version")[0][0])
    given = {name: float(value) for name, value in parameters["limits"].items()}
    limits = {"connections": numbers["max_connections"], **usage.LIMITS.get(parameters["plan"] or "", {}), **given}
    told = usage.look(numbers, limits, parameters["samples"], f"{login.host}/{login.database}", check=check)
    return {"usage": told, "slow_queries": slow, "postgres_version": version}


def main() -> None:
    module = AnsibleModule(argument_spec(), supports_check_mode=True)
    run(module, lambda: {"changed": False, **examine(module.params, check=module.check_mode)})


if __name__ == "__main__":
    main()
