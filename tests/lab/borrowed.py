# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab that a program measures on: the one that somebody named, which stays as it is, or one of its own for as long as it runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from lab import cloud, slots
from lab.config import Lab


@contextmanager
def borrowed(index: int, suffix: str) -> Iterator[bool]:
    """Afterwards LAB_NAME names a lab that is up. Yields whether it is a new one, without a platform: that one is gone in the end."""
    if os.environ.get("LAB_NAME"):
        yield False
        return
    slot = slots.take()
    lab = slot.lab(index, suffix)
    cloud.down(lab, abandoned=True)
    os.environ |= {"LAB_NAME": lab.name, "LAB_SUBNET": str(lab.prefix)}
    try:
        cloud.up(lab, print)
        yield True
    finally:
        cloud.down(Lab.from_env())
        del os.environ["LAB_NAME"], os.environ["LAB_SUBNET"]
