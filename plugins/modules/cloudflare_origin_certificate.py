#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module cloudflare_origin_certificate: a certificate of Cloudflare's Origin CA for a key that stays where it is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudflare_origin_certificate
short_description: Have an origin certificate issued, renewed or revoked by Cloudflare's Origin CA
version_added: "1.0.0"
description:
  - Compares the certificate at hand with what is needed (key, names, remaining time, revocation) and has a new one issued only when it will
    not do. The private key is never seen, only its signing request.
  - Cloudflare keeps no label beside a certificate. With O(mark) one of its own names says whose it is, so that certificates of a server that
    is gone can be found and revoked, and nobody else's.
  - Only Cloudflare trusts these certificates, so they serve for origins behind its proxy.
  - The token needs Zone Read, and SSL and Certificates Write.
extends_documentation_fragment:
  - quetrex.platform.cloudflare
  - quetrex.platform.cloudflare.zone
  - quetrex.platform.attributes
options:
  certificate:
    description: The certificate at hand (PEM). Without it a new one is issued.
    type: str
  csr:
    description: Signing request (PEM). Needed to issue, may be missing in check mode on a server that has no key yet.
    type: str
  hostnames:
    description: Names the certificate has to cover; V(*.example.com) covers one level.
    type: list
    elements: str
  validity:
    description: Days a new certificate is valid.
    type: int
    choices: [7, 30, 90, 365, 730, 1095, 5475]
    default: 365
  renew_before:
    description: Days before its end from which a certificate is replaced.
    type: int
    default: 30
  mark:
    description:
      - A name below the zone that no record needs, added to those in O(hostnames). It names who uses the certificate, for example
        V(app-1.origin.example.com).
      - Certificates with this name that were not revoked and are not the one to use are returned as RV(superseded).
    type: str
  revoke:
    description: Serial numbers of certificates to revoke instead, for good. A revoked one that is still served makes the site unreachable.
    type: list
    elements: str
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Issue a certificate
  quetrex.platform.cloudflare_origin_certificate:
    api_token: "{{ cloudflare_token }}"
    zone: example.com
    csr: "{{ request.csr }}"
    hostnames: [example.com, "*.example.com"]
    mark: app-1.origin.example.com
  delegate_to: localhost
  register: certificate

- name: Revoke what the server had before, once the new one is seen to be served
  quetrex.platform.cloudflare_origin_certificate:
    api_token: "{{ cloudflare_token }}"
    zone: example.com
    revoke: "{{ certificate.superseded }}"
  delegate_to: localhost
"""

RETURN = r"""
certificate:
  description: The certificate to serve (PEM). Empty in check mode when a new one would be issued.
  returned: when not revoking
  type: str
certificate_id:
  description: Serial number, which is the certificate's identifier at Cloudflare.
  returned: when not revoking
  type: str
expires_on:
  description: When it ends, RFC 3339.
  returned: when not revoking
  type: str
days_left:
  description: Whole days until it ends.
  returned: when not revoking
  type: int
  sample: 364
reasons:
  description: Why the certificate at hand would not do.
  returned: when not revoking
  type: list
  elements: str
superseded:
  description: Serial numbers of valid certificates with O(mark) other than the one to serve. To be revoked when that one is seen to be served.
  returned: when not revoking
  type: list
  elements: str
revoked:
  description: Serial numbers of the certificates that were revoked, or in check mode would be.
  returned: when revoking
  type: list
  elements: str
zone_id:
  description: Identifier of the zone.
  returned: when not revoking
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

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.quetrex.platform.plugins.module_utils.api.errors import Failure, Uncertain
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare import origin_certificate as rules
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.client import Client
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.module import CONNECTION, ZONE, Zone, run

TRIES = 3


