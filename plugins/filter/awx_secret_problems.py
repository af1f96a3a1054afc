# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps secrets from becoming a credential of AWX that works, without showing any of them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_secret_problems
short_description: Says which secrets AWX would refuse or no job could use
version_added: "1.1.0"
author: Quetrex (@quetrex)
description:
  - AWX takes text only, and refuses a number with an answer that shows it.
  - AWX takes an SSH key with a passphrase, but no job can open it.
  - Only names are said, never values. Null counts as empty, which AWX accepts.
options:
  _input:
    description: Values by name; C(ssh_private_key) is read as a key.
    type: dict
    required: true
"""

EXAMPLES = r"""
problems: "{{ {'vault_pin': 1234} | quetrex.platform.awx_secret_problems }}"
"""

RETURN = r"""
_value:
  description: A sentence for each, with the name; empty when all is well.
  type: list
  elements: str
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

KEY = "ssh_private_key"
OPENSSH_PLAIN = b"openssh-key-v1\x00\x00\x00\x00\x04none"


def problems(values: Mapping[str, Any]) -> list[str]:
    """Sentences about the values, by name, in the names' order."""
    found = [f"{name} is {_kind(value)}, not text; put it in quotes" for name, value in sorted(values.items()) if not _is_text(value)]
    key = values.get(KEY)
    if key is not None and _is_text(key):
        found += [f"{KEY} {reason}" for reason in _key(str(key))]
    return found


def _is_text(value: Any) -> bool:
    """Also what Ansible Vault has encrypted alone, which is decrypted when it is used."""
    return value is None or isinstance(value, str) or "Encrypted" in type(value).__name__


def _kind(value: Any) -> str:
    """Ansible's own types are subclasses of these."""
    kinds: dict[str, Any] = {"a switch": bool, "a number": (int, float), "a mapping": Mapping, "a list": (list, tuple)}
    return next((word for word, kind in kinds.items() if isinstance(value, kind)), type(value).__name__)


def _key(text: str) -> list[str]:
    match = re.search(r"-----BEGIN (?P<kind>[A-Z ]*PRIVATE KEY)-----(?P<data>.*?)-----END (?P=kind)-----", text, re.DOTALL)
    if not match:
        return ["is no private key: it has no line -----BEGIN … PRIVATE KEY-----"]
    encrypted = match["kind"].startswith("ENCRYPTED") or "ENCRYPTED" in match["data"]
    if match["kind"].startswith("OPENSSH"):
        try:
            encrypted = not base64.b64decode("".join(match["data"].split())).startswith(OPENSSH_PLAIN)
        except binascii.Error:
            return ["is damaged: its lines are no base64"]
    return ["has a passphrase, which no job can type; give a key without one: ssh-keygen -p -N '' -f COPY"] if encrypted else []


class FilterModule:
    """What ansible loads."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name -> function."""
        return {"awx_secret_problems": problems}
