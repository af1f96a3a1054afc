#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module supabase_project: a project exists, is awake, and is set as wanted."""

from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_project
short_description: Create or adopt, wake and set a Supabase project
version_added: "1.0.0"
description:
  - Finds the project by O(ref), or by O(name) in O(organization), or makes it, and waits until it is healthy.
  - Ends early when the project is in a state that it cannot leave by itself.
  - A project is never deleted or paused, and its region and password never change.
extends_documentation_fragment:
  - quetrex.platform.supabase_api
options:
  ref:
    description: The project's reference. It has to exist.
    type: str
  name:
    description: The project's name; made if there is none of this name.
    type: str
  organization:
    description: Slug of the organisation. Needed to make a project.
    type: str
  region:
    description: Region of a new project, such as V(us-east-1).
    type: str
  database_password:
    description: Password of the user C(postgres) of a new project.
    type: str
  create:
    description: Whether to make the project if there is none; with V(false) the module fails then.
    type: bool
    default: true
  wake:
    description: Whether to wake the project if it is paused.
    type: bool
    default: true
  wait:
    description:
      - Whether to wait until the project is healthy. With V(false) a project is made or woken and left to itself, so that something else can be done
        meanwhile; nothing else is looked at then, but for the keys if they are asked for.
    type: bool
    default: true
  ssl_enforced:
    description:
      - Whether the database refuses connections without TLS. Changing it restarts the database for a moment. Where the organisation's plan does not let
        anybody set it, that is a warning.
    type: bool
  allowed_networks:
    description:
      - Addresses and networks (IPv4 and IPv6) that may connect to the database. What O(networks_record) says that this environment has added before
        is taken out when it is not given any more; what others have added is up to O(foreign_networks).
      - V(0.0.0.0/0) and V(::/0) lift the restrictions. Not given means left alone.
    type: list
    elements: str
  foreign_networks:
    description:
      - What is done with networks that are let in, not given, and not in O(networks_record). Another environment that shares the project may live by
        them, so V(refuse) fails before anything is changed, V(keep) leaves them and V(remove) takes them out.
      - A database that is open to all is closed only when no other environment has released to it, or with V(remove).
    type: str
    choices: [refuse, keep, remove]
    default: refuse
  networks_record:
    description: File on the controller that keeps which networks this environment has added. Without it every network that is not given is another's.
    type: path
  owner:
    description: The environment this is for, to know which others use the database.
    type: dict
    suboptions:
      platform:
        description: Name of the platform.
        type: str
        required: true
      environment:
        description: Its environment.
        type: str
        required: true
  proof:
    description:
      - A login to the database, with the options of M(quetrex.platform.supabase_schema). It is tried from here when O(allowed_networks) changed;
        should it fail, the former networks are put back and the module fails. So they are when Supabase does not apply the new ones in two minutes.
    type: dict
    suboptions:
      host:
        description: Name of the database server, or the folder of its socket.
        type: str
        required: true
      address:
        description: IP address of O(proof.host), where its name does not resolve.
        type: str
      port:
        description: Port of the database.
        type: int
        default: 5432
      user:
        description: Name to log in with; through Supabase's shared pooler C(postgres.<ref>).
        type: str
        default: postgres
      password:
        description: The database password.
        type: str
      database:
        description: Name of the database.
        type: str
        default: postgres
      sslmode:
        description: How much the server's certificate is trusted, in the words of libpq.
        type: str
        choices: [disable, allow, prefer, require, verify-ca, verify-full]
        default: verify-full
      ca_certificate:
        description: The CA certificate that signs the server's, as the path of a PEM file or as the PEM itself.
        type: str
      connect_timeout:
        description: Seconds to wait for the server to answer.
        type: int
        default: 10
  expected_keys:
    description:
      - API keys that something uses, by any names. The module fails if one of them is none of the project's, or a legacy key that is switched off, and
        warns of legacy keys, which Supabase removes at the end of 2026.
    type: dict
    default: {}
  connections:
    description:
      - How many connections to the shared pooler one copy of the application opens at most. The module warns when two copies of it and the platform itself may
        need more sessions than the pooler has, which refuses further ones instead of having them wait.
    type: int
  keys:
    description:
      - Whether to return the project's API keys. Set C(no_log) on the task then. The module fails when there is no key for a purpose, and none in
        O(expected_keys) under C(anon) or C(service_role).
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Reads the project and its settings, and tells what would change.
  diff_mode:
    support: full
    description: Shows the settings that change.
  idempotent:
    support: full
    description: A project that is as wanted is left alone.
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: The platform's project, reachable from its server alone
  quetrex.platform.supabase_project:
    api_token: "{{ vault_supabase_api_token }}"
    name: quetrex
    organization: quetrex-inc
    region: us-east-1
    database_password: "{{ vault_database_password }}"
    ssl_enforced: true
    allowed_networks: ["203.0.113.7", "2001:db8:1::/64"]
    proof:
      host: aws-0-us-east-1.pooler.supabase.com
      user: postgres.abcdefghijklmnopqrst
      password: "{{ vault_database_password }}"
      ca_certificate: "{{ vault_database_ca }}"

