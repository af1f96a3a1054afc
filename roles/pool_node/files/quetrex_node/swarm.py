# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On a manager: how the desired state comes to every server, and what of them is heard.

The state is a configuration object of Swarm, which cannot be changed and is named by its content. The global service that brings it to the servers gets
the new one; its task on a server is healthy once that server has brought it into effect, so Swarm itself says how far it is. What a server has to tell is
the last line of its task's log.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from quetrex_release.backend import Clock
from quetrex_release.docker import Docker
from quetrex_release.outcome import ReleaseError

from quetrex_node.desired import Desired, Refused

LABEL = "platform.part=desired"
HASH = "platform.hash"
"""Label of the service: what it was brought up as, without the state."""
TARGET = "/desired.json"
KEPT = 3
PUBLISH_SECONDS = 90
# a server that cannot be asked keeps nobody waiting for long
LOG_SECONDS = 5


def config_name(desired: Desired, stack: str) -> str:
    """The name of the state's object; the same state has the same name."""
    return f"{stack}-desired-{desired.generation[:24]}"


@dataclass(frozen=True)
class Task:
    """The service's task on one server."""

    identity: str
    node: str
    state: str
    config: str
    error: str = ""


@dataclass(frozen=True)
class Progress:
    """How far the servers are: the names of those that are not, and why."""

    waiting: dict[str, str]
    refused: dict[str, str]


