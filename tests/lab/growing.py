# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform that grows and shrinks, seen from the vendor's account, and a crowd that notices how long nobody answers."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcloud

from lab.config import CHECKOUT
from lab.mortal import WORKSPACE, redis_cli
from lab.platform import Platform

KINDS = ("servers", "volumes", "primary_ips", "firewalls", "images")


@dataclass(frozen=True)
class Growing(Platform):
    """A platform with more than one server at times."""

    @property
    def api(self) -> hcloud.Client:
        """The vendor's SDK on the lab's account."""
        hetzner = self.facts["apis"]["hetzner"]
        return hcloud.Client(token=hetzner["token"], api_endpoint=hetzner["url"])

    @property
    def server(self) -> int:
        """The vendor's id of the server that serves."""
        (only,) = self.api.servers.get_all(label_selector="role=app")
        return int(only.id or 0)

    @property
    def type(self) -> str:
        """Its type."""
        return str(self._row["server_type"]["name"])

    @property
    def address(self) -> str:
        """Its public address."""
        return str(self._row["public_net"]["ipv4"]["ip"])

    @property
    def _row(self) -> dict[str, Any]:
        row: dict[str, Any] = self.api.request("GET", f"/servers/{self.server}")["server"]
        return row

    def account(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Everything the account holds by kind and name, with what would show that somebody touched it."""
        found: dict[str, dict[str, tuple[str, ...]]] = {}
        for kind in KINDS[:4]:
            rows = self.api.request("GET", f"/{kind}")[kind]
            found[kind] = {row["name"]: (str(row["id"]), str(row.get("status")), json.dumps(row["labels"]), str(row.get("server_type"))) for row in rows}
        return found

    def records(self) -> list[tuple[str, ...]]:
        """The zone's DNS records."""
        api = self.facts["apis"]["cloudflare"]
        words = ["curl", "--silent", "--header", f"Authorization: Bearer {api['token']}"]
        zone = json.loads(subprocess.run([*words, f"{api['url']}/zones"], capture_output=True, check=True).stdout)["result"][0]["id"]
        rows = json.loads(subprocess.run([*words, f"{api['url']}/zones/{zone}/dns_records"], capture_output=True, check=True).stdout)["result"]
        return sorted((row["name"], row["type"], row["content"], row["id"]) for row in rows)

    def told(self, name: str) -> dict[str, Any]:
        """What a playbook left on the controller."""
        told: dict[str, Any] = json.loads((Path(self.facts["state_dir"]) / f"{name}.json").read_text())
        return told

    def leave_words(self) -> None:
        """Leaves a word in Redis and one in the runner's workspace."""
        self.on_server(f"echo kept > {WORKSPACE}/word && {' '.join(redis_cli(self))} SET scale:word kept")

    def kept_words(self) -> tuple[str, str]:
        """What there is of them."""
        redis = self.on_server(f"{' '.join(redis_cli(self))} GET scale:word").strip()
        return redis, self.on_server(f"cat {WORKSPACE}/word").strip()


@dataclass
class Crowd:
    """A steady load through the edge and what it saw."""

    child: subprocess.Popen[str]
    answers: list[float]
    lost: list[dict[str, Any]]

    @property
    def gap(self) -> float:
        """The longest time without an answer, in seconds."""
        moments = sorted(self.answers)
        return max((after - before for before, after in itertools.pairwise(moments)), default=float("inf"))


@contextmanager
def crowd(platform: Platform) -> Iterator[Crowd]:
    """Visitors as long as the block lasts. Their sessions are lost requests where Redis forgets what it had acknowledged."""
    lab = platform.lab
    words = ["--name", lab.domain, "--address", lab.edge, "--ca", str(lab.path("pki", "ca.pem")), "--seconds", "900", "--get", "3", "--post", "1"]
    # a name that is made or removed reloads the lab's edge, which ends idle connections: they look before they send, as all visitors here do
    quiet = ["--slow", "0", "--events", "0", "--session", "1", "--socket", "0", "--looks"]
    child = subprocess.Popen([sys.executable, "-m", "lab.load", *words, *quiet], cwd=CHECKOUT / "tests", stdout=subprocess.PIPE, text=True)
    made = Crowd(child, [], [])
    try:
        yield made
        child.terminate()
        seen = json.loads(child.communicate(timeout=90)[0])
        made.answers, made.lost = [start for start, _version in seen["answers"]], seen["lost"]
    finally:
        child.kill()
        child.wait()
