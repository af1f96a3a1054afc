# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a bearer token into what nginx compares requests with."""

from __future__ import annotations

DOCUMENTATION = r"""
name: bearer_digest
short_description: Makes a bearer token into the digest that C(secure_link) of nginx compares
version_added: "1.0.0"
author: Quetrex (@quetrex)
description:
  - The digest of the whole header C(Authorization) that carries the token, for C(secure_link_md5 $http_authorization).
  - Two digests are compared, so the token is compared exactly, the time it takes tells nothing about it, and it does not stand in the configuration.
options:
  _input:
    description: The token.
    type: str
    required: true
"""

EXAMPLES = r"""
digest: "{{ 'a word' | quetrex.platform.bearer_digest }}"
"""

RETURN = r"""
_value:
  description: 22 characters of base64 for URLs.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.quetrex.platform.plugins.plugin_utils.header_digest import CANNOT, carried, digest


def bearer_digest(token: str) -> str:
    """The digest of `Bearer <token>`, as secure_link wants it."""
    if not carried(str(token)):
        raise AnsibleFilterError(f"a bearer token (app_stack_runner_token, or token of a service): {CANNOT}")
    return digest(f"Bearer {token}")


class FilterModule:
    """What ansible loads."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Name -> function."""
        return {"bearer_digest": bearer_digest}
