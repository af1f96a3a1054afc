# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release of one service in colours, step by step. `STEPS` at the end is all of it; how each is done on an engine is `backend.Service`'s."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from quetrex_release import record
from quetrex_release.backend import Platform, Service
from quetrex_release.ledger import Ledger
from quetrex_release.outcome import ReleaseError
from quetrex_release.plan import Plan
from quetrex_release.record import repository
from quetrex_release.steps import Step

# Bad answers in a row from the wanted colour that are believed at once.
BAD_ANSWERS = 3
# A service without a health check has to keep running for so long.
SETTLE_SECONDS = 5


class Release:
    """`plan.colour` comes, `plan.old` goes. Each method is a step or what undoes one."""

    def __init__(self, platform: Platform, service: Service, plan: Plan, image: str, config: str, tell: Callable[[str], None], inventory: str | None) -> None:
        self.platform, self.service, self.plan, self.tell = platform, service, plan, tell
        self.image, self.config, self.inventory = image, config, inventory
        self.settings, self.host = service.settings, platform.host
        self.ledger = Ledger(platform.state, self.settings.service)
        self.before = platform.state.record()
        self.version = ""

    def visitors_to_old(self) -> None:
        """The other colour gets no new ones any more, and ends what it has when it is stopped."""
        self.service.point(self.plan.old)
        self.service.reload()

    def pull(self) -> None:
        """The image is here."""
        self.service.pull(self.image)

    def migrate(self) -> None:
        """Before anything of the new release runs. What it does has to fit the release that still serves."""
        left = self.service.container(self.plan.colour)
        if left and left.running:  # of a release that was killed: it holds the colour's address, and may have visitors still
            self.service.stop(self.plan.colour)
            self.service.remove(self.plan.colour)
        self.service.migrate(self.plan.colour, self.image, self.config)

    def stop_old(self) -> None:
        """It is kept for a rollback."""
        if self.plan.old:
            self.service.stop(self.plan.old)

    def wake_old(self) -> None:
        """What was stopped for a release that failed runs again."""
        if self.plan.old:
            self.tell(f"back to {self.plan.old}")
            self.service.wake(self.plan.old)

    def start_new(self) -> None:
        """Without visitors yet."""
        self.service.start(self.plan.colour, self.image, self.config)

    def remove_new(self) -> None:
        """Also when it was only half started."""
        self.service.remove(self.plan.colour)

    def gate(self) -> None:
        """Healthy for the engine and several good answers in a row, within a deadline; at once over when the container dies."""
        colour, settings, began, good = self.plan.colour, self.settings, self.host.clock(), 0
        deadline, settled = began + settings.gate_seconds, began + (0 if settings.health else SETTLE_SECONDS)
        last = "no answer"
        while True:
            found = self.service.container(colour)
            if found is None or not found.running or found.restarts:
                raise ReleaseError("exited", f"The new container ({colour}) ended instead of serving.")
            if settings.public:
                status, self.version = self.service.direct(colour)
                last = f"HTTP {status}" if status else "no answer"
            else:  # the engine alone asks what has no address of its own
                status, last = (200, "healthy") if found.healthy else (0, "not healthy")
            good = good + 1 if status == 200 else 0
            if good >= settings.gate_successes and found.healthy and self.host.clock() >= settled:
                return
            if self.host.clock() >= deadline:
                raise ReleaseError("never_healthy", f"The new container ({colour}) was not healthy within {settings.gate_seconds} s; last: {last}.")
            self.host.wait(0.3)

    def preview(self) -> None:
        """What is broken only behind nginx is found before a visitor does."""
        for _time in range(self.settings.gate_successes):
            status, _version = self.service.preview(self.plan.colour)
            if status != 200:
                raise ReleaseError("broken_through_nginx", f"Healthy by itself, but HTTP {status} through nginx ({self.plan.colour}); no visitor saw it.")

    def keep_static(self) -> None:
        """Pages of the old release ask for its files afterwards, and pages of the new one may reach an old worker."""
        current = self.before.track(self.settings.service).image
        if self.plan.old and current and self.service.container(self.plan.old):
            self.service.keep_static(self.plan.old, current)
        self.service.keep_static(self.plan.colour, self.image)

    def point_to_new(self) -> None:
        """Takes effect with the reload."""
        self.service.point(self.plan.colour)

    def back_to_old(self) -> None:
        """The old colour gets the visitors back, unless an interrupted release was to be finished and there is nothing to go back to."""
        old = self.service.container(self.plan.old) if self.plan.old else None
        if "start" not in self.plan.steps and not (old and old.running):
            raise ReleaseError("no_way_back", f"{self.plan.old} does not run, so visitors stay with {self.plan.colour}")
        self.tell(f"back to {self.plan.old or 'nothing'}")
        self.visitors_to_old()
        self.service.stop(self.plan.colour)

    def reload(self) -> None:
        """From here on visitors reach the new colour."""
        self.service.reload()

    def verify(self) -> None:
        """The new colour answers through nginx, several times in a row."""
        settings = self.settings
        if not settings.verified:
            return
        own = not settings.verify_path
        wanted = f"{settings.addresses[self.plan.colour]}:{settings.port}"
        deadline, good, bad = self.host.clock() + settings.verify_seconds, 0, 0
        while good < settings.gate_successes:
            status, version, upstream = self.service.through_nginx()
            self.version = version if own else self.version
            # a path that is not the health check's may want more than a GET
            well = status == 200 or (not own and 0 < status < 500)
            good = good + 1 if well and upstream == wanted else 0
            bad = bad + 1 if upstream == wanted and not well else 0
            if bad >= BAD_ANSWERS or self.host.clock() >= deadline:
                raise ReleaseError("broken_through_nginx", f"Healthy by itself, but through nginx: HTTP {status} from {upstream or 'nobody'}, wanted {wanted}.")
            self.host.wait(0.2)

    def record(self) -> None:
        """The moment from which nothing is undone."""
        self.ledger.add(record.Release(self.plan.colour, self.image, self.config, self.version, self.host.now()), self.inventory)

    def unrecord(self) -> None:
        """Also when it was written before the step failed."""
        self.ledger.put_back(self.before)

    def drain(self) -> None:
        """Waits for the old workers' last requests; nginx itself cuts what is left at its shutdown timeout."""
        deadline = self.host.clock() + self.settings.drain_seconds + 5
        while self.service.draining() and self.host.clock() < deadline:
            self.host.wait(0.5)

    def prune(self) -> None:
        """By label and digest: what neither serves nor is needed for a rollback. Nothing of anybody else's, nothing by age."""
        number = self.settings.keep_releases
        if not self.settings.job:
            self.service.tidy()
        for image in self.ledger.unused(self.service.images_of({repository(self.image)}), number):
            self.service.forget(image)
        self.service.prune_static(self.platform.state.record().track(self.settings.service).kept(number))

    def note_inventory(self) -> None:
        """What serves is what the inventory asks for now."""
        self.ledger.note(self.inventory or "")

    def steps(self) -> list[Step]:
        """The plan's steps of the table, in the plan's order."""
        found = [row.of(self) for name in self.plan.steps for row in STEPS if row.name == name]
        return found + ([NOTE.of(self)] if self.inventory and "record" not in self.plan.steps else [])


