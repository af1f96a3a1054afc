#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module supabase_schema: SQL migrations with the Supabase CLI's folder and ledger."""

from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_schema
short_description: Apply, adopt or verify the SQL migrations of a Supabase or PostgreSQL database
version_added: "1.0.0"
description:
  - Uses the folder and the ledger of the Supabase CLI (C(<digits>_<name>.sql), C(supabase_migrations.schema_migrations)),
    so both tools can be used on one database. What the CLI runs, runs.
  - Each file runs in one transaction together with its ledger row, and every commit is proved by reading the ledger back.
    A run that is killed leaves nothing half-done; the next one goes on where it stopped.
  - What has to hold afterwards (O(expectations), O(lints)) is tried before the last file is committed, and in check mode. If several files are pending,
    all of them run in one transaction first that is rolled back, so that a run that would be refused at its end applies nothing.
  - One run at a time per database. A second one waits, and when it gives up it says who holds the lock.
  - Refuses files that were edited after they were applied, that lost their file, share a version, or are older than what is applied;
    files with C(ROLLBACK) or psql commands; and poolers in transaction mode.
  - BEGIN and COMMIT of a file's own are run as the file has them, its last transaction together with the ledger row; with or without them a file counts as
    the same. The rows of C(COPY FROM STDIN) are sent as psql sends them; the C(\\restrict) lines of pg_dump are left out.
  - A statement that cannot run in a transaction (C(CREATE INDEX CONCURRENTLY), C(VACUUM), …) runs alone, at its place in the file. What stands before it is
    committed first and noted, so that a run that is killed or fails goes on behind it; an index that a killed run left INVALID is dropped and rebuilt.
    The same is done with a value that C(ALTER TYPE … ADD VALUE) adds, if the file uses it.
  - SQL is read by PostgreSQL's own parser (pglast). What it does not know, the grammar of an older or newer server, is split by its quotes and parentheses
    and judged by its first words; O(expand_only) refuses what it cannot judge.
extends_documentation_fragment:
  - quetrex.platform.database
  - quetrex.platform.promises
options:
  migrations:
    description:
      - Folders of migration files. They run folder by folder, within a folder by version. Versions must be unique over all of them.
      - SQL in a sub-folder or in a file with another suffix is passed over, as by the CLI, and named in a warning and in RV(passed_over).
    type: list
    elements: path
    required: true
  state:
    description:
      - V(applied) runs what is pending.
      - V(adopted) records the pending files up to O(adopt_version) as applied without running them, for a database whose schema came in another way.
      - V(verified) fails when a file is pending, and on everything V(applied) refuses. It changes nothing.
    type: str
    choices: [applied, adopted, verified]
    default: applied
  adopt_version:
    description: The newest version to adopt. Required with O(state=adopted).
    type: str
  compare:
    description:
      - Whether O(state=adopted) refuses to record files that do not make the very schema that is there. The difference is shown.
      - Runs the files in a shadow database on the same server, as O(drift) does, also in check mode.
    type: bool
    default: false
  versions:
    description: Look at these versions alone, as if there were no other files. Empty means all.
    type: list
    elements: str
    default: []
  missing:
    description: What to do about versions in the ledger without a file. Use V(ignore) when another project owns them.
    type: str
    choices: [fail, ignore]
    default: fail
  retired:
    description: Folders whose files are not run any more. Their versions in the ledger are not missing.
    type: list
    elements: path
    default: []
  out_of_order:
    description: What to do about pending files older than what is applied from the same folder.
    type: str
    choices: [fail, ignore]
    default: fail
  expand_only:
    description:
      - Folders out of O(migrations) whose pending files may only add, because a release that serves still needs what is there. Refused are
        C(DROP) of tables, columns, functions, types, triggers and publications, C(RENAME), C(TRUNCATE), C(DELETE) without C(WHERE), another column type,
        C(SET NOT NULL), tables that a publication loses, and a new column that is C(NOT NULL) without a default.
      - A folder of which nothing was applied yet is not judged.
    type: list
    elements: path
    default: []
  removals:
    description: Versions that may take away all the same, because no release that serves or can be rolled back to needs it any more.
    type: list
    elements: str
    default: []
  exclusive:
    description:
      - Folders out of O(migrations) that share no object with anybody. Nothing is run, and check mode fails too, when a pending file of theirs makes a table,
        view, function, type, trigger, policy or index that is there already, or when a pending file of another folder makes one that is theirs.
    type: list
    elements: path
    default: []
  replaceable:
    description: Objects that may be replaced all the same, as the message names them, for example V(trigger on_auth_user_created on auth.users).
    type: list
    elements: str
    default: []
  lints:
    description: Names of the lints of M(quetrex.platform.supabase_assertions) to run; V([]) means all of them, V(["none"]) none.
    type: list
    elements: str
    default: ["none"]
  lock_wait:
    description: Seconds to wait for another run on this database to end.
    type: float
    default: 60
  lock_timeout:
    description: Seconds a migration waits for a lock on a table. Queries queue up behind a waiting migration, so keep it short.
    type: float
    default: 5
  statement_timeout:
    description: Seconds a single statement of a migration may run.
    type: float
    default: 300
  retries:
    description: How often a file is tried again after it could not get a lock in time, or met a deadlock.
    type: int
    default: 5
  drift:
    description:
      - Whether to fail when the live schema is not the one the migrations make. Only with O(state=verified).
      - Runs all migrations in a shadow database on the same server, which is dropped afterwards; O(user) needs C(CREATEDB) and a direct connection.
    type: bool
    default: false
  return_queries:
    description: Whether to return every SQL text that was sent.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: >-
      Runs all pending files for real in one transaction and rolls it back, so errors are the real ones. The locks are real while it lasts.
      Statements that cannot run in a transaction are not tried, and their files are listed in RV(not_rehearsed).
  diff_mode:
    support: full
    description: Shows the lines of the catalogue (tables, columns, policies, grants, functions, triggers, …) that go and come.
  idempotent:
    support: full
    description: A second run changes nothing.
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Apply the migrations
  quetrex.platform.supabase_schema:
    host: db.abcdefghijklmnopqrst.supabase.co
    password: "{{ vault_database_password }}"
    ca_certificate: /etc/ssl/supabase.pem
    migrations:
      - "{{ playbook_dir }}/supabase/migrations"

