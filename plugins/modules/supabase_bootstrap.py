#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module supabase_bootstrap: a plain PostgreSQL gets what migrations for Supabase take for granted."""

from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_bootstrap
short_description: Prepare a plain PostgreSQL for migrations written for Supabase
version_added: "1.0.0"
description:
  - Makes the roles of the API, the schema C(auth) with C(auth.users), C(auth.identities) and the functions on a token's claims, and the schema C(extensions).
  - Changes nothing on a Supabase project, which has all of it.
  - It brings no Auth, no PostgREST and no Realtime; those are services to be run beside the database.
extends_documentation_fragment:
  - quetrex.platform.database
attributes:
  check_mode:
    support: full
    description: Reads what is missing and makes nothing.
  diff_mode:
    support: full
    description: Shows what is made.
  idempotent:
    support: full
    description: A database that has all of it is left alone.
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Make a server of our own look like Supabase
  quetrex.platform.supabase_bootstrap:
    host: db.example.com
    password: "{{ vault_database_password }}"
    ca_certificate: /etc/ssl/certs/ca-certificates.crt
"""

RETURN = r"""
made:
  description: What was not there.
  type: list
  elements: str
  returned: always
  sample: [role anon, schema auth, table auth.users]
failure:
  description: What went wrong, for code.
  type: dict
  returned: on failure
  contains:
    code: {description: A short constant., type: str, returned: always}
    details: {description: What the code needs to know., type: dict, returned: always}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import run
from ansible_collections.quetrex.platform.plugins.module_utils.supabase import bootstrap
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.arguments import connection_spec, made, target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database


def main() -> None:
    module = AnsibleModule(connection_spec(), supports_check_mode=True)

    def work() -> dict[str, Any]:
        with Database(target(module.params, "supabase_bootstrap")) as database:
            wanted = bootstrap.missing(database)
            if not module.check_mode:
                bootstrap.make(database, wanted)
        return made(wanted)

    run(module, work, lambda: {"made": []})


if __name__ == "__main__":
    main()
