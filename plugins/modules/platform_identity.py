#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module platform_identity: documentation of the action of that name, which does everything on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_identity
short_description: Refuse servers and a state folder that are not of this platform
version_added: "1.1.0"
description:
  - Fails before anything is changed when the group that a playbook works on has a host whose labels C(platform) and C(environment) are others than
    those of the settings, when it is the controller itself, or when it is empty and servers are needed.
  - Fails when the state folder is another platform's, or when this machine lacks the state of a platform whose servers run.
  - Asks no API. What the inventory says of its hosts counts.
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details: The folder is not marked then.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
options:
  name:
    description: Name of the platform.
    type: str
    required: true
  environment:
    description: Its environment.
    type: str
    required: true
  group:
    description: Inventory group of its servers. Patterns, V(all) and V(localhost) are refused.
    type: str
    required: true
  state_dir:
    description: Folder of this machine for what outlives a run. On first use a file C(identity.json) is written into it.
    type: path
    required: true
  servers_needed:
    description: Whether an empty group is a failure.
    type: bool
    default: true
  state_needed:
    description: Whether it is a failure when servers run and the folder cannot verify their host keys.
    type: bool
    default: true
  record:
    description: Whether the folder is marked on first use.
    type: bool
    default: true
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Refuse the servers and state of another platform
  quetrex.platform.platform_identity:
    name: quetrex
    environment: production
    group: platform_servers
    state_dir: /var/lib/quetrex
"""

RETURN = r"""
servers:
  description: Names of the platform's servers.
  returned: success
  type: list
  elements: str
recorded:
  description: Whether the folder was marked now.
  returned: success
  type: bool
"""