- name: Take over a database whose tables were made by hand
  quetrex.platform.supabase_schema:
    host: aws-0-us-east-1.pooler.supabase.com
    user: postgres.abcdefghijklmnopqrst
    password: "{{ vault_database_password }}"
    ca_certificate: "{{ vault_database_ca }}"
    migrations: [supabase/migrations]
    state: adopted
    adopt_version: "20250101000000"
    compare: true

- name: Make sure that everything is applied and nothing was edited
  quetrex.platform.supabase_schema:
    host: db.abcdefghijklmnopqrst.supabase.co
    password: "{{ vault_database_password }}"
    ca_certificate: /etc/ssl/supabase.pem
    migrations: [supabase/migrations]
    state: verified
"""

RETURN = r"""
ran:
  description: The files that ran (in check mode, were tried), in order. Also returned when a later one failed.
  type: list
  elements: dict
  returned: always
  contains:
    version: {description: The file's version., type: str, returned: always}
    name: {description: The file's name without version and suffix., type: str, returned: always}
    seconds: {description: How long it took., type: float, returned: always}
    attempts: {description: How often it was tried., type: int, returned: always}
  sample: [{version: "20250101000000", name: document_schema, seconds: 0.021, attempts: 1}]
adopted:
  description: The files that were recorded without running.
  type: list
  elements: str
  returned: always
pending:
  description: The files that are not applied.
  type: list
  elements: str
  returned: always
applied:
  description: The files that are applied.
  type: list
  elements: str
  returned: always
missing:
  description: Versions in the ledger without a file.
  type: list
  elements: str
  returned: always
unverifiable:
  description: Applied files whose text the ledger does not hold, so that an edit cannot be seen.
  type: list
  elements: str
  returned: always
passed_over:
  description: Files with SQL that will not run, because they lie in a sub-folder or have another suffix.
  type: list
  elements: str
  returned: always
left_out:
  description: Files that O(versions) leaves out.
  type: list
  elements: str
  returned: always
not_rehearsed:
  description: Files that check mode could not try, or not whole.
  type: list
  elements: str
  returned: always
queries:
  description: Every SQL text that was sent.
  type: list
  elements: str
  returned: when O(return_queries=true)
failure:
  description: What went wrong, for code.
  type: dict
  returned: on failure
  contains:
    code: {description: A short constant such as V(edited) or V(clash)., type: str, returned: always}
    details: {description: What the code needs to know., type: dict, returned: always}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import run
from ansible_collections.quetrex.platform.plugins.module_utils.supabase import drift, promises
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.arguments import connection_spec, target
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.runner import Limits
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.schema import Report, Wanted, converge


def argument_spec() -> dict[str, Any]:
    return {
        **connection_spec(),
        "migrations": {"type": "list", "elements": "path", "required": True},
        "state": {"type": "str", "choices": ["applied", "adopted", "verified"], "default": "applied"},
        "adopt_version": {"type": "str"},
        "compare": {"type": "bool", "default": False},
        "versions": {"type": "list", "elements": "str", "default": []},
        "missing": {"type": "str", "choices": ["fail", "ignore"], "default": "fail"},
        "retired": {"type": "list", "elements": "path", "default": []},
        "out_of_order": {"type": "str", "choices": ["fail", "ignore"], "default": "fail"},
        "expand_only": {"type": "list", "elements": "path", "default": []},
        "removals": {"type": "list", "elements": "str", "default": []},
        "exclusive": {"type": "list", "elements": "path", "default": []},
        "replaceable": {"type": "list", "elements": "str", "default": []},
        **promises.option_spec(),
        "lints": {"type": "list", "elements": "str", "default": ["none"]},
        "lock_wait": {"type": "float", "default": 60},
        "lock_timeout": {"type": "float", "default": 5},
        "statement_timeout": {"type": "float", "default": 300},
        "retries": {"type": "int", "default": 5},
        "drift": {"type": "bool", "default": False},
        "return_queries": {"type": "bool", "default": False},
    }


def wanted(parameters: dict[str, Any]) -> Wanted:
    names = ("lock_wait", "lock_timeout", "statement_timeout", "retries")
    return Wanted(
        folders=parameters["migrations"],
        state=parameters["state"],
        adopt_version=parameters["adopt_version"],
        compare=parameters["compare"],
        versions=parameters["versions"],
        missing=parameters["missing"],
        retired=parameters["retired"],
        out_of_order=parameters["out_of_order"],
        expand_only=parameters["expand_only"],
        removals=parameters["removals"],
        exclusive=parameters["exclusive"],
        replaceable=parameters["replaceable"],
        promises=promises.read(parameters, statement_timeout=parameters["statement_timeout"], lock_timeout=parameters["lock_timeout"]),
        limits=Limits(**{name: parameters[name] for name in names}),
    )


def result(module: AnsibleModule, report: Report) -> dict[str, Any]:
    found = report.as_result()
    if module.params["return_queries"]:
        found["queries"] = report.queries
    if report.difference:
        gone, come = report.difference
        found["diff"] = {"before_header": "catalogue", "after_header": "catalogue", "before": _text(gone), "after": _text(come)}
    for warning in report.outcome.warnings:
        module.warn(warning)
    return found


def refuse_drift(parameters: dict[str, Any], report: Report) -> None:
    gone, come = drift.find(target(parameters, "supabase_schema drift"), parameters["migrations"], wanted(parameters).limits)
    if gone or come:
        report.difference = (gone, come)
        words = [f"without {line}" for line in gone] + [f"besides {line}" for line in come]
        raise Failure(f"The schema was changed past the migrations: {'; '.join(words)[:3000]}", "drift", gone=gone, come=come)


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def main() -> None:
    module = AnsibleModule(argument_spec(), supports_check_mode=True, required_if=[("state", "adopted", ["adopt_version"])])
    report = Report()

    def work() -> dict[str, Any]:
        diff = bool(module._diff)  # noqa: SLF001 - the only way to ask
        converge(target(module.params, "supabase_schema"), wanted(module.params), report, check=module.check_mode, diff=diff)
        if module.params["drift"] and module.params["state"] == "verified":
            refuse_drift(module.params, report)
        return result(module, report)

    run(module, work, lambda: result(module, report))


if __name__ == "__main__":
    main()
