# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps what Python compiles of files in an archive under a hash of the source, as it keeps that of files in folders.

Ansible sends a module as an archive, so every task of every playbook compiles the same hundred files: 40 percent of the processor time that a small
module takes. Python loads this file by itself where its folder is on PYTHONPATH; on a lab's prepared servers a .pth file loads it.
"""

from __future__ import annotations

# only what Python has loaded already when it starts: every process of every test begins with this
import _imp
import marshal
import os
import sys
import zipimport
from _frozen_importlib_external import MAGIC_NUMBER

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types

FOLDER = os.environ.get("LAB_COMPILED", "/var/cache/lab-compiled")
KEY = int.from_bytes(MAGIC_NUMBER, "little")

_compile = zipimport._compile_source  # type: ignore[attr-defined]  # there is no public place for it


def compile_source(path: str, source: bytes) -> types.CodeType:
    """The code of a file in an archive: what was kept of the same source, with this archive's path, or compiled now and kept."""
    kept = f"{FOLDER}/{_imp.source_hash(KEY, source).hex()}-{len(source)}"
    code: types.CodeType
    try:
        with open(kept, "rb") as file:  # noqa: PTH123 - see above
            code = marshal.loads(file.read())  # noqa: S302 - written below, by this user
    except (OSError, EOFError, ValueError, TypeError):
        code = _compile(path, source)
        _keep(kept, marshal.dumps(code))
    else:
        _imp._fix_co_filename(code, path)  # type: ignore[attr-defined]
    return code


def _keep(place: str, content: bytes) -> None:
    scratch = f"{place}.{os.getpid()}"
    try:
        os.makedirs(FOLDER, mode=0o700, exist_ok=True)  # noqa: PTH103
        with open(scratch, "wb") as file:  # noqa: PTH123
            file.write(content)
        os.replace(scratch, place)  # noqa: PTH105
    except OSError:
        return


zipimport._compile_source = compile_source  # type: ignore[attr-defined]

if any(word.rpartition("/")[2] in ("ansible", "ansible-inventory", "ansible-playbook") for word in sys.orig_argv[1:2]):
    import controller_kept  # type: ignore[import-not-found]  # beside this file, which is on PYTHONPATH

    controller_kept.install()
