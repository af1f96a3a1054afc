# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The other half of the second leg: all that `test_second_leg_modules.py` leaves out."""

from __future__ import annotations

import pytest

from gates import kit


@pytest.mark.gate
def test_second_leg() -> None:
    found = kit.second_leg("tests/unit/plugins", "tests/contract", "--ignore", "tests/unit/plugins/modules")
    assert not found, found