- name: Wake it, and do something else while it wakes
  quetrex.platform.supabase_project:
    api_token: "{{ vault_supabase_api_token }}"
    ref: abcdefghijklmnopqrst
    wait: false
"""

RETURN = r"""
project:
  description: The project as the API has it; none in check mode when it would be made.
  type: dict
  returned: when it exists
  sample: {ref: abcdefghijklmnopqrst, name: quetrex, region: us-east-1, status: ACTIVE_HEALTHY}
url:
  description: Address of the project's API.
  type: str
  returned: when it exists, with O(wait=true) or O(keys=true)
  sample: https://abcdefghijklmnopqrst.supabase.co
pooler:
  description: The shared pooler as host, user, transaction_port, session_port, database and pool_size (none where it depends on the compute).
  type: dict
  returned: when it exists, with O(wait=true) or O(keys=true)
api_keys:
  description: The API keys that can be used, by name. Keys that are switched off or not shown are left out.
  type: dict
  returned: when O(keys=true)
app_keys:
  description:
    - The keys for an application, C(anon) for browsers and C(service_role) for its server. The newer kind (C(sb_publishable_…), C(sb_secret_…)) comes
      first, and of several the one called C(default), or the eldest. A legacy key is taken where there is no other, with a warning.
  type: dict
  returned: when O(keys=true)
changes:
  description: What differed.
  type: list
  elements: dict
  returned: always
  contains:
    what: {description: "V(project), V(status), V(ssl_enforced) or V(allowed_networks).", type: str, returned: always}
    before: {description: What was., type: raw, returned: always}
    after: {description: What is wanted., type: raw, returned: always}
failure:
  description: What went wrong, for code.
  type: dict
  returned: on failure
  contains:
    code: {description: A short constant such as V(lost) or V(timeout)., type: str, returned: always}
    details: {description: What the code needs to know., type: dict, returned: always}
