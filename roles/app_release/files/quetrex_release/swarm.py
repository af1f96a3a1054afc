# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker Swarm in the words of `docker.Docker`: a service of the stack stands for the container of the same name on one server.

`platform-web-blue` is the service `platform_web-blue`. It runs when it is to have copies, and is healthy when every copy is; the engine calls a copy with a
health check running only then. A service is described by a stack file of its own, `swarm/<name>.json`, so that one is brought up to date without the others.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quetrex_release.docker import ONLY_SERVICES, TIMED_OUT, Docker
from quetrex_release.files import content
from quetrex_release.outcome import ReleaseError
from quetrex_release.record import canonical

HASH = "PLATFORM_HASH"
"""Variable of a stack file, and what it ends up in: the label `platform.hash`."""
FAILED = ("failed", "rejected")
VALUE = re.compile(r"""^([A-Za-z_][A-Za-z0-9_]*)=(?:'([^']*)'|"((?:[^"\\]|\\.)*)")$""", re.MULTILINE)
ESCAPES = {"n": "\n", "r": "\r"}
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+):-([^}]*)\}")


@dataclass(frozen=True)
class Copy:
    """One task of a service. `current`: made from what the service is now."""

    state: str
    wanted: bool
    current: bool
    node: str
    addresses: tuple[str, ...] = ()
    error: str = ""


