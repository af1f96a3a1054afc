# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's image registry: Debian's docker-registry behind TLS and a password, filled with the images of `lab.images`.

Its storage lies in the cache and is shared by all labs: blobs are named by their content, so what one lab pushed the
next one finds. Password and certificate are each lab's own.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import http.client
import json
import os
import secrets
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lab import dns, pki, process
from lab.config import PORTS, Lab, LabError
from lab.images import oci, recipes

NAME = "registry"
USERNAME = "platform"


def host(lab: Lab) -> str:
    """Name and port of the registry, as image references begin."""
    return f"registry.{lab.domain}:{PORTS['registry']}"


def password(lab: Lab) -> str:
    """The password of this lab's registry, made on first use."""
    path = lab.folder(NAME) / "password"
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
    return path.read_text()


def bcrypt(word: str) -> str:
    """A password hash of the one kind that docker-registry accepts, by the system's own libcrypt."""
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    # The last of the 22 characters carries two bits only; these four are canonical.
    salt = "".join(secrets.choice(alphabet) for _position in range(21)) + secrets.choice(".Oeu")
    made = library.crypt(word.encode(), f"$2b$08${salt}".encode())
    if not made or not made.startswith(b"$2b$"):
        raise LabError("This system's libcrypt knows no bcrypt, which docker-registry needs.")
    return str(made.decode())


def settings(lab: Lab, key: Path, certificate: Path, users: Path) -> dict[str, Any]:
    """The configuration of docker-registry."""
    return {
        "version": "0.1",
        "log": {"accesslog": {"disabled": True}, "level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(lab.cache / "registry")}, "cache": {"blobdescriptor": "inmemory"}},
        "http": {"addr": f"{lab.control}:{PORTS['registry']}", "secret": secrets.token_hex(16), "tls": {"certificate": str(certificate), "key": str(key)}},
        "auth": {"htpasswd": {"realm": "lab", "path": str(users)}},
    }


def start(lab: Lab) -> None:
    """Starts the registry, once, and gives it its name."""
    folder = lab.folder(NAME)
    key, certificate = pki.issue(lab, [f"registry.{lab.domain}", lab.control])
    if not process.running(lab, NAME):
        users, config = folder / "htpasswd", folder / "config.json"
        users.write_text(f"{USERNAME}:{bcrypt(password(lab))}\n")
        users.chmod(0o600)
        config.write_text(json.dumps(settings(lab, key, certificate, users)))  # JSON is YAML
        (lab.cache / "registry").mkdir(parents=True, exist_ok=True)
        process.start(lab, NAME, ["docker-registry", "serve", config], env={"OTEL_TRACES_EXPORTER": "none"}, ready=lambda: _listening(lab))
    dns.publish(lab, NAME, {f"registry.{lab.domain}": [lab.control]})


def _listening(lab: Lab) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((lab.control, PORTS["registry"]), timeout=1):
        return True
    return False


class Client:
    """Pushes to the registry (https://distribution.github.io/distribution/spec/api/) over one connection."""

    def __init__(self, lab: Lab) -> None:
        context = ssl.create_default_context(cafile=str(pki.ca(lab)))
        self.connection = http.client.HTTPSConnection(lab.control, PORTS["registry"], context=context, timeout=120)
        token = base64.b64encode(f"{USERNAME}:{password(lab)}".encode()).decode()
        self.headers = {"Authorization": f"Basic {token}"}

    def ask(self, method: str, path: str, *, body: Any = None, kind: str | None = None, size: int | None = None) -> tuple[int, str]:
        """Status and Location of the answer."""
        headers = dict(self.headers)
        if kind:
            headers["Content-Type" if body is not None else "Accept"] = kind
        if size is not None:
            headers["Content-Length"] = str(size)
        self.connection.request(method, path, body=body, headers=headers)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("Location", "")

    def blob(self, repository: str, name: str, source: bytes | Path) -> None:
        """Uploads a blob unless the repository has it."""
        if self.ask("HEAD", f"/v2/{repository}/blobs/{name}")[0] == 200:
            return
        _status, place = self.ask("POST", f"/v2/{repository}/blobs/uploads/", body=b"")
        parts = urlsplit(place)
        target = f"{parts.path}?{parts.query}{'&' if parts.query else ''}digest={name}"
        with contextlib.ExitStack() as stack:
            body = source if isinstance(source, bytes) else stack.enter_context(source.open("rb"))
            size = len(source) if isinstance(source, bytes) else source.stat().st_size
            status, _place = self.ask("PUT", target, body=body, kind="application/octet-stream", size=size)
        if status != 201:
            raise LabError(f"The registry answered {status} to blob {name} of {repository}.")

    def push(self, image: oci.Image) -> str:
        """Uploads an image unless it is there; returns its digest."""
        manifest = image.manifest()
        name = oci.digest(manifest)
        if self.ask("HEAD", f"/v2/{image.repository}/manifests/{name}", kind=oci.MANIFEST)[0] == 200:
            return name
        config = image.config()
        self.blob(image.repository, oci.digest(config), config)
        for layer in image.layers:
            self.blob(image.repository, layer.digest, layer.path)
        for reference in (name, image.tag):
            status, _place = self.ask("PUT", f"/v2/{image.repository}/manifests/{reference}", body=manifest, kind=oci.MANIFEST)
            if status != 201:
                raise LabError(f"The registry answered {status} to manifest {reference} of {image.repository}.")
        return name


def up(lab: Lab) -> dict[str, Any]:
    """Starts the registry, makes and pushes what is absent, and says how to reach it and what it holds, by digest."""
    images = recipes.build(lab)
    start(lab)
    client = Client(lab)
    with process.locked(lab.cache / "registry.lock"):
        references = {(image.repository, image.tag): f"{host(lab)}/{image.repository}@{client.push(image)}" for image in images}
    web = {version: references["quetrex/web", version] for version in recipes.WEB_VERSIONS}
    others: dict[str, dict[str, str]] = {}
    for (repository, tag), reference in references.items():
        others.setdefault(repository.removeprefix("quetrex/"), {})[tag] = reference
    # what runs at first is the oldest tag of each
    first = {name: next(iter(tags.values())) for name, tags in others.items() if name != "web"}
    return {"host": host(lab), "username": USERNAME, "password": password(lab), "images": {"web": web, **first, "tags": others}}


if __name__ == "__main__":
    began = time.monotonic()
    found = up(Lab.from_env())
    print(json.dumps(found | {"password": "***"}, indent=1))
    print(f"{time.monotonic() - began:.1f} s", file=sys.stderr)
