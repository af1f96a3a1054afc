# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where one lab lives: its name, its addresses, its folders. Everything else is derived from these."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PORTS = {
    "hetzner": 8001,
    "cloudflare": 8002,
    "supabase": 8003,
    "monitors": 8004,
    "awx": 8005,
    "metadata": 8006,
    "offsite": 8010,
    "registry": 5000,
    "packages": 5001,
    "dns": 53,
}
PATHS = {"hetzner": "/v1", "cloudflare": "/client/v4"}
EDGE, DATABASE, VISITORS, SERVERS, BALANCERS = 1, 2, 3, 4, 8


class LabError(Exception):
    """What went wrong and what to do about it, in words for the person at the terminal."""


@dataclass(frozen=True)
class Lab:
    """One local cloud. `prefix` is a /20: third group 0 control plane, 1 edge, 2 database, 3 visitors, 4-7 servers, 8 balancers."""

    name: str = "lab"
    prefix: IPv4Network = field(default=IPv4Network("10.213.0.0/20"))
    domain: str = "quetrex.test"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9]{0,5}", self.name):
            raise LabError(f"LAB_NAME {self.name!r}: one to six characters a-z 0-9, beginning with a letter (interface names are short).")
        if self.prefix.prefixlen != 20:
            raise LabError(f"LAB_SUBNET {self.prefix}: a /20 is needed, for example 10.213.0.0/20.")

    @classmethod
    def named(cls, name: str, subnet: str) -> Lab:
        """A lab by name and subnet (`10.213.0.0/20`)."""
        try:
            return cls(name, IPv4Network(subnet))
        except ValueError as error:
            raise LabError(f"LAB_SUBNET {subnet!r}: {error}") from error

    @classmethod
    def from_env(cls) -> Lab:
        """The lab that LAB_NAME and LAB_SUBNET name; a name without a subnet gets the one it was brought up with."""
        name = os.environ.get("LAB_NAME", "lab")
        remembered = CHECKOUT / ".lab" / name / "subnet"
        default = remembered.read_text().strip() if remembered.exists() else "10.213.0.0/20"
        return cls.named(name, os.environ.get("LAB_SUBNET", default))

    @property
    def root(self) -> Path:
        """The folder that holds everything this lab keeps."""
        return CHECKOUT / ".lab" / self.name

    @property
    def cache(self) -> Path:
        """What is slow to make and the same for every lab: rebuilt when absent, named by what it was made from."""
        return Path(os.environ.get("LAB_CACHE") or Path.home() / ".cache" / "quetrex-lab")

    @property
    def prepared(self) -> bool:
        """Whether servers are made from the image that has the host's packages, instead of from the vendor's."""
        return (self.root / "prepared").exists()

    @property
    def direct(self) -> bool:
        """Whether the platform goes to the database's own host, instead of through the pooler."""
        return (self.root / "direct").exists()

    @property
    def ifupdown(self) -> bool:
        """Whether servers set up `eth0` themselves, as the vendor's image does, instead of finding it ready."""
        return (self.root / "ifupdown").exists()

    @property
    def prefix6(self) -> IPv6Network:
        """The lab's unique local /48."""
        return IPv6Network(f"fd51:{hashlib.sha1(self.name.encode(), usedforsecurity=False).hexdigest()[:4]}::/48")

    def address(self, group: int, host: int = 1) -> str:
        """IPv4 address number `host` in the third group `group`."""
        return str(self.prefix.network_address + 256 * group + host)

    def address6(self, group: int, host: int = 1) -> str:
        """IPv6 address number `host` in subnet `group` (a /64 each)."""
        return str(self.prefix6.network_address + (group << 64) + host)

    def network(self, group: int) -> str:
        """The IPv4 /24 of a third group."""
        return f"{self.address(group, 0)}/24"

    def network6(self, group: int) -> str:
        """The IPv6 /64 of a group."""
        return f"{self.address6(group, 0)}/64"

    @property
    def control(self) -> str:
        """Where the vendors' APIs, the registry and the DNS answer; also the controller's own address towards servers."""
        return self.address(0)

    @property
    def edge(self) -> str:
        """The address that proxied names resolve to."""
        return self.address(EDGE)

    @property
    def database(self) -> str:
        """PostgreSQL (5432)."""
        return self.address(DATABASE)

    def origin(self, api: str) -> str:
        """Where a vendor's API listens; its control routes are directly below."""
        return f"http://{self.control}:{PORTS[api]}"

    def url(self, api: str) -> str:
        """Base URL of a vendor's API, as its SDK wants it."""
        return f"{self.origin(api)}{PATHS.get(api, '')}"

    def path(self, *parts: str) -> Path:
        """A path below the lab's folder; the folders above the last part are made."""
        path = self.root.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def folder(self, *parts: str) -> Path:
        """A folder below the lab's folder, made when absent."""
        path = self.root.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path
