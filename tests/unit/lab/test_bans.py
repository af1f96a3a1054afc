# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the database's own host bans; the ban itself is tried in tests/integration/test_lab.py."""

from __future__ import annotations

from lab.supabase.bans import BAN, WINDOW, Counter


def wrong(address: str) -> str:
    return f'2026-11-30 15:00:00.000 UTC [42] {address} postgres@postgres [unknown] FATAL:  password authentication failed for user "postgres"'


def test_third_wrong_password() -> None:
    """Not the second, and not one that comes after the window."""
    counter = Counter()
    assert [counter.bans([wrong("10.1.0.2")], now) for now in (0, 1, WINDOW)] == [[], [], []]
    assert counter.bans([wrong("10.1.0.2"), wrong("fd51::2")], WINDOW + 1) == []
    assert counter.bans([wrong("fd51::2"), wrong("10.1.0.2"), wrong("fd51::2")], WINDOW + 2) == ["10.1.0.2", "fd51::2"]
    assert BAN == 1800


def test_others_are_not_counted() -> None:
    """The host itself, the socket (the pooler's way in), and lines that say something else."""
    lines = [wrong("127.0.0.1"), wrong("[local]"), "2026 [42] 10.1.0.2 postgres@postgres x ERROR:  password authentication failed for user", "FATAL:  none"]
    assert Counter().bans(lines * 5, 0) == []
