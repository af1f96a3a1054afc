#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module cloudflare_origin_certificate: a certificate of Cloudflare's Origin CA for a key that stays where it is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudflare_origin_certificate
short_description: Have an origin certificate issued, renewed or revoked by Cloudflare's Origin CA
version_added: "0.1.0"
description:
  - Compares the certificate at hand with what is needed (key, names, remaining time, revocation) and has a new one issued only when it will
    not do. The private key is never seen, only its signing request.
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
  revoke:
    description: Serial number of a certificate to revoke instead, for good. A revoked one that is still served makes the site unreachable.
    type: str
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Have a certificate issued
  quetrex.platform.cloudflare_origin_certificate:
    api_token: "{{ cloudflare_token }}"
    zone: example.com
    csr: "{{ request.csr }}"
    hostnames: [example.com, "*.example.com"]
  delegate_to: localhost
"""

RETURN = r"""
certificate:
  description: The certificate to serve (PEM). Empty in check mode when a new one would be issued.
  returned: when not revoking
  type: str
certificate_id:
  description: Serial number, which is the certificate's identifier at Cloudflare.
  returned: success
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

from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare import origin_certificate as rules
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.client import Client, MissingError
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.errors import CloudflareError, UncertainError
from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.module import CONNECTION, connect, fail


def reasons(params: dict[str, t.Any], client: Client) -> list[str]:
    """Why the certificate at hand will not do. One that looks good is asked about at Cloudflare: it may have been revoked."""
    now = datetime.datetime.now(datetime.timezone.utc)
    found = rules.reasons(params["certificate"], params["csr"], params["hostnames"], params["renew_before"], now)
    if found:
        return found
    try:
        row = client.call("GET", f"/certificates/{rules.describe(params['certificate'])['id']}")
    except MissingError:
        return ["Cloudflare does not know it"]
    return ["it was revoked"] if row.get("revoked_at") else []


def issue(params: dict[str, t.Any], client: Client, current: str) -> dict[str, t.Any]:
    """A new certificate, or one that a run which was interrupted, or whose answer was lost, had issued for the same key."""
    body = {
        "csr": params["csr"],
        "hostnames": params["hostnames"],
        "request_type": rules.request_type(params["csr"]),
        "requested_validity": params["validity"],
    }
    zone = client.zone(params["zone"])["id"]
    for dummy in range(3):
        rows = [row for row in client.pages("/certificates", {"zone_id": zone}, size=50) if row["id"] != current]
        now = datetime.datetime.now(datetime.timezone.utc)
        if (row := rules.adopt(rows, params["csr"], params["hostnames"], params["validity"], now)) is not None:
            return row
        try:
            return dict(client.call("POST", "/certificates", body))
        except UncertainError:
            continue
    raise CloudflareError("Cloudflare did not answer the request for a certificate three times. Run again.", code="uncertain")


def present(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """The certificate to serve."""
    params = module.params
    why = reasons(params, client)
    old = rules.describe(params["certificate"]) if params["certificate"] else {}
    if not why:
        return result(False, params["certificate"], old, old, why)
    if module.check_mode:
        return {**result(True, "", old, {}, why), "diff": {"before": shown(old), "after": {"hostnames": sorted(params["hostnames"]), "reasons": why}}}
    if not params["csr"]:
        raise CloudflareError("csr is needed: " + "; ".join(why) + ".", code="csr_missing")
    row = issue(params, client, old.get("id", ""))
    return result(True, row["certificate"], old, rules.describe(row["certificate"]), why)


def shown(found: dict[str, t.Any]) -> dict[str, t.Any]:
    """A certificate in a difference."""
    return {"serial": found["id"], "hostnames": found["hostnames"], "expires_on": found["expires_on"]} if found else {}


def result(changed: bool, certificate: str, old: dict[str, t.Any], new: dict[str, t.Any], why: list[str]) -> dict[str, t.Any]:
    """What the module returns."""
    return {
        "changed": changed,
        "certificate": certificate,
        "certificate_id": new.get("id", ""),
        "expires_on": new.get("expires_on", ""),
        "days_left": (new["expires"] - datetime.datetime.now(datetime.timezone.utc)).days if new else 0,
        "reasons": why,
        "diff": {"before": shown(old), "after": shown(new)},
    }


def revoke(module: AnsibleModule, client: Client) -> dict[str, t.Any]:
    """Revoke a certificate; one that is revoked or unknown already is left alone."""
    serial = module.params["revoke"]
    try:
        done = bool(client.call("GET", f"/certificates/{serial}").get("revoked_at"))
    except MissingError:
        done = True
    if not done and not module.check_mode:
        client.call("DELETE", f"/certificates/{serial}")
    return {"changed": not done, "certificate_id": serial, "diff": {"before": {"revoked": done}, "after": {"revoked": True}}}


def main() -> None:
    """Run the module."""
    spec = {
        **CONNECTION,
        "zone": {"type": "str", "required": True},
        "certificate": {"type": "str"},
        "csr": {"type": "str"},
        "hostnames": {"type": "list", "elements": "str"},
        "validity": {"type": "int", "choices": rules.VALIDITIES, "default": 365},
        "renew_before": {"type": "int", "default": 30},
        "revoke": {"type": "str"},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True, required_one_of=[("hostnames", "revoke")])
    if rules.CRYPTOGRAPHY_ERROR is not None:
        module.fail_json(msg=missing_required_lib("cryptography"))
    client = connect(module)
    try:
        done = revoke(module, client) if module.params["revoke"] else present(module, client)
        module.exit_json(requests=client.requests, **done)
    except CloudflareError as error:
        fail(module, error)


if __name__ == "__main__":
    main()
