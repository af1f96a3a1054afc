# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis, the runner and nginx as the compose file wants them. What does not become healthy gives way to what ran before."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from quetrex_release.outcome import Outcome, ReleaseError, as_error
from quetrex_release.server import BASE, BRIDGE, NGINX, Server

# What Redis goes back to when its exchange fails, by the failure's code: the data as it is, or the copy from before the exchange.
# A Redis that ran, if only for a moment, may have acknowledged something, so its data is what counts: the copy follows only when the
# Redis from before cannot run on it. The one that answers that it holds no key has nothing to lose.
DATA, COPY = "data", "copy"
REDIS_GOES_BACK_TO = {
    "docker_failed": DATA,  # not fetched, not stopped, or not started
    "copy_failed": DATA,  # there is no copy of this exchange
    "exited": DATA,
    "never_healthy": DATA,
    "redis_not_asked": DATA,  # healthy, but how much it holds is not known: that is not nothing
    "not_reconnected": DATA,  # healthy; it is the application that did not answer, for whatever reason
    "interrupted": DATA,
    "redis_lost_its_data": COPY,
}


class Services:
    """Exchanges what differs from the compose file, one service after the other."""

    def __init__(
        self,
        server: Server,
        tell: Callable[[str], None],
        by: str = "",
        shield: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self.server, self.tell, self.by, self.shield = server, tell, by, shield
        self.settings = server.settings
        self.keys: list[int] = []
        # what Redis held before its exchange, if it could be asked
        self.held: int | None = None

    def different(self, names: tuple[str, ...] = BASE) -> list[str]:
        """Services that are not as the compose file wants them."""
        wanted = self.server.wanted_services()
        found = [name for name in names if not self.server.as_wanted(name, wanted.get(name, ""))]
        left = "nginx" in names and "nginx" not in found and self.server.health(BRIDGE)
        return [*found, "nginx"] if left else found

    def apply(self, names: tuple[str, ...] = BASE) -> dict[str, Any]:
        """Exchanges what differs; after a failure everything is as it was, and the failure tells why."""
        todo, seconds = self.different(names), {}
        if not todo:
            self.remember()
            return {"changed": False, "reason": f"{', '.join(names)}: as the compose file wants"}
        for name in todo:
            try:
                began = self.server.clock()
                getattr(self, f"_{name}")()
                self.server.learn(name)
                seconds[name] = round(self.server.clock() - began, 2)
            except Exception as problem:  # whatever it is, the way back is the same
                error = as_error(problem)
                with self.shield():
                    self._undo(error, name)
                raise error from problem
        self.server.audit({"at": self.server.now(), "by": self.by, "outcome": "exchanged", "seconds": seconds})
        try:
            self.remember()
        except (ReleaseError, OSError) as problem:
            raise ReleaseError("left", f"What is to be gone back to could not be kept: {problem}", outcome=Outcome.unclean) from problem
        return {"changed": True, "seconds": seconds} | ({"redis_keys": self.keys} if self.keys else {})

    def _undo(self, error: ReleaseError, name: str) -> None:
        error.outcome = Outcome.failed
        try:
            error.logs = error.logs or self.server.said(f"platform-{name}")
            self._back(error, name)
        except Exception as second:  # noqa: BLE001  # it is reported beside the first
            error.outcome = Outcome.unknown
            error.args = (f"{error} Then going back failed: {second}",)

    def remember(self) -> None:
        """What runs well now is what a failed exchange returns to."""
        if self.server.good_is_current():
            return
        if not self.server.learned("runner"):
            self.server.up_service("runner")  # does nothing when it is as wanted
            self.server.learn("runner")
        if self.different():
            return
        if all(self.server.health(f"platform-{name}") == "healthy" for name in BASE):
            for image in self.server.keep_good():
                self.server.forget(image)

    def _back(self, error: ReleaseError, failed: str) -> None:
        self.server.audit({"at": self.server.now(), "by": self.by, "outcome": error.code, "failed": str(error)})
        if not self.server.restore_good():
            return
        for name in self.different():
            self.tell(f"{name} goes back")
            if name == "nginx":
                self._nginx()
            elif name == "redis":
                self._redis_back(REDIS_GOES_BACK_TO.get(error.code, DATA) if failed == "redis" else DATA)
            else:
                self.server.up_service(name)
                self.healthy(f"platform-{name}", self.settings.gate_seconds)
            self.server.learn(name)

    def _redis_back(self, to: str) -> None:
        """The version from before, on the data as it is or on the copy from before the exchange."""
        if to == COPY:
            self.server.restore_redis()
        try:
            self.server.up_service("redis")
            self.healthy("platform-redis", self.settings.gate_seconds)
            usable = not (self.held and self.server.redis_keys() == 0)
        except ReleaseError:
            if not self.server.restore_redis():
                raise
            usable = True
            self._redis_on_copy()
        if not usable and self.server.restore_redis():
            self._redis_on_copy()

    def _redis_on_copy(self) -> None:
        self.tell("redis cannot go on with its data: it goes back to the copy, and the data is kept in redis/.replaced")
        self.server.up_service("redis")
        self.healthy("platform-redis", self.settings.gate_seconds)

    def _redis(self) -> None:
        """Clients wait and reconnect. The data is copied while nothing writes, and has to be there again afterwards."""
        self.tell("redis is exchanged")
        self.server.pull_service("redis")
        self.held = self.server.redis_keys()
        self.server.forget_redis_copy()
        if self.server.health("platform-redis"):
            self.server.stop_service("redis")
            self.server.copy_redis()
        self.server.up_service("redis")
        self.healthy("platform-redis", self.settings.gate_seconds)
        if self.held is not None:
            self._same_keys(self.held)
        self._reconnected()

    def _same_keys(self, before: int) -> None:
        """The keys are there again. One that cannot be asked yet is asked again; what it holds is never guessed."""
        deadline = self.server.clock() + self.settings.verify_seconds
        while (after := self.server.redis_keys()) is None:
            if self.server.clock() >= deadline:
                raise ReleaseError("redis_not_asked", "Redis is healthy, but the application's user gets no answer from it.")
            self.server.wait(0.3)
        self.keys = [before, after]
        if before and not after:
            raise ReleaseError("redis_lost_its_data", f"Redis had {before} keys before and has none now.")

    def _reconnected(self) -> None:
        """The application that serves is healthy again, which it judges by its own health check."""
        colour, good = self.server.serving(), 0
        deadline = self.server.clock() + self.settings.verify_seconds
        while colour and good < self.settings.gate_successes:
            status, _version = self.server.direct(colour)
            good = good + 1 if status == 200 else 0
            if good < self.settings.gate_successes and self.server.clock() >= deadline:
                raise ReleaseError("not_reconnected", f"The application ({colour}) did not get well after the exchange of Redis: HTTP {status}.")
            self.server.wait(0.2)

    def _runner(self) -> None:
        """One runner at a time: a job has its grace period to end, and requests to the runner wait or fail meanwhile."""
        self.tell("runner is exchanged")
        self.server.pull_service("runner")
        self.server.up_service("runner")
        self.healthy("platform-runner", self.settings.gate_seconds)

    def _nginx(self) -> None:
        """Exchanged behind a second one that shares its ports."""
        if not self.server.as_wanted("nginx", self.server.wanted_services()["nginx"]):
            if self.server.health(BRIDGE):  # of a run that was killed: its configuration may be old
                self.server.end_bridge()
            self._exchange_nginx()
        self.healthy(NGINX, self.settings.verify_seconds + 15)
        self.tell("bridge drains")
        self.server.end_bridge()

    def _exchange_nginx(self) -> None:
        self.server.pull_service("nginx")
        self.tell("bridge starts")
        self.server.start_bridge()
        try:
            self.healthy(BRIDGE, self.settings.verify_seconds + 15)
        except ReleaseError as error:
            error.logs = self.server.said(BRIDGE)
            self.server.end_bridge()
            raise
        self.tell("nginx drains and is exchanged")
        self.server.up_service("nginx")

    def healthy(self, container: str, budget: float) -> None:
        """Waits until Docker calls a container healthy; at once over when it keeps ending."""
        deadline = self.server.clock() + budget
        while (health := self.server.health(container)) != "healthy":
            if self.server.restarts(container) > 1:
                raise ReleaseError("exited", f"{container} ends instead of serving.")
            if self.server.clock() >= deadline:
                raise ReleaseError("never_healthy", f"{container} is {health or 'gone'}, not healthy, after {budget:.0f} s.")
            self.server.wait(0.3)

    def runner(self, image: str) -> None:
        """Another image of the runner."""
        self.server.choose_runner(image)
        self._runner()
        self.server.learn("runner")

    def runner_back(self, image: str) -> None:
        """The runner's image from before; empty when that is the inventory's."""
        self.server.choose_runner(image)
        self.tell("runner goes back")
        self.server.up_service("runner")
        self.server.learn("runner")
        self.healthy("platform-runner", self.settings.gate_seconds)
