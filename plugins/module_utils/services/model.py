# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service of the stack as typed data. Nothing here reads or writes anything."""

from __future__ import annotations

import typing as t
import zlib
from dataclasses import asdict, dataclass, field

BUILT_IN = ("web", "redis", "runner", "nginx")
"""The platform's own services, described in `platform`."""
COLOURS = ("blue", "green")
RELEASES = ("blue_green", "replace")
EXCHANGED = "exchange"
"""How the platform's own singletons are released: one container, exchanged in place with what it keeps."""
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
    stripped: bool = False
    """Whether the service is asked without the path's own part."""


@dataclass(frozen=True)
class Volume:
    """A folder of the platform's volume in the container. It stays when the service goes."""

    name: str
    target: str


@dataclass(frozen=True)
class Static:
    """Files of the image that visitors may still ask for after a release: their folder, and the path they are asked for under."""

    path: str = ""
    prefix: str = ""


@dataclass(frozen=True)
class Mount:
    """A folder or file of the stack (`root` stack) or of the volume (`root` state) in the container. `made`: an empty folder where it is missing."""

    root: str
    source: str
    target: str
    read_only: bool = False
    made: bool = False


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
    static: Static = Static()
    # networks of the platform's services that it uses
    shares: tuple[str, ...] = ()
    # what only the platform's own say
    settled: t.Mapping[str, str] = field(default_factory=dict)
    reads: tuple[str, ...] | None = None
    mounts: tuple[Mount, ...] = ()
    network: str = ""
    internal: bool = False
    host_network: bool = False
    capabilities: tuple[str, ...] = ()
    sysctls: t.Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""
    weight: int = 0
    kind: str = ""
    files: tuple[str, ...] = ()
    released: bool = False
    # on several servers it has several parts, which a role of its own describes
    in_parts: bool = False

    @property
    def own(self) -> bool:
        """Whether it is the inventory's, and not the platform's."""
        return self.name not in BUILT_IN

    @property
    def title(self) -> str:
        """How reports call it."""
        return self.name if self.own else f"the {self.name}"

    @property
    def inside(self) -> bool:
        """Whether it asks the application from inside, through nginx's inner listener."""
        return any("{gateway}" in value for value in self.settled.values())

    @property
    def stateful(self) -> bool:
        """Whether it keeps something in a folder of the server."""
        return any(one.root == "state" and not one.read_only for one in self.places)

    @property
    def coloured(self) -> bool:
        """Whether a release starts it beside, or after, the one before: two containers of which one runs."""
        return not self.job and self.release != EXCHANGED

    @property
    def job(self) -> bool:
        """Whether it runs at times and ends, instead of all the time."""
        return bool(self.schedule)

    @property
    def numbers(self) -> tuple[int, str]:
        """Its user's number and its network, as given or from its name."""
        user = self.user if self.user or not self.own else FIRST_USER + _number(self.name, USERS)
        return user, self.subnet or f"172.30.{FIRST_SUBNET + _number(self.name, SUBNETS)}.0/24"

    @property
    def addresses(self) -> dict[str, str]:
        """The address of each colour in its network."""
        return {colour: self._address(11 + position) for position, colour in enumerate(COLOURS)}

    @property
    def address(self) -> str:
        """The address of one that has no colours."""
        return self._address(10)

    @property
    def gateway(self) -> str:
        """The server as the service sees it."""
        return self._address(1)

    def _address(self, number: int) -> str:
        return f"{self.numbers[1].rpartition('.')[0]}.{number}"

    @property
    def home(self) -> str:
        """The network of its own."""
        return self.network or self.name

    @property
    def variables(self) -> dict[str, str]:
        """What the platform settles, whatever its files of variables say."""
        listens = {"HOSTNAME": "0.0.0.0", "PORT": str(self.port)} if self.port and self.coloured else {}  # noqa: S104 - in the container's own network
        return {**{name: value.format(gateway=self.gateway) for name, value in self.settled.items()}, **listens}

    @property
    def places(self) -> tuple[Mount, ...]:
        """All that it mounts of the server."""
        return (*self.mounts, *(Mount("state", f"services/{self.name}/{one.name}", one.target) for one in self.volumes))

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
            "address": self.address,
            "gateway": self.gateway,
            "home": self.home,
            "own": self.own,
            "title": self.title,
            "inside": self.inside,
            "coloured": self.coloured,
            "folders": list(self.folders),
            "job": self.job,
            "health": {**asdict(self.health), "kind": self.health.kind},
        }
        return {**asdict(self), **derived}
