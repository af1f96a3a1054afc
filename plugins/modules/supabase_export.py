#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module supabase_export: a copy of a database that can prove what it holds."""

from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_export
short_description: Export a Supabase or PostgreSQL database with proof of what it holds
version_added: "1.0.0"
description:
  - Writes a folder with a dump (C(pg_dump), custom format, of at least the server's version) and a manifest with rows and a digest per table, the ledger,
    privileges, policies and triggers, all of one snapshot.
  - The folder appears under its name only when it is complete and on the disk. An export is never written over.
  - With O(state=compared) it tells which tables have changed since.
  - With O(state=finished) the exports beside it are thinned out and encrypted.
extends_documentation_fragment:
  - quetrex.platform.database
options:
  path:
    description: The export's folder. If it is there already and whole, nothing is done.
    type: path
    required: true
  state:
    description:
      - V(present) takes the export, V(compared) compares the database with it.
      - V(finished) asks no database. It encrypts this export and those of the same folder whose name is a time, and removes the oldest of those.
    type: str
    choices: [present, compared, finished]
    default: present
  recipients:
    description: Public keys (C(age1…) or of SSH) that the dumps are encrypted to with C(age). None, and they stay as they are.
    type: list
    elements: str
    default: []
  keep:
    description: With O(state=finished) how many exports stay whose name is a time, C(20260102T030405Z); others are never removed. 0 for all.
    type: int
    default: 0
  managed_tables:
    description: Tables of Supabase's own whose rows belong to the platform. Rows of others are counted in RV(left_behind).
    type: list
    elements: str
    default: [auth.users, auth.identities]
  bin_dir:
    description: Folder of C(pg_dump), if it is not found by itself.
    type: path
attributes:
  check_mode:
    support: partial
    description: Tells whether an export would be taken.
    details: The tables and what is left behind are not returned, for they are read only while the export is taken.
  diff_mode:
    support: none
    description: Rows are not shown.
  idempotent:
    support: full
    description: An export of this name is left alone.
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Keep a copy of today
  quetrex.platform.supabase_export:
    host: db.abcdefghijklmnopqrst.supabase.co
    password: "{{ vault_database_password }}"
    ca_certificate: /etc/ssl/supabase.pem
    path: /srv/exports/2026-11-28
"""

RETURN = r"""
path:
  description: The export's folder.
  type: str
  returned: always
tables:
  description: Rows per table.
  type: dict
  returned: when there is an export
sealed:
  description: Names of the exports that were encrypted.
  type: list
  elements: str
  returned: when O(state=finished)
removed:
  description: Names of the exports that were removed.
  type: list
  elements: str
  returned: when O(state=finished)
left_behind:
  description: Rows of Supabase's own tables that a migration does not carry (files, sessions, jobs).
  type: dict
  returned: when there is an export
source:
  description: Where it was taken.
  type: str
  returned: when there is an export
moved_on:
  description: Tables that have changed since.
  type: list
  elements: str
  returned: when O(state=compared)
failure:
  description: What went wrong, for code.
  type: dict
  returned: on failure
  contains:
    code: {description: A short constant., type: str, returned: always}
    details: {description: What the code needs to know., type: dict, returned: always}
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import run
from ansible_collections.quetrex.platform.plugins.module_utils.run_command import RunCommand
from ansible_collections.quetrex.platform.plugins.module_utils.supabase import archive, export
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.arguments import connection_spec, target


def argument_spec() -> dict[str, Any]:
    return {
        **connection_spec(),
        "path": {"type": "path", "required": True},
        "state": {"type": "str", "choices": ["present", "compared", "finished"], "default": "present"},
        "recipients": {"type": "list", "elements": "str", "default": []},
        "keep": {"type": "int", "default": 0},
        "managed_tables": {"type": "list", "elements": "str", "default": ["auth.users", "auth.identities"]},
        "bin_dir": {"type": "path"},
    }


def told(manifest: dict[str, Any]) -> dict[str, Any]:
    rows = {name: table["rows"] for name, table in manifest["tables"].items()}
    return {"tables": rows, **{name: manifest[name] for name in ("left_behind", "source", "created")}}


def work(command: RunCommand, parameters: dict[str, Any], *, check: bool) -> dict[str, Any]:
    if parameters["state"] == "finished":
        done = archive.finish(command, Path(parameters["path"]), parameters["recipients"], parameters["keep"], only_look=check)
        return {"changed": bool(done["sealed"] or done["removed"]), "path": parameters["path"], **done}
    source, path = target(parameters, "supabase_export"), parameters["path"]
    if parameters["state"] == "compared":
        manifest = export.read(path)
        return {"changed": False, "path": path, "moved_on": export.moved_on(source, manifest), **told(manifest)}
    if Path(path).exists():
        return {"changed": False, "path": path, **told(export.read(path))}
    archive.check(command, parameters["recipients"])
    if check:
        return {"changed": True, "path": path}
    manifest = export.take(command, source, path, managed_tables=parameters["managed_tables"], bin_dir=parameters["bin_dir"])
    return {"changed": True, "path": path, **told(manifest)}


def main() -> None:
    module = AnsibleModule(argument_spec(), supports_check_mode=True)
    run(module, lambda: work(module.run_command, module.params, check=module.check_mode))


if __name__ == "__main__":
    main()
