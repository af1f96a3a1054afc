# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Cloudflare account on a free port of loopback, for tests of the stand-in itself and of the collection's modules."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from lab.api.cloudflare import BASE, create_app, token_of
from lab.api.kit import wrap
from lab.api.testing import ScratchLab, serving


@dataclass(frozen=True)
class CloudflareLab(ScratchLab):
    """The parts of a lab this API asks for."""

    name: str = "unit"
    domain: str = "quetrex.test"

    def network(self, group: int) -> str:
        """An IPv4 /24 of the lab."""
        return f"10.213.{group}.0/24"

    def network6(self, group: int) -> str:
        """An IPv6 /64 of the lab."""
        return f"fd51:aaaa:0:{group:x}::/64"


class CloudflareServer:
    """Where the API answers, its token and zone, and what was asked of it."""

    def __init__(self, root: Path, app: Starlette, url: str) -> None:
        self._root = root
        self.app = app
        self.origin = url
        self.url = url + BASE
        self.cloud = app.state.cloud
        self.token = token_of(self.cloud.lab)
        self.zone: dict[str, Any] = next(iter(self.cloud.state["zones"].values()))

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None, **query: Any) -> httpx.Response:
        """One plain request; `{zone}` in the path is the zone's identifier."""
        headers = {"authorization": f"Bearer {token or self.token}"}
        return httpx.request(method, self.url + path.replace("{zone}", self.zone["id"]), json=body, headers=headers, params=query, timeout=10)

    def fault(self, *faults: dict[str, Any]) -> None:
        """Switch faults on (see `lab.api.faults`)."""
        httpx.post(f"{self.origin}/_lab/faults", json=list(faults)).raise_for_status()

    def heal(self) -> None:
        """Switch all faults off."""
        httpx.delete(f"{self.origin}/_lab/faults").raise_for_status()

    def log(self) -> list[dict[str, Any]]:
        """Every exchange so far, in order."""
        return _lines(self._root / "log" / "cloudflare.jsonl")

    def writes(self) -> list[str]:
        """`METHOD path` of every exchange so far that was not a read."""
        return [f"{line['method']} {line['path']}" for line in self.log() if line["method"] != "GET"]

    def forget(self) -> None:
        """Start the log anew."""
        (self._root / "log" / "cloudflare.jsonl").unlink(missing_ok=True)

    def violations(self) -> list[str]:
        """What the vendor's document objects to."""
        return [f"{line['method']} {line['path']} {line['status']}: {line['violations']}" for line in _lines(self._root / "contract-violations.jsonl")]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


@contextlib.contextmanager
def cloudflare_server(root: Path) -> Iterator[CloudflareServer]:
    """Serve a fresh account whose state lives below `root`."""
    app = create_app(CloudflareLab(root))  # type: ignore[arg-type]
    with serving(wrap(app, CloudflareLab(root), "cloudflare", "cloudflare-openapi.json")) as url:
        yield CloudflareServer(root, app, url)
