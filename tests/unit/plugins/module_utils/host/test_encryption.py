# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and their names; what the kernel does with them is tried with the module that mounts."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.quetrex.platform.plugins.module_utils.host import encryption


def test_the_same_words_give_the_same_key_for_ever() -> None:
    """Another result would leave every volume there is unreadable."""
    key = encryption.derive("0123456789abcdef0123456789abcdef")
    assert encryption.identifier(key).hex() == "ddf02ae7fdf413c2173bad475dd651a2"
    assert encryption.derive("0123456789abcdef0123456789abcdeg") != key


def test_a_key_has_the_name_that_the_kernel_gives_it() -> None:
    """As Linux answered when it was given this key."""
    assert encryption.identifier(bytes(range(64))).hex() == "8699c2c53707405da5aba5ae4d8583c0"


def test_without_a_mount_there_is_nothing_to_open(tmp_path: Path) -> None:
    assert encryption.main([str(tmp_path / "key"), str(tmp_path)]) == 0
    assert encryption.policy(tmp_path) is None
