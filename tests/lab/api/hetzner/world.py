# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of one vendor: projects with their resources, and the actions that change them over time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..faults import Faults
from ..kit import Store
from . import catalogue
from .errors import ApiError
from .hardware import Hardware

Resource = dict[str, Any]
Patch = tuple[str, int, dict[str, Any] | None]
"""(kind, id, changes) applied when an action ends; None instead of changes removes the resource."""
KINDS = (
    "servers",
    "primary_ips",
    "volumes",
    "ssh_keys",
    "firewalls",
    "networks",
    "images",
    "actions",
    "placement_groups",
    "certificates",
    "floating_ips",
    "load_balancers",
)
KEPT_ACTIONS = 500


@dataclass
class Job:
    """The running part of an action: it ends well when its work is done and its time is over."""

    project: str
    ends: float
    future: Future[Any]
    patches: list[Patch]
    on_error: list[Patch]
    error: dict[str, str] | None = None
    then: Callable[[], Any] | None = None


class World:
    """All projects, the clock and the machines."""

    def __init__(self, store: Store, hardware: Hardware, clock: Callable[[], float], pace: float) -> None:
        self.store = store
        self.hardware = hardware
        self.clock = clock
        self.pace = pace
        self.faults = Faults()
        self.changed = False
        self._jobs: dict[int, Job] = {}
        self._pool = None if hardware.inline else ThreadPoolExecutor(8, thread_name_prefix="hetzner")
        self.locations = catalogue.locations()
        self.server_types = catalogue.server_types()
        self.system_images = catalogue.images()
        store.data.setdefault("next_id", 1000)
        store.data.setdefault("projects", {})
        self._end_orphans()

    def _end_orphans(self) -> None:
        """End actions a killed process left behind, so that nobody waits for them for ever."""
        for project in self.store.data["projects"].values():
            for action in project["actions"].values():
                if action["status"] == "running":
                    action.update(status="error", finished=self.now(), error={"code": "timeout", "message": "the control plane was restarted"})
            for server in project["servers"].values():
                if server["status"] not in ("running", "off"):
                    server["status"] = "running"

    def now(self) -> str:
        """Return the time as the vendor writes it."""
        return datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    def project(self, name: str) -> Project:
        """Return a project, made when new."""
        data = self.store.data["projects"].setdefault(name, {kind: {} for kind in KINDS})
        return Project(self, name, data)

    def projects(self) -> list[Project]:
        """Return all projects."""
        return [self.project(name) for name in self.store.data["projects"]]

    def next_id(self) -> int:
        """Return an id never used before."""
        self.store.data["next_id"] += 1
        self.changed = True
        return int(self.store.data["next_id"])

    def pool_number(self, family: str) -> int:
        """Return the lowest free number of the pool of addresses."""
        used = {ip["_number"] for project in self.store.data["projects"].values() for ip in project["primary_ips"].values() if ip["type"] == family}
        return next(number for number in range(len(used) + 1) if number not in used)

    def submit(self, work: Callable[[], Any] | None, after: Future[Any] | None) -> Future[Any]:
        """Do blocking work in a thread, once `after` ended well; at once when the hardware says that is quick."""

        def run() -> Any:
            if after is not None:
                after.result()
            return work() if work else None

        if self._pool is not None:
            return self._pool.submit(run)
        future: Future[Any] = Future()
        try:
            future.set_result(run())
        except Exception as error:  # noqa: BLE001 - it becomes the action's error
            future.set_exception(error)
        return future

    def begin(self, number: int, job: Job) -> None:
        """Keep an eye on an action."""
        self._jobs[number] = job

    def job(self, number: int) -> Job | None:
        """Return the running part of an action, if it still runs."""
        return self._jobs.get(number)

    def settle(self) -> None:
        """End every action whose time has come and notice servers that went off on their own."""
        now = self.clock()
        for number, job in list(self._jobs.items()):
            if job.future.done() and now >= job.ends:
                del self._jobs[number]
                self._end(number, job)
        for name in self.store.data["projects"]:
            self.project(name).notice_power()

    def _end(self, number: int, job: Job) -> None:
        project = self.project(job.project)
        action = project.data["actions"][str(number)]
        failure = job.future.exception()
        if failure is not None:
            job.error = {"code": "action_failed", "message": str(failure)}
        action.update(status="error" if job.error else "success", error=job.error, progress=100, finished=self.now())
        for kind, resource, changes in job.on_error if job.error else job.patches:
            if changes is None:
                project.data[kind].pop(str(resource), None)
            elif str(resource) in project.data[kind]:
                project.data[kind][str(resource)].update(changes)
        self.changed = True
        if job.then and not job.error:
            job.then()

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """Save what one request changed."""
        self.changed = False
        try:
            yield
        finally:
            if self.changed:
                self.store.save()
                self.hardware.wire(self)


