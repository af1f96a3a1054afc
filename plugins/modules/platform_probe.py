#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module platform_probe: what visitors and strangers see of the platform."""

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_probe
short_description: Probe the platform as a visitor and its origin as a stranger
version_added: "1.0.0"
description:
  - Asks the public address for pages, health, redirects, TLS versions, headers and cache behaviour, all at once, and judges nothing but each answer.
  - Knocks at ports of the origin that only the edge may reach. Run it where the edge is not.
options:
  domain:
    description: The name visitors use.
    type: str
    required: true
  address:
    description: Connect to this address instead of asking the DNS.
    type: str
  ca_path:
    description: File with the certificates to trust instead of the system's.
    type: path
  version:
    description: The version that O(health_path) has to name; any when empty.
    type: str
    default: ""
  redirected:
    description: Names that are sent to O(domain).
    type: list
    elements: str
    default: []
  health_path:
    description: The path of the application's health page.
    type: str
    default: /
    version_added: "1.1.0"
  static_prefix:
    description: Path below which the page names static files, one of which has to be kept at the edge; empty where there is none.
    type: str
    default: ""
    version_added: "1.1.0"
  services:
    description: Further addresses that have to answer, by name. One that ends with a slash may answer anything but an error of the server.
    type: dict
    default: {}
    version_added: "1.1.0"
  origins:
    description: Addresses of the origin.
    type: list
    elements: str
    default: []
  open_ports:
    description: Ports of the origin that may be open to everybody.
    type: list
    elements: int
    default: [22]
  maintenance:
    description: Whether the platform is in maintenance. Then the page has to be the maintenance page, and health pages may be down.
    type: bool
    default: false
  timeout:
    description: Seconds one answer may take.
    type: float
    default: 10
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
- name: What is seen from outside
  quetrex.platform.platform_probe:
    domain: example.com
    redirected: [www.example.com]
    origins: [192.0.2.7]
  delegate_to: localhost
  register: probe
"""

RETURN = r"""
probe:
  description: >-
    C(checks) with C(name), C(ok), C(detail), C(code) (why not, in the words of M(quetrex.platform.http_probe)), C(ms) and C(excused)
    where maintenance may be why; C(certificate) with its
    end; C(origins) with the ports that are C(open).
  returned: success
  type: dict
seconds:
  description: How long it took.
  returned: success
  type: float
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.reporting.probe import Probe, look


def main() -> None:
    """Run the module."""
    spec = {
        "domain": {"type": "str", "required": True},
        "address": {"type": "str"},
        "ca_path": {"type": "path"},
        "version": {"type": "str", "default": ""},
        "redirected": {"type": "list", "elements": "str", "default": []},
        "health_path": {"type": "str", "default": "/"},
        "static_prefix": {"type": "str", "default": ""},
        "services": {"type": "dict", "default": {}},
        "origins": {"type": "list", "elements": "str", "default": []},
        "open_ports": {"type": "list", "elements": "int", "default": [22]},
        "maintenance": {"type": "bool", "default": False},
        "timeout": {"type": "float", "default": 10},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    given: dict[str, t.Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in module.params.items()}
    began = time.monotonic()
    module.exit_json(changed=False, probe=look(Probe(**given)), seconds=round(time.monotonic() - began, 2))


if __name__ == "__main__":
    main()
