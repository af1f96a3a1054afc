# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services with one container as the compose file wants them. What does not become healthy gives way to what ran before.

What an exchange takes is its kind's: `KINDS` names them, and a service's entry in the stack chooses one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

from quetrex_release.backend import Service
from quetrex_release.nginx import NGINX
from quetrex_release.outcome import Outcome, ReleaseError, as_error
from quetrex_release.server import Server
from quetrex_release.settings import Exchanged

Tell = Callable[[str], None]
# Serves while the other one is exchanged; a container of `compose run`, which `compose up` leaves alone.
BRIDGE = "platform-nginx-bridge"
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


class Plain:
    """One container at a time: what it does has its grace period to end, and requests to it wait or fail meanwhile."""

    def __init__(self, exchanged: Exchanged, server: Server, tell: Tell) -> None:
        self.name, self.container = exchanged.name, exchanged.container
        self.server, self.tell = server, tell
        self.settings = server.settings

    def forward(self) -> None:
        """Brings the new one into the place of the old one, or raises."""
        self.tell(f"{self.name} is exchanged")
        self.server.stack.pull(self.name)
        self.up()

    def back(self, _code: str) -> None:
        """The one from before again, when its files are back. The code is why; empty when another service failed."""
        self.up()

    def up(self) -> None:
        """As the compose file wants it now, and healthy."""
        self.server.docker.up(self.name)
        self.healthy(self.container, self.settings.gate_seconds)

    def left_over(self) -> bool:
        """Whether an exchange that was killed left something that has to be ended."""
        return False

    def report(self) -> dict[str, Any]:
        """What is told of an exchange that succeeded."""
        return {}

    def healthy(self, container: str, budget: float) -> None:
        """Waits until Docker calls a container healthy; at once over when it keeps ending."""
        host, docker = self.server.host, self.server.docker
        deadline = host.clock() + budget
        while (health := docker.health(container)) != "healthy":
            if docker.restarts(container) > 1:
                raise ReleaseError("exited", f"{container} ends instead of serving.")
            if host.clock() >= deadline:
                raise ReleaseError("never_healthy", f"{container} is {health or 'gone'}, not healthy, after {budget:.0f} s.")
            host.wait(0.3)


class WithRedis(Plain):
    """Clients wait and reconnect. The data is copied while nothing writes, and has to be there again afterwards."""

    # what it held before its exchange, if it could be asked, and both numbers afterwards
    held: int | None = None
    keys: tuple[int, ...] = ()

    def __init__(self, exchanged: Exchanged, server: Server, tell: Tell) -> None:
        super().__init__(exchanged, server, tell)
        self.clients, self.redis = exchanged.clients, server.redis(exchanged)

    def forward(self) -> None:
        """Stops, copies, starts, and looks."""
        self.tell(f"{self.name} is exchanged")
        self.server.stack.pull(self.name)
        self.held = self.redis.keys()
        self.redis.forget_copy()
        if self.server.docker.health(self.container):
            self.server.docker.stop(self.container, check=True)
            self.redis.copy()
        self.up()
        if self.held is not None:
            self._same_keys(self.held)
        self._reconnected()

    def back(self, code: str) -> None:
        """The version from before, on the data as it is or on the copy from before the exchange."""
        redis = self.redis
        if REDIS_GOES_BACK_TO.get(code, DATA) == COPY:
            redis.restore()
        try:
            self.up()
            usable = not (self.held and redis.keys() == 0)
        except ReleaseError:
            if not redis.restore():
                raise
            usable = True
            self._on_copy()
        if not usable and redis.restore():
            self._on_copy()

    def report(self) -> dict[str, Any]:
        """How many keys there were before and after."""
        return {"redis_keys": list(self.keys)} if self.keys else {}

    def _on_copy(self) -> None:
        self.tell(f"{self.name} cannot go on with its data: it goes back to the copy, and the data is kept in redis/.replaced")
        self.up()

    def _same_keys(self, before: int) -> None:
        """The keys are there again. One that cannot be asked yet is asked again; what it holds is never guessed."""
        host = self.server.host
        deadline = host.clock() + self.settings.verify_seconds
        while (after := self.redis.keys()) is None:
            if host.clock() >= deadline:
                raise ReleaseError("redis_not_asked", "Redis is healthy, but the application's user gets no answer from it.")
            host.wait(0.3)
        self.keys = (before, after)
        if before and not after:
            raise ReleaseError("redis_lost_its_data", f"Redis had {before} keys before and has none now.")

    def _reconnected(self) -> None:
        """Those that use it are healthy again, which each judges by its own health check."""
        host = self.server.host
        deadline = host.clock() + self.settings.verify_seconds
        for name in self.clients:
            service, good = self.server.service(name), 0
            colour = service.serving()
            while colour and good < self.settings.gate_successes:
                said = _health(service, colour)
                good = good + 1 if not said else 0
                if good < self.settings.gate_successes and host.clock() >= deadline:
                    raise ReleaseError("not_reconnected", f"{name} ({colour}) did not get well after the exchange of {self.name}: {said}.")
                host.wait(0.2)


def _health(service: Service, colour: str) -> str:
    """What is wrong with a colour; empty when it is well."""
    if service.settings.public:
        status, _version = service.direct(colour)
        return "" if status == 200 else f"HTTP {status}"
    found = service.container(colour)
    return "" if found and found.healthy else "not healthy"


