#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module cloudflare_dns_records: a set of DNS records, changed in one transaction."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudflare_dns_records
short_description: Bring DNS records of a Cloudflare zone to a described state in one transaction
version_added: "1.0.0"
description:
  - All changes go into one batch that happens as a whole or not at all. A new address edits the existing record, so a fail-over is one write and
    never leaves the dead address behind.
  - For C(A), C(AAAA) and C(CNAME) the records of a name and type are exactly those given; a record that cannot stand beside them (a C(CNAME)
    beside an address) is replaced in the same batch. Of other types only records with the given content are touched.
  - Options that are not given, comments, tags and all other records are left alone.
  - The token needs Zone Read and DNS Write.
extends_documentation_fragment:
  - quetrex.platform.cloudflare
  - quetrex.platform.cloudflare.zone
  - quetrex.platform.attributes
options:
  records:
    description: The records.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name, full or relative to the zone; V(@) is the zone itself.
        type: str
        required: true
      type:
        description: Type.
        type: str
        required: true
        choices: [A, AAAA, CNAME, TXT, MX, NS, CAA, PTR]
      content:
        description: Address, name or text. Needed unless O(records[].state=absent).
        type: str
      proxied:
        description: Whether visitors reach the name through Cloudflare.
        type: bool
      ttl:
        description: Seconds, V(1) is automatic. Always automatic for proxied records.
        type: int
      priority:
        description: Priority of an C(MX) record.
        type: int
      comment:
        description: Comment.
        type: str
      tags:
        description: Tags, not available on the Free plan.
        type: list
        elements: str
      state:
        description: V(absent) removes the records of this name and type, or only the one with O(records[].content).
        type: str
        choices: [present, absent]
        default: present
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Point the platform at its server
  quetrex.platform.cloudflare_dns_records:
    api_token: "{{ cloudflare_token }}"
    zone: example.com
    records:
      - {name: "@", type: A, content: 192.0.2.10, proxied: true}
      - {name: www, type: A, content: 192.0.2.10, proxied: true}
"""

RETURN = r"""
records:
  description: The records of the names given, afterwards.
  returned: success
  type: list
  elements: dict
former:
  description: The records of the names given, before.
  returned: success
  type: list
  elements: dict
steps:
  description: What was written, or in check mode would be, in order.
  returned: success
  type: list
  elements: dict
zone_id:
  description: Identifier of the zone.
  returned: success
  type: str
requests:
  description: How many requests were sent.
  returned: success
  type: int
  sample: 2
failure:
  description: Why it failed. C(code) is Cloudflare's error code or a word, C(details) has more.
  returned: failure
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import Plan, converge, report
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare import dns
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.client import Client
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.module import CONNECTION, ZONE, Zone, run

RECORD = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "required": True, "choices": ["A", "AAAA", "CNAME", "TXT", "MX", "NS", "CAA", "PTR"]},
    "content": {"type": "str"},
    "proxied": {"type": "bool"},
    "ttl": {"type": "int"},
    "priority": {"type": "int"},
    "comment": {"type": "str"},
    "tags": {"type": "list", "elements": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def work(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """Fetch, plan, apply, fetch."""
    zone, desired = module.params["zone"], module.params["records"]
    dns.plan(zone, [], desired)  # a description that cannot be is refused before anything is asked
    found = Zone(module, client)
    path = f"{found.path}/dns_records"
    names = {dns.full_name(zone, record["name"]) for record in desired}

    def fetch() -> list[dict[str, t.Any]]:
        return [record for record in client.pages(path) if record["name"] in names]

    def apply(plan: Plan[list[dict[str, t.Any]]]) -> None:
        for batch in plan.steps:
            client.call("POST", f"{path}/batch", batch)

    def shown(records: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
        return sorted((dns.view(record) for record in records), key=lambda row: (row["name"], row["type"], row["content"]))

    outcome = converge(fetch, lambda records: dns.plan(zone, records, desired), apply, check=module.check_mode, vendor=client.vendor)
    return report(module, outcome, shown, records=shown(outcome.after), former=shown(outcome.before), zone_id=found.id)


def main() -> None:
    """Run the module."""
    spec = {**CONNECTION, **ZONE, "records": {"type": "list", "elements": "dict", "required": True, "options": RECORD}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    run(module, work)


if __name__ == "__main__":
    main()