@dataclass
class Project:
    """One project: what a token gives access to."""

    world: World
    name: str
    data: dict[str, dict[str, Resource]]

    def all(self, kind: str) -> list[Resource]:
        """Return the resources of a kind."""
        return list(self.data[kind].values())

    def get(self, kind: str, number: int | str) -> Resource:
        """Return a resource by id, or refuse."""
        try:
            return self.data[kind][str(number)]
        except KeyError:
            raise ApiError("not_found", f"{kind.removesuffix('s').replace('_', ' ')} with ID '{number}' not found") from None

    def find(self, kind: str, reference: str) -> Resource | None:
        """Return a resource by id or by name."""
        by_id = self.data[kind].get(reference)
        return by_id or next((one for one in self.all(kind) if one.get("name") == reference), None)

    def add(self, kind: str, resource: Resource) -> Resource:
        """Keep a new resource and give it its id."""
        number = self.world.next_id()
        stored = {"id": number, **resource}
        self.data[kind][str(number)] = stored
        return stored

    def touch(self) -> None:
        """Have the change of this request saved."""
        self.world.changed = True

    def require_unique(self, kind: str, name: str, but: int | None = None) -> None:
        """Refuse a name that another resource of the kind has."""
        if any(one["name"] == name and one["id"] != but for one in self.all(kind)):
            raise ApiError("uniqueness_error", f"{kind.removesuffix('s').replace('_', ' ')} name is already used", {"fields": [{"name": "name"}]})

    def act(
        self,
        command: str,
        resources: list[tuple[str, int]],
        *,
        seconds: float = 1.0,
        work: Callable[[], Any] | None = None,
        patches: list[Patch] | None = None,
        on_error: list[Patch] | None = None,
        after: Resource | None = None,
        locks: int | None = None,
        then: Callable[[], Any] | None = None,
    ) -> Resource:
        """Start an action. `after` is one that has to end first; `locks` is the server nobody else may change meanwhile; `then` follows its good end."""
        world = self.world
        server = next((number for kind, number in resources if kind == "server"), None)
        fault = world.faults.domain("action", command=command, server=server)
        earlier = world.job(after["id"]) if after else None
        error = {"code": str(fault["code"]), "message": str(fault.get("message", "injected"))} if fault and "code" in fault else None
        lasts = seconds * world.pace if fault is None or "seconds" not in fault else duration(fault["seconds"], world.store.data["next_id"])
        ends = (earlier.ends if earlier else world.clock()) + lasts
        action = self.add(
            "actions",
            {
                "command": command,
                "status": "running",
                "started": world.now(),
                "finished": None,
                "progress": 0,
                "resources": [{"id": number, "type": kind} for kind, number in resources],
                "error": None,
                "_locks": locks,
            },
        )
        future = world.submit(None if error else work, earlier.future if earlier else None)
        world.begin(action["id"], Job(self.name, ends, future, patches or [], on_error or [], error, then))
        self._forget_old_actions()
        return action

    def _forget_old_actions(self) -> None:
        surplus = len(self.data["actions"]) - KEPT_ACTIONS
        for number in [key for key, one in self.data["actions"].items() if one["status"] != "running"][: max(0, surplus)]:
            del self.data["actions"][number]

    def locked(self, server: int) -> bool:
        """Say whether an action holds the server."""
        return any(action["_locks"] == server and action["status"] == "running" for action in self.all("actions"))

    def notice_power(self) -> None:
        """Show a server as off that shut itself down or lost its power."""
        for server in self.all("servers"):
            if server["status"] == "running" and not self.locked(server["id"]) and not self.world.hardware.running(server["id"]):
                server["status"] = "off"
                self.touch()


def duration(seconds: float | list[float], number: int) -> float:
    """Return how long action `number` lasts: a time, or one between the two of a list, always the same for the same number."""
    if not isinstance(seconds, list):
        return float(seconds)
    low, high = seconds
    return low + (high - low) * (number * 7919 % 1000) / 1000


def public(resource: Resource) -> Resource:
    """Return a resource without what is the API's own."""
    return {key: value for key, value in resource.items() if not key.startswith("_")}
