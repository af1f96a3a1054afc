#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module cloudflare_origin_certificate_info: the Origin CA certificates of a zone and how long they last."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudflare_origin_certificate_info
short_description: Tell which Origin CA certificates of a zone are valid, and for how long
version_added: "1.0.0"
description:
  - Asks Cloudflare, not the servers, so it also tells about servers that are gone.
  - The token needs Zone Read, and SSL and Certificates Read.
extends_documentation_fragment:
  - quetrex.platform.cloudflare
  - quetrex.platform.cloudflare.zone
  - quetrex.platform.attributes.no_diff
  - quetrex.platform.attributes
options:
  hostname:
    description: Only certificates with this name, for example the mark of a server.
    type: str
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: See how long the origin's certificate lasts
  quetrex.platform.cloudflare_origin_certificate_info:
    api_token: "{{ cloudflare_token }}"
    zone: example.com
    hostname: app-1.origin.example.com
  register: origin
  failed_when: origin.certificates | map(attribute='days_left') | max | default(0) < 14
"""

RETURN = r"""
certificates:
  description: Certificates that were not revoked, the one that ends last first. C(id) is the serial number, C(expires_on) RFC 3339.
  returned: success
  type: list
  elements: dict
  sample:
    - id: "328578533902268680212849205732770752308931942346"
      hostnames: ["*.example.com", "app-1.origin.example.com", "example.com"]
      expires_on: "2027-11-01T06:27:00+00:00"
      days_left: 342
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

import datetime
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare import origin_certificate as rules
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.client import Client
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.module import CONNECTION, ZONE, Zone, run


def describe(row: dict[str, t.Any], now: datetime.datetime) -> dict[str, t.Any]:
    """A certificate of the list in short."""
    ends = rules.moment(row["expires_on"])
    return {"id": str(row["id"]), "hostnames": sorted(row["hostnames"]), "expires_on": ends.isoformat(), "days_left": (ends - now).days}


def work(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """The valid certificates, of one name where one is given; the one that ends last comes first."""
    zone, name = Zone(module, client), module.params["hostname"]
    rows = rules.valid(client.pages("/certificates", {"zone_id": zone.id}, size=50))
    now = datetime.datetime.now(datetime.timezone.utc)
    found = [describe(row, now) for row in rows if name is None or name in row["hostnames"]]
    return {"changed": False, "certificates": sorted(found, key=lambda row: row["days_left"], reverse=True), "zone_id": zone.id}


def main() -> None:
    """Run the module."""
    run(AnsibleModule(argument_spec={**CONNECTION, **ZONE, "hostname": {"type": "str"}}, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
