# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walks through a plan. Before the switch a failure removes the new colour, after it the old one gets the visitors back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from quetrex_release.plan import Plan, Release, add_release, choose, images_to_forget, make_plan, newer, other, releases_kept, repository
from quetrex_release.server import BASE, STOPPED, ReleaseError, Server
from quetrex_release.services import Services
from quetrex_release.store import StoreError

# Bad answers in a row from the wanted colour that are believed at once.
BAD_ANSWERS = 3
# A record, static files and Redis have to find room on the volume after the switch as well.
LEAST_STATE_MB = 64


class Engine:
    """One release."""

    def __init__(self, server: Server, tell: Callable[[str], None], by: str = "") -> None:
        self.server, self.tell, self.by = server, tell, by
        self.settings = server.settings
        self.seconds: dict[str, float] = {}
        self.version = ""
        # the record away from the server, as far as it is known
        self.kept: dict[str, Any] | None = None

    def plan(self, image: str) -> tuple[Plan, str]:
        """What a release of `image` would do, and the configuration it would have."""
        config = self.server.config()
        return make_plan(self.server.observe(), image, config, migrate=bool(self.settings.migrate)), config

    def deploy(self, image: str) -> dict[str, Any]:
        """Makes `image` serve; returns what was done."""
        plan, config = self.plan(image)
        if plan.changed:
            self._run(plan, image, config)
        return self._report(plan)

    def deploy_runner(self, image: str) -> dict[str, Any]:
        """Makes the runner run `image`."""
        record = self.server.record()
        known, began = record.get("runner") or {}, self.server.clock()
        changed = self.server.runner_image() != image
        if changed:
            self._check_disk()
            self.server.pull(image)
            try:
                Services(self.server, self.tell, self.by).runner(image)
            except ReleaseError as error:
                self.server.audit({"at": self.server.now(), "by": self.by, "runner": image, "outcome": error.code})
                raise
            seconds = round(self.server.clock() - began, 2)
            self.server.audit({"at": self.server.now(), "by": self.by, "runner": image, "outcome": "released", "seconds": seconds})
        if changed or (known.get("current") or {}).get("image") != image:
            known = add_release(known, Release("", image, "", "", self.server.now()))
            self.server.save_record({**record, "runner": known})
            for gone in self._forgettable(known, image):
                self.server.forget(gone)
        return {"changed": changed, "image": image, "previous": (known.get("previous") or {}).get("image")}

    def known(self, runner: bool) -> dict[str, Any]:
        """The record of the application, or of the runner."""
        record = self.server.record()
        return dict(record.get("runner") or {}) if runner else record

    def rollback_image(self, runner: bool = False) -> str:
        """The image before the current one."""
        previous = self.known(runner).get("previous")
        if not previous:
            raise ReleaseError("nothing_to_roll_back_to", "There is no earlier release of another image on record.")
        return str(previous["image"])

    def choose(self, image: str, last: str | None, runner: bool = False) -> tuple[str, str | None]:
        """The image an inventory's run has to release, and why it is another one than it asks for."""
        return choose(self.known(runner), image, last)

    def remember_inventory(self, image: str, runner: bool = False) -> None:
        """Keeps what the inventory asked for, so that a later deploy is known to be later."""
        known = self.known(runner)
        if known.get("inventory") != image:
            known = {**known, "inventory": image}
            self.server.save_record({**self.server.record(), "runner": known} if runner else known)

    # Away from the server

    def adopt(self) -> None:
        """A server without a record, or with an older one (restored from a backup), goes on with the one kept away from it."""
        self.kept = self._away()
        if self.kept and newer(self.kept, self.server.record()):
            self.tell("the record of releases comes from the database")
            self.server.save_record(self.kept)

    def publish(self) -> str | bool:
        """Keeps the record away from the server. True when it is there, otherwise why not; a release does not fail for it."""
        store, record = self.server.store, self.server.record()
        if store is None:
            return "no database is set"
        try:
            if record != self.kept:
                store.keep(record)
        except StoreError as error:
            self.tell(f"the record could not be kept in the database: {error}")
            return str(error)
        self.kept = record
        return True

    def _away(self) -> dict[str, Any] | None:
        store = self.server.store
        if store is None:
            return None
        try:
            return store.fetch()
        except StoreError as error:
            self.tell(f"the record in the database cannot be read: {error}")
            return None

    def ensure(self) -> dict[str, Any]:
        """After a reboot: the recorded colour runs and nginx points to it; a release that was going on is undone."""
        for name in BASE:
            if self.server.health(f"platform-{name}") in STOPPED:
                self.server.docker("start", f"platform-{name}", check=False)
        current = self.server.record().get("current")
        if not current:
            return {"changed": False, "reason": "nothing was released yet"}
        colour = current["colour"]
        found = self.server.container(colour)
        if found is None:
            self.server.pull(current["image"])
            self.server.start(colour, current["image"], self.server.config())
        elif not found.running:
            self.server.docker("start", f"platform-web-{colour}")
        moved = self.server.serving() != colour
        if moved:
            self.server.point(colour)
            self.server.reload()
        left = self.server.container(other(colour))
        if left and left.running and not moved:
            self.server.stop(other(colour))
        return {"changed": moved or found is None or not found.running, "colour": colour}

    def _run(self, plan: Plan, image: str, config: str) -> None:
        self._check_room(plan)
        done: list[str] = []
        try:
            for step in plan.steps:
                began = self.server.clock()
                self.tell(f"{step} {plan.colour if step not in ('drain', 'stop', 'restore') else plan.old}")
                done.append(step)
                getattr(self, f"_{step}")(plan, image, config)
                self.seconds[step] = round(self.server.clock() - began, 2)
        except (ReleaseError, OSError) as problem:
            error = problem if isinstance(problem, ReleaseError) else ReleaseError("system", str(problem))
            try:
                self._undo(plan, done, error)
            finally:
                self.server.audit({"at": self.server.now(), "by": self.by, "image": image, "colour": plan.colour, "outcome": error.code})
            raise error from problem
        self.server.audit({"at": self.server.now(), "by": self.by, "image": image, "colour": plan.colour, "outcome": "released", "seconds": self.seconds})

    def _check_room(self, plan: Plan) -> None:
        """Refuses before anything is touched; the new colour runs beside the old one for a while."""
        if "start" not in plan.steps:
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

    def refusal(self, plan: Plan) -> str:
        """Why this plan would be refused now; empty when it would not."""
        try:
            self._check_room(plan)
        except ReleaseError as error:
            return str(error)
        return ""

    def _restore(self, plan: Plan, _image: str, _config: str) -> None:
        """The colour that visitors are at now is made anew next: no new ones get there any more, and it ends what it has when it is stopped for that."""
        self.server.point(plan.old)
        self.server.reload()

    def _pull(self, _plan: Plan, image: str, _config: str) -> None:
        self.server.pull(image)

    def _migrate(self, plan: Plan, image: str, config: str) -> None:
        """Before anything of the new release runs. What it does has to fit the release that still serves."""
        left = self.server.container(plan.colour)
        if left and left.running:  # of a release that was killed: it holds the colour's address, and may have visitors still
            self.server.stop(plan.colour)
            self.server.remove(plan.colour)
        self.server.migrate(plan.colour, image, config)

    def _start(self, plan: Plan, image: str, config: str) -> None:
        self.server.start(plan.colour, image, config)

    def _gate(self, plan: Plan, _image: str, _config: str) -> None:
        """Healthy for Docker and several good answers in a row, within a deadline; at once over when the container dies."""
        deadline, good = self.server.clock() + self.settings.gate_seconds, 0
        last = "no answer"
        while True:
            found = self.server.container(plan.colour)
            if found is None or not found.running or found.restarts:
                raise ReleaseError("exited", f"The new container ({plan.colour}) ended instead of serving.")
            status, self.version = self.server.direct(plan.colour)
            good = good + 1 if status == 200 else 0
            last = f"HTTP {status}" if status else "no answer"
            if good >= self.settings.gate_successes and found.healthy:
                return
            if self.server.clock() >= deadline:
                raise ReleaseError("never_healthy", f"The new container ({plan.colour}) was not healthy within {self.settings.gate_seconds} s; last: {last}.")
            self.server.wait(0.3)

    def _keep(self, plan: Plan, image: str, _config: str) -> None:
        """Pages of the old release ask for its files afterwards, and pages of the new one may reach an old worker."""
        current = self.server.record().get("current") or {}
        if plan.old and current.get("image") and self.server.container(plan.old):
            self.server.keep_static(plan.old, current["image"])
        self.server.keep_static(plan.colour, image)

    def _switch(self, plan: Plan, _image: str, _config: str) -> None:
        self.server.point(plan.colour)

    def _reload(self, _plan: Plan, _image: str, _config: str) -> None:
        self.server.reload()

    def _preview(self, plan: Plan, _image: str, _config: str) -> None:
        """What is broken only behind nginx is found before a visitor does."""
        for _time in range(self.settings.gate_successes):
            status, _version = self.server.preview(plan.colour)
            if status != 200:
                raise ReleaseError("broken_through_nginx", f"Healthy by itself, but HTTP {status} through nginx ({plan.colour}); no visitor saw it.")

    def _verify(self, plan: Plan, _image: str, _config: str) -> None:
        """The new colour answers through nginx, several times in a row."""
        wanted = f"{self.settings.addresses[plan.colour]}:{self.settings.port}"
        deadline, good, bad = self.server.clock() + self.settings.verify_seconds, 0, 0
        while good < self.settings.gate_successes:
            status, self.version, upstream = self.server.through_nginx()
            good = good + 1 if (status, upstream) == (200, wanted) else 0
            bad = bad + 1 if upstream == wanted and status != 200 else 0
            if bad >= BAD_ANSWERS or self.server.clock() >= deadline:
                raise ReleaseError("broken_through_nginx", f"Healthy by itself, but through nginx: HTTP {status} from {upstream or 'nobody'}, wanted {wanted}.")
            self.server.wait(0.2)

    def _drain(self, _plan: Plan, _image: str, _config: str) -> None:
        """Waits for the old workers' last requests; nginx itself cuts what is left at its shutdown timeout."""
        deadline = self.server.clock() + self.settings.drain_seconds + 5
        while self.server.draining() and self.server.clock() < deadline:
            self.server.wait(0.5)

    def _stop(self, plan: Plan, _image: str, _config: str) -> None:
        if plan.old:
            self.server.stop(plan.old)

    def _record(self, plan: Plan, image: str, config: str) -> None:
        release = Release(plan.colour, image, config, self.version, self.server.now())
        self.server.save_record(add_release(self.server.record(), release))

    def _prune(self, _plan: Plan, image: str, _config: str) -> None:
        """By label and digest: what neither serves nor is needed for a rollback. Nothing of anybody else's, nothing by age."""
        record, kept = self.server.record(), self.settings.keep_releases
        for name in self.server.strays():
            self.server.remove_container(name)
        for gone in self._forgettable(record, image):
            self.server.forget(gone)
        self.server.prune_static(releases_kept(record, kept))

    def _forgettable(self, known: Mapping[str, Any], image: str) -> list[str]:
        """Images of this one's repository that nobody needs; the application and the runner may share one."""
        number, record = self.settings.keep_releases, self.server.record()
        kept = {*releases_kept(record, number), *releases_kept(record.get("runner") or {}, number)}
        return [gone for gone in images_to_forget(known, number, self.server.images_of({repository(image)})) if gone not in kept]

    def _undo(self, plan: Plan, done: list[str], error: ReleaseError) -> None:
        """Leaves the old colour serving and the new one gone."""
        if "start" not in plan.steps or "record" in done:
            return
        if "start" in done:
            error.logs = error.logs or self.server.logs(plan.colour)
        if "switch" in done:
            self.tell(f"back to {plan.old or 'nothing'}")
            self._restore(plan, "", "")
            self.server.stop(plan.colour)
        if "start" in done:
            self.server.remove(plan.colour)

    def _report(self, plan: Plan) -> dict[str, Any]:
        record = self.server.record()
        return {
            "changed": plan.changed,
            "reason": plan.reason,
            "steps": list(plan.steps),
            "seconds": self.seconds,
            "current": record.get("current"),
            "previous": record.get("previous"),
        }
