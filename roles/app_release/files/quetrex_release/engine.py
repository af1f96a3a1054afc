# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be asked for: a release by name, the way back, the state after a reboot, and where the record is kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from quetrex_release.exchange import Exchanges
from quetrex_release.ledger import Ledger
from quetrex_release.outcome import ReleaseError
from quetrex_release.plan import Plan, Way, choose, make_plan, other
from quetrex_release.record import COLOURS, MAIN, RUNNER, Record, Track, repository
from quetrex_release.record import Release as Line
from quetrex_release.release import Release
from quetrex_release.server import Server
from quetrex_release.steps import Step, Walk
from quetrex_release.store import StoreError

# Steps that are the old colour's.
OF_OLD = ("drain", "stop", "restore", "rest")
SETTINGS = {MAIN: "app_release_repositories", RUNNER: "app_release_runner_repositories"}


class Engine:
    """Everything that is asked of one platform, and by whom."""

    def __init__(
        self,
        server: Server,
        tell: Callable[[str], None],
        by: str = "",
        shield: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self.server, self.tell, self.by, self.shield = server, tell, by, shield
        self.settings, self.state = server.settings, server.state
        # the record away from the server, as far as it is known
        self.kept: Record | None = None

    # Beforehand

    def plan(self, image: str, service: str = MAIN) -> tuple[Plan, str]:
        """What a release of `image` would do, and the configuration it would have."""
        settings = self.settings.of(service)
        if settings.job:
            changed = self.state.record().track(service).image != image
            return Plan(("pull", "record", "prune") if changed else (), "", None, "another image" if changed else "runs this image next"), ""
        found = self.server.service(service)
        config = found.config()
        way = Way(settings.release == "blue_green", settings.public, bool(settings.migrate))
        return make_plan(found.observe(), image, config, way), config

    def rollback_image(self, service: str = MAIN) -> str:
        """The image before the current one."""
        previous = self.state.record().track(service).previous
        if not previous:
            raise ReleaseError("nothing_to_roll_back_to", "There is no earlier release of another image on record.")
        return previous.image

    def choose(self, image: str, last: str | None, service: str = MAIN, resume: bool = False) -> tuple[str, str | None]:
        """The image an inventory's run has to release, and why it is another one than it asks for."""
        return choose(self.state.record().track(service), image, last, self.settings.known(service), resume=resume)

    def permit(self, image: str, service: str = MAIN) -> None:
        """Refuses to start what is of no known repository, whoever or whatever names it."""
        known = self.settings.known(service)
        if repository(image) not in known:
            setting = SETTINGS.get(service, "app_release_service_repositories")
            names = ", ".join(sorted(known)) or "none"
            raise ReleaseError("unknown_repository", f"{image} is of none of the known repositories ({names}). Add its repository to {setting} and run site.")

    def refusal(self, image: str, service: str, plan: Plan | None = None) -> str:
        """Why this would be refused now; empty when it would not."""
        try:
            if plan:
                self._check(plan, image, service)
            else:
                self.permit(image, service)
                self.server.require_disk()
        except ReleaseError as error:
            return str(error)
        return ""

    def _check(self, plan: Plan, image: str, service: str) -> None:
        """Refuses before anything is touched; the new colour runs beside the old one for a while."""
        settings = self.settings.of(service)
        if not plan.steps or ("start" not in plan.steps and not settings.job):
            return
        self.permit(image, service)
        self.server.service(service).require_room(plan.old, beside="rest" not in plan.steps and not settings.job)

    # A release

    def deploy(self, image: str, inventory: str | None = None, service: str = MAIN) -> dict[str, Any]:
        """Makes `image` serve; returns what was done. `inventory` is the image an inventory asked for."""
        if service in self.settings.exchanges:
            return self._exchange(image, inventory, service)
        plan, config = self.plan(image, service)
        self._check(plan, image, service)
        found = self.server.service(service)
        label = f"{service} " if service != MAIN else ""
        walk = self._walk(
            lambda name: f"{label}{name} {plan.old if name in OF_OLD else plan.colour}".strip(),
            lambda begun: found.logs(plan.colour) if "start" in begun else "",
        )
        release = Release(self.server, found, plan, image, config, self.tell, inventory)
        of = {"service": service} if label else {}
        self._go(walk, release.steps(), {**of, "image": image, "colour": plan.colour}, silent=not plan.changed)
        track = self.state.record().track(service)
        return {"changed": plan.changed, "reason": plan.reason, "steps": list(plan.steps), "seconds": walk.seconds, **_ends(track), **_left(walk)}

    def _exchange(self, image: str, inventory: str | None, service: str) -> dict[str, Any]:
        """Makes a service that is exchanged in place run `image`."""
        record, before = self.state.record(), self.server.stack.choice(service)
        exchanges, ledger = Exchanges(self.server, self.tell, self.by), Ledger(self.state, service)
        container = self.settings.exchanges[service].container
        changed = self.server.docker.image(container) != image
        steps: list[Step] = []
        if changed:
            self.permit(image, service)
            self.server.require_disk()
            steps += [
                Step("pull", partial(self.server.docker.pull, image)),
                Step("exchange", partial(exchanges.release, service, image), partial(exchanges.release_back, service, before)),
            ]
        if changed or record.track(service).image != image:
            line = Line("", image, "", "", self.server.host.now())
            steps += [
                Step("record", partial(ledger.add, line, inventory), partial(ledger.put_back, record)),
                Step("prune", partial(self._forget, ledger, image), after=True),
            ]
        elif inventory:
            steps.append(Step("inventory", partial(ledger.note, inventory), after=True))
        walk = self._walk(lambda name: f"{name} {service}", lambda begun: self.server.docker.logs(container) if "exchange" in begun else "")
        what = {RUNNER: image} if service == RUNNER else {"service": service, "image": image}
        self._go(walk, steps, what, silent=not changed)
        previous = self.state.record().track(service).previous
        return {"changed": changed, "image": image, "previous": previous.image if previous else None, **_left(walk)}

    def _forget(self, ledger: Ledger, image: str) -> None:
        for gone in ledger.unused(self.server.docker.images_of({repository(image)}), self.settings.keep_releases):
            self.server.docker.forget(gone)

    def _walk(self, label: Callable[[str], str], explain: Callable[[list[str]], str]) -> Walk:
        return Walk(self.server.host.clock, lambda name: self.tell(label(name)), self.shield, explain)

    def _go(self, walk: Walk, steps: Sequence[Step], what: dict[str, Any], *, silent: bool) -> None:
        """Walks, and writes down how it ended unless nothing was to change."""
        outcome = "released"
        try:
            walk.through(steps)
        except ReleaseError as error:
            outcome = error.code
            raise
        finally:
            if not silent:
                self._audit({**what, "outcome": outcome, "seconds": walk.seconds})

    def _audit(self, line: dict[str, Any]) -> None:
        self.state.audit({"at": self.server.host.now(), "by": self.by, **line})

    # After a reboot

    def ensure(self) -> dict[str, Any]:
        """The recorded colours run and nginx points to them; a release that was going on is undone."""
        for container in self.server.stack.stopped():
            self.server.docker.wake(container, check=False)
        found = self.ensure_recorded(MAIN)
        others = {name: self.ensure_recorded(name) for name, told in self.settings.services.items() if not told.get("job")}
        changed = found["changed"] or any(one["changed"] for one in others.values())
        return {**found, "changed": changed, **({"services": others} if others else {})}

    def ensure_recorded(self, name: str) -> dict[str, Any]:
        """The recorded colour of this service runs, and visitors are led to it."""
        current = self.state.record().track(name).current
        if not current:
            return {"changed": False, "reason": "nothing was released yet"}
        colour, service = current.colour, self.server.service(name)
        if colour not in COLOURS:
            return {"changed": False, "reason": "a job, which runs at its times"}
        found = service.container(colour)
        if found is None:
            self.permit(current.image, name)
            service.pull(current.image)
            service.start(colour, current.image, service.config())
        elif not found.running:
            service.wake(colour)
        moved = service.settings.public and service.serving() != colour
        if moved:
            self.tell(f"a release was interrupted: visitors go back to {colour}")
            self._audit({"image": current.image, "colour": colour, "outcome": "undone_at_boot"})
            service.point(colour)
            service.reload()
        left = service.container(other(colour))
        if left and left.running and not moved:
            service.stop(other(colour))
        return {"changed": moved or found is None or not found.running, "colour": colour}

    # What is described no more

    def retire(self) -> tuple[list[str], list[str]]:
        """Services that have left the inventory are stopped and removed: their names, and the folders on the volume that stay."""
        gone, stays = self.server.gone(), list[str]()
        for name in gone:
            self.tell(f"{name} is removed")
            stays += self.server.remove_service(name)
            self._audit({"service": name, "outcome": "removed"})
        if gone:
            self.state.save_record(self.state.record().without(gone))
        for name in self.settings.services:
            if left := self.server.former_kind(name):
                self.tell(f"{name} was of another kind: {', '.join(left)} goes")
                self.server.remove_former_kind(name)
                gone += left
        return gone, stays

    # Away from the server

    def adopt(self) -> None:
        """A server that has no record of its own making goes on with the one kept away from it.

        That one can be written by whoever has the application's connection, so it is believed as little as possible: never where this
        server knows what it wrote last, and on a volume of another server or of an older copy only if it tells of all that is there.
        """
        self.kept = self._away()
        own = self.state.record()
        if self.kept is None or self.kept == Record() or self.state.own_record():
            return
        if self.kept.continues(own) or not (own.web.history or own.runner.history or own.services):
            self.tell("the record of releases comes from the database")
            self.state.save_record(self.kept)

    def publish(self) -> str | bool:
        """Keeps the record away from the server. True when it is there, otherwise why not; a release does not fail for it."""
        store, record = self.state.store, self.state.record()
        if store is None:
            return "no database is set"
        try:
            if record != self.kept:
                store.keep(record.plain())
        except StoreError as error:
            self.tell(f"the record could not be kept in the database: {error}")
            return str(error)
        self.kept = record
        return True

    def _away(self) -> Record | None:
        store = self.state.store
        if store is None:
            return None
        try:
            known = {name: self.settings.known(name) for name in (*self.settings.services, *self.settings.exchanges) if name != RUNNER}
            return Record.parse(store.fetch()).of(self.settings.known(MAIN), self.settings.known(RUNNER), known)
        except StoreError as error:
            self.tell(f"the record in the database cannot be read: {error}")
        except (ValueError, RecursionError) as error:
            self.tell(f"the record in the database is ignored: {error}")
        return None


def _ends(track: Track) -> dict[str, Any]:
    """What serves and what served before."""
    return {name: asdict(release) if release else None for name, release in (("current", track.current), ("previous", track.previous))}


def _left(walk: Walk) -> dict[str, Any]:
    """What could not be cleaned up."""
    return {"left": f"{walk.begun[-1]}: {walk.problem}"} if walk.problem else {}