class Swarm(Docker):
    """The servers' engines, asked through the one of this manager."""

    def __init__(self, folder: Path, wait: Callable[[float], None] = time.sleep, stack: str = "platform") -> None:
        super().__init__(folder)
        self.folder, self.wait, self.name = folder, wait, stack

    def service(self, container: str) -> str:
        """The service that stands for a container."""
        return f"{self.name}_{container.removeprefix(f'{self.name}-')}"

    # Stack files

    def file(self, service: str) -> Path:
        """The stack file of a service."""
        return self.folder / "swarm" / f"{service}.json"

    def described(self) -> dict[str, Any]:
        """Every service as its stack file describes it, with what its files of variables hold."""
        return {path.stem: self._described(path) for path in sorted((self.folder / "swarm").glob("*.json"))}

    def _described(self, path: Path) -> dict[str, Any]:
        entry: dict[str, Any] = json.loads(path.read_text())["services"][path.stem]
        chosen = self._choices()
        image = VARIABLE.sub(lambda found: chosen.get(found[1]) or found[2], entry["image"]).replace("$$", "$")
        return {**entry, "image": image, "variables": [content(Path(file)) for file in entry.get("env_file", [])]}

    def hashes(self) -> dict[str, str]:
        """Service -> identity, as its stack file wants it."""
        return {name: _sum(entry) for name, entry in self.described().items()}

    def up(self, service: str, env: Mapping[str, str] | None = None) -> None:
        """One service as its stack file wants it. Returns at once; `health` says how far the servers are."""
        path = self.file(service)
        document = json.loads(path.read_text())
        entry = document["services"][service]
        # `docker stack` takes quotes of these files for a part of the value
        values = {name: value.replace("$", "$$") for name, value in _variables(entry.pop("env_file", [])).items()}
        entry["environment"] = {**values, **entry.get("environment", {})}
        variables = {**self._choices(), HASH: _sum(self._described(path)), **(env or {})}
        flags = ("--detach=true", "--with-registry-auth", "--resolve-image", "never")
        with tempfile.NamedTemporaryFile("w", prefix="stack-") as file:
            json.dump(document, file)
            file.flush()
            self.run("stack", "deploy", *flags, "--compose-file", file.name, self.name, env=variables)

    def run_once(self, service: str, *words: str, name: str, env: Mapping[str, str], timeout: float) -> str:
        """Output of a container of a service's that ends by itself, on this server."""
        entry = self._described(self.file(service))
        values = {**_variables(entry.get("env_file", [])), **entry.get("environment", {})}
        return self.run("run", *_alone(entry, name, values, self.name), env[_image(service)], *words, env=values, timeout=timeout)

    def run_through(self, service: str, *, name: str, env: Mapping[str, str], timeout: float) -> int:
        """Exit code of such a container, whose output is this program's."""
        entry = self._described(self.file(service))
        values = {**_variables(entry.get("env_file", [])), **entry.get("environment", {})}
        argv = [*self.program, "run", *_alone(entry, name, values, self.name), env[_image(service)]]
        try:
            return subprocess.run(argv, env={**os.environ, **values}, stdin=subprocess.DEVNULL, check=False, timeout=timeout).returncode
        except subprocess.TimeoutExpired:
            return TIMED_OUT

    def _choices(self) -> dict[str, str]:
        return dict(re.findall(r"^([A-Z0-9_]+)=(\S+)$", content(self.folder / ".env") or "", flags=re.MULTILINE))

    # Services in the place of containers

    def names(self, *labels: str) -> list[str]:
        """Names of all services of the stack, or of those whose containers have these labels, as containers are called. Nothing here runs beside them."""
        found = self.run("service", "ls", "--filter", f"label=com.docker.stack.namespace={self.name}", "--format", "{{.Name}}").split()
        wanted = dict(label.split("=", 1) for label in labels if label != ONLY_SERVICES)
        return [self._container(name) for name in found if wanted.items() <= self._labels(name).items()]

    def _container(self, service: str) -> str:
        return f"{self.name}-{service.removeprefix(f'{self.name}_')}"

    def _labels(self, service: str) -> dict[str, str]:
        spec = self._spec(service) or {}
        return {**spec.get("Labels", {}), **(_container_of(spec).get("Labels") or {})} if spec else {}

    def _spec(self, service: str) -> dict[str, Any] | None:
        found = self._found(service)
        return found["Spec"] if found else None

    def _found(self, service: str) -> dict[str, Any] | None:
        """All that the managers say of a service; None without it."""
        said = self.run("service", "ls", "--filter", f"name={service}", "--format", "{{.Name}}").split()
        if service not in said:
            return None
        found: dict[str, Any] = json.loads(self.run("service", "inspect", "--format", "{{json .}}", service))
        return found

    def copies(self, container: str) -> list[Copy]:
        """All tasks that are known of a service, also those that ended."""
        service = self.service(container)
        spec = self._spec(service)
        return [_copy(task, _container_of(spec)) for task in self._tasks(service)] if spec else []

    def _tasks(self, service: str, tries: int = 3) -> list[dict[str, Any]]:
        tasks = self.run("service", "ps", "--quiet", "--no-trunc", service).split()
        try:
            found: list[dict[str, Any]] = json.loads(self.run("inspect", "--type", "task", *tasks)) if tasks else []
        except ReleaseError:  # an old one was forgotten in between
            if tries == 1:
                raise
            return self._tasks(service, tries - 1)
        return found

    def number_wanted(self, container: str) -> int:
        """How many copies a service is to have now."""
        spec = self._spec(self.service(container))
        mode = (spec or {}).get("Mode", {})
        return len(self.ready()) if "Global" in mode else int(mode.get("Replicated", {}).get("Replicas", 0))

    def ready(self) -> dict[str, str]:
        """Servers that take tasks: host name by id."""
        lines = self.run("node", "ls", "--format", "{{json .}}").splitlines()
        nodes = [json.loads(line) for line in lines if line.strip()]
        return {node["ID"]: node["Hostname"] for node in nodes if node["Status"] == "Ready" and node["Availability"] == "Active"}

    def inspect(self, name: str) -> dict[str, Any] | None:
        """What `docker container inspect` would say of it."""
        spec = self._spec(self.service(name))
        if spec is None:
            return None
        health = self.health(name)
        return {
            "State": {"Running": self.number_wanted(name) > 0, "Health": {"Status": health}},
            "Config": {"Image": _container_of(spec)["Image"], "Labels": self._labels(self.service(name))},
            "RestartCount": self.restarts(name),
        }

    def label(self, name: str, label: str) -> str:
        """A label of the service's; Compose's own is the hash that the service was brought up with."""
        return self._labels(self.service(name)).get("platform.hash" if label == "com.docker.compose.config-hash" else label, "")

    def image(self, name: str) -> str:
        """The image that the service runs."""
        spec = self._spec(self.service(name))
        return canonical(_container_of(spec)["Image"]) if spec else ""

    def health(self, name: str) -> str:
        """`healthy` when all copies are, and none is of what the service was before; `exited` when it is to have none; empty without the service."""
        found = self._found(self.service(name))
        if found is None:
            return ""
        wanted = self.number_wanted(name)
        if not wanted:
            return "exited"
        status = str((found.get("UpdateStatus") or {}).get("State", ""))
        if status.startswith("rollback") or status == "paused":
            return status
        copies = [copy for copy in self.copies(name) if copy.wanted]
        good = [copy for copy in copies if copy.current and copy.state == "running"]
        return "healthy" if len(good) >= wanted and len(good) == len(copies) else "starting"

    def number(self, name: str, template: str) -> int:  # noqa: ARG002 - of another server, perhaps
        """Nothing that a process of this server could tell."""
        return 0

    def restarts(self, name: str) -> int:
        """How many copies of what the service is now have ended in failure."""
        return len([copy for copy in self.copies(name) if copy.current and copy.state in FAILED])

    def logs(self, name: str) -> str:
        """The last lines of all copies, and why tasks failed."""
        errors = sorted({copy.error for copy in self.copies(name) if copy.current and copy.error})
        said = self.run("service", "logs", "--raw", "--tail", "25", self.service(name), check=False, timeout=20).strip()
        return "\n".join([*errors, *said.splitlines()[-25:]])

    def wake(self, name: str, *, check: bool = True) -> None:
        """As many copies again as the stack file says."""
        service = self.service(name)
        replicas = self._described(self.file(service.removeprefix(f"{self.name}_")))["deploy"].get("replicas")
        if replicas:
            self.run("service", "scale", "--detach", f"{service}={replicas}", check=check)

    def stop(self, name: str, seconds: int | None = None, *, check: bool = False) -> None:
        """No copies; each ends in its own time. Returns when they have."""
        service = self.service(name)
        if self._spec(service) is None or "Global" in (self._spec(service) or {}).get("Mode", {}):
            return
        self.run("service", "scale", "--detach", f"{service}=0", check=check)
        for _second in range((seconds or 30) + 15):
            if not any(copy.state == "running" for copy in self.copies(name)):
                return
            self.wait(1)

    def remove(self, name: str) -> None:
        """Takes the service away."""
        if self._spec(self.service(name)) is not None:
            self.run("service", "rm", self.service(name), check=False)


