# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is exchanged in place: whether it runs as the compose file wants it, which files worked, and which image was released."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from quetrex_release.docker import STOPPED, Docker
from quetrex_release.files import content, copy_file, replace
from quetrex_release.settings import Exchanged

# What Compose reads for all services.
SHARED = ("compose.yml", ".env")
IMAGES_KEPT = 2


class Stack:
    """The stack's folder, and its services that are exchanged in place."""

    def __init__(self, folder: Path, exchanges: Mapping[str, Exchanged], docker: Docker, shared: tuple[str, ...] = SHARED) -> None:
        self.folder, self.exchanges, self.docker, self.shared = folder, exchanges, docker, shared

    # As the compose file wants it

    def as_wanted(self, name: str, wanted: str) -> bool:
        """Whether a service runs as the compose file wants it.

        Compose says another identity beforehand than it then gives a service with an `env_file`, so both are kept when they are known to belong together.
        """
        given = self.running_hash(name)
        runs = self.docker.health(self.exchanges[name].container) not in STOPPED
        return bool(given) and runs and (given == wanted or self._learned().get(name) == [wanted, given])

    def running_hash(self, name: str) -> str:
        """Identity of the service as it was started."""
        return self.docker.label(self.exchanges[name].container, "com.docker.compose.config-hash")

    def learned(self, name: str) -> bool:
        """Whether a service's identities are known."""
        return name in self._learned()

    def learn(self, name: str) -> None:
        """Keeps that a service, as it runs now, is what the compose file wants now."""
        pair = [self.docker.hashes().get(name, ""), self.running_hash(name)]
        self._good("identities.json").parent.mkdir(mode=0o700, exist_ok=True)
        replace(self._good("identities.json"), json.dumps({**self._learned(), name: pair}))

    def _learned(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = json.loads(content(self._good("identities.json")) or "{}")
        return found

    def pull(self, name: str) -> None:
        """Fetches a service's image before anything is stopped for it."""
        self.docker.pull(self.docker.described()[name]["image"])

    # Images that were released

    def choice(self, name: str) -> str:
        """The image that was released over the inventory's; empty when none was."""
        return self._choices().get(self.exchanges[name].variable, "")

    def choose(self, name: str, image: str) -> None:
        """Compose reads this file by itself, so that a reboot and every other run start what was released too. Empty: the inventory's again."""
        self._write({**self._choices(), self.exchanges[name].variable: image})

    def _write(self, chosen: Mapping[str, str]) -> None:
        replace(self.folder / ".env", "".join(f"{variable}={value}\n" for variable, value in chosen.items() if value))

    def drop(self, name: str) -> None:
        """What is not described any more has no image, and is not remembered."""
        variable = Exchanged(name).variable
        if variable in self._choices():
            self._write({key: value for key, value in self._choices().items() if key != variable})

    def _choices(self) -> dict[str, str]:
        return dict(re.findall(r"^([A-Z0-9_]+)=(\S+)$", content(self.folder / ".env") or "", flags=re.MULTILINE))

    # Files that worked

    @property
    def files(self) -> tuple[str, ...]:
        """Files that say how these services run."""
        return (*self.shared, *(file for exchanged in self.exchanges.values() for file in exchanged.files))

    def good_is_current(self) -> bool:
        """Whether what is kept as good is what the stack's files say."""
        return all(content(self.folder / name) == content(self._good(name)) for name in self.files)

    def keep_good(self) -> list[str]:
        """Keeps the stack's files as the ones that work; returns images that none of the last ones needs any more."""
        for name in self.files:
            copy_file(self.folder / name, self._good(name))
        services = self.docker.described()
        kept = json.loads(content(self._good("images.json")) or "{}")
        gone: list[str] = []
        for name in self.exchanges:
            images = list(dict.fromkeys([services[name]["image"], *kept.get(name, [])]))
            kept[name], gone = images[:IMAGES_KEPT], [*gone, *images[IMAGES_KEPT:]]
        replace(self._good("images.json"), json.dumps(kept))
        return gone

    def restore_good(self) -> bool:
        """Puts the files that worked back; False when there are none."""
        if not self._good("images.json").exists():
            return False
        for name in self.files:
            if content(self.folder / name) != content(self._good(name)):
                copy_file(self._good(name), self.folder / name)
        return True

    def _good(self, name: str) -> Path:
        return self.folder / ".good" / name

    def stopped(self) -> Iterable[str]:
        """Containers of these services that do not run."""
        return [one.container for one in self.exchanges.values() if self.docker.health(one.container) in STOPPED]
