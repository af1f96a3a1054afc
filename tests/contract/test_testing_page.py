# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/testing.md lists every file with tests that only `make soak` runs, and no other."""

from __future__ import annotations

import re

from contract import rules

MARK = re.compile(r"mark\.long\b")


def test_soak_is_listed() -> None:
    page = (rules.ROOT / "docs" / "testing.md").read_text()
    listed = re.findall(r"^\| `(tests/\S+\.py)` \|", page, flags=re.MULTILINE)
    marked = [str(path.relative_to(rules.ROOT)) for path in (rules.ROOT / "tests").rglob("test_*.py") if MARK.search(path.read_text())]
    assert sorted(listed) == sorted(marked)
