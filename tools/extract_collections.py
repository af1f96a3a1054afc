# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take the collections of requirements.yml and the like, and what they depend on, out of `ansible` wheels.

    extract_collections.py TARGET REQUIREMENTS... WHEEL...

A collection comes from the first wheel that has it. TARGET is a site-packages folder: ansible looks for `ansible_collections` there without being told.
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


def extract(sources: dict[str, Path], target: Path) -> None:
    """Replace TARGET/ansible_collections in one move, so that an interrupted run leaves the old one or none."""
    with tempfile.TemporaryDirectory(dir=target, prefix=".collections-") as scratch:
        for path in sorted(set(sources.values())):
            prefixes = tuple(f"ansible_collections/{name.replace('.', '/')}/" for name, source in sources.items() if source == path)
            with ZipFile(path) as wheel:
                wheel.extractall(scratch, [member for member in wheel.namelist() if member.startswith(prefixes) and "/tests/" not in member])
        final = target / "ansible_collections"
        if final.exists():
            shutil.rmtree(final)
        (Path(scratch) / "ansible_collections").rename(final)


def main(target: str, *given: str) -> None:
    files = [Path(name) for name in given]
    entries = [entry for path in files if path.suffix == ".yml" for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["collections"]]
    wanted = {entry["name"]: str(entry.get("version", "*")) for entry in entries}
    available, origin = dict[str, dict[str, Any]](), dict[str, Path]()
    for path in (path for path in files if path.suffix == ".whl"):
        with ZipFile(path) as wheel:
            for name, info in bundled(wheel).items():
                if name not in available:
                    available[name], origin[name] = info, path
    names = closure(wanted, available)
    extract({name: origin[name] for name in names}, Path(target))
    print(f"collections: {', '.join(names)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
