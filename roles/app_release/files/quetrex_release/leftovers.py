# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What services left behind that are not described any more, or are of another kind by now."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from pathlib import Path

from quetrex_release.docker import Docker
from quetrex_release.record import COLOURS
from quetrex_release.settings import Settings

UNITS, JOB = Path("/etc/systemd/system"), "platform-job-"


class Leftovers:
    """Containers, networks, timers and files by the names of services."""

    def __init__(self, settings: Settings, docker: Docker) -> None:
        self.settings, self.docker = settings, docker

    def named(self) -> set[str]:
        """Services of the inventory's that have containers or a timer here."""
        told = '{{.Label "platform.service"}}'
        found = set(self.docker.run("container", "ls", "--all", "--filter", "label=platform.service", "--format", told, check=False).split())
        return found | {path.name.removeprefix(JOB).removesuffix(".timer") for path in UNITS.glob(f"{JOB}*.timer")}

    def remove(self, name: str) -> None:
        """Its containers, network, timer and secrets go; its folders on the volume stay."""
        self.remove_timer(name)
        for container in self.docker.names(f"platform.service={name}"):
            self.end(container)
        self.docker.run("network", "rm", f"platform_{name}", check=False)
        project, jobs = self.settings.project_dir, self.settings.state_dir / "jobs"
        for path in (project / "env" / f"{name}.env", project / "nginx" / "upstream" / f"{name}.conf", jobs / f"{name}.json", jobs / f"{name}.lock"):
            path.unlink(missing_ok=True)

    def end(self, container: str) -> None:
        """A container ends in its own time, and goes."""
        self.docker.stop(container)
        self.docker.remove(container)

    def folders_of(self, names: Collection[str]) -> list[str]:
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

    def _systemctl(self, *words: str) -> None:
        subprocess.run(["systemctl", "--quiet", *words], capture_output=True, check=False, timeout=60)

    def strays(self, name: str, *, job: bool) -> list[str]:
        """Containers with the service's label that are neither of the two colours: of older versions, or half made."""
        label = "platform.part=web" if name == "web" else f"platform.service={name}"
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
