# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker and Compose through their own program. Names of containers and services come from the caller; nothing here knows what they are."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from quetrex_release.outcome import ReleaseError
from quetrex_release.record import canonical

STOPPED = ("exited", "created", "dead")
TIMED_OUT = 124
# What Compose writes on a container that is a service's, and not one that runs beside it for a moment.
ONLY_SERVICES = "com.docker.compose.oneoff=False"


class Docker:
    """The engine of this server, and the stack's compose file."""

    def __init__(self, folder: Path) -> None:
        self.program = ("docker", "--config", str(folder / "docker"))
        self.stack = ("compose", "--project-directory", str(folder), "--profile", "release")

    def run(self, *words: str, env: Mapping[str, str] | None = None, check: bool = True, timeout: float = 600) -> str:
        """Output of a docker command; with errors' too unless it is checked."""
        argv = [*self.program, *words]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout, env={**os.environ, **(env or {})})
        except (OSError, subprocess.SubprocessError) as error:
            raise ReleaseError("docker_failed", f"docker {words[0]} failed: {error}") from error
        if check and done.returncode != 0:
            said = f"{done.stdout.strip()}\n{done.stderr.strip()}".strip()
            raise ReleaseError("docker_failed", f"docker {words[0]} failed: {said[-800:]}")
        return done.stdout + ("" if check else done.stderr)

    # Compose

    def compose(self, *words: str, env: Mapping[str, str] | None = None, timeout: float = 600) -> str:
        """Output of docker compose on the stack's file."""
        return self.run(*self.stack, *words, env=env, timeout=timeout)

    def described(self) -> dict[str, Any]:
        """Every service as the compose file describes it."""
        services: dict[str, Any] = json.loads(self.compose("config", "--format", "json"))["services"]
        return services

    def hashes(self) -> dict[str, str]:
        """Service -> identity, as the compose file wants it."""
        lines = (line.split() for line in self.compose("config", "--hash", "*").splitlines())
        return {words[0]: words[-1] for words in lines if len(words) > 1}

    def up(self, service: str, env: Mapping[str, str] | None = None) -> None:
        """One service as the compose file wants it, and nothing else; an old container ends in its own time."""
        self.compose("up", "--detach", "--no-deps", "--no-build", service, env=env)

    def run_once(self, service: str, *words: str, name: str, env: Mapping[str, str], timeout: float) -> str:
        """Output of a container of a service's that ends by itself."""
        return self.compose("run", "--rm", "--no-deps", "--no-TTY", "--name", name, service, *words, env=env, timeout=timeout)

    def run_through(self, service: str, *, name: str, env: Mapping[str, str], timeout: float) -> int:
        """Exit code of such a container, whose output is this program's."""
        argv = [*self.program, *self.stack, "run", "--rm", "--no-deps", "--no-TTY", "--name", name, service]
        try:
            return subprocess.run(argv, env={**os.environ, **env}, stdin=subprocess.DEVNULL, check=False, timeout=timeout).returncode
        except subprocess.TimeoutExpired:
            return TIMED_OUT

    # Containers

    def names(self, *labels: str) -> list[str]:
        """Names of the containers that have these labels."""
        words = [word for label in labels for word in ("--filter", f"label={label}")]
        return self.run("container", "ls", "--all", *words, "--format", "{{.Names}}", check=False).split()

    def inspect(self, name: str) -> dict[str, Any] | None:
        """All that the engine says of a container; None without it."""
        text = self.run("container", "ls", "--all", "--quiet", "--filter", f"name=^{name}$").strip()
        found: dict[str, Any] | None = json.loads(self.run("container", "inspect", "--format", "{{json .}}", text)) if text else None
        return found

    def told(self, name: str, template: str) -> str:
        """The first line of what a template makes of a container; empty without it."""
        return self.run("container", "inspect", "--format", template, name, check=False).partition("\n")[0].strip()

    def label(self, name: str, label: str) -> str:
        """A container's label, empty without container or label."""
        return self.told(name, f'{{{{index .Config.Labels "{label}"}}}}')

    def image(self, name: str) -> str:
        """The image that a container runs."""
        return canonical(self.told(name, "{{.Config.Image}}"))

    def health(self, name: str) -> str:
        """A container's state of health; its state when it has none or does not run; empty without container."""
        found = self.told(name, "{{if and .State.Running .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}")
        return found if " " not in found else ""

    def number(self, name: str, template: str) -> int:
        """The same as a number, 0 when it is none."""
        text = self.told(name, template)
        return int(text) if text.isdigit() else 0

    def restarts(self, name: str) -> int:
        """How often the engine has started a container again."""
        return self.number(name, "{{.RestartCount}}")

    def logs(self, name: str) -> str:
        """The last lines of a container."""
        return self.run("logs", "--tail", "25", name, check=False).strip()

    def wake(self, name: str, *, check: bool = True) -> None:
        """Starts a container that is there, as it is."""
        self.run("start", name, check=check)

    def stop(self, name: str, seconds: int | None = None, *, check: bool = False) -> None:
        """Stops a container in its own time, or in so many seconds."""
        self.run("stop", *(("--time", str(seconds)) if seconds is not None else ()), name, check=check)

    def remove(self, name: str) -> None:
        """Takes a container away, running or not."""
        self.run("rm", "--force", name, check=False)

    # Images

    def pull(self, image: str) -> None:
        """Fetches the image unless it is here."""
        image = canonical(image)
        if not self.run("image", "ls", "--quiet", "--no-trunc", image, check=False).startswith("sha256:"):
            self.run("pull", "--quiet", image)

    def forget(self, image: str) -> None:
        """Removes an image, unless a container still needs it."""
        self.run("image", "rm", canonical(image), check=False)

    def images_of(self, repositories: Collection[str]) -> list[str]:
        """Images of these repositories that are here, by digest; failed releases left some that are on no record."""
        lines = self.run("image", "ls", "--digests", "--format", "{{.Repository}}@{{.Digest}}", check=False).split()
        return sorted({line for line in lines if line.partition("@")[0] in repositories and line.partition("@")[2].startswith("sha256:")})
