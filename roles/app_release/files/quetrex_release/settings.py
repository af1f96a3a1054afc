# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release is told: of the stack (stack.json) and of itself (release.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

from quetrex_release.record import MAIN, RUNNER, repository


@dataclass(frozen=True)
class Exchanged:
    """A service with one container, which is exchanged in place.

    `kind` is what it takes: `plain`, `redis` (its data), `nginx` (its visitors). `files` of the stack say how it runs and come back when the
    exchange fails. `released`: its image is chosen by releases, and not by the stack alone. `own`: an entry of platform_services.
    """

    name: str
    kind: str = "plain"
    files: tuple[str, ...] = ()
    released: bool = False
    own: bool = False
    image: str = ""
    follows: str = ""
    # services that have to be healthy again after an exchange of this one
    clients: tuple[str, ...] = ()
    # the env file and the variable in it that hold the login with which this one is asked
    login: tuple[str, str] = ("", "")

    @property
    def container(self) -> str:
        """The name of its container."""
        return f"platform-{self.name}"

    @property
    def variable(self) -> str:
        """What the compose file reads its released image from."""
        return f"{self.name.upper().replace('-', '_')}_IMAGE"


BEFORE_THE_STACK_TOLD: Mapping[str, Mapping[str, Any]] = {
    "redis": {"kind": "redis", "files": ["redis/redis.conf", "redis/users.acl"]},
    RUNNER: {"files": ["runner/config.yml", "env/runner.env"], "released": True},
    "nginx": {"kind": "nginx", "files": ["nginx/nginx.conf"]},
}
"""What a stack of an earlier version, which names no exchanges, consists of."""
OF_A_KIND: Mapping[str, Mapping[str, Any]] = {"redis": {"clients": [MAIN], "login": ["env/web.env", "REDIS_URL"]}}
"""What an entry means that leaves these out."""


@dataclass(frozen=True)
class Settings:
    """What the stack tells (stack.json) and what the release is given (release.json)."""

    project_dir: Path
    state_dir: Path
    addresses: dict[str, str]
    port: int
    health_path: str
    server_name: str
    drain_seconds: int
    gate_seconds: int = 120
    gate_successes: int = 3
    verify_seconds: int = 15
    least_memory_mb: int = 512
    least_disk_mb: int = 1024
    keep_releases: int = 5
    static_path: str = ""
    static_prefix: str = ""
    repositories: tuple[str, ...] = ()
    runner_repositories: tuple[str, ...] = ()
    known_repositories: tuple[str, ...] = ()
    known_runner_repositories: tuple[str, ...] = ()
    migrate: tuple[str, ...] = ()
    migrate_seconds: int = 600
    # the service these are of: the web application, or one of the inventory's own
    service: str = MAIN
    release: str = "blue_green"
    public: bool = True
    health: str = "http"
    job: bool = False
    follows: str = ""
    image: str = ""
    # what nginx is asked for after the switch, when that is not the health path; not at all where all of it wants a token
    verify_path: str = ""
    verified: bool = True
    stop_seconds: int = 30
    timeout: int = 3600
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    # what is exchanged in place, in the order of an exchange
    exchange: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: BEFORE_THE_STACK_TOLD)
    service_repositories: dict[str, list[str]] = field(default_factory=dict)
    # folder of the sockets by which programs of a server of several ask its nginx; empty on a single server
    sockets: str = ""

    @classmethod
    def read(cls, folder: Path) -> Settings:
        """Reads both files from the stack's folder."""
        stack, release = (json.loads((folder / name).read_text()) for name in ("stack.json", "release.json"))
        known = {name: value for name, value in (stack | release).items() if name in cls.__dataclass_fields__}
        return cls(**known | {"project_dir": Path(known["project_dir"]), "state_dir": Path(known["state_dir"])})

    def of(self, service: str) -> Settings:
        """The settings of one of the inventory's own services."""
        if service == MAIN:
            return self
        told = {name: value for name, value in self.services[service].items() if name in self.__dataclass_fields__}
        return changed(self, **{"static_path": "", "static_prefix": "", "migrate": (), **told, "service": service})

    def socket(self, name: str) -> Path:
        """One of nginx's sockets."""
        return Path(self.sockets) / f"{name}.sock"

    def known(self, service: str) -> frozenset[str]:
        """Repositories whose images may be started: the inventory's and those of the deploy key."""
        if service == RUNNER:
            return frozenset((*self.known_runner_repositories, *self.runner_repositories))
        if service == MAIN:
            return frozenset((*self.known_repositories, *self.repositories))
        told = self.services.get(service) or self.exchange[service]
        if told.get("follows"):
            return self.known(told["follows"])
        return frozenset((*([repository(told["image"])] if told.get("image") else []), *self.service_repositories.get(service, ())))

    @property
    def followers(self) -> dict[str, str]:
        """Services that run another one's image, and whose; jobs do so by themselves."""
        told = {**self.services, **self.exchange}
        return {name: str(entry["follows"]) for name, entry in told.items() if entry.get("follows") and not entry.get("job")}

    @property
    def released(self) -> list[str]:
        """Services that are released by name, in the order of a release."""
        exchanged = [name for name, one in self.exchanges.items() if one.released]
        return [MAIN, *(name for name in [*exchanged, *self.services] if name != MAIN)]

    @property
    def exchanges(self) -> dict[str, Exchanged]:
        """Services that are exchanged in place, by name."""
        known = Exchanged.__dataclass_fields__
        told = {name: {key: value for key, value in entry.items() if key in known} for name, entry in self.exchange.items()}
        lists = ("files", "clients", "login")
        whole = {name: {**OF_A_KIND.get(entry.get("kind", ""), {}), **entry} for name, entry in told.items()}
        plain = {name: entry | {key: tuple(entry[key]) for key in lists if key in entry} for name, entry in whole.items()}
        return {name: Exchanged(**{**entry, "name": name}) for name, entry in plain.items()}
