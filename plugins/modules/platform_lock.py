#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module platform_lock: documentation of the action of that name, which does everything on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_lock
short_description: Have one run at a time write to a platform
version_added: "1.0.0"
description:
  - Holds a lock from this task until the C(ansible-playbook) that runs it ends, however it ends. Another run that asks meanwhile learns who
    holds it and fails.
  - The lock is a file on the controller and, when the database can be reached, an advisory lock of a session there, so that two
    controllers exclude each other as well. Without the database it is the file alone, with a warning; a recovery has to work then.
  - A session that ends while the run goes on is noticed within seconds and the lock is taken again. When another run was faster, this one is stopped
    before its next task, as by an interrupt, and its last line says who has the lock now.
  - Taking it again in the same run is no second taking; it adds the database where that could not be asked the first time.
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details: Takes no lock then, as nothing is written.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
options:
  path:
    description: File on the controller. Its folder is made when missing.
    type: path
    required: true
  name:
    description: Name of the lock in the database, and in messages.
    type: str
    required: true
  database:
    description:
      - C(host), C(address), C(port), C(user), C(password), C(name), C(sslmode), C(ca_certificate) of the database. Not asked when empty.
      - Without a C(host), C(trouble) says why there is none.
    type: dict
    default: {}
  wait:
    description: Seconds to wait for the lock. A run that just ended needs a moment to release it.
    type: float
    default: 5
  patience:
    description: Seconds for which the run goes on after its session was lost and while the database cannot be asked.
    type: float
    default: 120
  go_on:
    description: Go on with the file alone, and say so, when O(patience) is over; otherwise the run is stopped.
    type: bool
    default: false
requirements:
  - psycopg2 on the controller, for the database
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Take the platform's lock
  quetrex.platform.platform_lock:
    path: /var/lib/quetrex/platform.lock
    name: quetrex-production
    database: "{{ platform_supabase_database }}"
"""

RETURN = r"""
held:
  description: Whether this run has the lock now; not in check mode.
  returned: success
  type: bool
by:
  description: This run as others see it.
  returned: success
  type: dict
  sample: {playbook: site, user: alice, host: laptop, since: "2026-11-23T01:30:00Z", pid: 4711}
database:
  description: Why the database does not hold the lock too; empty when it does, or was not to be asked.
  returned: success
  type: str
"""
