# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes out of nginx's cache what the API was asked to purge: the files name their keys."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

KEY = re.compile(rb"\nKEY: [0-9a-f.]+\|([^\n]+)\n")
TAGS = re.compile(rb"\r\ncache-tag: ([^\r]+)\r\n", re.IGNORECASE)
HEADER = 16_384


def purge(folder: Path, state: dict[str, Any]) -> int:
    """Carry out the purges not yet done; the number of files removed. Purging everything is a new generation of keys instead."""
    done_file = folder / "purged.json"
    done = set(json.loads(done_file.read_text())) if done_file.exists() else set()
    orders = [order for zone in state["zones"].values() for order in zone["purged"]]
    fresh = [order for order in orders if order["id"] not in done]
    if not fresh:
        return 0
    removed = 0
    for path in (folder / "cache").rglob("*"):
        if path.is_file() and any(concerns(order, path.read_bytes()[:HEADER]) for order in fresh):
            path.unlink(missing_ok=True)
            removed += 1
    done_file.write_text(json.dumps([order["id"] for order in orders]))
    return removed


def concerns(order: dict[str, Any], head: bytes) -> bool:
    """Whether a purge covers the cached answer that begins with `head`."""
    found = KEY.search(head)
    if found is None:
        return False
    url = found.group(1).decode()
    parts = urlsplit(url)
    tags = TAGS.search(head)
    tests: dict[str, bool] = {
        "files": url in order["items"],
        "hosts": parts.hostname in order["items"],
        "prefixes": any(f"{parts.hostname}{parts.path}".startswith(item) for item in order["items"]),
        "tags": tags is not None and bool({tag.strip() for tag in tags.group(1).decode().split(",")} & set(order["items"])),
    }
    return tests[order["kind"]]
