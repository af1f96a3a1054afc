# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's arguments are the action's, and its documentation says so."""

from __future__ import annotations

import yaml

from ansible_collections.quetrex.platform.plugins.action import platform_drift as action
from ansible_collections.quetrex.platform.plugins.modules import platform_drift as module


def test_every_kind_of_event_that_is_told_is_documented() -> None:
    kinds = yaml.safe_load(module.RETURN)["drift"]["contains"]["kind"]["description"]
    assert all(f"V({kind})" in kinds for kind in action.TOLD)


def test_the_playbook_it_runs_by_itself_is_the_collections_site() -> None:
    assert (action.COLLECTION / "playbooks" / "site.yml").is_file()
