#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks one URL and checks the answer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: http_probe
short_description: Ask a URL at a chosen address and check the answer
version_added: "1.0.0"
author:
  - Quetrex (@quetrex)
description:
  - Sends one HTTP or HTTPS request and compares status, headers and body with what is expected. Follows no redirect.
  - Can connect to another address than the name's own, as C(curl --resolve) does, while name and certificate are still checked.
  - Goes through the proxy that C(https_proxy) or C(http_proxy) names, unless O(connect_to) is given or C(no_proxy) has the host.
  - An answer that the edge gave by itself (header C(cf-mitigated)) says nothing about the server; the failure C(challenged) says so.
  - Can wait for the answer to become right, within a budget.
  - Changes nothing.
attributes:
  check_mode:
    support: full
    description: Only reads, also in check mode.
  diff_mode:
    support: none
    description: There is nothing to change.
  idempotent:
    support: full
    description: Never reports a change.
options:
  url:
    description: What is asked for, beginning with V(http://) or V(https://).
    type: str
    required: true
  method:
    description: The HTTP method.
    type: str
    choices: [GET, HEAD, OPTIONS]
    default: GET
  headers:
    description: Headers to send. Their values are kept out of all output.
    type: dict
    default: {}
  connect_to:
    description: Address (or name) to connect to instead of the host in O(url).
    type: str
  ca_path:
    description: File with the certificates to trust, in PEM. The system's own when not given.
    type: path
  client_certificate:
    description: File with the certificate to show to the server, in PEM, optionally with its key.
    type: path
  client_key:
    description: File with the key of O(client_certificate).
    type: path
  tls_minimum:
    description: Lowest TLS version to offer.
    type: str
    choices: ["1.0", "1.1", "1.2", "1.3"]
  tls_maximum:
    description: Highest TLS version to offer. With V(1.0) or V(1.1) the old ciphers are offered as well, so that a refusal is the server's.
    type: str
    choices: ["1.0", "1.1", "1.2", "1.3"]
  refused:
    description: Expect the server to refuse the TLS handshake. A refused connection or a wrong name is still a failure.
    type: bool
    default: false
  status:
    description: Accepted status codes.
    type: list
    elements: int
    default: [200]
  response_headers:
    description: Headers the answer must have, each with a regular expression its value must match.
    type: dict
    default: {}
  body_regex:
    description: Regular expression that must match somewhere in the body.
    type: str
  body_json:
    description: Dotted paths into a JSON body (C(services.0.state)) and the values that must be there.
    type: dict
    default: {}
  maintenance:
    description:
      - Whether the platform's maintenance page (status 503 with C(Retry-After) and C(X-Maintenance)) is accepted as well, whatever else is expected.
    type: bool
    default: false
  timeout:
    description: Seconds one attempt may wait for the connection and for each part of the answer.
    type: float
    default: 10
  wait:
    description: Seconds in which the answer may become right. With V(0) it is asked once.
    type: float
    default: 0
  delay:
    description: Seconds between two attempts.
    type: float
    default: 2
  body_limit:
    description: How many bytes of the body are read and returned.
    type: int
    default: 65536
"""

EXAMPLES = r"""
- name: The application answers through the edge
  quetrex.platform.http_probe:
    url: https://example.com/api/health
    body_json:
      status: ok
    wait: 60
  delegate_to: localhost

- name: HTTP is redirected to HTTPS
  quetrex.platform.http_probe:
    url: http://example.com/
    status: [301]
    response_headers:
      location: ^https://example\.com/
  delegate_to: localhost

- name: TLS 1.1 is refused by one particular address
  quetrex.platform.http_probe:
    url: https://example.com/
    connect_to: 192.0.2.10
    tls_maximum: "1.1"
    refused: true
  delegate_to: localhost
"""

RETURN = r"""
status:
  description: Status code of the last answer.
  type: int
  returned: when there was an answer
headers:
  description: Headers of the last answer, with names in lower case.
  type: dict
  returned: when there was an answer
body:
  description: Beginning of the last answer's body, at most O(body_limit) bytes.
  type: str
  returned: when there was an answer
json:
  description: The body as data.
  type: raw
  returned: when the answer says it is JSON and is
tls:
  description: What was negotiated and shown.
  type: dict
  returned: when there was an answer over HTTPS
  contains:
    version:
      description: TLS version.
      type: str
      sample: TLSv1.3
    subject:
      description: Subject of the certificate.
      type: dict
    issuer:
      description: Issuer of the certificate.
      type: dict
    serial_number:
      description: Serial number in hexadecimal.
      type: str
    not_after:
      description: End of validity.
      type: str
      sample: "2041-01-01T00:00:00+00:00"
address:
  description: Address that answered; the proxy's when one was used.
  type: str
  returned: when there was an answer
mitigated:
  description: What the edge did instead of asking the server, for example C(challenge); empty when the server was asked.
  type: str
  returned: when there was an answer
maintenance:
  description: Since when the platform is in maintenance, when the answer was its maintenance page; empty otherwise.
  type: str
  returned: when there was an answer
refused:
  description: Whether the TLS handshake was refused as expected.
  type: bool
  returned: success
attempts:
  description: How often it was asked.
  type: int
  returned: always
elapsed:
  description: Seconds until the outcome.
  type: float
  returned: always
failure:
  description: What went wrong, for programs.
  type: dict
  returned: failure
  contains:
    code:
      description: >-
        One of C(name_not_found), C(connect_failed), C(timeout), C(no_answer), C(certificate_invalid), C(tls_refused), C(not_refused),
        C(client_cannot), C(challenged), C(unexpected_answer), C(invalid_input).
      type: str
    details:
      description: The reason in words.
      type: str
"""

import json
import time
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.http_probe import Answer, Expected, Question, probe

ARGUMENTS: dict[str, Any] = {
    "url": {"type": "str", "required": True},
    "method": {"type": "str", "choices": ["GET", "HEAD", "OPTIONS"], "default": "GET"},
    "headers": {"type": "dict", "default": {}, "no_log": True},
    "connect_to": {"type": "str"},
    "ca_path": {"type": "path"},
    "client_certificate": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "tls_minimum": {"type": "str", "choices": ["1.0", "1.1", "1.2", "1.3"]},
    "tls_maximum": {"type": "str", "choices": ["1.0", "1.1", "1.2", "1.3"]},
    "refused": {"type": "bool", "default": False},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "maintenance": {"type": "bool", "default": False},
    "response_headers": {"type": "dict", "default": {}},
    "body_regex": {"type": "str"},
    "body_json": {"type": "dict", "default": {}},
    "timeout": {"type": "float", "default": 10},
    "wait": {"type": "float", "default": 0},
    "delay": {"type": "float", "default": 2},
    "body_limit": {"type": "int", "default": 65536},
}
QUESTION = ("url", "method", "headers", "connect_to", "ca_path", "client_certificate", "client_key", "tls_minimum", "tls_maximum", "timeout", "body_limit")


def described(answer: Optional[Answer]) -> dict[str, Any]:
    """An answer as return values."""
    if answer is None:
        return {}
    found: dict[str, Any] = {"status": answer.status, "headers": answer.headers, "body": answer.body, "tls": answer.tls, "address": answer.address}
    found["mitigated"] = answer.mitigated
    if "json" in answer.headers.get("content-type", ""):
        try:
            found["json"] = json.loads(answer.body)
        except ValueError:
            pass  # cut off by body_limit, or not what it says it is: the text is there
    return found


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True, required_by={"client_key": "client_certificate"})
    given = module.params
    if not given["url"].startswith(("http://", "https://")):
        module.fail_json(msg=f"url is {given['url']!r}: it has to begin with http:// or https://", failure={"code": "invalid_input", "details": "url"})
    question = Question(**{name: given[name] for name in QUESTION})
    expected = Expected(tuple(given["status"]), given["response_headers"], given["body_regex"], given["body_json"], given["refused"], given["maintenance"])
    outcome = probe(question, expected, wait=given["wait"], delay=given["delay"], clock=time.monotonic, sleep=time.sleep)
    result = {"changed": False, "attempts": outcome.attempts, "elapsed": round(outcome.elapsed, 3), **described(outcome.answer)}
    if outcome.error is None:
        module.exit_json(refused=given["refused"], **result)
    times = f" ({outcome.attempts} attempts in {outcome.elapsed:.0f} s)" if outcome.attempts > 1 else ""
    module.fail_json(
        msg=f"{question.method} {question.url}: {outcome.error}{times}", failure={"code": outcome.error.code, "details": str(outcome.error)}, **result
    )


if __name__ == "__main__":
    main()
