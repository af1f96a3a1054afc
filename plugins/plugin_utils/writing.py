# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a writer of module_utils/writing.py a filter: its refusal becomes one of Ansible's errors, without the value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.quetrex.platform.plugins.module_utils.writing import Inexpressible


def filtered(name: str, writer: Callable[..., str]) -> Callable[..., str]:
    """The writer under the name of its filter."""

    @functools.wraps(writer)
    def call(*words: Any, **named: Any) -> str:
        try:
            return writer(*words, **named)
        except Inexpressible as error:
            raise AnsibleFilterError(f"{name}: {error}") from None

    return call