@dataclass
class Nodes:
    """All servers of a pool, as a manager sees them."""

    docker: Docker
    host: Clock
    stack: str = "platform"

    @property
    def service(self) -> str:
        """The global service."""
        return f"{self.stack}_node"

    # The state

    def current_name(self) -> str:
        """The object that the service brings now, or the newest while there is no service; empty when there is none."""
        if self._exists():
            return self._brought()
        objects = self._objects()
        return objects[0] if objects else ""

    def current(self) -> Desired:
        """What is desired now; nothing at first."""
        name = self.current_name()
        if not name:
            return Desired()
        data = self.docker.run("config", "inspect", "--format", "{{json .Spec.Data}}", name)
        try:
            return Desired.parse(base64.b64decode(json.loads(data)).decode())
        except (Refused, ValueError) as error:
            raise ReleaseError("desired_unreadable", f"The configuration {name} cannot be followed: {error}") from error

    def create(self, desired: Desired) -> str:
        """Makes the state's object unless it is there."""
        name = config_name(desired, self.stack)
        if name not in self._objects():
            with tempfile.NamedTemporaryFile("w", prefix="desired-") as file:
                file.write(desired.text())
                file.flush()
                self.docker.run("config", "create", "--label", LABEL, name, file.name)
        return name

    def publish(self, desired: Desired, seconds: float = PUBLISH_SECONDS) -> None:
        """Brings the state to every server and waits until it is in effect on all that are ready. Nothing is taken back when one of them fails."""
        brought, name = self._brought(), self.create(desired)
        if name != brought:
            added = f"source={name},target={TARGET},mode=0444"
            removed = ("--config-rm", brought) if brought else ()
            self.docker.run("service", "update", "--detach", "--quiet", *removed, "--config-add", added, self.service)
        self.settle(desired, seconds)

    def settle(self, desired: Desired, seconds: float = PUBLISH_SECONDS) -> None:
        """Waits until the state is in effect on all servers that are ready."""
        deadline = self.host.clock() + seconds
        while (progress := self.progress(desired)).waiting or progress.refused:
            if progress.refused or self.host.clock() >= deadline:
                raise ReleaseError("nodes_failed", _sentence({**progress.waiting, **progress.refused}))
            self.host.wait(1)

    def ensure(self, stack_file: Callable[[str], dict[str, Any]], *, check: bool = False) -> bool:
        """Brings the service up as a stack file describes it that is made for the state's object, whose name may change; whether there was anything to do."""
        digest = sha256(json.dumps(stack_file(""), sort_keys=True).encode()).hexdigest()[:24]
        there = self._exists()
        if there and self.docker.run("service", "inspect", "--format", f'{{{{index .Spec.Labels "{HASH}"}}}}', self.service).strip() == digest:
            return False
        if not check:
            found = stack_file(self.current_name() or self.create(Desired()))
            found["services"]["node"]["deploy"]["labels"][HASH] = digest
            with tempfile.NamedTemporaryFile("w", prefix="node-", suffix=".json") as file:
                file.write(json.dumps(found))
                file.flush()
                flags = ("--detach=true", "--with-registry-auth", "--resolve-image", "never")
                self.docker.run("stack", "deploy", *flags, "--compose-file", file.name, self.stack)
        return True

    def prune(self) -> list[str]:
        """Removes old objects but a few; what a service still uses, the engine keeps by itself."""
        used = self._brought()
        gone = [name for name in self._objects()[KEPT:] if name != used]
        for name in gone:
            self.docker.run("config", "rm", name, check=False)
        return gone

    # The servers

    def progress(self, desired: Desired) -> Progress:
        """Which of the servers that are ready have not brought this into effect. A server that is down, drained or paused is not waited for."""
        name = config_name(desired, self.stack)
        tasks = {task.node: task for task in self.tasks() if task.config == name}
        waiting, refused = {}, {}
        for node, host in self.ready().items():
            task = tasks.get(node)
            if task and task.state == "running":
                continue
            told = self.told(task, desired) if task else {}
            if told.get("ok") is False and told.get("code") == "refused":
                refused[host] = str(told.get("problem"))
            else:
                waiting[host] = str(told.get("problem") or "") or (task.error or f"its task is {task.state}" if task else "it has no task of this state yet")
        return Progress(waiting, refused)

    def draining(self) -> int:
        """How many workers of nginx still finish what they had, on all servers. One that cannot be heard counts as one."""
        ready, desired = self.ready(), self.current()
        counts = [self.told(task, desired).get("draining", 1) for task in self.tasks() if task.node in ready]
        return sum(count if isinstance(count, int) else 1 for count in counts)

    def ready(self) -> dict[str, str]:
        """Servers that take tasks: host name by id."""
        nodes = _lines(self.docker.run("node", "ls", "--format", "{{json .}}"))
        return {node["ID"]: node["Hostname"] for node in nodes if node["Status"] == "Ready" and node["Availability"] == "Active"}

    def tasks(self) -> list[Task]:
        """The service's tasks that shall run."""
        words = ("service", "ps", "--quiet", "--no-trunc", "--filter", "desired-state=running", self.service)
        found = self.docker.run(*words).split()
        return [_task(task) for task in json.loads(self.docker.run("inspect", "--type", "task", *found))] if found else []

    def told(self, task: Task, desired: Desired) -> dict[str, Any]:
        """The last report of a server; empty while there is none of this state to be had."""
        try:
            lines = self.docker.run("service", "logs", "--raw", "--tail", "1", task.identity, timeout=LOG_SECONDS).splitlines()
            found = json.loads(lines[-1]) if lines else {}
        except (ReleaseError, ValueError):
            return {}
        of = sha256(desired.text().encode()).hexdigest()
        return found if isinstance(found, dict) and found.get("digest") == of else {}

    def _exists(self) -> bool:
        return self.service in self.docker.run("service", "ls", "--filter", f"name={self.service}", "--format", "{{.Name}}").split()

    def _brought(self) -> str:
        said = self.docker.run("service", "inspect", "--format", "{{json .Spec.TaskTemplate.ContainerSpec.Configs}}", self.service)
        return next((one["ConfigName"] for one in json.loads(said) or [] if one["File"]["Name"] == TARGET), "")

    def _objects(self) -> list[str]:
        """The states' objects, the newest first."""
        names = self.docker.run("config", "ls", "--filter", f"label={LABEL}", "--format", "{{.Name}}").split()
        mine = [name for name in names if name.startswith(f"{self.stack}-desired-")]
        found = json.loads(self.docker.run("config", "inspect", *mine)) if mine else []
        return [one["Spec"]["Name"] for one in sorted(found, key=lambda one: str(one["CreatedAt"]), reverse=True)]


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _task(found: dict[str, Any]) -> Task:
    configs = found["Spec"].get("ContainerSpec", {}).get("Configs") or []
    config = next((one["ConfigName"] for one in configs if one["File"]["Name"] == TARGET), "")
    return Task(found["ID"], found.get("NodeID", ""), found["Status"]["State"], config, found["Status"].get("Err", ""))


def _sentence(problems: dict[str, str]) -> str:
    return "Not in effect on " + "; ".join(f"{host}: {why}" for host, why in sorted(problems.items()))
