# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that the action reads are those that are documented; what it does is tested with the action."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from ansible_collections.quetrex.platform.plugins.action import platform_identity as action
from ansible_collections.quetrex.platform.plugins.modules import platform_identity


def test_documented_options_are_those_the_action_reads() -> None:
    documented = yaml.safe_load(platform_identity.DOCUMENTATION)["options"]
    read = re.findall(r'"(\w+)": \{"type": "(\w+)"', Path(action.__file__).read_text())
    assert {name: option["type"] for name, option in documented.items()} == dict(read)
