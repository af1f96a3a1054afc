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
  - Whether a token may have origin certificates is decided by the names that are asked for, so that trial asks for the zone's own.
  - With O(certificate_names) it tells whether the edge has a certificate for them, and with the zone's status what keeps visitors from being served.
  - Without Zone Read no other permission can be tried.
extends_documentation_fragment:
  - quetrex.platform.cloudflare
  - quetrex.platform.cloudflare.zone
  - quetrex.platform.attributes.no_diff
  - quetrex.platform.attributes
options:
  permissions:
    description:
      - Permissions to try, of V(dns), V(zone_settings), V(page_rules), V(cache_rules), V(bot_management), V(ssl_and_certificates),
        V(firewall_services) and V(cache_purge).
    type: list
    elements: str
    default: []
  access:
    description: What to try. Purging cannot be read, it is only tried with V(write).
    type: str
    choices: [read, write]
    default: read
  certificate_names:
    description: Names that the edge has to have a certificate for, full or relative to the zone; V(@) is the zone itself.
    type: list
    elements: str
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
    access: write
  register: zone
"""

RETURN = r"""
zone:
  description: >-
    C(id), C(name), C(status), C(plan), C(name_servers), C(original_name_servers) and C(page_rule_quota). Empty when the token
    lacks Zone Read.
  returned: success
  type: dict
missing_permissions:
  description: Those of O(permissions) the token lacks, as the dashboard calls them.
  returned: success
  type: list
  elements: str
  sample: [DNS Edit]
edge_certificate:
  description: >-
    C(state) is C(active), C(pending), C(failed), C(none), C(unknown) where the token may not look, or empty where no names were given. C(status) is
    Cloudflare's word, C(name) the name without a certificate, C(expires_on) when the first of them ends.
  returned: success
  type: dict
  sample: {state: pending, status: pending_validation, name: example.com, expires_on: null}
missing:
  description: What keeps visitors from being served, with what to do about it.
  returned: success
  type: list
  elements: str
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

from ansible_collections.quetrex.platform.plugins.module_utils.api.errors import Failure, Uncertain
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare import readiness
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.client import Client
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.dns import full_name
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.module import CONNECTION, ZONE, Zone, run

PHASE = "/zones/{zone}/rulesets/phases/http_request_cache_settings/entrypoint"
NOTHING: dict[str, t.Any] = {}
RULES = "/zones/{zone}/firewall/access_rules/rules"
TRIES = 5
# The vendor looks at the names before it looks at the request, and refuses them where the token may have no certificates.
CERTIFICATE = {"csr": "permission-probe", "request_type": "origin-ecc", "requested_validity": 7}
STRANGE_NAME = 1010
NO_ACCESS = 1016
API_ACCESS = "API Access of the token's owner (Manage Account > Members)"
# permission: the dashboard's name, a read that needs it, and a write that is refused for its content
PROBES: dict[str, tuple[str, str, tuple[str, str, dict[str, t.Any]]]] = {
    "dns": ("DNS", "/zones/{zone}/dns_records?per_page=1", ("POST", "/zones/{zone}/dns_records", NOTHING)),
    "zone_settings": ("Zone Settings", "/zones/{zone}/settings/ssl", ("PATCH", "/zones/{zone}/settings/ssl", {"value": "permission-probe"})),
    "page_rules": ("Page Rules", "/zones/{zone}/pagerules", ("POST", "/zones/{zone}/pagerules", NOTHING)),
    "cache_rules": ("Cache Rules", PHASE, ("PUT", PHASE, {"rules": [{"action": "permission-probe", "expression": "true"}]})),
    "bot_management": ("Bot Management", "/zones/{zone}/bot_management", ("PUT", "/zones/{zone}/bot_management", {"fight_mode": "permission-probe"})),
    "ssl_and_certificates": ("SSL and Certificates", "/certificates?zone_id={zone}", ("POST", "/certificates", CERTIFICATE)),
    "firewall_services": ("Firewall Services", f"{RULES}?per_page=5", ("POST", RULES, NOTHING)),
    "cache_purge": ("Cache Purge", "", ("POST", "/zones/{zone}/purge_cache", NOTHING)),
}


