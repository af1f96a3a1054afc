# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server of a pool: what it has, and how it comes to what is desired. Every step can be repeated, and a kill between two of them loses nothing."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from quetrex_release.backend import Clock
from quetrex_release.docker import Docker
from quetrex_release.files import content, replace
from quetrex_release.nginx import Nginx
from quetrex_release.outcome import ReleaseError, as_error
from quetrex_release.static import StaticFiles

from quetrex_node import upstreams
from quetrex_node.desired import LONGEST, Desired, Refused

CONTAINER = "platform-node-static"
NOT_FOUND = "host not found"


@dataclass(frozen=True)
class Settings:
    """Where things are; `node.json`."""

    inbox: Path
    outbox: Path
    nginx: Path
    static: Path
    # the stack's folder, with the logins to registries
    stack: Path
    name: str = "platform"
    # a static shell of the host's
    shell: str = "/usr/bin/busybox"
    # where nginx sees its folder
    nginx_inside: str = "/run/platform"
    # until a host that shall be led to is found, and until nginx knows its addresses
    resolve_seconds: float = 10
    settle_seconds: float = 2

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Reads the file."""
        folders = ("inbox", "outbox", "nginx", "static", "stack")
        found: dict[str, Any] = {name: Path(value) if name in folders else value for name, value in json.loads(path.read_text()).items()}
        return cls(**found)


@dataclass(frozen=True)
class Observed:
    """What came of it. Without a digest nothing is desired yet. While `ok` is false, what was there before goes on."""

    # the sum of what was read, whatever it says
    digest: str = ""
    generation: str = ""
    ok: bool = True
    code: str = ""
    problem: str = ""
    warnings: tuple[str, ...] = ()
    # whether the nginx that runs follows the files; false while none runs
    serving: bool = False
    draining: int = 0

    def text(self) -> str:
        """One line."""
        return json.dumps(asdict(self)) + "\n"


@dataclass
class Node:
    """A server."""

    settings: Settings
    docker: Docker
    host: Clock
    warnings: list[str] = field(default_factory=list)

    # What is desired and what was reported

    @property
    def observed_file(self) -> Path:
        """What this server reports."""
        return self.settings.outbox / "observed.json"

    @property
    def applied_file(self) -> Path:
        """The state that is in effect, byte by byte; none while there is a problem."""
        return self.settings.outbox / "applied.json"

    def wanted(self) -> bytes | None:
        """The state that was brought. Only a plain file is read: the folder is a container's to write in."""
        try:
            handle = os.open(self.settings.inbox / "desired.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError("desired.json is no plain file")
            return file.read(LONGEST + 1)

    def present(self) -> str:
        """Identity of that; empty when there is none, or none that can be read."""
        with contextlib.suppress(OSError):
            found = self.wanted()
            return sha256(found).hexdigest() if found is not None else ""
        return ""

    def report(self, observed: Observed) -> None:
        """Replaces the report, if it says anything new."""
        if content(self.observed_file) != observed.text():
            replace(self.observed_file, observed.text())

    # Steps

    def converge(self) -> Observed:
        """Does what is desired and reports it."""
        self.warnings = []
        digest = generation = ""
        try:
            found = self.wanted()
            if found is None:
                return Observed()
            digest = sha256(found).hexdigest()
            desired = Desired.parse(found.decode())
            generation = desired.generation
            self._keep_static(desired)
            serving = self._lead(desired)
            self._prune_static(desired)
        except (Refused, UnicodeDecodeError) as problem:
            observed = Observed(digest, generation, ok=False, code="refused", problem=f"The desired state is refused: {problem}")
        except (ReleaseError, OSError, ValueError) as problem:
            error = as_error(problem)
            observed = Observed(digest, generation, ok=False, code=error.code, problem=str(error), warnings=tuple(self.warnings))
        else:
            observed = Observed(digest, generation, warnings=tuple(self.warnings), serving=serving, draining=self.draining())
            if content(self.applied_file) != found.decode():
                replace(self.applied_file, found.decode())
                self._forget_images(desired)
        if not observed.ok:
            self.applied_file.unlink(missing_ok=True)
        self.report(observed)
        return observed

    # nginx

    def container(self) -> str:
        """The container of this server's nginx task; empty when none runs."""
        label = f"label=com.docker.swarm.service.name={self.settings.name}_nginx"
        return self.docker.run("container", "ls", "--quiet", "--no-trunc", "--filter", label, "--filter", "status=running").partition("\n")[0].strip()

    def draining(self) -> int:
        """Workers of nginx that still finish what they had."""
        container = self.container()
        return self._nginx(container).draining() if container else 0

    def _nginx(self, container: str) -> Nginx:
        return Nginx(self.settings.stack, self.docker, self.host, container)

    def files(self) -> dict[str, str]:
        """The upstream files by service."""
        return {path.stem: path.read_text() for path in sorted((self.settings.nginx / "upstream").glob("*.conf"))}

    def _write(self, files: Mapping[str, str]) -> None:
        folder = self.settings.nginx / "upstream"
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        for name in set(self.files()) - set(files):
            (folder / f"{name}.conf").unlink()
        for name, text in files.items():
            if content(folder / f"{name}.conf") != text:
                replace(folder / f"{name}.conf", text)

    def _lead(self, desired: Desired) -> bool:
        """Makes nginx lead to where it shall; whether it does, or reads the files once it runs."""
        ready = self.settings.nginx / "ready"
        if not desired.upstreams:
            ready.unlink(missing_ok=True)
        present = self.files()
        first, last = upstreams.plan(present, desired)
        container = self.container()
        if not container:
            self._write(last)
            return False
        if not self._follows(container, last):
            self._require_hosts(container, [address for name, address in upstreams.addresses(desired).items() if present.get(name) != last[name]])
            if first != last:
                self._load(container, first, present)
                self.host.wait(self.settings.settle_seconds)
            self._load(container, last, self.files())
        if desired.upstreams and content(ready) is None:
            replace(ready, "")
        return bool(desired.upstreams)

    @property
    def _loaded_file(self) -> Path:
        return self.settings.outbox / "loaded"

    def _follows(self, container: str, files: Mapping[str, str]) -> bool:
        """Whether this very nginx has read these files."""
        return self.files() == files and content(self._loaded_file) == _loaded(container, files)

    def _load(self, container: str, files: Mapping[str, str], former: Mapping[str, str]) -> None:
        """Writes the files and makes nginx follow them; the former ones come back when it refuses."""
        self._write(files)
        try:
            self._nginx(container).reload()
        except ReleaseError as error:
            self._write(former)
            raise ReleaseError("nginx_refused", f"nginx does not follow its files: {error}") from error
        replace(self._loaded_file, _loaded(container, files))

    def _require_hosts(self, container: str, hosts: list[str]) -> None:
        """Refuses to lead to a host that has no address here, after waiting for it: requests would find nobody."""
        if not hosts:
            return
        replace(self.settings.nginx / "question.conf", upstreams.question(hosts))
        deadline = self.host.clock() + self.settings.resolve_seconds
        while True:
            try:
                self.docker.run("exec", container, "nginx", "-t", "-q", "-c", f"{self.settings.nginx_inside}/question.conf")
            except ReleaseError as error:
                if NOT_FOUND not in str(error):
                    raise
                if self.host.clock() >= deadline:
                    names = ", ".join(host for host in hosts if f'"{host}"' in str(error)) or ", ".join(hosts)
                    raise ReleaseError("no_address", f"{names}: no container of that name is found on this server.") from error
            else:
                return
            self.host.wait(1)

    # Static files

    def _keep_static(self, desired: Desired) -> None:
        """Those of the newest image have to be here before it serves; an older image may be gone from its registry."""
        files = self._static(desired)
        for index, image in enumerate(desired.images if desired.path else ()):
            if files.has(image):
                continue
            try:
                self._extract(image, files)
            except ReleaseError as error:
                if index == 0:
                    raise ReleaseError("static_failed", f"Static files of {image}: {error}") from error
                self.warnings.append(f"Static files of {image}: {error}")

    def _static(self, desired: Desired) -> StaticFiles:
        return StaticFiles(self.settings.static, desired.path, desired.prefix, self.docker)

    def _extract(self, image: str, files: StaticFiles) -> None:
        """Copies them out of the image, which needs no shell and is not started."""
        self.docker.remove(CONTAINER)
        try:
            self.docker.pull(image)
            # a command is asked for where the image names none; it never runs
            self.docker.run("create", "--name", CONTAINER, "--network", "none", image, "/none")
            files.keep(CONTAINER, image)
            if not files.has(image):
                raise ReleaseError("docker_failed", "they could not be copied out of it")
        finally:
            with contextlib.suppress(ReleaseError):
                self.docker.remove(CONTAINER)

    def _forget_images(self, desired: Desired) -> None:
        """Images of releases that are not kept go, once the state is in effect: a release has fetched its image before it is part of one. The engine keeps what
        a container needs."""
        for image in self.docker.images_of({image.partition("@")[0] for image in desired.images}):
            if image not in desired.images:
                self.docker.forget(image)

    def _prune_static(self, desired: Desired) -> None:
        if desired.path:
            self._static(desired).prune(list(desired.images))


def _loaded(container: str, files: Mapping[str, str]) -> str:
    return f"{container} {sha256(json.dumps(dict(files), sort_keys=True).encode()).hexdigest()}\n"
