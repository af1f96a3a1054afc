# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the stack's secrets out of what is printed: programs quote what they cannot read, and applications log what they should not."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

SHORTEST = 8
"""Letters below which a value is no secret, but a word that stands everywhere."""
INSTEAD = "********"
_LINE = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)=(.*)$")
_ESCAPE = re.compile(r"\\(.)")


def words(project_dir: Path) -> list[str]:
    """Every value of the services' env files and the password of the record, longest first; not what every browser is told."""
    values: dict[str, str] = {}
    for file in sorted((project_dir / "env").glob("*.env")):
        with contextlib.suppress(OSError):
            for line in file.read_text(errors="replace").splitlines():
                found = _LINE.match(line)
                if found:
                    values[found[1]] = found[2]
    public = {value for name, value in values.items() if name.startswith("NEXT_PUBLIC_")}
    found_words = {form for value in values.values() if value not in public for form in _forms(value)}
    with contextlib.suppress(OSError, ValueError, AttributeError):
        found_words.add(str(json.loads((project_dir / "release-database.json").read_text())["connection"].get("password", "")))
    return sorted((word for word in found_words if len(word) >= SHORTEST), key=len, reverse=True)


def _forms(value: str) -> set[str]:
    """As the line has it, as the service reads it, and the password of an address."""
    bare = value[1:-1] if value[:1] in "'\"" and value[-1:] == value[:1] else value.strip("'\"")
    read = _ESCAPE.sub(lambda escape: {"n": "\n", "r": "\r"}.get(escape[1], escape[1]), bare) if value[:1] == '"' else bare
    forms = {bare, read, *read.splitlines()}
    with contextlib.suppress(ValueError):
        password = urlsplit(read).password or ""
        forms |= {password, unquote(password)}
    return forms


def redacted(said: Any, secrets: list[str]) -> Any:
    """The same text, or the same mapping or list of texts, without the secrets."""
    if isinstance(said, str):
        for word in secrets:
            said = said.replace(word, INSTEAD)
        return said
    if isinstance(said, dict):
        return {name: redacted(value, secrets) for name, value in said.items()}
    return [redacted(value, secrets) for value in said] if isinstance(said, list) else said