def refused(client: Client, method: str, path: str, body: dict[str, t.Any] | None) -> Failure | None:
    """The refusal of a call that is not permitted. What is permitted but not there, or permitted but nonsense, is permitted; trouble is no answer.

    A write that is refused for its content may be sent again when its answer was lost.
    """
    for dummy in range(TRIES):
        try:
            client.call(method, path, body)
        except Uncertain as error:
            lost = error
        except Failure as error:
            if error.status < 400:
                raise
            names = body is not None and "hostnames" in body and error.code in (STRANGE_NAME, NO_ACCESS)
            return error if error.status in (401, 403) or names else None
        else:
            return None
    raise lost


def lacking(client: Client, zone: dict[str, t.Any], names: list[str], access: str) -> list[str]:
    """The permissions the token lacks, as the dashboard calls them."""

    def missing(name: str) -> list[str]:
        label, read, write = PROBES[name]
        if access == "write":
            text = label if label == "Cache Purge" else f"{label} Edit"
            method, path, body = write
            if name == "ssl_and_certificates":
                body = {**body, "hostnames": [zone["name"]]}
            refusal = refused(client, method, path.format(zone=zone["id"]), body)
            if refusal and name == "ssl_and_certificates" and refusal.code == NO_ACCESS:
                text = API_ACCESS
        else:
            text = f"{label} Read"
            refusal = refused(client, "GET", read.format(zone=zone["id"]), None) if read else None
        return [text] if refusal else []

    return [label for found in client.together(missing, names) for label in found]


def edge_certificate(client: Client, zone_id: str, names: list[str]) -> dict[str, t.Any]:
    """What the edge can show for these names; `unknown` where the token may not look."""
    unknown = {"state": "unknown" if names else "", "status": "", "name": "", "expires_on": None}
    if not names:
        return unknown
    try:
        return readiness.certificate(client.pages(f"/zones/{zone_id}/ssl/certificate_packs", {"status": "all"}, 50), names)
    except Failure as error:
        if error.status in (401, 403):
            return unknown
        raise


def look_up(module: AnsibleModule, client: Client) -> dict[str, t.Any] | None:
    """The zone, or None when the token is good but may not read zones."""
    try:
        return Zone(module, client).details
    except Failure as error:
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
        "original_name_servers": zone.get("original_name_servers") or [],
        "page_rule_quota": meta.get("page_rule_quota"),
    }


def work(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """Look the zone up, and try the permissions that were asked for."""
    params = module.params
    if unknown := sorted(set(params["permissions"]) - set(PROBES)):
        raise Failure(f"permissions: {', '.join(unknown)} is none of {', '.join(PROBES)}.", code="unknown_permission", details=unknown)
    zone = look_up(module, client)
    missing = lacking(client, zone, params["permissions"], params["access"]) if zone else ["Zone Read"]
    names = [full_name(zone["name"], name) for name in params["certificate_names"]] if zone else []
    edge = edge_certificate(client, zone["id"] if zone else "", names)
    told = describe(zone) if zone else {}
    return {
        "changed": False,
        "zone": told,
        "zone_id": told.get("id", ""),
        "missing_permissions": missing,
        "edge_certificate": edge,
        "missing": readiness.missing(told, edge) if told else [],
    }


def main() -> None:
    """Run the module."""
    spec = {
        **CONNECTION,
        **ZONE,
        "permissions": {"type": "list", "elements": "str", "default": []},
        "access": {"type": "str", "choices": ["read", "write"], "default": "read"},
        "certificate_names": {"type": "list", "elements": "str", "default": []},
    }
    run(AnsibleModule(argument_spec=spec, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
