# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pass on a value of a kind that every language reads as it stands."""

from __future__ import annotations

DOCUMENTATION = r"""
name: literal
short_description: Pass on a value that needs no quotes in any language
version_added: "1.0.0"
author: Quetrex (@quetrex)
positional: kind
description:
  - Units of systemd, C(sshd_config), nftables and others have no quotes that all their readers undo. A value that goes there as it is has to be of a
    kind that none of them splits, expands or ends; anything else is refused, without being repeated.
options:
  _input:
    description: The value.
    type: raw
    required: true
  kind:
    description:
      - What the value has to be. C(line) is text in the language of the file itself, in one line.
    type: str
    required: true
    choices: [address, amount, calendar, command, host, image, key, line, network, path, token, url, word]
"""

EXAMPLES = r"""
line: "RequiresMountsFor={{ folder | quetrex.platform.literal('path') }}"
"""

RETURN = r"""
_value:
  description: The value as text, unchanged.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.quetrex.platform.plugins.module_utils.writing import literal
from ansible_collections.quetrex.platform.plugins.plugin_utils.writing import filtered


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"literal": filtered("literal", literal)}
