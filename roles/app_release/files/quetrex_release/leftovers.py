# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What services left behind that are not described any more, or are of another kind by now."""

from __future__ import annotations

import subprocess
from pathlib import Path

from quetrex_release.docker import ONLY_SERVICES, Docker
from quetrex_release.record import COLOURS, MAIN
from quetrex_release.settings import Settings

UNITS, JOB = Path("/etc/systemd/system"), "platform-job-"


class Leftovers:
    """Containers, networks, timers and files by the names of services."""

    def __init__(self, settings: Settings, docker: Docker) -> None:
        self.settings, self.docker = settings, docker

    def named(self) -> set[str]:
        """Services that have containers or a timer here."""
        told = '{{.Label "platform.service"}}'
        found = set(self.docker.run("container", "ls", "--all", "--filter", "label=platform.service", "--format", told, check=False).split())
        # a second one that serves for a moment is no service
        found |= {name.removeprefix("platform-") for name in self.docker.names("platform.part=base", ONLY_SERVICES)}
        return found | {path.name.removeprefix(JOB).removesuffix(".timer") for path in UNITS.glob(f"{JOB}*.timer")}

    def remove(self, name: str) -> list[str]:
        """Its containers, network, timer and secrets go; its folders on the volume stay, and are returned: nobody but their owner removes them."""
        self.remove_timer(name)
        stays = {str(path) for path in [self.settings.state_dir / "services" / name] if path.is_dir()}
        for container in {*self.docker.names(f"platform.service={name}"), *self._single(name)}:
            stays |= self._written(container)
            self.end(container)
        self.docker.run("network", "rm", f"platform_{name}", check=False)
        project, jobs = self.settings.project_dir, self.settings.state_dir / "jobs"
        for path in (project / "env" / f"{name}.env", project / "nginx" / "upstream" / f"{name}.conf", jobs / f"{name}.json", jobs / f"{name}.lock"):
            path.unlink(missing_ok=True)
        return sorted(stays)

    def _single(self, name: str) -> list[str]:
        return [one for one in self.docker.names("platform.part=base", ONLY_SERVICES) if one == f"platform-{name}"]

    def _written(self, container: str) -> set[str]:
        """Folders of the volume that a container writes to, but for those of services of their own, which are named as a whole."""
        state, found = self.settings.state_dir, self.docker.inspect(container) or {}
        written = {Path(mount["Source"]) for mount in found.get("Mounts", []) if mount.get("RW")}
        return {str(path) for path in written if path.is_relative_to(state) and not path.is_relative_to(state / "services")}

    def end(self, container: str) -> None:
        """A container ends in its own time, and goes."""
        self.docker.stop(container)
        self.docker.remove(container)

    def remove_timer(self, name: str) -> None:
        """A job's timer, and the unit that it starts."""
        timer = UNITS / f"{JOB}{name}.timer"
        if timer.exists():
            self._systemctl("disable", "--now", timer.name)
            for path in (timer.with_suffix(".service"), timer):
                path.unlink(missing_ok=True)
            self._systemctl("daemon-reload")

    def _systemctl(self, *words: str) -> None:
        subprocess.run(["systemctl", "--quiet", *words], capture_output=True, check=False, timeout=60)

    def strays(self, name: str, *, job: bool) -> list[str]:
        """Containers with the service's label that are neither of the two colours: of older versions, or half made."""
        label = "platform.part=web" if name == MAIN else f"platform.service={name}"
        colours = {f"platform-{name}-{colour}" for colour in COLOURS}
        return [one for one in self.docker.names(label) if job or one not in colours]

    def former_kind(self, name: str, *, job: bool) -> list[str]:
        """What is left of a service that became a job, or of a job that became a service: containers, or its timer."""
        if job:
            return [one for one in self.strays(name, job=True) if one != f"platform-{name}"]
        timer = UNITS / f"{JOB}{name}.timer"
        return [timer.name] if timer.exists() else []

    def remove_former_kind(self, name: str, *, job: bool) -> None:
        """Takes that away."""
        for one in self.former_kind(name, job=job):
            if one.endswith(".timer"):
                self.remove_timer(name)
            else:
                self.end(one)
