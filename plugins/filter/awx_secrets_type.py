# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes names of variables into a credential type of AWX."""

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_secrets_type
short_description: Makes the inputs and injectors of an AWX credential type from names of variables
version_added: "1.0.0"
author: Quetrex (@quetrex)
description:
  - A field for the owner's SSH key, which a job gets as a file whose path is C(platform_admin_ssh_private_key_file).
  - A secret field for each name, which a job gets as an extra variable of that name.
  - A digest of the fields. AWX changes no fields of a type in use, so that a type and a credential with other fields need another name.
options:
  _input:
    description: Names of variables.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
injectors: "{{ (['vault_cloudflare_api_token'] | quetrex.platform.awx_secrets_type).injectors }}"
"""

RETURN = r"""
_value:
  description: C(inputs) and C(injectors) as C(awx.awx.credential_type) takes them, and C(digest), eight characters.
  type: dict
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from ansible.errors import AnsibleFilterError

KEY_FILE = "{{ tower.filename.ssh_private_key }}"


def secrets_type(names: Iterable[str]) -> dict[str, Any]:
    """`{inputs, injectors, digest}` of a credential type: the owner's SSH key as a file, and an extra variable for each name."""
    wanted = sorted(names)
    for name in wanted:
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", name) or name == "ssh_private_key":
            raise AnsibleFilterError(f"awx_controller_secrets: {name!r} cannot be a field; use small letters, digits and _, and not ssh_private_key")
    key = {"id": "ssh_private_key", "type": "string", "label": "Private SSH key of the owner", "secret": True, "multiline": True, "format": "ssh_private_key"}
    fields = [key, *({"id": name, "type": "string", "label": name, "secret": True, "multiline": True} for name in wanted)]
    variables = {"platform_admin_ssh_private_key_file": KEY_FILE, **{name: f"{{{{ {name} }}}}" for name in wanted}}
    inputs = {"fields": fields, "required": ["ssh_private_key"]}
    return {
        "inputs": inputs,
        "digest": hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:8],
        # Jinja takes one line's end away, and ssh cannot read a key without any
        "injectors": {"file": {"template.ssh_private_key": "{{ ssh_private_key }}\n\n"}, "extra_vars": variables},
    }


class FilterModule:
    """What ansible loads."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Name -> function."""
        return {"awx_secrets_type": secrets_type}
