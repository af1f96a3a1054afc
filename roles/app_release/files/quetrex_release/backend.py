# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release does on one side, how it is done on an engine on the other.

`release.py` knows the steps: pull, migrate, start, gate, preview, switch, verify, record, drain, stop, prune, and what undoes each. It knows no Docker and no
nginx. Whatever runs the containers implements the classes below; `server.py` does so for Docker Compose on one server. An engine that runs several copies
of a container answers for all of them: a colour is healthy when every copy is, an answer is the worst of all, what drains is the sum.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from quetrex_release.plan import Container, Observed
from quetrex_release.record import Record
from quetrex_release.settings import Settings
from quetrex_release.store import Store

Answer = tuple[int, str]
"""An HTTP status, 0 without an answer, and the version that answered."""


class Clock(Protocol):
    """Time, which tests let pass."""

    def now(self) -> str:
        """The time, for people and the record."""

    def clock(self) -> float:
        """Seconds on a clock that never jumps."""

    def wait(self, seconds: float) -> None:
        """Lets time pass."""


class Keeping(Protocol):
    """Where a release keeps what it did."""

    @property
    def store(self) -> Store | None:
        """Where the record is kept away from the platform, if anywhere."""

    def record(self) -> Record:
        """What was released."""

    def save_record(self, record: Record) -> None:
        """Replaces the record; afterwards there is the old or the new one."""

    def own_record(self) -> bool:
        """Whether it is the one that was written here last, and not that of an older copy."""

    def audit(self, line: dict[str, object]) -> None:
        """Adds a line to the log of releases; never fails."""


class Containers(Protocol):
    """The two colours of a service, of which one serves."""

    def observe(self) -> Observed:
        """What a plan is made from: the serving colour, the recorded one, and the containers."""

    def container(self, colour: str) -> Container | None:
        """A colour as it is now; None when there is none. `running` and `healthy` hold of all its copies, `restarts` is their sum."""

    def config(self) -> str:
        """Identity of the configuration that a colour would be started with now, without its image. The same text means that nothing has to be started."""

    def serving(self) -> str | None:
        """The colour that visitors are led to; of a service without visitors the recorded one, if it is there."""

    def logs(self, colour: str) -> str:
        """The last lines of a colour, for whoever asks why it failed."""

    def require_room(self, old: str | None, *, beside: bool) -> None:
        """Refuses when a new colour would find no memory beside the old one, or its image no disk."""

    def pull(self, image: str) -> None:
        """Fetches the image to wherever it will run, unless it is there."""

    def migrate(self, colour: str, image: str, config: str) -> None:
        """Runs the image's own migrations once, beside what serves; `migration_failed` when they fail."""

    def start(self, colour: str, image: str, config: str) -> None:
        """Starts this colour and nothing else. A stopped one of the same image and configuration is used again."""

    def wake(self, colour: str) -> None:
        """Starts what was stopped, as it was."""

    def stop(self, colour: str) -> None:
        """Stops a colour in its own time and keeps it for a rollback. A colour that is not there is stopped."""

    def remove(self, colour: str) -> None:
        """Takes a colour away, also one that was only half made."""

    def run_once(self, image: str) -> int:
        """Exit code of one run of a job, whose output is this program's."""


class Visitors(Protocol):
    """The way of visitors to a colour."""

    def direct(self, colour: str) -> Answer:
        """What a colour's health page says, past nginx."""

    def preview(self, colour: str) -> Answer:
        """The same through nginx, on the listener that no visitor reaches."""

    def point(self, colour: str | None) -> None:
        """Writes where visitors shall be led, to no colour with None. It takes effect with `reload`, and has to survive a reboot."""

    def reload(self) -> None:
        """Makes every nginx follow. Over when no worker from before takes requests any more; what they still have is `draining`."""

    def through_nginx(self) -> tuple[int, str, str]:
        """Status, version and answering address as a visitor would get them."""

    def draining(self) -> int:
        """How many workers of before still finish what they have."""


class Remains(Protocol):
    """What is kept of releases, and what goes."""

    def keep_static(self, colour: str, image: str) -> None:
        """Keeps a colour's static files for pages that were opened before it goes."""

    def prune_static(self, kept: list[str]) -> None:
        """Removes static files that none of these images has."""

    def tidy(self) -> None:
        """Removes containers of the service that are neither colour."""

    def images_of(self, repositories: Collection[str]) -> list[str]:
        """Images of these repositories that are here."""

    def forget(self, image: str) -> None:
        """Removes an image, unless a container needs it."""


class Service(Containers, Visitors, Remains, Protocol):
    """One service. Nothing here decides anything; every method may raise a ReleaseError, upon which the release goes back."""

    @property
    def settings(self) -> Settings:
        """Those of the service: how it is released, its health page, its addresses."""


class Platform(Protocol):
    """What all services share, and each of them by name. `server.Server` is the one for one server."""

    @property
    def settings(self) -> Settings:
        """Those of the whole stack."""

    @property
    def host(self) -> Clock:
        """Time."""

    @property
    def state(self) -> Keeping:
        """What was released."""

    def service(self, name: str) -> Service:
        """One of the services that are released in colours, or as a job."""

    def require_state(self) -> None:
        """Refuses while the place of the record is away."""

    def require_disk(self) -> None:
        """Refuses when images or the record would find no room."""

    def gone(self) -> list[str]:
        """Services that have something here and are not described any more."""

    def remove_service(self, name: str) -> list[str]:
        """What such a service has goes; its folders stay, and are returned."""

    def former_kind(self, name: str) -> list[str]:
        """What is left of a service that became a job, or of a job that became a service."""

    def remove_former_kind(self, name: str) -> None:
        """Takes that away."""
