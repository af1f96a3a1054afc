# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples fit the inventory they are for."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_renovate_finds_every_image_of_the_inventory_and_nothing_else_names_one() -> None:
    text = (ROOT / "inventories/production/group_vars/all/platform.yml").read_text().replace("sha256:…", "sha256:" + "a" * 64)
    (manager,) = json.loads((ROOT / "examples/renovate.json").read_text())["customManagers"]
    (pattern,) = manager["matchStrings"]
    found = [match.groupdict() for match in re.finditer(pattern.replace("(?<", "(?P<"), text)]
    assert [(item["depName"], item["currentValue"]) for item in found] == [
        ("ghcr.io/quetrex/web", None),
        ("ghcr.io/quetrex/runner", None),
        ("docker.io/library/redis", "7.4-alpine"),
        ("docker.io/library/nginx", "1.28-alpine"),
    ]
    (place,) = manager["managerFilePatterns"]
    assert re.search(place.strip("/"), "inventories/production/group_vars/all/platform.yml")
    images = re.compile(r"@sha256:|image: \S+/\S+:\S+")
    named = [path for path in (*ROOT.glob("roles/*/defaults/*.yml"), *ROOT.glob("roles/*/vars/*.yml")) if images.search(path.read_text())]
    assert named == [], "an image by digest or tag outside the inventory"
