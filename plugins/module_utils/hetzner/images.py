# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden images: which snapshot a new server may start from, which ones are kept. Pure over the API's JSON, but for one look."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from .client import Answer, Client

BROKEN = "broken"
"""Label of a snapshot from which a server did not come up; it is not used again."""


class Golden(t.NamedTuple):
    """Which snapshots are meant: their labels, and how old one may be in days (0 for any age)."""

    labels: dict[str, str]
    max_age_days: float = 0

    @property
    def selector(self) -> str:
        """Return the labels as the API's list wants them."""
        return ",".join(f"{key}={value}" for key, value in sorted(self.labels.items()) if key != "recipe")


class Choice:
    """The snapshots there are, and the types of server they could fit. refused tells why one cannot be used."""

    def __init__(self, golden: Golden, images: list[Answer], server_types: list[Answer], now: datetime) -> None:
        self._golden, self._images, self._now = golden, sorted(images, key=lambda one: (one["created"], one["id"]), reverse=True), now
        self._types = {row["name"]: row for row in server_types}
        self.refused: dict[str, str] = {}
        self.used: Answer | None = None

    def of(self, server_type: str) -> Answer | None:
        """Return the newest snapshot that fits a type of server; notes why newer ones do not."""
        for image in self._images:
            problem = unfit(image, self._types.get(server_type), self._golden, self._now)
            if not problem:
                return image
            self.refused[str(image["id"])] = problem
        return None


def unfit(image: Answer, server_type: Answer | None, golden: Golden, now: datetime) -> str:
    """Return why a server of that type cannot, or should not, start from a snapshot; empty when it can."""
    labels, age = image["labels"], (now - datetime.fromisoformat(image["created"])).total_seconds() / 86400
    if image["status"] != "available":
        return f"it is {image['status']}"
    if BROKEN in labels:
        return "a server made from it did not come up"
    if labels.get("recipe") != golden.labels.get("recipe", labels.get("recipe")):
        return "it was made by other roles or settings; make a new one with image_build"
    if golden.max_age_days and age > golden.max_age_days:
        return f"it is {age:.0f} days old, {golden.max_age_days:g} are allowed; make a new one with image_build"
    if server_type is None:
        return "the server type is not in the catalogue"
    if image["architecture"] != server_type["architecture"]:
        return f"it is {image['architecture']}, {server_type['name']} is {server_type['architecture']}"
    if image["disk_size"] > server_type["disk"]:
        return f"it needs {image['disk_size']:g} GB of disk, {server_type['name']} has {server_type['disk']}"
    return ""


def look(client: Client, golden: Golden) -> Choice:
    """Return the choice there is now."""
    with ThreadPoolExecutor(1) as pool:
        types = pool.submit(client.all, "/server_types", "server_types")
        images = client.all("/images", "images", [("type", "snapshot"), ("label_selector", golden.selector)])
        return Choice(golden, images, types.result(), datetime.now(UTC))


def surplus(images: list[Answer], keep: int) -> list[Answer]:
    """Return the snapshots beyond the newest ones that are good; broken and failed ones do not count and go."""
    good = [one for one in images if one["status"] == "available" and BROKEN not in one["labels"]]
    kept = {one["id"] for one in sorted(good, key=lambda one: (one["created"], one["id"]), reverse=True)[:keep]}
    return [one for one in images if one["id"] not in kept and one["status"] != "creating" and not one["protection"]["delete"]]
