# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform on one server: the parts that a release works with, put together. Docker Compose runs it, nginx leads to it."""

from __future__ import annotations

from quetrex_release.backend import Service
from quetrex_release.colours import Colours
from quetrex_release.docker import Docker
from quetrex_release.host import Host
from quetrex_release.leftovers import Leftovers
from quetrex_release.nginx import Nginx
from quetrex_release.redis import Redis
from quetrex_release.settings import Exchanged, Settings
from quetrex_release.stack import Stack
from quetrex_release.state import State


class Server:
    """See `backend.Platform` for what it promises."""

    def __init__(self, settings: Settings) -> None:
        folder = settings.project_dir
        self.settings = settings
        self.host = Host()
        self.state = State(folder, settings.state_dir)
        self.docker = Docker(folder)
        self.nginx = Nginx(folder, self.docker, self.host)
        self.stack = Stack(folder, settings.exchanges, self.docker)
        self.leftovers = Leftovers(settings, self.docker)

    def redis(self, one: Exchanged) -> Redis:
        """The data of a service of that kind."""
        file, variable = one.login
        return Redis(one.container, self.settings.state_dir / one.name, (self.settings.project_dir / file, variable), self.docker)

    def service(self, name: str) -> Service:
        """One of the services that are released in colours, or as a job."""
        return Colours(self.settings.of(name), self.docker, self.nginx, self.state, self.host)

    def require_state(self) -> None:
        """Refuses while the volume is away."""
        self.host.require_mounted(self.settings.state_dir)

    def require_disk(self) -> None:
        """Refuses when images or the record would find no room."""
        self.host.require_disk(self.settings.least_disk_mb, self.settings.state_dir)

    def gone(self) -> list[str]:
        """Services that have something here, and are described no more."""
        known = {*self.settings.services, *self.settings.exchanges}
        return sorted((self.leftovers.named() | set(self.state.record().services)) - known)

    def remove_service(self, name: str) -> list[str]:
        """What such a service has goes; its folders on the volume stay, and are returned."""
        self.stack.drop(name)
        return self.leftovers.remove(name)

    def former_kind(self, name: str) -> list[str]:
        """What is left of a service of another kind."""
        return self.leftovers.former_kind(name, job=self.settings.of(name).job)

    def remove_former_kind(self, name: str) -> None:
        """Takes that away."""
        self.leftovers.remove_former_kind(name, job=self.settings.of(name).job)
