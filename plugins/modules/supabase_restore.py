#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module supabase_restore: the rows of an export in another database, compared before the commit."""

from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_restore
short_description: Load the rows of an export into another database and compare
version_added: "1.0.0"
description:
  - The target has the schema by the same migrations already; a dump restored as it is would lose privileges and triggers.
  - Loads all tables in one transaction, with triggers kept quiet, and compares rows and digests of each with the manifest before it commits.
  - Compares privileges, policies, triggers and the rest of the catalogue afterwards.
  - Refuses a target that holds other rows, and the database that the export was taken from.
extends_documentation_fragment:
  - quetrex.platform.database
options:
  path:
    description: Folder of an export.
    type: path
    required: true
  replace:
    description: Whether rows that the target already holds in these tables are replaced.
    type: bool
    default: false
  bin_dir:
    description: Folder of C(pg_restore), if it is not found by itself.
    type: path
attributes:
  check_mode:
    support: full
    description: Compares the target with the export and loads nothing.
  diff_mode:
    support: none
    description: Rows are not shown.
  idempotent:
    support: full
    description: A target with the same rows is left alone.
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Fill the new database
  quetrex.platform.supabase_restore:
    host: db.example.com
    password: "{{ vault_new_database_password }}"
    ca_certificate: /etc/ssl/certs/ca-certificates.crt
    path: /srv/exports/2026-11-28
"""

RETURN = r"""
rows:
  description: Rows in all tables together.
  type: int
  returned: always
tables:
  description: Rows per table, the same in export and target.
  type: dict
  returned: always
left_behind:
  description: Rows of Supabase's own tables at the source that were not carried.
  type: dict
  returned: always
difference:
  description: Lines of the catalogue that only one of the two has.
  type: dict
  returned: always
failure:
  description: What went wrong, for code.
  type: dict
  returned: on failure
  contains:
    code: {description: A short constant., type: str, returned: always}
    details: {description: What the code needs to know., type: dict, returned: always}
"""

from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import run
from ansible_collections.quetrex.platform.plugins.module_utils.supabase import restore
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.arguments import connection_spec, target


def argument_spec() -> dict[str, Any]:
    return {
        **connection_spec(),
        "path": {"type": "path", "required": True},
        "replace": {"type": "bool", "default": False},
        "bin_dir": {"type": "path"},
    }


def main() -> None:
    module = AnsibleModule(argument_spec(), supports_check_mode=True)
    given, report = module.params, restore.Report()

    def work() -> dict[str, Any]:
        wanted = {"replace": given["replace"], "bin_dir": given["bin_dir"], "check": module.check_mode}
        restore.load(module.run_command, target(given, "supabase_restore"), given["path"], report, **wanted)
        return asdict(report)

    run(module, work, lambda: asdict(report))


if __name__ == "__main__":
    main()
