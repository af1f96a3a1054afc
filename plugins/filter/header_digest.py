# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the value of a header into what nginx compares requests with."""

from __future__ import annotations

DOCUMENTATION = r"""
name: header_digest
short_description: Makes a header's value into the digest that C(secure_link) of nginx compares
version_added: "1.0.0"
author: Quetrex (@quetrex)
description:
  - The digest of the whole value of a header, for C(secure_link_md5 $http_...).
  - Two digests are compared, so the value is compared exactly, the time it takes tells nothing about it, and it does not stand in the configuration.
options:
  _input:
    description: The value.
    type: str
    required: true
"""

EXAMPLES = r"""
digest: "{{ 'a word' | quetrex.platform.header_digest }}"
"""

RETURN = r"""
_value:
  description: 22 characters of base64 for URLs.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.quetrex.platform.plugins.plugin_utils.header_digest import CANNOT, carried, digest


def header_digest(value: str) -> str:
    """The digest of a header's value, as secure_link wants it."""
    if not carried(str(value)):
        raise AnsibleFilterError(f"a secret for a header (platform_maintenance_bypass): {CANNOT}")
    return digest(str(value))


class FilterModule:
    """What ansible loads."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Name -> function."""
        return {"header_digest": header_digest}
