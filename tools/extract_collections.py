# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take the collections of requirements.yml, and what they depend on, out of the `ansible` wheel.

    extract_collections.py WHEEL REQUIREMENTS TARGET

TARGET is a site-packages folder: ansible looks for `ansible_collections` there without being told.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import yaml


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def satisfied(version: str, wanted: str) -> bool:
    """Only the forms `*` and `>=x.y.z` are used; anything else is a mistake in requirements.yml."""
    if wanted in ("", "*"):
        return True
    if not wanted.startswith(">="):
        raise SystemExit(f"requirements.yml: cannot compare {wanted!r}; write >=x.y.z")
    return number(version) >= number(wanted)


def bundled(wheel: ZipFile) -> dict[str, dict[str, Any]]:
    """Name -> collection_info of everything in the wheel."""
    found = {}
    for name in wheel.namelist():
        if re.fullmatch(r"ansible_collections/[^/]+/[^/]+/MANIFEST\.json", name):
            info = json.loads(wheel.read(name))["collection_info"]
            found[f"{info['namespace']}.{info['name']}"] = info
    return found


def closure(wanted: dict[str, str], available: dict[str, dict[str, Any]]) -> list[str]:
    """The wanted collections and their dependencies, each checked against the bundled version."""
    queue, chosen = list(wanted.items()), []
    while queue:
        name, version = queue.pop()
        if name not in available:
            raise SystemExit(f"{name} is not in the bundle; choose another bundle in tools/collections-bundle.txt")
        if not satisfied(available[name]["version"], version):
            raise SystemExit(f"the bundle has {name} {available[name]['version']}, requirements.yml wants {version}")
        if name not in chosen:
            chosen.append(name)
            queue.extend((available[name].get("dependencies") or {}).items())
    return sorted(chosen)


def extract(wheel: ZipFile, names: list[str], target: Path) -> None:
    """Replace TARGET/ansible_collections in one move, so that an interrupted run leaves the old one or none."""
    prefixes = tuple(f"ansible_collections/{name.replace('.', '/')}/" for name in names)
    members = [member for member in wheel.namelist() if member.startswith(prefixes) and "/tests/" not in member]
    with tempfile.TemporaryDirectory(dir=target, prefix=".collections-") as scratch:
        wheel.extractall(scratch, members)
        final = target / "ansible_collections"
        if final.exists():
            shutil.rmtree(final)
        (Path(scratch) / "ansible_collections").rename(final)


def main(wheel_path: str, requirements: str, target: str) -> None:
    entries = yaml.safe_load(Path(requirements).read_text(encoding="utf-8"))["collections"]
    wanted = {entry["name"]: str(entry.get("version", "*")) for entry in entries}
    with ZipFile(wheel_path) as wheel:
        names = closure(wanted, bundled(wheel))
        extract(wheel, names, Path(target))
    print(f"collections: {', '.join(names)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
