# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One half of the second leg: the tests of the modules. A file of its own, because lanes share files."""

from __future__ import annotations

import pytest

from gates import kit


@pytest.mark.gate
def test_second_leg_modules() -> None:
    found = kit.second_leg("tests/unit/plugins/modules")
    assert not found, found
