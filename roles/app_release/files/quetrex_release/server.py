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
import sys
import time
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from quetrex_release.outcome import ReleaseError
from quetrex_release.plan import Container, Observed, config_hash
from quetrex_release.record import COLOURS, Record, canonical, repository
from quetrex_release.store import Store

NGINX = "platform-nginx"
# What runs beside the web application, in the order of an exchange.
BASE = ("redis", "runner", "nginx")
# Files that say how these run.
FILES = ("compose.yml", ".env", "redis/redis.conf", "redis/users.acl", "runner/config.yml", "env/runner.env", "nginx/nginx.conf")
IMAGES_KEPT = 2
MIGRATION = "platform-migration"
TIMED_OUT = 124
STOPPED = ("exited", "created", "dead")
# Serves while the other one is exchanged; a container of `compose run`, which `compose up` leaves alone.
BRIDGE = "platform-nginx-bridge"
PREVIEW_PORT = 8086
# nginx starts its new workers and only then tells the old ones; a busy machine takes a moment for that.
RELOAD_SECONDS = 15
UNITS, JOB = Path("/etc/systemd/system"), "platform-job-"
# What has to be mounted, and what is.
FSTAB, MOUNTS = Path("/etc/fstab"), Path("/proc/self/mountinfo")


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
    runner_repositories: tuple[str, ...] = ()
    known_repositories: tuple[str, ...] = ()
    known_runner_repositories: tuple[str, ...] = ()
    migrate: tuple[str, ...] = ()
    migrate_seconds: int = 600
    # the service these are of: the web application, or one of the inventory's own
    service: str = "web"
    release: str = "blue_green"
    public: bool = True
    health: str = "http"
    job: bool = False
    follows: str = ""
    image: str = ""
    # what nginx is asked for after the switch, when that is not the health path; not at all where all of it wants a token
    verify_path: str = ""
    verified: bool = True
    stop_seconds: int = 30
    timeout: int = 3600
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    service_repositories: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Settings:
        """Reads both files from the stack's folder."""
        stack, release = (json.loads((folder / name).read_text()) for name in ("stack.json", "release.json"))
        known = {name: value for name, value in (stack | release).items() if name in cls.__dataclass_fields__}
        return cls(**known | {"project_dir": Path(known["project_dir"]), "state_dir": Path(known["state_dir"])})

    def of(self, service: str) -> Settings:
        """The settings of one of the inventory's own services."""
        if service == "web":
            return self
        told = {name: value for name, value in self.services[service].items() if name in self.__dataclass_fields__}
        return changed(self, **{"static_path": "", "static_prefix": "", "migrate": (), **told, "service": service})

    def known(self, service: str) -> frozenset[str]:
        """Repositories whose images may be started: the inventory's and those of the deploy key."""
        if service == "runner":
            return frozenset((*self.known_runner_repositories, *self.runner_repositories))
        if service == "web":
            return frozenset((*self.known_repositories, *self.repositories))
        told = self.services[service]
        if told.get("follows"):
            return self.known(told["follows"])
        return frozenset((repository(told["image"]), *self.service_repositories.get(service, ())))