def _alone(entry: Mapping[str, Any], container: str, values: Mapping[str, str], stack: str) -> list[str]:
    """Arguments for one container of a service's on this server, with its rights and limits."""
    limits = entry["deploy"]["resources"]["limits"]
    network = next(iter(entry["networks"]))
    words = ["--rm", "--init", "--read-only", "--cap-drop", "ALL", "--name", container, "--network", f"{stack}_{network}"]
    words += ["--memory", limits["memory"], "--memory-swap", limits["memory"], "--cpus", limits["cpus"], "--pids-limit", str(limits["pids"])]
    # their values come by the environment, which other users cannot read
    words += [word for name in values for word in ("--env", name)]
    words += ["--user", entry["user"]] if entry.get("user") else []
    for mount in entry.get("volumes", []):
        if mount["type"] == "tmpfs":
            words += ["--tmpfs", f"{mount['target']}:size={mount['tmpfs']['size']},mode={mount['tmpfs']['mode']:o}"]
        else:
            words += ["--mount", f"type=bind,source={mount['source']},target={mount['target']}{',readonly' if mount.get('read_only') else ''}"]
    return words


def _variables(files: Iterable[str]) -> dict[str, str]:
    """What env files say, the last of which wins, in the words of Compose: literally between single quotes, escaped between double ones."""
    found: dict[str, str] = {}
    for file in files:
        for name, literal, escaped in VALUE.findall(content(Path(file)) or ""):
            found[name] = literal or re.sub(r"\\(.)", lambda match: ESCAPES.get(match[1], match[1]), escaped)
    return found


def _image(service: str) -> str:
    """The variable that a stack file takes its image from."""
    return f"{service.upper().replace('-', '_')}_IMAGE"


def _sum(entry: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()[:24]


def _container_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = spec.get("TaskTemplate", spec).get("ContainerSpec") or {}
    return found


def _said(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty, which a service names and its tasks do not."""
    return {key: value for key, value in spec.items() if value}


def _copy(task: Mapping[str, Any], wanted: Mapping[str, Any]) -> Copy:
    spec = task.get("Spec", {}).get("ContainerSpec") or {}
    attached = task.get("NetworksAttachments") or []
    return Copy(
        state=task["Status"]["State"],
        wanted=task["DesiredState"] == "running",
        current=_said(spec) == _said(wanted),
        node=task.get("NodeID", ""),
        addresses=tuple(address.partition("/")[0] for one in attached for address in one.get("Addresses") or []),
        error=task["Status"].get("Err", ""),
    )
