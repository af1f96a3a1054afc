#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module platform_report: judge what was observed, and write it down."""

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_report
short_description: Judge what was observed of the platform, as a table, as JSON and as JUnit
version_added: "1.0.0"
description:
  - Names everything that is not as described, with what to do about it. It looks at nothing itself.
  - Reports are written by rename, so that a reader never sees half of one. Writing them is no change of the platform.
options:
  observed:
    description:
      - C(at), and what there is of C(drift), C(probe), C(servers) with C(name) and C(inspection), C(schema), C(project), C(monitors), C(seconds).
      - Each as the module that looked has returned it.
    type: dict
    required: true
  limits:
    description: Limits that differ from the module's own, for example V(certificate_days).
    type: dict
    default: {}
  sockets:
    description: Sockets a server may listen on, as C(protocol/port).
    type: list
    elements: str
    default: [tcp/22, tcp/80, tcp/443, udp/68, udp/546]
  timers:
    description: Timers that have to be switched on, beside every C(platform-) timer.
    type: list
    elements: str
    default: []
  units_allowed:
    description: Units that may have failed.
    type: list
    elements: str
    default: []
  json_file:
    description: Write the findings as JSON to this file.
    type: path
  junit_file:
    description: Write the findings as JUnit to this file.
    type: path
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: partial
    details: The reports are written in check mode too; the platform is never changed.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Judge it
  quetrex.platform.platform_report:
    observed:
      at: "{{ now(utc=true).isoformat() }}"
      probe: "{{ probe.probe }}"
    junit_file: /tmp/verify.xml
  register: report
"""

RETURN = r"""
ok:
  description: Whether there is no problem. Warnings and notes are none.
  returned: success
  type: bool
findings:
  description: What is not as described, worst first.
  returned: success
  type: list
  elements: dict
  contains:
    part: {description: Part of the platform., type: str, returned: always}
    state: {description: "V(problem), V(warning) or V(note).", type: str, returned: always}
    what: {description: What is wrong., type: str, returned: always}
    detail: {description: More about it., type: str, returned: always}
    fix: {description: What to do., type: str, returned: always}
    host: {description: "The server, where it is about one.", type: str, returned: always}
parts:
  description: The worst state of each part, V(ok) where there is nothing.
  returned: success
  type: dict
table:
  description: The same for people.
  returned: success
  type: list
  elements: str
summary:
  description: The whole in one line.
  returned: success
  type: str
"""

import json
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.reporting.files import replace
from ansible_collections.quetrex.platform.plugins.module_utils.reporting.findings import Expected, Limits, judge
from ansible_collections.quetrex.platform.plugins.module_utils.reporting.report import document, junit, states, summary, table


def write(path: str | None, text: str) -> None:
    """Where a file is wanted."""
    if path:
        replace(Path(path), text)


def main() -> None:
    """Run the module."""
    spec: dict[str, t.Any] = {
        "observed": {"type": "dict", "required": True},
        "limits": {"type": "dict", "default": {}},
        "sockets": {"type": "list", "elements": "str", "default": list(Expected().sockets)},
        "timers": {"type": "list", "elements": "str", "default": []},
        "units_allowed": {"type": "list", "elements": "str", "default": []},
        "json_file": {"type": "path"},
        "junit_file": {"type": "path"},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    given, observed = module.params, module.params["observed"]
    unknown = sorted(set(given["limits"]) - set(Limits._fields))
    if unknown:
        module.fail_json(msg=f"There is no limit called {', '.join(unknown)}; there are {', '.join(Limits._fields)}.")
    limits = Limits(**{name: float(value) for name, value in given["limits"].items()})  # type: ignore[arg-type]
    found = judge(observed, Expected(tuple(given["sockets"]), tuple(given["timers"]), tuple(given["units_allowed"])), limits)
    told = document(found, observed)
    write(given["json_file"], json.dumps({**told, "observed": observed}, indent=1) + "\n")
    write(given["junit_file"], junit(found, observed))
    module.exit_json(
        changed=False,
        ok=told["ok"],
        findings=told["findings"],
        parts=states(found),
        table=table(found, observed),
        summary=summary(found),
        counts=told["counts"],
    )


if __name__ == "__main__":
    main()
