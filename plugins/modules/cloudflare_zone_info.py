#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module cloudflare_zone_info: what a token can see of a zone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudflare_zone_info
short_description: Describe a Cloudflare zone and what the token may do with it
version_added: "0.1.0"
description:
  - Tells the zone's identifier, plan, name servers and page rule quota.
  - With O(permissions) each permission is tried with a harmless read; whether it may also write shows only when it writes.
extends_documentation_fragment:
  - quetrex.platform.cloudflare
  - quetrex.platform.cloudflare.zone
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
options:
  permissions:
    description: Permissions to try.
    type: list
    elements: str
    choices: [dns, zone_settings, page_rules, cache_rules, bot_management, ssl_and_certificates]
    default: []
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Look at the zone before anything is changed
  quetrex.platform.cloudflare_zone_info:
    api_token: "{{ cloudflare_token }}"
    zone: example.com
    permissions: [dns, zone_settings, page_rules]
  register: zone
"""

RETURN = r"""
zone:
  description: C(id), C(name), C(status), C(plan), C(name_servers) and C(page_rule_quota).
  returned: success
  type: dict
missing_permissions:
  description: Those of O(permissions) the token lacks, as the dashboard calls them.
  returned: success
  type: list
  elements: str
failure:
  description: Why it failed. C(code) is Cloudflare's error code or a word, C(details) has more.
  returned: failure
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.client import Client, MissingError
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.errors import CloudflareError
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.module import CONNECTION, connect, fail

# permission: (the dashboard's name, a read that needs it)
PROBES = {
    "dns": ("DNS", "/zones/{zone}/dns_records?per_page=1"),
    "zone_settings": ("Zone Settings", "/zones/{zone}/settings/ssl"),
    "page_rules": ("Page Rules", "/zones/{zone}/pagerules"),
    "cache_rules": ("Cache Rules", "/zones/{zone}/rulesets/phases/http_request_cache_settings/entrypoint"),
    "bot_management": ("Bot Management", "/zones/{zone}/bot_management"),
    "ssl_and_certificates": ("SSL and Certificates", "/certificates?zone_id={zone}"),
}


def allowed(client: Client, path: str) -> bool:
    """Whether a read is permitted. What is permitted but not there is permitted."""
    try:
        client.call("GET", path)
    except MissingError:
        return True
    except CloudflareError as error:
        if error.status not in (401, 403):
            raise
        return False
    return True


def describe(zone: dict[str, t.Any]) -> dict[str, t.Any]:
    """The zone in short."""
    plan, meta = zone.get("plan") or {}, zone.get("meta") or {}
    return {
        "id": zone["id"],
        "name": zone["name"],
        "status": zone.get("status"),
        "plan": plan.get("legacy_id"),
        "name_servers": zone.get("name_servers") or [],
        "page_rule_quota": meta.get("page_rule_quota"),
    }


def main() -> None:
    """Run the module."""
    spec = {
        **CONNECTION,
        "zone": {"type": "str", "required": True},
        "permissions": {"type": "list", "elements": "str", "choices": list(PROBES), "default": []},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    client = connect(module)
    try:
        zone = client.zone(module.params["zone"])
        wanted = [PROBES[name] for name in module.params["permissions"]]
        missing = [label for label, path in wanted if not allowed(client, path.format(zone=zone["id"]))]
    except CloudflareError as error:
        fail(module, error)
    module.exit_json(changed=False, zone=describe(zone), missing_permissions=missing)


if __name__ == "__main__":
    main()
