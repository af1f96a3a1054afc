# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service of the stack as typed data. Nothing here reads or writes anything."""

from __future__ import annotations

import typing as t
import zlib
from dataclasses import asdict, dataclass, field

BUILT_IN = ("web", "redis", "runner", "nginx")
"""The platform's own services, whose settings are those of the role app_stack."""
COLOURS = ("blue", "green")
RELEASES = ("blue_green", "replace")
USES = ("redis", "database", "supabase", "web")
"""What the platform hands to a service that asks for it; `web` is everything that the web application gets."""
FIRST_USER, USERS = 70100, 800
FIRST_SUBNET, SUBNETS = 16, 240


def _number(name: str, modulus: int) -> int:
    """A number that a service keeps whatever other services come and go."""
    return zlib.crc32(name.encode()) % modulus


@dataclass(frozen=True)
class Limits:
    """What a service may take at most."""

    memory_mb: int = 0
    cpus: float = 0.5
    pids: int = 256


@dataclass(frozen=True)
class Health:
    """How Docker finds out whether a service is well: an HTTP path, a TCP port, or a command of its image."""

    path: str = ""
    port: int = 0
    command: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """`http`, `tcp`, `command`, or `` for a service that only has to keep running."""
        if self.command:
            return "command"
        return "http" if self.path else "tcp" if self.port else ""


@dataclass(frozen=True)
class Public:
    """A host name, or a path of one, that nginx leads to the service. Without a host it is the platform's own domain."""

    host: str = ""
    path: str = "/"
    body_limit: str = ""
    timeout: str = ""
    token: str = ""


@dataclass(frozen=True)
class Volume:
    """A folder of the platform's volume in the container. It stays when the service goes."""

    name: str
    target: str


@dataclass(frozen=True)
class Service:
    """One service. Sizes are in MB, times in seconds."""

    name: str
    image: str = ""
    follows: str = ""
    release: str = "replace"
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    environment: t.Mapping[str, t.Any] = field(default_factory=dict)
    secrets: t.Mapping[str, t.Any] = field(default_factory=dict)
    uses: tuple[str, ...] = ()
    reaches: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    volumes: tuple[Volume, ...] = ()
    tmpfs: tuple[str, ...] = ("/tmp:size=64m",)  # noqa: S108 - of the container
    user: int = 0
    read_only: bool = True
    stop_grace_period: int = 30
    port: int = 0
    health: Health = Health()
    limits: Limits = Limits()
    public: tuple[Public, ...] = ()
    schedule: str = ""
    timeout: int = 3600
    subnet: str = ""

    @property
    def job(self) -> bool:
        """Whether it runs at times and ends, instead of all the time."""
        return bool(self.schedule)

    @property
    def numbers(self) -> tuple[int, str]:
        """Its user's number and its network, as given or from its name."""
        user = self.user or FIRST_USER + _number(self.name, USERS)
        return user, self.subnet or f"172.30.{FIRST_SUBNET + _number(self.name, SUBNETS)}.0/24"

    @property
    def addresses(self) -> dict[str, str]:
        """The address of each colour in its network."""
        start = self.numbers[1].rpartition(".")[0]
        return {colour: f"{start}.{11 + position}" for position, colour in enumerate(COLOURS)}

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders in memory, each with a size and writable whoever owns it in the image."""
        found = []
        for text in self.tmpfs:
            path, _colon, options = text.partition(":")
            words = [word for word in options.split(",") if word]
            words += [] if any(word.startswith("size=") for word in words) else ["size=64m"]
            words += [] if any(word.startswith("mode=") for word in words) else ["mode=1777"]
            found.append(f"{path}:{','.join(words)}")
        return tuple(found)

    def plain(self) -> dict[str, t.Any]:
        """The same as templates read it, with what follows from it."""
        user, subnet = self.numbers
        derived = {
            "user": user,
            "subnet": subnet,
            "addresses": self.addresses,
            "folders": list(self.folders),
            "job": self.job,
            "health": {**asdict(self.health), "kind": self.health.kind},
        }
        return {**asdict(self), **derived}
