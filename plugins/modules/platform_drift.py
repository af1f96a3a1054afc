#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module platform_drift: documentation of the action of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_drift
short_description: Tell what a playbook would change, without changing it
version_added: "1.0.0"
description:
  - Runs a playbook once more, in check mode, with the inventory, extra variables and vault secrets of the running one, and returns as data what it
    would change and what failed on the way.
  - A failure in one role does not hide the roles after it; of each role on each host the first failure is reported.
  - Vault secrets go to the second run through pipes. They are never on disk or in an argument.
  - Passwords that were typed in for the connection or for becoming root are not passed on; use keys.
options:
  playbook:
    description: The playbook, by path. Without it the collection's C(site).
    type: path
  budget:
    description: Seconds after which the run is ended.
    type: int
    default: 900
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
- name: What differs from the inventory
  quetrex.platform.platform_drift:
  register: drift
"""

RETURN = r"""
drift:
  description: What would be changed, and what failed.
  returned: success
  type: list
  elements: dict
  contains:
    kind: {description: "V(changed), V(failed) or V(unreachable).", type: str, returned: always}
    role: {description: "Role of the task, empty outside roles.", type: str, returned: always}
    task: {description: Name of the task., type: str, returned: always}
    host: {description: Host of the task., type: str, returned: always}
    item: {description: Label of the loop's item., type: str, returned: for tasks with a loop}
    diff: {description: Lines that differ., type: list, elements: str, returned: when the task tells}
    hidden: {description: "V(true) when the task keeps to itself what differs, because it is secret.", type: bool, returned: for such tasks}
    message: {description: Why it failed., type: str, returned: for failures}
tasks:
  description: How many tasks were looked at.
  returned: success
  type: int
seconds:
  description: How long it took.
  returned: success
  type: float
failure:
  description: Why there is no answer. C(details) has the last lines the run said.
  returned: failure
  type: dict
"""