"""

import json
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import run
from ansible_collections.quetrex.platform.plugins.module_utils.supabase import keys, project, project_info, sessions
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.account import api_of, api_spec
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.arguments import connection_spec, target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.management import Api


def argument_spec() -> dict[str, Any]:
    return {
        **api_spec(),
        "ref": {"type": "str"},
        "name": {"type": "str"},
        "organization": {"type": "str"},
        "region": {"type": "str"},
        "database_password": {"type": "str", "no_log": True},
        "create": {"type": "bool", "default": True},
        "wake": {"type": "bool", "default": True},
        "wait": {"type": "bool", "default": True},
        "ssl_enforced": {"type": "bool"},
        "allowed_networks": {"type": "list", "elements": "str"},
        "foreign_networks": {"type": "str", "choices": ["refuse", "keep", "remove"], "default": "refuse"},
        "networks_record": {"type": "path"},
        "owner": {"type": "dict", "options": {name: {"type": "str", "required": True} for name in ("platform", "environment")}},
        "proof": {"type": "dict", "options": connection_spec()},
        "expected_keys": {"type": "dict", "default": {}, "no_log": True},
        "connections": {"type": "int"},
        "keys": {"type": "bool", "default": False, "no_log": False},
    }


def wanted_of(parameters: dict[str, Any]) -> project.Wanted:
    names = (
        "ref",
        "name",
        "organization",
        "region",
        "wake",
        "wait",
        "ssl_enforced",
        "allowed_networks",
        "foreign_networks",
        "networks_record",
    )
    login, owner = parameters["proof"], parameters["owner"]
    return project.Wanted(
        password=parameters["database_password"],
        make=parameters["create"],
        proof=target(login, "supabase_project") if login else None,
        owner=(owner["platform"], owner["environment"]) if owner else None,
        **{name: parameters[name] for name in names},
    )


def addresses(api: Api, found: dict[str, Any], parameters: dict[str, Any], warnings: list[str]) -> dict[str, Any]:
    """What the app and the migrations need to know of a project that is there."""
    told: dict[str, Any] = {"url": project_info.url(found), "pooler": project_info.pooler(api, found["ref"])}
    if parameters["keys"] or parameters["expected_keys"]:
        told |= _keys(api, found, parameters, warnings)
    return told


def _keys(api: Api, found: dict[str, Any], parameters: dict[str, Any], warnings: list[str]) -> dict[str, Any]:
    """The project's keys, if they are asked for; those of the application are looked at in any case."""
    read, given = keys.read_keys(api, found["ref"]), parameters["expected_keys"]
    keys.refuse_foreign(found, read, given)
    chosen = keys.for_application(read)
    # A project that is being made has none yet.
    if parameters["keys"] and found["status"] != "COMING_UP":
        keys.refuse_missing(found, chosen, given)
    said = keys.warning(read, {**chosen, **{name: key for name, key in given.items() if key}} if parameters["keys"] else given)
    warnings += [said] if said else []
    return {"api_keys": read.values, "app_keys": chosen} if parameters["keys"] else {}


def too_many(api: Api, found: dict[str, Any], parameters: dict[str, Any], told: dict[str, Any]) -> list[str]:
    """What has to be said about sessions of the pooler."""
    if not parameters["connections"]:
        return []
    pooler = told["pooler"] if "pooler" in told else project_info.pooler(api, found["ref"])
    own = (pooler or {}).get("pool_size")
    said = sessions.warning(parameters["connections"], own, None if own else project_info.compute(api, found["ref"]))
    return [said] if said else []


def result(found: dict[str, Any] | None, changes: list[project.Change]) -> dict[str, Any]:
    told: dict[str, Any] = {"changed": bool(changes), "changes": [asdict(change) for change in changes]}
    if changes:
        sides = [{change.what: getattr(change, side) for change in changes} for side in ("before", "after")]
        told["diff"] = dict(zip(("before", "after"), (json.dumps(side, indent=2) + "\n" for side in sides)))
    return told | ({"project": found} if found else {})


def main() -> None:
    module = AnsibleModule(
        argument_spec(),
        supports_check_mode=True,
        required_one_of=[("ref", "name")],
        mutually_exclusive=[("ref", "name")],
    )
    wanted = wanted_of(module.params)
    changes: list[project.Change] = []
    warnings: list[str] = []
    told: dict[str, Any] = {}

    def work() -> dict[str, Any]:
        api = api_of(module.params, wanted.password)
        found = project.converge(api, wanted, check=module.check_mode, changes=changes, warnings=warnings)
        # What is being made at this moment has no address yet.
        if found and "database" in found:
            told.update(addresses(api, found, module.params, warnings) if wanted.wait or module.params["keys"] else {})
            warnings.extend(too_many(api, found, module.params, told))
        return ended(found, **told)

    def ended(found: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
        for said in warnings:
            module.warn(said)
        return {**result(found, changes), **more}

    run(module, work, lambda: ended(None))


if __name__ == "__main__":
    main()
