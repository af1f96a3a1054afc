# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the holder of the lock asks a database again, and when not."""

from __future__ import annotations

import pytest

from ansible_collections.quetrex.platform.plugins.plugin_utils.lock_holder import is_hopeless


@pytest.mark.parametrize(
    ("said", "hopeless"),
    [
        ('FATAL:  password authentication failed for user "postgres"', True),
        ("FATAL:  (ECIRCUITBREAKER) too many authentication failures, new connections are temporarily blocked", True),
        ("FATAL:  (EAUTHQUERY) authentication query failed: connection to database not available", False),
        ("connection to server at x failed: Connection refused", False),
    ],
)
def test_a_wrong_password_is_not_tried_again(said: str, hopeless: bool) -> None:
    assert is_hopeless(said) is hopeless
