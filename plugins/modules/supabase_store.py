#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module supabase_store: the schema in which the platform keeps its record of releases."""

from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_store
short_description: Make the schema in which the platform keeps its own records
version_added: "1.0.0"
description:
  - Makes the schema C(quetrex_platform) with the table C(releases), which the release program writes and a new server reads.
  - Nobody but the owner may enter the schema, whatever default privileges the database has. It sets no default privileges and touches no other object.
  - Rows of C(platform.releases), where earlier versions kept them, are copied; the old table is left as it is.
  - C(supabase_migrations.quetrex_begun), in which earlier versions noted how far a migration with several steps had come, is moved here. Nothing of the
    platform stays in the schema of the Supabase CLI.
extends_documentation_fragment:
  - quetrex.platform.database
options:
  state:
    description:
      - V(present) makes what is missing.
      - V(verified) fails when something is missing, and changes nothing.
    type: str
    choices: [present, verified]
    default: present
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
- name: Keep the record of releases in the database
  quetrex.platform.supabase_store:
    host: db.abcdefghijklmnopqrst.supabase.co
    password: "{{ vault_database_password }}"
    ca_certificate: /etc/ssl/supabase.pem
"""

RETURN = r"""
made:
  description: What was not there.
  type: list
  elements: str
  returned: always
  sample: [schema quetrex_platform, table quetrex_platform.releases]
failure:
  description: What went wrong, for code.
  type: dict
  returned: on failure
  contains:
    code: {description: A short constant such as V(clash) or V(no_store)., type: str, returned: always}
    details: {description: What the code needs to know., type: dict, returned: always}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import run
from ansible_collections.quetrex.platform.plugins.module_utils.supabase import notes, store
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.arguments import connection_spec, made, target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure


def main() -> None:
    module = AnsibleModule({**connection_spec(), "state": {"type": "str", "choices": ["present", "verified"], "default": "present"}}, supports_check_mode=True)

    def work() -> dict[str, Any]:
        with Database(target(module.params, "supabase_store")) as database:
            wanted = store.missing(database)
            if wanted and module.params["state"] == "verified":
                raise Failure(f"The platform's own schema lacks {', '.join(wanted)}. Run site or deploy, which make it.", "no_store", lacking=list(wanted))
            if module.params["state"] == "present":
                wanted |= notes.moved(database)
            if not module.check_mode:
                store.make(database, wanted)
        return made(wanted)

    run(module, work, lambda: {"made": []})


if __name__ == "__main__":
    main()
