# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and subnets for labs of test runs, so that several runs on one machine never meet.

A slot is a lock that the kernel gives back when its holder ends, however it ends: whatever still bears a slot's names when the
slot is taken again was left by a dead run.
"""

from __future__ import annotations

import fcntl
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import TextIO

from lab.config import Lab, LabError

_LOCKS = Path("/run/quetrex-lab/slots")
_COUNT, _FIRST = 9, 220


@dataclass
class Slot:
    """Sixteen labs `t<number><suffix>` in 10.<220 + number>.0.0/16, for as long as this object lives."""

    number: int
    lock: TextIO

    def lab(self, index: int, suffix: str) -> Lab:
        """Lab number `index` (0-15) of this slot."""
        return Lab(f"t{self.number}{suffix}", IPv4Network((int.from_bytes((10, _FIRST + self.number, 16 * index, 0)), 20)))


def take() -> Slot:
    """The first slot that nobody on this machine holds."""
    _LOCKS.mkdir(parents=True, exist_ok=True)
    for number in range(_COUNT):
        lock = (_LOCKS / str(number)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return Slot(number, lock)
    raise LabError(f"{_COUNT} test runs hold a lab on this machine already.")
