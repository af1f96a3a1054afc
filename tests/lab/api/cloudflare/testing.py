# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Cloudflare account on a free port of loopback, for tests of the stand-in itself and of the collection's modules."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from lab.api.cloudflare import BASE, create_app, token_of
from lab.api.kit import wrap
from lab.api.testing import ScratchLab, serving

CHECKOUT = Path(__file__).resolve().parents[4]
# What the role takes for a certificate where no origin looks at it.
PEM = "-----BEGIN CERTIFICATE-----\n"


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
        # loading the machine's authorities for each plain request would cost more than everything else
        self._http = httpx.Client(verify=False, trust_env=False, timeout=10)  # noqa: S501 - loopback without TLS

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None, **query: Any) -> httpx.Response:
        """One plain request; `{zone}` in the path is the zone's identifier."""
        headers = {"authorization": f"Bearer {token or self.token}"}
        return self._http.request(method, self.url + path.replace("{zone}", self.zone["id"]), json=body, headers=headers, params=query)

    def fault(self, *faults: dict[str, Any]) -> None:
        """Switch faults on (see `lab.api.faults`)."""
        self._http.post(f"{self.origin}/_lab/faults", json=list(faults)).raise_for_status()

    def heal(self) -> None:
        """Switch all faults off."""
        self._http.delete(f"{self.origin}/_lab/faults").raise_for_status()

    def log(self) -> list[dict[str, Any]]:
        """Every exchange so far, in order."""
        return _lines(self._root / "log" / "cloudflare.jsonl")

    def writes(self) -> list[str]:
        """`METHOD path` of every exchange so far that was not a read."""
        return [f"{line['method']} {line['path']}" for line in self.log() if line["method"] != "GET"]

    def forget(self) -> None:
        """Start the log again."""
        (self._root / "log" / "cloudflare.jsonl").unlink(missing_ok=True)

    def close(self) -> None:
        """End the connection that is kept."""
        self._http.close()

    def violations(self) -> list[str]:
        """What the vendor's document objects to."""
        return [f"{line['method']} {line['path']} {line['status']}: {line['violations']}" for line in _lines(self._root / "contract-violations.jsonl")]


def run_role(api: CloudflareServer, folder: Path, entries: Sequence[str] = ("main",), **settings: Any) -> subprocess.CompletedProcess[str]:
    """The role cloudflare_zone on this account, in a playbook of its own; `entries` are its entry points."""
    values = {
        "cloudflare_zone_api_token": api.token, "cloudflare_zone_api_url": api.url, "cloudflare_zone_name": api.zone["name"],
        "cloudflare_zone_origin_ipv4": "192.0.2.1", "cloudflare_zone_origin_ipv6": "", "cloudflare_zone_origin_pull_ca": PEM, **settings,
    }  # fmt: skip
    calls = [{"ansible.builtin.import_role": {"name": "quetrex.platform.cloudflare_zone", "tasks_from": entry}} for entry in entries]
    play, given = folder / "play.json", folder / "values.json"
    play.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": calls}]))
    given.write_text(json.dumps(values))
    words = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", str(play)]
    words += ["-e", f"ansible_python_interpreter={sys.executable}", "-e", f"@{given}"]
    environment = {**os.environ, "ANSIBLE_HOME": str(folder / "ansible"), "NO_COLOR": "1"}
    return subprocess.run(words, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


@contextlib.contextmanager
def cloudflare_server(root: Path) -> Iterator[CloudflareServer]:
    """Serve a fresh account whose state lives below `root`."""
    app = create_app(CloudflareLab(root))  # type: ignore[arg-type]
    with serving(wrap(app, CloudflareLab(root), "cloudflare")) as url:
        server = CloudflareServer(root, app, url)
        with contextlib.closing(server):
            yield server
