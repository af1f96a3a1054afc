# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The release program as a caller meets it, on a server that a test made up."""

from __future__ import annotations

import json
from typing import Any

import pytest


def answer(program: Any, server: Any, *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of `program`, the release program's main module, on this server."""
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr(program.Settings, "read", lambda folder: server.settings)
        patch.setattr(program, "Server", lambda settings: server)
        patch.setattr(program.signal, "signal", lambda number, handler: None)
        patch.setattr("builtins.print", lambda *text, **more: said.append(str(text[0])) if not more else None)
        code = program.main(["--json", *words])
    return code, json.loads(said[-1])
