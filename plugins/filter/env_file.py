# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write variables as an env file of Docker Compose."""

from __future__ import annotations

DOCUMENTATION = r"""
name: env_file
short_description: Write variables as an env file of Docker Compose
version_added: "1.0.0"
author: Quetrex (@quetrex)
description:
  - Compose gives back the very same values, whatever quotes, dollar signs, backslashes or line ends they hold.
  - Booleans are written C(true) and C(false). A number with a fraction is refused, because YAML has shortened it.
options:
  _input:
    description: Values by name; texts, whole numbers and booleans.
    type: dict
    required: true
"""

EXAMPLES = r"""
content: "{{ {'NAME': 'it''s'} | quetrex.platform.env_file }}"
"""

RETURN = r"""
_value:
  description: The whole file.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.quetrex.platform.plugins.module_utils.writing import env_file
from ansible_collections.quetrex.platform.plugins.plugin_utils.writing import filtered


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"env_file": filtered("env_file", env_file)}