class WithNginx(Plain):
    """Exchanged behind a second one that shares its ports."""

    def forward(self) -> None:
        """The second one serves until the new one is healthy."""
        if not self.server.stack.as_wanted(self.name, self.server.docker.hashes()[self.name]):
            if self.left_over():  # of a run that was killed: its configuration may be old
                self._end_bridge()
            self._behind_bridge()
        self.healthy(NGINX, self._patience)
        self.tell("bridge drains")
        self._end_bridge()

    def back(self, _code: str) -> None:
        """The way back is an exchange like any other."""
        self.forward()

    def left_over(self) -> bool:
        """Whether the second one is there."""
        return bool(self.server.docker.health(BRIDGE))

    @property
    def _patience(self) -> int:
        return self.settings.verify_seconds + 15

    def _behind_bridge(self) -> None:
        self.server.stack.pull(self.name)
        self.tell("bridge starts")
        self.server.docker.compose("run", "--detach", "--no-deps", "--name", BRIDGE, self.name)
        try:
            self.healthy(BRIDGE, self._patience)
        except ReleaseError as error:
            error.logs = self.server.docker.logs(BRIDGE)
            self._end_bridge()
            raise
        self.tell(f"{self.name} drains and is exchanged")
        self.server.docker.up(self.name)

    def _end_bridge(self) -> None:
        """Lets the second one finish what it has, and removes it."""
        self.server.docker.stop(BRIDGE, self.settings.drain_seconds + 15)
        self.server.docker.remove(BRIDGE)


KINDS: Mapping[str, type[Plain]] = {"plain": Plain, "redis": WithRedis, "nginx": WithNginx}


class Exchanges:
    """Exchanges what differs from the compose file, one service after the other."""

    def __init__(
        self,
        server: Server,
        tell: Tell,
        by: str = "",
        shield: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self.server, self.tell, self.by, self.shield = server, tell, by, shield
        self.kinds = {name: KINDS[one.kind](one, server, tell) for name, one in server.settings.exchanges.items()}
        # why the last release by name failed
        self.code = ""

    def different(self, names: Collection[str] = ()) -> list[str]:
        """Those of these services, or of all, that are not as the compose file wants them."""
        wanted = self.server.docker.hashes()
        asked = {name: kind for name, kind in self.kinds.items() if name in (names or self.kinds)}
        return [name for name, kind in asked.items() if not self.server.stack.as_wanted(name, wanted.get(name, "")) or kind.left_over()]

    def apply(self, names: Collection[str] = ()) -> dict[str, Any]:
        """Exchanges what differs; after a failure everything is as it was, and the failure tells why."""
        todo, seconds, host = self.different(names), {}, self.server.host
        if not todo:
            self.remember()
            return {"changed": False, "reason": f"{', '.join(names or self.kinds)}: as the compose file wants"}
        report: dict[str, Any] = {}
        for name in todo:
            try:
                began = host.clock()
                self.kinds[name].forward()
                self.server.stack.learn(name)
                report |= self.kinds[name].report()
                seconds[name] = round(host.clock() - began, 2)
            except Exception as problem:  # whatever it is, the way back is the same
                error = as_error(problem)
                with self.shield():
                    self._undo(error, name)
                raise error from problem
        self.server.state.audit({"at": host.now(), "by": self.by, "outcome": "exchanged", "seconds": seconds})
        try:
            self.remember()
        except (ReleaseError, OSError) as problem:
            raise ReleaseError("left", f"What is to be gone back to could not be kept: {problem}", outcome=Outcome.unclean) from problem
        return {"changed": True, "seconds": seconds, **report}

    def remember(self) -> None:
        """What runs well now is what a failed exchange returns to."""
        stack, docker = self.server.stack, self.server.docker
        if stack.good_is_current():
            return
        for name, one in stack.exchanges.items():
            if one.released and not stack.learned(name):
                docker.up(name)  # does nothing when it is as wanted
                stack.learn(name)
        if self.different():
            return
        if all(docker.health(one.container) == "healthy" for one in stack.exchanges.values()):
            for image in stack.keep_good():
                docker.forget(image)

    def _undo(self, error: ReleaseError, name: str) -> None:
        error.outcome = Outcome.failed
        try:
            error.logs = error.logs or self.server.docker.logs(self.kinds[name].container)
            self._back(error, name)
        except Exception as second:  # noqa: BLE001  # it is reported beside the first
            error.outcome = Outcome.unknown
            error.args = (f"{error} Then going back failed: {second}",)

    def _back(self, error: ReleaseError, failed: str) -> None:
        self.server.state.audit({"at": self.server.host.now(), "by": self.by, "outcome": error.code, "failed": str(error)})
        if not self.server.stack.restore_good():
            return
        for name in self.different():
            self.tell(f"{name} goes back")
            self.kinds[name].back(error.code if name == failed else "")
            self.server.stack.learn(name)

    # One image by name

    def release(self, name: str, image: str) -> None:
        """Another image of a service."""
        self.code = ""
        try:
            self.server.stack.choose(name, image)
            self.kinds[name].forward()
            self.server.stack.learn(name)
        except Exception as problem:
            self.code = as_error(problem).code
            raise

    def release_back(self, name: str, image: str) -> None:
        """The image from before; empty when that is the inventory's."""
        self.server.stack.choose(name, image)
        self.tell(f"{name} goes back")
        self.kinds[name].back(self.code)
        self.server.stack.learn(name)
