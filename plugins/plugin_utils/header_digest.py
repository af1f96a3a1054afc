# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx's secure_link compares the value of a request's header with."""

from __future__ import annotations

import base64
import hashlib

CANNOT = "no header can carry it; leave out blanks at its ends, line ends and other control characters"


def carried(text: str) -> bool:
    """Whether a header has this very text as its value when it arrives."""
    return bool(text) and text == text.strip() and not any(ord(letter) < 32 or ord(letter) == 127 for letter in text)


def digest(text: str) -> str:
    """22 characters of base64 for URLs."""
    return base64.urlsafe_b64encode(hashlib.md5(text.encode(), usedforsecurity=False).digest()).decode().rstrip("=")
