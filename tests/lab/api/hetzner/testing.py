# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project at the local Hetzner API without machines, for unit tests."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.api import hetzner
from lab.api.kit import wrap
from lab.api.testing import ScratchLab, serving

from .world import Project, Resource

LABELS = {"platform": "quetrex", "environment": "test", "role": "app"}
WANTED: dict[str, Any] = {"name": "app", "labels": LABELS, "types": ["cpx31", "cpx41"], "location": "ash", "user_data": "#cloud-config\n{}"}
"""The options of a server that tests order with the module."""


@dataclass
class Clock:
    """Time that passes only while somebody sleeps."""

    elapsed: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        """Return the time."""
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.elapsed += seconds
        self.slept.append(seconds)


@dataclass
class HetznerApi:
    """The API, its state, and what was asked of it."""

    url: str
    app: Any
    root: Path
    hardware: hetzner.NullHardware
    clock: Clock
    token: str = hetzner.token("scratch")
    _seen: int = 0

    @property
    def project(self) -> Project:
        """The project of the token."""
        found: Project = self.app.state.world.project("default")
        return found

    def fault(self, effect: dict[str, Any], times: int | None = 1, after: int = 0, **match: str) -> None:
        """Switch a fault on."""
        self.app.state.faults.add({"effect": effect, "times": times, "match": match, "after": after})

    def heal(self) -> None:
        """Switch all faults off."""
        self.app.state.faults.clear()

    def servers(self) -> list[Resource]:
        """Return the servers as stored."""
        return self.project.all("servers")

    def exchanges(self) -> list[dict[str, Any]]:
        """Return what was asked and answered since `forget`."""
        log = self.root / "log" / "hetzner.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return [json.loads(line) for line in lines[self._seen :]]

    def writes(self) -> list[str]:
        """Return the changing requests since `forget`, as `METHOD path`."""
        return [f"{one['method']} {one['path']}" for one in self.exchanges() if one["method"] != "GET"]

    def forget(self) -> None:
        """Count requests from here on."""
        self._seen += len(self.exchanges())


@contextlib.contextmanager
def hetzner_api(root: Path) -> Iterator[HetznerApi]:
    """Serve an empty project whose actions are over at the next look; a violation of the contract is an error."""
    lab, hardware = ScratchLab(root), hetzner.NullHardware()
    app = hetzner.create_app(lab, hardware, pace=0)
    with serving(wrap(app, lab, "hetzner")) as url:
        yield HetznerApi(f"{url}/v1", app, root, hardware, Clock())
    violations = root / "contract-violations.jsonl"
    if violations.exists():
        raise AssertionError(violations.read_text(encoding="utf-8"))


def order(api: HetznerApi, **more: Any) -> int:
    """Order a server behind the module's back and return its id."""
    from hcloud import Client

    client = Client(api.token, api_endpoint=api.url)
    body = {"name": "app", "server_type": "cpx31", "image": "debian-13", "location": "ash", **more}
    return int(client.request("POST", "/servers", json=body)["server"]["id"])


def make(api: HetznerApi, path: str, **body: Any) -> dict[str, Any]:
    """Make another resource behind the module's back."""
    from hcloud import Client

    found: dict[str, Any] = Client(api.token, api_endpoint=api.url).request("POST", path, json=body)
    return found
