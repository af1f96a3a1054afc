# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx: where it leads the visitors of a service, and how it follows its files."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from quetrex_release.backend import Clock
from quetrex_release.docker import Docker
from quetrex_release.files import replace

NGINX = "platform-nginx"
# nginx starts its new workers and only then tells the old ones; a busy machine takes a moment for that.
RELOAD_SECONDS = 15


class Nginx:
    """The one nginx of this server, in a container of its own."""

    def __init__(self, folder: Path, docker: Docker, host: Clock, container: str = NGINX) -> None:
        self.folder, self.docker, self.host, self.container = folder, docker, host, container

    def upstream(self, service: str) -> Path:
        """The file that says where the visitors of a service are led."""
        return self.folder / "nginx" / "upstream" / f"{service}.conf"

    def leads_to(self, service: str) -> str:
        """The address in that file; empty without one."""
        with contextlib.suppress(FileNotFoundError):
            match = re.search(r"server ([0-9.]+):", self.upstream(service).read_text())
            return match.group(1) if match else ""
        return ""

    def point(self, service: str, address: str, port: int) -> None:
        """Writes that file; removes it without an address."""
        file = self.upstream(service)
        file.parent.mkdir(mode=0o755, exist_ok=True)
        if address:
            replace(file, f"server {address}:{port} max_fails=0;\n")
        else:
            file.unlink(missing_ok=True)

    def reload(self) -> None:
        """Makes nginx follow its files, if it accepts them, and waits until no worker from before takes requests any more."""
        nginx = ("exec", self.container, "nginx", "-c", "/etc/platform/nginx.conf")
        self.docker.run(*nginx, "-t", "-q")
        before = self.workers()
        self.docker.run(*nginx, "-s", "reload")
        deadline = self.host.clock() + RELOAD_SECONDS
        while before & self.workers() and self.host.clock() < deadline:
            self.host.wait(0.1)

    def workers(self) -> set[str]:
        """Process ids of the workers that take requests."""
        lines = self.docker.run("top", self.container, "-eo", "pid,args", check=False).splitlines()
        return {line.split()[0] for line in lines if line.rstrip().endswith("worker process")}

    def draining(self) -> int:
        """Workers that still finish what they had before a reload."""
        return self.docker.run("top", self.container, "-eo", "pid,args").count("worker process is shutting down")
