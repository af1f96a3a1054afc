# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of the application and the runner as steps, each with its undo, and the record of what serves."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from quetrex_release.outcome import ReleaseError
from quetrex_release.plan import Plan, Way, choose, make_plan, other
from quetrex_release.record import COLOURS, Record, Release, Track, repository
from quetrex_release.server import BASE, STOPPED, Server
from quetrex_release.services import Services
from quetrex_release.steps import Step, Walk
from quetrex_release.store import StoreError

# Bad answers in a row from the wanted colour that are believed at once.
BAD_ANSWERS = 3
# A record, static files and Redis have to find room on the volume after the switch as well.
LEAST_STATE_MB = 64
# A service without a health check has to keep running for so long.
SETTLE_SECONDS = 5
# Steps that are the old colour's.
OF_OLD = ("drain", "stop", "restore", "rest")


class Engine:
    """One release."""

    def __init__(
        self,
        server: Server,
        tell: Callable[[str], None],
        by: str = "",
        shield: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self.server, self.tell, self.by, self.shield = server, tell, by, shield
        self.settings = server.settings
        self.service = server.settings.service
        self.version = ""
        # the record away from the server, as far as it is known
        self.kept: Record | None = None

    def of(self, service: str) -> Engine:
        """The same for one of the inventory's own services."""
        return self if service == self.service else Engine(self.server.of(service), self.tell, self.by, self.shield)

    def plan(self, image: str) -> tuple[Plan, str]:
        """What a release of `image` would do, and the configuration it would have."""
        if self.settings.job:
            changed = self.server.record().track(self.service).image != image
            return Plan(("pull", "record", "prune") if changed else (), "", None, "another image" if changed else "runs this image next"), ""
        config = self.server.config()
        way = Way(self.settings.release == "blue_green", self.settings.public, bool(self.settings.migrate))
        return make_plan(self.server.observe(), image, config, way), config

    def deploy(self, image: str, inventory: str | None = None) -> dict[str, Any]:
        """Makes `image` serve; returns what was done. `inventory` is the image an inventory asked for."""
        plan, config = self.plan(image)
        self._check(plan, image)
        label = f"{self.service} " if self.service != "web" else ""
        walk = self._walk(lambda name: f"{label}{name} {plan.old if name in OF_OLD else plan.colour}".strip(), plan.colour)
        steps = self._steps(plan, image, config, inventory)
        of = {"service": self.service} if label else {}
        self._go(walk, steps, {**of, "image": image, "colour": plan.colour}, silent=not plan.changed)
        track = self.server.record().track(self.service)
        return {"changed": plan.changed, "reason": plan.reason, "steps": list(plan.steps), "seconds": walk.seconds, **_ends(track), **_left(walk)}

    def deploy_runner(self, image: str, inventory: str | None = None) -> dict[str, Any]:
        """Makes the runner run `image`."""
        record, services, before = self.server.record(), Services(self.server, self.tell, self.by), self.server.runner_choice()
        changed = self.server.runner_image() != image
        steps: list[Step] = []
        if changed:
            self.permit(image, "runner")
            self._check_disk()
            steps += [
                Step("pull", partial(self.server.pull, image)),
                Step("exchange", partial(services.runner, image), partial(services.runner_back, before)),
            ]
        if changed or record.runner.image != image:
            release = Release("", image, "", "", self.server.now())
            steps += [
                Step("record", partial(self._record, release, inventory, "runner"), partial(self._unrecord, record)),
                Step("prune", partial(self._forget, image, "runner"), after=True),
            ]
        elif inventory:
            steps.append(Step("inventory", partial(self._note, inventory, "runner"), after=True))
        walk = self._walk(lambda name: f"{name} runner", None)
        self._go(walk, steps, {"runner": image}, silent=not changed)
        previous = self.server.record().runner.previous
        return {"changed": changed, "image": image, "previous": previous.image if previous else None, **_left(walk)}

    def rollback_image(self, service: str = "web") -> str:
        """The image before the current one."""
        previous = self.server.record().track(service).previous
        if not previous:
            raise ReleaseError("nothing_to_roll_back_to", "There is no earlier release of another image on record.")
        return previous.image

    def choose(self, image: str, last: str | None, service: str = "web", resume: bool = False) -> tuple[str, str | None]:
        """The image an inventory's run has to release, and why it is another one than it asks for."""
        return choose(self.server.record().track(service), image, last, self.settings.known(service), resume=resume)

    def permit(self, image: str, service: str = "web") -> None:
        """Refuses to start what is of no known repository, whoever or whatever names it."""
        known = self.settings.known(service)
        if repository(image) not in known:
            setting = {"web": "app_release_repositories", "runner": "app_release_runner_repositories"}.get(service, "app_release_service_repositories")
            names = ", ".join(sorted(known)) or "none"
            raise ReleaseError("unknown_repository", f"{image} is of none of the known repositories ({names}). Add its repository to {setting} and run site.")

    # Away from the server

    def adopt(self) -> None:
        """A server that has no record of its own making goes on with the one kept away from it.

        That one can be written by whoever has the application's connection, so it is believed as little as possible: never where this
        server knows what it wrote last, and on a volume of another server or of an older copy only if it tells of all that is there.
        """
        self.kept = self._away()
        own = self.server.record()
        if self.kept is None or self.kept == Record() or self.server.own_record():
            return
        if self.kept.continues(own) or not (own.web.history or own.runner.history or own.services):
            self.tell("the record of releases comes from the database")
            self.server.save_record(self.kept)

    def publish(self) -> str | bool:
        """Keeps the record away from the server. True when it is there, otherwise why not; a release does not fail for it."""
        store, record = self.server.store, self.server.record()
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
        store = self.server.store
        if store is None:
            return None
        try:
            known = {name: self.settings.known(name) for name in self.settings.services}
            return Record.parse(store.fetch()).of(self.settings.known("web"), self.settings.known("runner"), known)
        except StoreError as error:
            self.tell(f"the record in the database cannot be read: {error}")
        except (ValueError, RecursionError) as error:
            self.tell(f"the record in the database is ignored: {error}")
        return None

    def ensure(self) -> dict[str, Any]:
        """After a reboot: the recorded colour runs and nginx points to it; a release that was going on is undone."""
        for name in BASE:
            if self.server.health(f"platform-{name}") in STOPPED:
                self.server.docker("start", f"platform-{name}", check=False)
        found = self.ensure_recorded()
        others = {name: self.of(name).ensure_recorded() for name, told in self.settings.services.items() if not told.get("job")}
        changed = found["changed"] or any(one["changed"] for one in others.values())
        return {**found, "changed": changed, **({"services": others} if others else {})}

    def ensure_recorded(self) -> dict[str, Any]:
        """The recorded colour of this service runs, and visitors are led to it."""
        current = self.server.record().track(self.service).current
        if not current:
            return {"changed": False, "reason": "nothing was released yet"}
        colour = current.colour
        if colour not in COLOURS:
            return {"changed": False, "reason": "a job, which runs at its times"}
        found = self.server.container(colour)
        if found is None:
            self.permit(current.image, self.service)
            self.server.pull(current.image)
            self.server.start(colour, current.image, self.server.config())
        elif not found.running:
            self.server.docker("start", self.server.name(colour))
        moved = self.settings.public and self.server.serving() != colour
        if moved:
            self.tell(f"a release was interrupted: visitors go back to {colour}")
            self.server.audit({"at": self.server.now(), "by": self.by, "image": current.image, "colour": colour, "outcome": "undone_at_boot"})
            self._lead(colour)
        left = self.server.container(other(colour))
        if left and left.running and not moved:
            self.server.stop(other(colour))
        return {"changed": moved or found is None or not found.running, "colour": colour}

    def retire(self) -> list[str]:
        """Services that have left the inventory are stopped and removed. Their folders on the volume stay."""
        gone = self.server.gone()
        for name in gone:
            self.tell(f"{name} is removed")
            self.server.remove_service(name)
            self.server.audit({"at": self.server.now(), "by": self.by, "service": name, "outcome": "removed"})
        if gone:
            self.server.save_record(self.server.record().without(gone))
        for name in self.settings.services:
            server = self.server.of(name)
            if left := server.former_kind():
                self.tell(f"{name} was of another kind: {', '.join(left)} goes")
                server.remove_former_kind()
                gone += left
        return gone

    # One release

    def _walk(self, label: Callable[[str], str], colour: str | None) -> Walk:
        """`colour` is the new one; the runner has none."""

        def explain(begun: list[str]) -> str:
            if colour is None:
                return self.server.said("platform-runner") if "exchange" in begun else ""
            return self.server.logs(colour) if "start" in begun else ""

        return Walk(self.server.clock, lambda name: self.tell(label(name)), self.shield, explain)

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
                self.server.audit({"at": self.server.now(), "by": self.by, **what, "outcome": outcome, "seconds": walk.seconds})

    def _steps(self, plan: Plan, image: str, config: str, inventory: str | None) -> list[Step]:
        """The plan's steps. A step that has an undo is undone also when it was only begun."""
        server = self.server
        steps = (
            Step("restore", partial(self._lead, plan.old)),
            Step("pull", partial(server.pull, image)),
            Step("migrate", partial(self._migrate, plan, image, config)),
            Step("rest", partial(self._stop, plan.old), partial(self._wake, plan.old)),
            Step("start", partial(server.start, plan.colour, image, config), partial(server.remove, plan.colour)),
            Step("gate", partial(self._gate, plan.colour)),
            Step("preview", partial(self._preview, plan.colour)),
            Step("keep", partial(self._keep, plan, image)),
            Step("switch", partial(server.point, plan.colour), partial(self._switch_back, plan)),
            Step("reload", server.reload),
            Step("verify", partial(self._verify, plan.colour)),
            Step("record", partial(self._record_colour, plan.colour, image, config, inventory), partial(self._unrecord, server.record())),
            Step("drain", self._drain, after=True),
            Step("stop", partial(self._stop, plan.old), after=True),
            Step("prune", partial(self._prune, image), after=True),
        )
        table = {step.name: step for step in steps}
        found = [table[name] for name in plan.steps]
        if inventory and "record" not in plan.steps:
            found.append(Step("inventory", partial(self._note, inventory, self.service), after=True))
        return found

    def _check(self, plan: Plan, image: str) -> None:
        """Refuses before anything is touched; the new colour runs beside the old one for a while."""
        if not plan.steps or ("start" not in plan.steps and not self.settings.job):
            return
        self.permit(image, self.service)
        if "rest" in plan.steps or self.settings.job:
            self._check_disk()
            return
        used = self.server.used_mb(plan.old) if plan.old else 0
        memory, needed = self.server.memory_mb(), max(self.settings.least_memory_mb, used)
        if memory < needed:
            raise ReleaseError(
                "not_enough_memory",
                f"{memory} MB of memory are available, a second web needs {needed} MB (the serving one uses {used} MB). Choose a larger tier.",
            )
        self._check_disk()

    def _check_disk(self) -> None:
        disk, state = self.server.disk_mb(), self.server.state_mb()
        if disk < self.settings.least_disk_mb:
            raise ReleaseError("not_enough_disk", f"{disk} MB are free for images, {self.settings.least_disk_mb} MB are needed.")
        if state < LEAST_STATE_MB:
            raise ReleaseError("not_enough_disk", f"{state} MB are free in {self.settings.state_dir}, {LEAST_STATE_MB} MB are needed.")

    def refusal(self, image: str, plan: Plan | None = None, *, service: str = "web") -> str:
        """Why this would be refused now; empty when it would not."""
        try:
            if plan:
                self._check(plan, image)
            else:
                self.permit(image, service)
                self._check_disk()
        except ReleaseError as error:
            return str(error)
        return ""

    def _lead(self, colour: str | None) -> None:
        """Visitors go to this colour. The other one gets no new ones any more, and ends what it has when it is stopped."""
        self.server.point(colour)
        self.server.reload()

    def _switch_back(self, plan: Plan) -> None:
        """The old colour gets the visitors back, unless an interrupted release was to be finished and there is nothing to go back to."""
        old = self.server.container(plan.old) if plan.old else None
        if "start" not in plan.steps and not (old and old.running):
            raise ReleaseError("no_way_back", f"{plan.old} does not run, so visitors stay with {plan.colour}")
        self.tell(f"back to {plan.old or 'nothing'}")
        self._lead(plan.old)
        self.server.stop(plan.colour)

    def _migrate(self, plan: Plan, image: str, config: str) -> None:
        """Before anything of the new release runs. What it does has to fit the release that still serves."""
        left = self.server.container(plan.colour)
        if left and left.running:  # of a release that was killed: it holds the colour's address, and may have visitors still
            self.server.stop(plan.colour)
            self.server.remove(plan.colour)
        self.server.migrate(plan.colour, image, config)

    def _gate(self, colour: str) -> None:
        """Healthy for Docker and several good answers in a row, within a deadline; at once over when the container dies."""
        began, good = self.server.clock(), 0
        deadline, settled = began + self.settings.gate_seconds, began + (0 if self.settings.health else SETTLE_SECONDS)
        last = "no answer"
        while True:
            found = self.server.container(colour)
            if found is None or not found.running or found.restarts:
                raise ReleaseError("exited", f"The new container ({colour}) ended instead of serving.")
            if self.settings.public:
                status, self.version = self.server.direct(colour)
                last = f"HTTP {status}" if status else "no answer"
            else:  # Docker alone asks what has no address of its own
                status, last = (200, "healthy") if found.healthy else (0, "not healthy")
            good = good + 1 if status == 200 else 0
            if good >= self.settings.gate_successes and found.healthy and self.server.clock() >= settled:
                return
            if self.server.clock() >= deadline:
                raise ReleaseError("never_healthy", f"The new container ({colour}) was not healthy within {self.settings.gate_seconds} s; last: {last}.")
            self.server.wait(0.3)

    def _keep(self, plan: Plan, image: str) -> None:
        """Pages of the old release ask for its files afterwards, and pages of the new one may reach an old worker."""
        current = self.server.record().web.image
        if plan.old and current and self.server.container(plan.old):
            self.server.keep_static(plan.old, current)
        self.server.keep_static(plan.colour, image)

    def _preview(self, colour: str) -> None:
        """What is broken only behind nginx is found before a visitor does."""
        for _time in range(self.settings.gate_successes):
            status, _version = self.server.preview(colour)
            if status != 200:
                raise ReleaseError("broken_through_nginx", f"Healthy by itself, but HTTP {status} through nginx ({colour}); no visitor saw it.")

    def _verify(self, colour: str) -> None:
        """The new colour answers through nginx, several times in a row."""
        if not self.settings.verified:
            return
        own = not self.settings.verify_path
        wanted = f"{self.settings.addresses[colour]}:{self.settings.port}"
        deadline, good, bad = self.server.clock() + self.settings.verify_seconds, 0, 0
        while good < self.settings.gate_successes:
            status, version, upstream = self.server.through_nginx()
            self.version = version if own else self.version
            # a path that is not the health check's may want more than a GET
            well = status == 200 or (not own and 0 < status < 500)
            good = good + 1 if well and upstream == wanted else 0
            bad = bad + 1 if upstream == wanted and not well else 0
            if bad >= BAD_ANSWERS or self.server.clock() >= deadline:
                raise ReleaseError("broken_through_nginx", f"Healthy by itself, but through nginx: HTTP {status} from {upstream or 'nobody'}, wanted {wanted}.")
            self.server.wait(0.2)

    def _drain(self) -> None:
        """Waits for the old workers' last requests; nginx itself cuts what is left at its shutdown timeout."""
        deadline = self.server.clock() + self.settings.drain_seconds + 5
        while self.server.draining() and self.server.clock() < deadline:
            self.server.wait(0.5)

    def _stop(self, colour: str | None) -> None:
        if colour:
            self.server.stop(colour)

    def _wake(self, colour: str | None) -> None:
        """What was stopped for a release that failed runs again."""
        if colour:
            self.tell(f"back to {colour}")
            self.server.docker("start", self.server.name(colour))

    # The record

    def _record_colour(self, colour: str, image: str, config: str, inventory: str | None) -> None:
        self._record(Release(colour, image, config, self.version, self.server.now()), inventory, self.service)

    def _record(self, release: Release, inventory: str | None, service: str) -> None:
        record = self.server.record()
        track = record.track(service).add(release)
        self.server.save_record(record.having(replace(track, inventory=inventory or track.inventory), service))

    def _unrecord(self, before: Record) -> None:
        """A record that was written before its step failed says what does not serve."""
        if self.server.record() != before:
            self.server.save_record(before)

    def _note(self, inventory: str, service: str) -> None:
        """Keeps what the inventory asked for, so that a later deploy is known to be later."""
        record = self.server.record()
        track = record.track(service)
        if track.inventory != inventory:
            self.server.save_record(record.having(replace(track, inventory=inventory), service))

    def _prune(self, image: str) -> None:
        """By label and digest: what neither serves nor is needed for a rollback. Nothing of anybody else's, nothing by age."""
        for name in self.server.strays() if not self.settings.job else ():
            self.server.remove_container(name)
        self._forget(image, self.service)
        if self.service == "web":
            self.server.prune_static(self.server.record().web.kept(self.settings.keep_releases))

    def _forget(self, image: str, service: str) -> None:
        """Images of this one's repository that nobody needs; services may share one."""
        number, record = self.settings.keep_releases, self.server.record()
        kept = {name for track in (record.web, record.runner, *record.services.values()) for name in track.kept(number)}
        for gone in record.track(service).to_forget(number, self.server.images_of({repository(image)})):
            if gone not in kept:
                self.server.forget(gone)


def _ends(track: Track) -> dict[str, Any]:
    """What serves and what served before."""
    return {name: asdict(release) if release else None for name, release in (("current", track.current), ("previous", track.previous))}


def _left(walk: Walk) -> dict[str, Any]:
    """What could not be cleaned up."""
    return {"left": f"{walk.begun[-1]}: {walk.problem}"} if walk.problem else {}
