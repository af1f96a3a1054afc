#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module first_day_report: judge what the vendors and the first server answered."""

from __future__ import annotations

DOCUMENTATION = r"""
module: first_day_report
short_description: Hold what is believed of the vendors against what they answered
version_added: "1.1.0"
description:
  - Judges answers that other tasks got, row by row, as right, different or not asked. Asks nobody and changes nothing.
options:
  seen:
    description: The answers by the rows' keys, each as its module returned it. A row without an answer was not asked.
    type: dict
    required: true
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
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
- name: Judge what was asked
  quetrex.platform.first_day_report:
    seen:
      probe: "{{ probe }}"
  register: first_day
  failed_when: first_day.different | length > 0
"""

RETURN = r"""
rows:
  description: Each row with C(key), C(title), C(state), C(detail), C(breaks) (what does not work where it is different) and C(todo).
  returned: success
  type: list
  elements: dict
different:
  description: Titles of the rows that are different.
  returned: success
  type: list
  elements: str
table:
  description: All of it for people, a line each.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.reporting.first_day import DIFFERENT, judged, table


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={"seen": {"type": "dict", "required": True}}, supports_check_mode=True)
    rows = judged(module.params["seen"])
    module.exit_json(changed=False, rows=rows, different=[row["title"] for row in rows if row["state"] == DIFFERENT], table=table(rows))


if __name__ == "__main__":
    main()
