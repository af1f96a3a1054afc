# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything a release touches: Docker and nginx through their own programs, the state files, and the application over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quetrex_release.plan import COLOURS, Container, Observed, config_hash

NGINX = "platform-nginx"
# Serves while the other one is exchanged; a container of `compose run`, which `compose up` leaves alone.
BRIDGE = "platform-nginx-bridge"
PREVIEW_PORT = 8086


class ReleaseError(Exception):
    """Why a release cannot go on. `code` is for programs, `logs` are the new container's last lines."""

    def __init__(self, code: str, message: str, logs: str = "") -> None:
        super().__init__(message)
        self.code, self.logs = code, logs


@dataclass(frozen=True)
class Settings:
    """What the stack tells (stack.json) and what the release is given (release.json)."""

    project_dir: Path
    state_dir: Path
    addresses: dict[str, str]
    port: int
    health_path: str
    server_name: str
    drain_seconds: int
    gate_seconds: int = 120
    gate_successes: int = 3
    verify_seconds: int = 15
    least_memory_mb: int = 512
    least_disk_mb: int = 1024
    keep_releases: int = 5
    static_path: str = ""
    static_prefix: str = ""
    repositories: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Settings:
        """Reads both files from the stack's folder."""
        stack, release = (json.loads((folder / name).read_text()) for name in ("stack.json", "release.json"))
        known = {name: value for name, value in (stack | release).items() if name in cls.__dataclass_fields__}
        return cls(**known | {"project_dir": Path(known["project_dir"]), "state_dir": Path(known["state_dir"])})


