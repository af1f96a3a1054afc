# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform on several servers: the same parts as in `server`, of which Docker Swarm runs the containers and an agent on every server leads its nginx."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from quetrex_node.desired import Desired
from quetrex_node.swarm import Nodes

from quetrex_release.backend import Answer, Service
from quetrex_release.colours import Colours
from quetrex_release.leftovers import Leftovers
from quetrex_release.outcome import ReleaseError
from quetrex_release.probe import ask
from quetrex_release.record import Record
from quetrex_release.server import Server
from quetrex_release.settings import Settings
from quetrex_release.stack import Stack
from quetrex_release.state import State
from quetrex_release.swarm import Swarm

RECORD = "platform.part=record"


class Inside(http.client.HTTPConnection):
    """A connection to nginx on this server, past the balancer: by a socket that only programs of the server reach."""

    def __init__(self, path: Path, name: str = "") -> None:
        super().__init__(name or "localhost", timeout=5)
        self.path, self.name = path, name

    def connect(self) -> None:
        """With TLS where a name is asked for, as the edge does."""
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        found.settimeout(self.timeout)
        found.connect(str(self.path))
        self.sock = found
        if self.name:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.sock = context.wrap_socket(found, server_hostname=self.name)


@dataclass
class PoolNginx:
    """nginx on all servers: what they shall do is published as a whole, and each server follows."""

    nodes: Nodes
    pending: Desired | None = None

    @property
    def desired(self) -> Desired:
        """What will be published next."""
        if self.pending is None:
            self.pending = self.nodes.current()
        return self.pending

    def leads_to(self, service: str) -> str:
        """The name that visitors of a service are led to; empty when there is none."""
        found = self.nodes.current().upstreams.get(service)
        return found.host(service) if found else ""

    def point(self, service: str, address: str, port: int) -> None:
        """Where visitors are led from the next publication on."""
        self.pending = self.desired.leading(service, address.removeprefix(f"{service}-") or None, port)

    def keep(self, images: list[str], path: str, prefix: str) -> None:
        """Of which images static files are kept, from the next publication on."""
        self.pending = self.desired.keeping(images, path, prefix)

    def reload(self) -> None:
        """Over when every server that is ready follows."""
        wanted, self.pending = self.desired, None
        self.nodes.publish(wanted)
        self.nodes.prune()

    def draining(self) -> int:
        """Workers of all servers that still finish what they had."""
        return self.nodes.draining()


class PoolState(State):
    """The record as a configuration object of the Swarm: every manager has the same, also one that takes over."""

    def __init__(self, settings: Settings, docker: Swarm) -> None:
        super().__init__(settings.project_dir, settings.state_dir)
        self.docker = docker

    def record(self) -> Record:
        """What was released."""
        found = self._objects()
        if not found:
            return Record()
        data = json.loads(self.docker.run("config", "inspect", "--format", "{{json .Spec.Data}}", found[0]))
        try:
            return Record.parse(json.loads(base64.b64decode(data)))
        except ValueError as error:
            raise ReleaseError("record_unreadable", f"The configuration {found[0]} cannot be read: {error}") from error

    def save_record(self, record: Record) -> None:
        """Replaces the record. Killed in between, the newer of two is there."""
        text = json.dumps(record.plain())
        name = f"{self.docker.name}-record-{record.serial}-{sha256(text.encode()).hexdigest()[:12]}"
        before = self._objects()
        if before[:1] == [name]:
            return
        if name in before:  # an older one comes back
            self.docker.run("config", "rm", name)
        with tempfile.NamedTemporaryFile("w", prefix="record-") as file:
            file.write(text)
            file.flush()
            self.docker.run("config", "create", "--label", RECORD, name, file.name)
        for old in before:
            if old != name:
                self.docker.run("config", "rm", old, check=False)

    def own_record(self) -> bool:
        """The Swarm's is everybody's."""
        return bool(self._objects())

    def _objects(self) -> list[str]:
        """The newest first."""
        names = self.docker.run("config", "ls", "--filter", f"label={RECORD}", "--format", "{{.Name}}").split()
        found = json.loads(self.docker.run("config", "inspect", *names)) if names else []
        return [one["Spec"]["Name"] for one in sorted(found, key=lambda one: str(one["CreatedAt"]), reverse=True)]


class Copies(Colours):
    """A service with copies on several servers; see `backend.Service` for what each method promises."""

    docker: Swarm
    nginx: PoolNginx  # type: ignore[assignment]

    def start(self, colour: str, image: str, config: str) -> None:
        """A new service each time, so that nothing of what failed before counts against it."""
        self.docker.remove(self.name(colour))
        super().start(colour, image, config)

    def direct(self, colour: str) -> Answer:
        """Nothing of a server reaches a container but nginx; the engines ask each copy by themselves."""
        found = self.container(colour)
        return self.preview(colour) if found and found.healthy else (0, "")

    def preview(self, colour: str) -> Answer:
        """Through the nginx of this server."""
        headers = {"Host": self.settings.server_name, "X-Colour": f"{self.settings.service}-{colour}"}
        return ask(Inside(self.settings.socket("preview")), self.settings.health_path, headers)[:2]

    def through_nginx(self) -> tuple[int, str, str]:
        """As a visitor; the answering address becomes the colour's name."""
        name, settings = self.settings.server_name, self.settings
        status, version, upstream = ask(Inside(settings.socket("inside"), name), settings.verify_path or settings.health_path, {"Host": name})
        address = upstream.rpartition(", ")[2].partition(":")[0]
        for colour, host in settings.addresses.items():
            if any(address in copy.addresses for copy in self.docker.copies(self.name(colour))):
                return status, version, f"{host}:{settings.port}"
        return status, version, upstream

    def keep_static(self, colour: str, image: str) -> None:  # noqa: ARG002 - of an image, wherever it runs
        """On every server, before any of them leads a visitor to the new release."""
        if not self.settings.static_path:
            return
        before = self.nginx.desired
        self.nginx.keep([image, *before.images], self.settings.static_path, self.settings.static_prefix)
        if self.nginx.desired != self.nginx.nodes.current():
            self.nginx.reload()

    def prune_static(self, kept: list[str]) -> None:
        """On every server."""
        if not self.settings.static_path:
            return
        wanted = [image for image in self.nginx.desired.images if image in kept]
        if wanted != list(self.nginx.desired.images):
            self.nginx.keep(wanted, self.settings.static_path, self.settings.static_prefix)
            self.nginx.reload()

    def tidy(self) -> None:
        """The engines end what is neither colour."""


class Pool(Server):
    """See `backend.Platform` for what it promises."""

    docker: Swarm

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        folder = settings.project_dir
        self.docker = Swarm(folder, self.host.wait)
        self.nodes = Nodes(self.docker, self.host)
        self.nginx = PoolNginx(self.nodes)  # type: ignore[assignment]
        self.state = PoolState(settings, self.docker)
        self.stack = Stack(folder, settings.exchanges, self.docker, shared=(".env",))
        self.leftovers = Leftovers(settings, self.docker)

    def service(self, name: str) -> Service:
        """One of the services that are released in colours, or as a job."""
        return Copies(self.settings.of(name), self.docker, self.nginx, self.state, self.host)