class Authority:
    """The Origin CA as far as a zone is concerned."""

    def __init__(self, module: AnsibleModule, client: Client) -> None:
        self.client, self.params, self.now = client, module.params, datetime.datetime.now(datetime.timezone.utc)
        self.zone = Zone(module, client)
        self.names = [*self.params["hostnames"], *([self.params["mark"]] if self.params["mark"] else [])]

    def valid(self) -> list[dict[str, t.Any]]:
        """The zone's certificates that were not revoked."""
        return rules.valid(self.client.pages("/certificates", {"zone_id": self.zone.id}, size=50))

    def reasons(self, rows: list[dict[str, t.Any]]) -> list[str]:
        """Why the certificate at hand will not do. One that looks good has to be among those Cloudflare holds valid."""
        found = rules.reasons(self.params["certificate"], self.params["csr"], self.names, self.params["renew_before"], self.now)
        if found:
            return found
        serial = rules.describe(self.params["certificate"])["id"]
        if serial in {row["id"] for row in rows}:
            return []
        try:
            row = self.client.call("GET", f"/certificates/{serial}")
        except Failure as error:
            if error.status == 404:
                return ["Cloudflare does not know it"]
            raise
        return ["it was revoked"] if row.get("revoked_at") else []

    def issue(self, rows: list[dict[str, t.Any]], current: str) -> dict[str, t.Any]:
        """A new certificate, or one that a run which was interrupted, or whose answer was lost, had issued for the same key."""
        csr, days = self.params["csr"], self.params["validity"]
        body = {"csr": csr, "hostnames": self.names, "request_type": rules.request_type(csr), "requested_validity": days}
        for dummy in range(TRIES):
            row = rules.adopt([row for row in rows if row["id"] != current], csr, self.names, days, self.now)
            if row is not None:
                return row
            try:
                return dict(self.client.call("POST", "/certificates", body))
            except Uncertain:
                rows = self.valid()
        raise Failure(f"Cloudflare did not answer the request for a certificate {TRIES} times. Run again.", code="uncertain")


def present(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """The certificate to serve, and those of the same user that it takes the place of."""
    params = module.params
    old = rules.describe(params["certificate"]) if rules.usable(params["certificate"]) else {}
    authority = Authority(module, client)
    rows = authority.valid()
    why = authority.reasons(rows)
    if not why:
        new, certificate = old, params["certificate"]
    elif module.check_mode:
        new, certificate = {}, ""
    elif not params["csr"]:
        raise Failure("csr is needed: " + "; ".join(why) + ".", code="csr_missing")
    else:
        certificate = authority.issue(rows, old.get("id", ""))["certificate"]
        new = rules.describe(certificate)
    after = {"hostnames": sorted(authority.names), "reasons": why} if why and module.check_mode else shown(new)
    return {
        "changed": bool(why),
        "certificate": certificate,
        "certificate_id": new.get("id", ""),
        "expires_on": new.get("expires_on", ""),
        "days_left": (new["expires"] - authority.now).days if new else 0,
        "reasons": why,
        "superseded": rules.superseded(rows, params["mark"], new.get("id", "")),
        "diff": {"before": shown(old), "after": after},
        "zone_id": authority.zone.id,
    }


def shown(found: dict[str, t.Any]) -> dict[str, t.Any]:
    """A certificate in a difference."""
    return {"serial": found["id"], "hostnames": found["hostnames"], "expires_on": found["expires_on"]} if found else {}


def valid(client: Client, serial: str) -> bool:
    """Whether a certificate exists and was not revoked."""
    try:
        return not client.call("GET", f"/certificates/{serial}").get("revoked_at")
    except Failure as error:
        if error.status == 404:
            return False
        raise


def revoke(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """Revoke certificates; those that are revoked or unknown already are left alone."""
    before = [serial for serial in module.params["revoke"] if valid(client, serial)]
    for serial in [] if module.check_mode else before:
        try:
            client.call("DELETE", f"/certificates/{serial}")
        except Failure:
            # an earlier answer was lost: what had happened is refused the second time
            if valid(client, serial):
                raise
    return {"changed": bool(before), "revoked": before, "diff": {"before": {"valid": before}, "after": {"valid": []}}}


def main() -> None:
    """Run the module."""
    spec = {
        **CONNECTION,
        **ZONE,
        "certificate": {"type": "str"},
        "csr": {"type": "str"},
        "hostnames": {"type": "list", "elements": "str"},
        "mark": {"type": "str"},
        "validity": {"type": "int", "choices": rules.VALIDITIES, "default": 365},
        "renew_before": {"type": "int", "default": 30},
        "revoke": {"type": "list", "elements": "str"},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True, required_one_of=[("hostnames", "revoke")])
    if rules.CRYPTOGRAPHY_ERROR is not None:
        module.fail_json(msg=missing_required_lib("cryptography"))
    run(module, present if module.params["revoke"] is None else revoke)


if __name__ == "__main__":
    main()