class Server:
    """The server a release works on."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.upstream = settings.project_dir / "nginx" / "upstream" / "web.conf"
        self.record_file = settings.state_dir / "releases.json"
        self.audit_file = settings.state_dir / "releases.log"
        self.static = settings.state_dir / "static"

    # Docker

    def docker(self, *words: str, env: dict[str, str] | None = None, check: bool = True, timeout: float = 600) -> str:
        """Output of a docker command."""
        argv = ["docker", "--config", str(self.settings.project_dir / "docker"), *words]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout, env={**os.environ, **(env or {})})
        except (OSError, subprocess.SubprocessError) as error:
            raise ReleaseError("docker_failed", f"docker {words[0]} failed: {error}") from error
        if check and done.returncode != 0:
            raise ReleaseError("docker_failed", f"docker {words[0]} failed: {done.stderr.strip()[-800:]}")
        return done.stdout + ("" if check else done.stderr)

    def compose(self, *words: str, env: dict[str, str] | None = None) -> str:
        """Output of docker compose on the stack's file."""
        return self.docker("compose", "--project-directory", str(self.settings.project_dir), "--profile", "release", *words, env=env)

    def container(self, colour: str) -> Container | None:
        """A colour's container, or None."""
        text = self.docker("container", "ls", "--all", "--quiet", "--filter", f"name=^platform-web-{colour}$").strip()
        if not text:
            return None
        found = json.loads(self.docker("container", "inspect", "--format", "{{json .}}", text))
        state, config = found["State"], found["Config"]
        return Container(
            image=config["Image"],
            config=(config.get("Labels") or {}).get("platform.config", ""),
            running=bool(state["Running"]) and not state.get("Restarting"),
            healthy=state.get("Health", {}).get("Status") == "healthy",
            restarts=int(found.get("RestartCount", 0)),
        )

    def observe(self) -> Observed:
        """The state a plan is made from."""
        containers = {colour: found for colour in COLOURS if (found := self.container(colour))}
        current = self.record().get("current") or {}
        return Observed(self.serving(), current.get("colour"), containers)

    def config(self) -> str:
        """Identity of the configuration a colour would be started with now."""
        services = json.loads(self.compose("config", "--format", "json"))["services"]
        folder = self.settings.project_dir / "web"
        return config_hash(services[f"web-{COLOURS[0]}"], *(path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file()))

    def pull(self, image: str) -> None:
        """Fetches the image unless it is here."""
        if not self.docker("image", "ls", "--quiet", "--no-trunc", image, check=False).startswith("sha256:"):
            self.docker("pull", "--quiet", image)

    def start(self, colour: str, image: str, config: str) -> None:
        """Starts one colour and nothing else; a stopped container of the same image and configuration is used again."""
        env = {f"WEB_{colour.upper()}_IMAGE": image, "WEB_CONFIG_HASH": config}
        self.compose("up", "--detach", "--no-deps", "--no-build", f"web-{colour}", env=env)

    def stop(self, colour: str) -> None:
        """Stops a colour and keeps it for a rollback."""
        self.docker("stop", "--time", "30", f"platform-web-{colour}", check=False)

    def remove(self, colour: str) -> None:
        """Takes a failed colour away."""
        self.docker("rm", "--force", f"platform-web-{colour}", check=False)

    def logs(self, colour: str) -> str:
        """The last lines a colour said."""
        return self.docker("logs", "--tail", "25", f"platform-web-{colour}", check=False).strip()

    def forget(self, image: str) -> None:
        """Removes an image, unless a container still needs it."""
        self.docker("image", "rm", image, check=False)

    def label(self, container: str, name: str) -> str:
        """A container's label, empty without container or label."""
        return self.docker("container", "inspect", "--format", f'{{{{index .Config.Labels "{name}"}}}}', container, check=False).partition("\n")[0]

    def health(self, container: str) -> str:
        """A container's state of health for Docker; its state when it has none; empty without container."""
        text = "{{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}"
        found = self.docker("container", "inspect", "--format", text, container, check=False).strip()
        return found if " " not in found else ""

    # Static files

    def keep_static(self, colour: str, image: str) -> None:
        """Copies a colour's static files to where nginx finds them after the colour is gone."""
        if not self.settings.static_path:
            return
        scratch = self.static / ".new"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        said = self.docker("cp", f"platform-web-{colour}:{self.settings.static_path}/.", str(scratch), check=False)
        names = [str(path.relative_to(scratch)) for path in scratch.rglob("*") if path.is_file() and not path.is_symlink()]
        if not names and said.strip():
            return  # an application without such files
        for name in names:
            target = self.static / "files" / self.settings.static_prefix.strip("/") / name
            target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            (scratch / name).chmod(0o644)
            (scratch / name).replace(target)
        shutil.rmtree(scratch)
        replace(self._static_list(image), json.dumps(names))

    def prune_static(self, kept: list[str]) -> None:
        """Removes the static files that no kept release has."""
        lists = set(self.static.glob("*.json"))
        gone = lists - {self._static_list(image) for image in kept}
        named: set[str] = {name for path in lists - gone for name in json.loads(path.read_text())}
        for path in gone:
            for name in set(json.loads(path.read_text())) - named:
                (self.static / "files" / self.settings.static_prefix.strip("/") / name).unlink(missing_ok=True)
            path.unlink()

    def _static_list(self, image: str) -> Path:
        return self.static / f"{image.rpartition(':')[2][:24]}.json"

    # nginx

    def nginx_wanted(self) -> str:
        """Identity of nginx as the compose file wants it."""
        return self.compose("config", "--hash", "nginx").split()[-1]

    def start_bridge(self) -> None:
        """A second nginx on the same ports."""
        self.compose("run", "--detach", "--no-deps", "--name", BRIDGE, "nginx")

    def end_bridge(self) -> None:
        """Lets the second nginx finish what it has, and removes it."""
        self.docker("stop", "--time", str(self.settings.drain_seconds + 15), BRIDGE, check=False)
        self.docker("rm", "--force", BRIDGE, check=False)

    def renew_nginx(self) -> None:
        """nginx as the compose file wants it; the old one finishes what it has first."""
        self.compose("up", "--detach", "--no-deps", "--no-build", "nginx")

    def serving(self) -> str | None:
        """The colour in nginx's upstream file."""
        with contextlib.suppress(FileNotFoundError):
            match = re.search(r"server ([0-9.]+):", self.upstream.read_text())
            return next((colour for colour, address in self.settings.addresses.items() if match and address == match.group(1)), None)
        return None

    def point(self, colour: str | None) -> None:
        """Writes the upstream file, or removes it."""
        self.upstream.parent.mkdir(mode=0o755, exist_ok=True)
        if colour is None:
            self.upstream.unlink(missing_ok=True)
        else:
            replace(self.upstream, f"server {self.settings.addresses[colour]}:{self.settings.port} max_fails=0;\n")

    def reload(self) -> None:
        """Makes nginx follow its files, if it accepts them."""
        nginx = ("exec", NGINX, "nginx", "-c", "/etc/platform/nginx.conf")
        self.docker(*nginx, "-t", "-q")
        self.docker(*nginx, "-s", "reload")

    def draining(self) -> int:
        """Workers that still finish what they had before a reload."""
        return self.docker("top", NGINX, "-eo", "pid,args").count("worker process is shutting down")

    # The application

    def direct(self, colour: str) -> tuple[int, str]:
        """Status and version of a colour, past nginx."""
        connection = http.client.HTTPConnection(self.settings.addresses[colour], self.settings.port, timeout=5)
        return ask(connection, self.settings.health_path, {})[:2]

    def preview(self, colour: str) -> tuple[int, str]:
        """Status and version of a colour through nginx, on the listener that only the server itself reaches."""
        connection = http.client.HTTPConnection("127.0.0.1", PREVIEW_PORT, timeout=5)
        return ask(connection, self.settings.health_path, {"Host": self.settings.server_name, "X-Colour": colour})[:2]

    def through_nginx(self) -> tuple[int, str, str]:
        """Status, version and answering address as a visitor would get them."""
        name = self.settings.server_name
        return ask(_Named("127.0.0.1", name), self.settings.health_path, {"Host": name})

    # State

    def record(self) -> dict[str, Any]:
        """What was released."""
        with contextlib.suppress(FileNotFoundError):
            found: dict[str, Any] = json.loads(self.record_file.read_text())
            return found
        return {}

    def save_record(self, record: dict[str, Any]) -> None:
        """Replaces the record."""
        replace(self.record_file, json.dumps(record, indent=1) + "\n")

    def audit(self, line: dict[str, Any]) -> None:
        """Adds a line to the audit log."""
        with self.audit_file.open("a") as log:
            log.write(json.dumps(line) + "\n")

    def memory_mb(self) -> int:
        """Memory that can be had without swapping."""
        match = re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())
        return int(match.group(1)) // 1024 if match else 0

    def disk_mb(self) -> int:
        """Free space where images go."""
        folder = Path("/var/lib/docker")
        return shutil.disk_usage(folder if folder.is_dir() else "/").free >> 20

    def now(self) -> str:
        """The time, for people."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def wait(self, seconds: float) -> None:
        """Lets time pass."""
        time.sleep(seconds)

    def clock(self) -> float:
        """Seconds on a clock that never jumps."""
        return time.monotonic()


class _Named(http.client.HTTPSConnection):
    """A connection to an address that asks for a name; the edge, not the server itself, judges the certificate."""

    def __init__(self, address: str, name: str) -> None:
        super().__init__(address, 443, timeout=5)
        self.name = name

    def connect(self) -> None:
        """Connects and asks for the name."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.sock = context.wrap_socket(socket.create_connection((self.host, self.port), self.timeout), server_hostname=self.name)


def ask(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> tuple[int, str, str]:
    """Status, `version` of a JSON answer, and the answering address; status 0 when there is no answer."""
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return 0, "", ""
    finally:
        connection.close()
    with contextlib.suppress(ValueError, AttributeError):
        return answer.status, str(json.loads(body).get("version", "")), answer.getheader("X-Upstream") or ""
    return answer.status, "", answer.getheader("X-Upstream") or ""


def replace(path: Path, text: str) -> None:
    """Writes a file so that there is the old or the new one at any moment."""
    scratch = path.with_name(f".{path.name}.new")
    with scratch.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    scratch.rename(path)
