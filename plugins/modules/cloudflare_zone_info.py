#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module cloudflare_zone_info: what a token can see of a zone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudflare_zone_info
short_description: Describe a Cloudflare zone and what the token may do with it
version_added: "1.0.0"
description:
  - Tells the zone's identifier, plan, name servers and page rule quota.
  - With O(permissions) each permission is tried, all at once. Reads change nothing; writes are such as Cloudflare refuses for their content,
    which it looks at only after the permission.
  - Without Zone Read no other permission can be tried.
extends_documentation_fragment:
  - quetrex.platform.cloudflare
  - quetrex.platform.cloudflare.zone
  - quetrex.platform.attributes.no_diff
  - quetrex.platform.attributes
options:
  permissions:
    description:
      - Permissions to try, of V(dns), V(zone_settings), V(page_rules), V(cache_rules), V(bot_management), V(ssl_and_certificates) and
        V(cache_purge).
    type: list
    elements: str
    default: []
  access:
    description: What to try. Purging cannot be read, it is only tried with V(write).
    type: str
    choices: [read, write]
    default: read
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Look at the zone before anything is changed
  quetrex.platform.cloudflare_zone_info:
    api_token: "{{ cloudflare_token }}"
    zone: example.com
    permissions: [dns, zone_settings, page_rules]
    access: write
  register: zone
"""

RETURN = r"""
zone:
  description: C(id), C(name), C(status), C(plan), C(name_servers) and C(page_rule_quota). Empty when the token lacks Zone Read.
  returned: success
  type: dict
missing_permissions:
  description: Those of O(permissions) the token lacks, as the dashboard calls them.
  returned: success
  type: list
  elements: str
  sample: [DNS Edit]
zone_id:
  description: Identifier of the zone.
  returned: success
  type: str
requests:
  description: How many requests were sent.
  returned: success
  type: int
failure:
  description: Why it failed. C(code) is Cloudflare's error code or a word, C(details) has more.
  returned: failure
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.client import Client
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.errors import CloudflareError, UncertainError
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.module import CONNECTION, ZONE, Zone, connect, fail

PHASE = "/zones/{zone}/rulesets/phases/http_request_cache_settings/entrypoint"
NOTHING: dict[str, t.Any] = {}
TRIES = 5
# permission: the dashboard's name, a read that needs it, and a write that is refused for its content
PROBES: dict[str, tuple[str, str, tuple[str, str, dict[str, t.Any]]]] = {
    "dns": ("DNS", "/zones/{zone}/dns_records?per_page=1", ("POST", "/zones/{zone}/dns_records", NOTHING)),
    "zone_settings": ("Zone Settings", "/zones/{zone}/settings/ssl", ("PATCH", "/zones/{zone}/settings/ssl", {"value": "permission-probe"})),
    "page_rules": ("Page Rules", "/zones/{zone}/pagerules", ("POST", "/zones/{zone}/pagerules", NOTHING)),
    "cache_rules": ("Cache Rules", PHASE, ("PUT", PHASE, {"rules": [{"action": "permission-probe", "expression": "true"}]})),
    "bot_management": ("Bot Management", "/zones/{zone}/bot_management", ("PUT", "/zones/{zone}/bot_management", {"fight_mode": "permission-probe"})),
    "ssl_and_certificates": ("SSL and Certificates", "/certificates?zone_id={zone}", ("POST", "/certificates", NOTHING)),
    "cache_purge": ("Cache Purge", "", ("POST", "/zones/{zone}/purge_cache", NOTHING)),
}


def allowed(client: Client, method: str, path: str, body: dict[str, t.Any] | None) -> bool:
    """Whether a call is permitted. What is permitted but not there, or permitted but nonsense, is permitted; trouble is no answer.

    A write that is refused for its content may be sent again when its answer was lost.
    """
    for dummy in range(TRIES):
        try:
            client.call(method, path, body)
        except UncertainError as error:
            lost = error
        except CloudflareError as error:
            if error.status < 400:
                raise
            return error.status not in (401, 403)
        else:
            return True
    raise lost


def lacking(client: Client, zone: str, names: list[str], access: str) -> list[str]:
    """The permissions the token lacks, as the dashboard calls them."""

    def missing(name: str) -> list[str]:
        label, read, write = PROBES[name]
        if access == "write":
            text = label if label == "Cache Purge" else f"{label} Edit"
            method, path, body = write
            permitted = allowed(client, method, path.format(zone=zone), body)
        else:
            text = f"{label} Read"
            permitted = not read or allowed(client, "GET", read.format(zone=zone), None)
        return [] if permitted else [text]

    return [label for found in client.together(missing, names) for label in found]


def look_up(module: AnsibleModule, client: Client) -> dict[str, t.Any] | None:
    """The zone, or None when the token is good but may not read zones."""
    try:
        return Zone(module, client).details
    except CloudflareError as error:
        if error.status != 403:
            raise
    client.call("GET", "/user/tokens/verify")
    return None


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
        **ZONE,
        "permissions": {"type": "list", "elements": "str", "default": []},
        "access": {"type": "str", "choices": ["read", "write"], "default": "read"},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    client, params = connect(module), module.params
    if unknown := sorted(set(params["permissions"]) - set(PROBES)):
        fail(module, CloudflareError(f"permissions: {', '.join(unknown)} is none of {', '.join(PROBES)}.", code="unknown_permission", details=unknown))
    try:
        zone = look_up(module, client)
        missing = lacking(client, zone["id"], params["permissions"], params["access"]) if zone else ["Zone Read"]
    except CloudflareError as error:
        fail(module, error)
    module.exit_json(
        changed=False, zone=describe(zone) if zone else {}, zone_id=zone["id"] if zone else "", missing_permissions=missing, requests=client.requests
    )


if __name__ == "__main__":
    main()