class Server:
    """The server a release works on."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.upstream = settings.project_dir / "nginx" / "upstream" / f"{settings.service}.conf"
        self.record_file = settings.state_dir / "releases.json"
        self.audit_file = settings.state_dir / "releases.log"
        self.static = settings.state_dir / "static"
        # on the system's disk: the last serial that this server wrote, whatever volume is mounted
        self.serial_file = settings.project_dir / "release-serial"

    def of(self, service: str) -> Server:
        """The same server, for the releases of one of the inventory's own services."""
        return Server(self.settings.of(service))

    def name(self, colour: str) -> str:
        """The name of a colour's container."""
        return f"platform-{self.settings.service}-{colour}"

    # Docker

    def docker(self, *words: str, env: dict[str, str] | None = None, check: bool = True, timeout: float = 600) -> str:
        """Output of a docker command."""
        argv = ["docker", "--config", str(self.settings.project_dir / "docker"), *words]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout, env={**os.environ, **(env or {})})
        except (OSError, subprocess.SubprocessError) as error:
            raise ReleaseError("docker_failed", f"docker {words[0]} failed: {error}") from error
        if check and done.returncode != 0:
            said = f"{done.stdout.strip()}\n{done.stderr.strip()}".strip()
            raise ReleaseError("docker_failed", f"docker {words[0]} failed: {said[-800:]}")
        return done.stdout + ("" if check else done.stderr)

    def compose(self, *words: str, env: dict[str, str] | None = None) -> str:
        """Output of docker compose on the stack's file."""
        return self.docker("compose", "--project-directory", str(self.settings.project_dir), "--profile", "release", *words, env=env)

    def container(self, colour: str) -> Container | None:
        """A colour's container, or None."""
        text = self.docker("container", "ls", "--all", "--quiet", "--filter", f"name=^{self.name(colour)}$").strip()
        if not text:
            return None
        found = json.loads(self.docker("container", "inspect", "--format", "{{json .}}", text))
        state, config = found["State"], found["Config"]
        return Container(
            image=canonical(config["Image"]),
            config=(config.get("Labels") or {}).get("platform.config", ""),
            running=bool(state["Running"]) and not state.get("Restarting"),
            healthy=state.get("Health", {}).get("Status") == "healthy" if self.settings.health else bool(state["Running"]),
            restarts=int(found.get("RestartCount", 0)),
        )

    def observe(self) -> Observed:
        """The state a plan is made from."""
        containers = {colour: found for colour in COLOURS if (found := self.container(colour))}
        current = self.record().track(self.settings.service).current
        return Observed(self.serving(), current.colour if current else None, containers)

    def config(self) -> str:
        """Identity of the configuration a colour would be started with now."""
        service = json.loads(self.compose("config", "--format", "json"))["services"][f"{self.settings.service}-{COLOURS[0]}"]
        folder = self.settings.project_dir / "web"
        reads = self.settings.service == "web" or any(str(mount.get("source", "")).startswith(f"{folder}/") for mount in service.get("volumes") or [])
        return config_hash(service, *(path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file() and reads))

    def pull(self, image: str) -> None:
        """Fetches the image unless it is here."""
        image = canonical(image)
        if not self.docker("image", "ls", "--quiet", "--no-trunc", image, check=False).startswith("sha256:"):
            self.docker("pull", "--quiet", image)

    def start(self, colour: str, image: str, config: str) -> None:
        """Starts one colour and nothing else; a stopped container of the same image and configuration is used again."""
        self.compose("up", "--detach", "--no-deps", "--no-build", f"{self.settings.service}-{colour}", env=self._chosen(colour, image, config))

    def _chosen(self, colour: str, image: str, config: str) -> dict[str, str]:
        word = self.settings.service.upper().replace("-", "_")
        return {f"{word}_{colour.upper()}_IMAGE": image, f"{word}_CONFIG_HASH": config}

    def stop(self, colour: str) -> None:
        """Stops a colour and keeps it for a rollback."""
        self.docker("stop", "--time", str(self.settings.stop_seconds), self.name(colour), check=False)

    def remove(self, colour: str) -> None:
        """Takes a failed colour away."""
        self.docker("rm", "--force", self.name(colour), check=False)

    def logs(self, colour: str) -> str:
        """The last lines a colour said."""
        return self.docker("logs", "--tail", "25", self.name(colour), check=False).strip()

    def forget(self, image: str) -> None:
        """Removes an image, unless a container still needs it."""
        self.docker("image", "rm", canonical(image), check=False)

    def images_of(self, repositories: set[str]) -> list[str]:
        """Images of these repositories that are here, by digest; failed releases left some that are on no record."""
        lines = self.docker("image", "ls", "--digests", "--format", "{{.Repository}}@{{.Digest}}", check=False).split()
        return sorted({line for line in lines if line.partition("@")[0] in repositories and line.partition("@")[2].startswith("sha256:")})

    def strays(self) -> list[str]:
        """Containers with the service's label that are neither of the two colours: of older versions, or half made."""
        label = "platform.part=web" if self.settings.service == "web" else f"platform.service={self.settings.service}"
        names = self.docker("container", "ls", "--all", "--filter", f"label={label}", "--format", "{{.Names}}", check=False).split()
        return [name for name in names if self.settings.job or name not in {self.name(colour) for colour in COLOURS}]

    def gone(self) -> list[str]:
        """Services that have something here, and are none of the inventory's any more."""
        told = '{{.Label "platform.service"}}'
        found = set(self.docker("container", "ls", "--all", "--filter", "label=platform.service", "--format", told, check=False).split())
        found |= {path.name.removeprefix(JOB).removesuffix(".timer") for path in UNITS.glob(f"{JOB}*.timer")}
        found |= set(self.record().services)
        return sorted(found - set(self.settings.services))

    def remove_service(self, name: str) -> None:
        """Its containers, network, timer and secrets go; its folders on the volume stay."""
        self.remove_timer(name)
        label = ("--filter", f"label=platform.service={name}")
        for container in self.docker("container", "ls", "--all", *label, "--format", "{{.Names}}", check=False).split():
            self.docker("stop", container, check=False)
            self.docker("rm", "--force", container, check=False)
        self.docker("network", "rm", f"platform_{name}", check=False)
        project, jobs = self.settings.project_dir, self.settings.state_dir / "jobs"
        for path in (project / "env" / f"{name}.env", project / "nginx" / "upstream" / f"{name}.conf", jobs / f"{name}.json", jobs / f"{name}.lock"):
            path.unlink(missing_ok=True)

    def folders_of(self, names: list[str]) -> list[str]:
        """Folders on the volume of services that are gone: nobody but their owner removes them."""
        return [str(path) for name in names if (path := self.settings.state_dir / "services" / name).is_dir()]

    def remove_timer(self, name: str) -> None:
        """A job's timer, and the unit that it starts."""
        timer = UNITS / f"{JOB}{name}.timer"
        if timer.exists():
            self._systemctl("disable", "--now", timer.name)
            for path in (timer.with_suffix(".service"), timer):
                path.unlink(missing_ok=True)
            self._systemctl("daemon-reload")

    def former_kind(self) -> list[str]:
        """What is left of a service that became a job, or of a job that became a service: containers, or its timer."""
        if self.settings.job:
            return [name for name in self.strays() if name != f"platform-{self.settings.service}"]
        timer = UNITS / f"{JOB}{self.settings.service}.timer"
        return [timer.name] if timer.exists() else []

    def remove_former_kind(self) -> None:
        """Takes that away."""
        for name in self.former_kind():
            if name.endswith(".timer"):
                self.remove_timer(self.settings.service)
            else:
                self.docker("stop", name, check=False)
                self.docker("rm", "--force", name, check=False)

    def _systemctl(self, *words: str) -> None:
        subprocess.run(["systemctl", "--quiet", *words], capture_output=True, check=False, timeout=60)

    def remove_container(self, name: str) -> None:
        """Takes a container away."""
        self.docker("rm", "--force", name, check=False)

    def said(self, container: str) -> str:
        """The last lines of a container."""
        return self.docker("logs", "--tail", "25", container, check=False).strip()

    def restarts(self, container: str) -> int:
        """How often Docker has started a container again."""
        text = self.docker("container", "inspect", "--format", "{{.RestartCount}}", container, check=False).strip()
        return int(text) if text.isdigit() else 0

    def migrate(self, colour: str, image: str, config: str) -> None:
        """Runs the application's own migrations in a container of the new image, beside the one that serves."""
        self.docker("rm", "--force", MIGRATION, check=False)
        env = self._chosen(colour, image, config)
        words = ("compose", "--project-directory", str(self.settings.project_dir), "--profile", "release", "run", "--rm", "--no-deps", "--no-TTY")
        name = f"{self.settings.service}-{colour}"
        try:
            self.docker(*words, "--name", MIGRATION, name, *self.settings.migrate, env=env, timeout=self.settings.migrate_seconds)
        except ReleaseError as error:
            raise ReleaseError("migration_failed", "The migrations of the new image failed; nothing was switched.", str(error)) from error
        finally:
            self.docker("rm", "--force", MIGRATION, check=False)

    def run_job(self, image: str) -> int:
        """Exit code of one run of a job, whose output is ours."""
        name = f"platform-{self.settings.service}"
        self.docker("rm", "--force", name, check=False)  # of a run that was killed
        self.pull(image)
        words = ["docker", "--config", str(self.settings.project_dir / "docker"), "compose", "--project-directory", str(self.settings.project_dir)]
        words += ["--profile", "release", "run", "--rm", "--no-deps", "--no-TTY", "--name", name, self.settings.service]
        env = {**os.environ, f"{self.settings.service.upper().replace('-', '_')}_IMAGE": image}
        try:
            return subprocess.run(words, env=env, stdin=subprocess.DEVNULL, check=False, timeout=self.settings.timeout).returncode
        except subprocess.TimeoutExpired:
            return TIMED_OUT
        finally:
            self.docker("stop", name, check=False)
            self.docker("rm", "--force", name, check=False)

    def label(self, container: str, name: str) -> str:
        """A container's label, empty without container or label."""
        return self.docker("container", "inspect", "--format", f'{{{{index .Config.Labels "{name}"}}}}', container, check=False).partition("\n")[0]

    def health(self, container: str) -> str:
        """A container's state of health for Docker; its state when it has none or does not run; empty without container."""
        text = "{{if and .State.Running .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}"
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
        said = self.docker("cp", f"{self.name(colour)}:{self.settings.static_path}/.", str(scratch), check=False)
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

    # Redis, runner, nginx

    def wanted_services(self) -> dict[str, str]:
        """Service -> identity, as the compose file wants it."""
        lines = (line.split() for line in self.compose("config", "--hash", "*").splitlines())
        return {words[0]: words[-1] for words in lines if len(words) > 1}

    def service_hash(self, name: str) -> str:
        """Identity of the service as it was started."""
        return self.label(f"platform-{name}", "com.docker.compose.config-hash")

    def as_wanted(self, name: str, wanted: str) -> bool:
        """Whether a service runs as the compose file wants it.

        Compose says another identity beforehand than it then gives a service with an `env_file`, so both are kept when they are known to belong together.
        """
        given = self.service_hash(name)
        runs = self.health(f"platform-{name}") not in STOPPED
        return bool(given) and runs and (given == wanted or self._learned().get(name) == [wanted, given])

    def learned(self, name: str) -> bool:
        """Whether a service's identities are known."""
        return name in self._learned()

    def learn(self, name: str) -> None:
        """Keeps that a service, as it runs now, is what the compose file wants now."""
        pair = [self.wanted_services().get(name, ""), self.service_hash(name)]
        self._good("identities.json").parent.mkdir(mode=0o700, exist_ok=True)
        replace(self._good("identities.json"), json.dumps({**self._learned(), name: pair}))

    def _learned(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = json.loads(content(self._good("identities.json")) or "{}")
        return found

    def pull_service(self, name: str) -> None:
        """Fetches a service's image before anything is stopped for it."""
        image = json.loads(self.compose("config", "--format", "json"))["services"][name]["image"]
        self.pull(image)

    def up_service(self, name: str) -> None:
        """A service as the compose file wants it; the old one finishes what it has first."""
        self.compose("up", "--detach", "--no-deps", "--no-build", name)

    def stop_service(self, name: str) -> None:
        """Stops a service in its own time."""
        self.docker("stop", f"platform-{name}")

    def start_bridge(self) -> None:
        """A second nginx on the same ports."""
        self.compose("run", "--detach", "--no-deps", "--name", BRIDGE, "nginx")

    def end_bridge(self) -> None:
        """Lets the second nginx finish what it has, and removes it."""
        self.docker("stop", "--time", str(self.settings.drain_seconds + 15), BRIDGE, check=False)
        self.docker("rm", "--force", BRIDGE, check=False)

    def redis_keys(self) -> int | None:
        """How many keys Redis holds, as the application's user sees it; None when it cannot be asked."""
        match = re.search(r"^REDIS_URL='?(redis://[^'\n]+)", (self.settings.project_dir / "env" / "web.env").read_text(), re.MULTILINE)
        login = urlsplit(match[1]) if match else None
        if not login or not login.username or not login.password:
            return None
        words = ("exec", "--env", "REDISCLI_AUTH", "platform-redis", "redis-cli", "--user", unquote(login.username), "info", "keyspace")
        said = self.docker(*words, env={"REDISCLI_AUTH": unquote(login.password)}, check=False)
        return sum(int(number) for number in re.findall(r"keys=(\d+)", said)) if "# Keyspace" in said else None

    def forget_redis_copy(self) -> None:
        """A copy of an earlier exchange is no way back from another one."""
        for name in (".before", ".copying"):
            shutil.rmtree(self.settings.state_dir / "redis" / name, ignore_errors=True)

    def copy_redis(self) -> None:
        """A copy of the data of a stopped Redis: a newer version may write what the older one cannot read. There is a whole copy or none."""
        folder = self.settings.state_dir / "redis"
        if (folder / "appendonlydir").is_dir():
            try:
                self._copy_owned(folder / "appendonlydir", folder / ".copying")
            except OSError as error:  # shutil.Error is one
                raise ReleaseError("copy_failed", f"The data of Redis could not be copied: {error}") from error
            (folder / ".copying").rename(folder / ".before")

    def restore_redis(self) -> bool:
        """The copy becomes the data again, and what it replaces is kept in `.replaced`. False without a copy."""
        folder = self.settings.state_dir / "redis"
        if not (folder / ".before").is_dir():
            return False
        self.docker("stop", "platform-redis", check=False)
        if (folder / "appendonlydir").is_dir():
            shutil.rmtree(folder / ".replaced", ignore_errors=True)
            (folder / "appendonlydir").rename(folder / ".replaced")
        (folder / ".before").rename(folder / "appendonlydir")
        return True

    def _copy_owned(self, source: Path, target: Path) -> None:
        shutil.copytree(source, target)
        for path in (target, *target.rglob("*")):
            original = source / path.relative_to(target)
            os.chown(path, original.stat().st_uid, original.stat().st_gid)

    def runner_image(self) -> str:
        """The image the runner runs."""
        return canonical(self.docker("container", "inspect", "--format", "{{.Config.Image}}", "platform-runner", check=False).partition("\n")[0])

    def runner_choice(self) -> str:
        """The runner's image that was released over the inventory's; empty when none was."""
        with contextlib.suppress(FileNotFoundError):
            match = re.search(r"^RUNNER_IMAGE=(\S+)$", (self.settings.project_dir / ".env").read_text(), flags=re.MULTILINE)
            return match.group(1) if match else ""
        return ""

    def choose_runner(self, image: str) -> None:
        """Compose reads this file by itself, so that a reboot and every other run start the released runner too."""
        replace(self.settings.project_dir / ".env", f"RUNNER_IMAGE={image}\n" if image else "")

    def good_is_current(self) -> bool:
        """Whether what is kept as good is what the stack's files say."""
        return all(content(self.settings.project_dir / name) == content(self._good(name)) for name in FILES)

    def keep_good(self) -> list[str]:
        """Keeps the stack's files as the ones that work; returns images that none of the last ones needs any more."""
        for name in FILES:
            copy_file(self.settings.project_dir / name, self._good(name))
        services = json.loads(self.compose("config", "--format", "json"))["services"]
        kept = json.loads(content(self._good("images.json")) or "{}")
        gone: list[str] = []
        for name in BASE:
            images = list(dict.fromkeys([services[name]["image"], *kept.get(name, [])]))
            kept[name], gone = images[:IMAGES_KEPT], [*gone, *images[IMAGES_KEPT:]]
        replace(self._good("images.json"), json.dumps(kept))
        return gone

    def restore_good(self) -> bool:
        """Puts the files that worked back; False when there are none."""
        if not self._good("compose.yml").exists():
            return False
        for name in FILES:
            if content(self.settings.project_dir / name) != content(self._good(name)):
                copy_file(self._good(name), self.settings.project_dir / name)
        return True

    def _good(self, name: str) -> Path:
        return self.settings.project_dir / ".good" / name

    # nginx

    def serving(self) -> str | None:
        """The colour in nginx's upstream file; of a service that nginx does not know, the recorded one if it is there."""
        if not self.settings.public:
            current = self.record().track(self.settings.service).current
            return current.colour if current and self.container(current.colour) else None
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
        """Makes nginx follow its files, if it accepts them, and waits until no worker from before takes requests any more."""
        nginx = ("exec", NGINX, "nginx", "-c", "/etc/platform/nginx.conf")
        self.docker(*nginx, "-t", "-q")
        before = self.workers()
        self.docker(*nginx, "-s", "reload")
        deadline = self.clock() + RELOAD_SECONDS
        while before & self.workers() and self.clock() < deadline:
            self.wait(0.1)

    def workers(self) -> set[str]:
        """Process ids of the workers that take requests."""
        lines = self.docker("top", NGINX, "-eo", "pid,args", check=False).splitlines()
        return {line.split()[0] for line in lines if line.rstrip().endswith("worker process")}

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
        return ask(connection, self.settings.health_path, {"Host": self.settings.server_name, "X-Colour": self.candidate(colour)})[:2]

    def candidate(self, colour: str) -> str:
        """A colour's name on that listener."""
        return colour if self.settings.service == "web" else f"{self.settings.service}-{colour}"

    def through_nginx(self) -> tuple[int, str, str]:
        """Status, version and answering address as a visitor would get them."""
        name = self.settings.server_name
        return ask(_Named("127.0.0.1", name), self.settings.verify_path or self.settings.health_path, {"Host": name})

    # State

    @property
    def store(self) -> Store | None:
        """Where the record is kept away from the server, if anywhere."""
        return Store.read(self.settings.project_dir / "release-database.json")

    def record(self) -> Record:
        """What was released; one that is damaged is as good as none."""
        text = content(self.record_file)
        if text is None:
            return Record()
        try:
            return Record.parse(json.loads(text))
        except ValueError as error:
            print(f"{self.record_file} is ignored: {error}", file=sys.stderr)
            return Record()

    def save_record(self, record: Record) -> None:
        """Replaces the record."""
        replace(self.record_file, json.dumps(record.plain(), indent=1) + "\n")
        with contextlib.suppress(OSError):  # an older serial there says the same
            replace(self.serial_file, f"{record.serial}\n")

    def own_record(self) -> bool:
        """Whether the record on the volume is the one that this server wrote last, and not that of an older copy or of another server."""
        serial = (content(self.serial_file) or "").strip()
        return serial.isdigit() and self.record_file.exists() and self.record().serial >= int(serial)

    def require_state(self) -> None:
        """Refuses while the volume is away: what was written now would lie under it later."""
        folder = self.settings.state_dir
        if listed(FSTAB, 1, folder) and not listed(MOUNTS, 4, folder):
            raise ReleaseError("not_mounted", f"The volume is not mounted at {folder}: nothing is released without it. Run site, or mount {folder}.")
        if not folder.is_dir():
            raise ReleaseError("no_state", f"{folder} does not exist: site makes it.")

    def audit(self, line: dict[str, Any]) -> None:
        """Adds a line to the audit log. A log that cannot be written changes nothing about what serves."""
        try:
            with self.audit_file.open("a") as log:
                log.write(json.dumps(line) + "\n")
        except OSError as error:
            print(f"{self.audit_file}: {error}", file=sys.stderr)

    def memory_mb(self) -> int:
        """Memory that can be had without swapping."""
        match = re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())
        return int(match.group(1)) // 1024 if match else 0

    def used_mb(self, colour: str) -> int:
        """Memory a colour really uses, without what the kernel would give up; 0 when that cannot be told."""
        text = self.docker("container", "inspect", "--format", "{{.State.Pid}}", self.name(colour), check=False).strip()
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{text if text.isdigit() else 0}/cgroup").read_text().splitlines():
                _number, controllers, place = line.split(":", 2)
                if "memory" in controllers.split(",") or not controllers:
                    root, inside = Path("/sys/fs/cgroup") / ("memory" if controllers else ""), place.lstrip("/")
                    # a container's control group may be told from further up than this system sees
                    for folder in (root / inside, root / "/".join(inside.split("/")[-2:])):
                        match = re.search(r"^(?:anon|total_rss) (\d+)$", content(folder / "memory.stat") or "", flags=re.MULTILINE)
                        if match:
                            return int(match.group(1)) >> 20
        return 0

    def disk_mb(self) -> int:
        """Free space where images go."""
        folder = Path("/var/lib/docker")
        return shutil.disk_usage(folder if folder.is_dir() else "/").free >> 20

    def state_mb(self) -> int:
        """Free space where record, static files and Redis are."""
        return shutil.disk_usage(self.settings.state_dir).free >> 20

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


def listed(table: Path, column: int, folder: Path) -> bool:
    """Whether a table of mounts names a folder in this column. A blank in a name is written in octal."""
    name = re.sub(r"[\s\\]", lambda match: f"\\{ord(match.group()):03o}", str(folder))
    lines = (line.split() for line in (content(table) or "").splitlines() if not line.lstrip().startswith("#"))
    return any(len(words) > column and words[column] == name for words in lines)


def content(path: Path) -> str | None:
    """What a file says; None without file."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def copy_file(source: Path, target: Path) -> None:
    """Copies a file with its mode, by rename; an absent one removes the target."""
    if not source.exists():
        target.unlink(missing_ok=True)
        return
    target.parent.mkdir(mode=0o700 if ".good" in target.parts else 0o755, parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.new")
    shutil.copy2(source, scratch)
    scratch.rename(target)


def replace(path: Path, text: str) -> None:
    """Writes a file so that there is the old or the new one at any moment."""
    scratch = path.with_name(f".{path.name}.new")
    with scratch.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    scratch.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