@dataclass(frozen=True)
class Row:
    """A step's name, what it does and what undoes it, also when it was only begun. `after`: the release serves and is recorded by then."""

    name: str
    do: Callable[[Release], None]
    undo: Callable[[Release], None] | None = None
    after: bool = False

    def of(self, release: Release) -> Step:
        """The step of one release."""
        return Step(self.name, partial(self.do, release), partial(self.undo, release) if self.undo else None, self.after)


STEPS: Sequence[Row] = (
    Row("restore", Release.visitors_to_old),
    Row("pull", Release.pull),
    Row("migrate", Release.migrate),
    Row("rest", Release.stop_old, Release.wake_old),
    Row("start", Release.start_new, Release.remove_new),
    Row("gate", Release.gate),
    Row("preview", Release.preview),
    Row("keep", Release.keep_static),
    Row("switch", Release.point_to_new, Release.back_to_old),
    Row("reload", Release.reload),
    Row("verify", Release.verify),
    Row("record", Release.record, Release.unrecord),
    Row("drain", Release.drain, after=True),
    Row("stop", Release.stop_old, after=True),
    Row("prune", Release.prune, after=True),
)
"""All steps there are; `plan.make_plan` says which of them a release takes, and in which order."""
NOTE = Row("inventory", Release.note_inventory, after=True)
