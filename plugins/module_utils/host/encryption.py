# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The encryption of files that the kernel has for ext4 (fscrypt, policy version 2). Also the program that adds the key at a server's start."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import hmac
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

FOLDER = "state"
"""The kernel never encrypts a filesystem's root, so everything is below one folder, and that folder is what is mounted."""

# <linux/fscrypt.h>
ADD_KEY = 0xC0506617
SET_POLICY = 0x800C6613
GET_POLICY = 0xC0096616
KEY_STATUS = 0xC080661A
KEY_PRESENT = 2
BY_IDENTIFIER, VERSION_2 = 2, 2
AES_256_XTS, AES_256_CTS, PAD_16 = 1, 4, 2
KEY_SIZE, IDENTIFIER_SIZE, POLICY_SIZE = 64, 16, 24
NO_POLICY = (errno.ENODATA, errno.EOPNOTSUPP, errno.ENOTTY)


def derive(passphrase: str) -> bytes:
    """Return the volume's key. The same words give the same key anywhere, so that a new server can open the volume of one that is gone."""
    return hashlib.scrypt(passphrase.encode(), salt=b"quetrex.platform volume", n=2**15, r=8, p=1, maxmem=2**26, dklen=KEY_SIZE)


def identifier(key: bytes) -> bytes:
    """Return the name that the kernel gives a key (HKDF-SHA512, context 1), without showing it the key."""
    secret = hmac.new(bytes(64), key, "sha512").digest()
    return hmac.new(secret, b"fscrypt\0\x01\x01", "sha512").digest()[:IDENTIFIER_SIZE]


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield number
    finally:
        os.close(number)


def policy(path: Path) -> Optional[bytes]:
    """Return the name of the key that a folder is encrypted with; None if it is not. An older kind of policy gives a name that is no key's."""
    told = bytearray(struct.pack("Q", POLICY_SIZE) + bytes(POLICY_SIZE))
    with _opened(path) as folder:
        try:
            fcntl.ioctl(folder, GET_POLICY, told)
        except OSError as error:
            if error.errno in NO_POLICY:
                return None
            raise
    return bytes(told[16:32]) if told[8] == VERSION_2 else b"of another version"


def protect(path: Path, name: bytes) -> None:
    """Encrypt an empty folder, and with it all that will be in it, with the key of that name, which has to be there."""
    wanted = struct.pack("BBBB4s16s", VERSION_2, AES_256_XTS, AES_256_CTS, PAD_16, b"", name)
    with _opened(path) as folder:
        # the number says 12 bytes, as the kernel has defined it; it reads as many as the version in the first one has
        fcntl.ioctl(folder, SET_POLICY, wanted)


def has_key(path: Path, name: bytes) -> bool:
    """Return whether a mounted filesystem has the key of that name."""
    question = bytearray(struct.pack("II", BY_IDENTIFIER, 0) + name + bytes(128 - 8 - len(name)))
    with _opened(path) as folder:
        fcntl.ioctl(folder, KEY_STATUS, question)
    return bool(struct.unpack_from("I", question, 64)[0] == KEY_PRESENT)


def add_key(path: Path, key: bytes) -> None:
    """Give a mounted filesystem the key. It has it until it is mounted nowhere any more."""
    question = bytearray(struct.pack("II32s", BY_IDENTIFIER, 0, b"") + struct.pack("II32s", len(key), 0, b"") + key)
    with _opened(path) as folder:
        fcntl.ioctl(folder, ADD_KEY, question)


def main(words: Sequence[str]) -> int:
    """``platform-volume-key KEY_FILE PATH``: the key for what is mounted there. Where nothing is, others wait for the mount."""
    key_file, path = map(Path, words)
    if not path.is_mount():
        return 0
    try:
        name = policy(path)
        if name is None:
            raise ValueError("what is mounted there is not the encrypted folder of the volume")
        key = bytes.fromhex(key_file.read_text(encoding="ascii"))
        if identifier(key) != name:
            raise ValueError("it is encrypted with another key")
        add_key(path, key)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{path} cannot be read: {error}; run site\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
