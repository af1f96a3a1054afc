# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write file names as the value of an option of ssh."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ssh_files
short_description: Write file names as the value of an option of ssh
version_added: "1.0.0"
author: Quetrex (@quetrex)
description:
  - For options that hold several names, as C(UserKnownHostsFile) does, ssh splits at blanks and expands C(%); the result means these files alone.
options:
  _input:
    description: One file name, or a list of them; C(~) is expanded.
    type: raw
    required: true
"""

EXAMPLES = r"""
ansible_ssh_common_args: "-o {{ ('UserKnownHostsFile=' ~ ('~/a folder/known_hosts' | quetrex.platform.ssh_files)) | quote }}"
"""

RETURN = r"""
_value:
  description: The option's value.
  type: str
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.quetrex.platform.plugins.module_utils.writing import ssh_files
from ansible_collections.quetrex.platform.plugins.plugin_utils.writing import filtered


def of_one_or_more(paths: Any) -> str:
    """As ssh_files, of the controller's own files."""
    return ssh_files(*(str(Path(path).expanduser()) for path in ([paths] if isinstance(paths, str) else paths)))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"ssh_files": filtered("ssh_files", of_one_or_more)}
