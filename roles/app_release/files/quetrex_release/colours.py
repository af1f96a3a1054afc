# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service as Docker Compose runs it on one server: two containers, one of which serves."""

from __future__ import annotations

from collections.abc import Collection

from quetrex_release.backend import Answer
from quetrex_release.docker import Docker
from quetrex_release.host import Host
from quetrex_release.leftovers import Leftovers
from quetrex_release.nginx import Nginx
from quetrex_release.outcome import ReleaseError
from quetrex_release.plan import Container, Observed, config_hash
from quetrex_release.probe import Named, ask, plain
from quetrex_release.record import COLOURS, MAIN, canonical
from quetrex_release.settings import Settings
from quetrex_release.state import State
from quetrex_release.static import StaticFiles

MIGRATION = "platform-migration"
PREVIEW_PORT = 8086


class Colours:
    """One service; see `backend.Service` for what each method promises."""

    def __init__(self, settings: Settings, docker: Docker, nginx: Nginx, state: State, host: Host) -> None:
        self.settings, self.docker, self.nginx, self.state, self.host = settings, docker, nginx, state, host
        self.static = StaticFiles(settings.state_dir / "static", settings.static_path, settings.static_prefix, docker)
        self.leftovers = Leftovers(settings, docker)

    def name(self, colour: str) -> str:
        """The name of a colour's container."""
        return f"platform-{self.settings.service}-{colour}"

    # What is there

    def observe(self) -> Observed:
        """The state a plan is made from."""
        containers = {colour: found for colour in COLOURS if (found := self.container(colour))}
        current = self.state.record().track(self.settings.service).current
        return Observed(self.serving(), current.colour if current else None, containers)

    def container(self, colour: str) -> Container | None:
        """A colour's container, or None."""
        found = self.docker.inspect(self.name(colour))
        if found is None:
            return None
        state, config = found["State"], found["Config"]
        return Container(
            image=canonical(config["Image"]),
            config=(config.get("Labels") or {}).get("platform.config", ""),
            running=bool(state["Running"]) and not state.get("Restarting"),
            healthy=state.get("Health", {}).get("Status") == "healthy" if self.settings.health else bool(state["Running"]),
            restarts=int(found.get("RestartCount", 0)),
        )

    def config(self) -> str:
        """Identity of the configuration a colour would be started with now."""
        service = self.docker.described()[f"{self.settings.service}-{COLOURS[0]}"]
        folder = self.settings.project_dir / "web"
        reads = self.settings.service == MAIN or any(str(mount.get("source", "")).startswith(f"{folder}/") for mount in service.get("volumes") or [])
        return config_hash(service, *(path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file() and reads))

    def serving(self) -> str | None:
        """The colour in nginx's upstream file; of a service that nginx does not know, the recorded one if it is there."""
        if not self.settings.public:
            current = self.state.record().track(self.settings.service).current
            return current.colour if current and self.container(current.colour) else None
        address = self.nginx.leads_to(self.settings.service)
        return next((colour for colour, its in self.settings.addresses.items() if address and its == address), None)

    def logs(self, colour: str) -> str:
        """The last lines a colour said."""
        return self.docker.logs(self.name(colour))

    def require_room(self, old: str | None, *, beside: bool) -> None:
        """Memory for two of them, where both run for a while, and disk."""
        if beside:
            used = self.host.used_mb(self.docker.number(self.name(old), "{{.State.Pid}}")) if old else 0
            memory, needed = self.host.memory_mb(), max(self.settings.least_memory_mb, used)
            if memory < needed:
                raise ReleaseError(
                    "not_enough_memory",
                    f"{memory} MB of memory are available, a second {self.settings.service} needs {needed} MB (the serving one uses {used} MB). "
                    "Choose a larger tier.",
                )
        self.host.require_disk(self.settings.least_disk_mb, self.settings.state_dir)

    # Containers

    def pull(self, image: str) -> None:
        """Fetches the image unless it is here."""
        self.docker.pull(image)

    def _chosen(self, colour: str, image: str, config: str) -> dict[str, str]:
        word = self.settings.service.upper().replace("-", "_")
        return {f"{word}_{colour.upper()}_IMAGE": image, f"{word}_CONFIG_HASH": config}

    def migrate(self, colour: str, image: str, config: str) -> None:
        """Runs the application's own migrations in a container of the new image, beside the one that serves."""
        self.docker.remove(MIGRATION)
        env, name = self._chosen(colour, image, config), f"{self.settings.service}-{colour}"
        try:
            self.docker.run_once(name, *self.settings.migrate, name=MIGRATION, env=env, timeout=self.settings.migrate_seconds)
        except ReleaseError as error:
            raise ReleaseError("migration_failed", "The migrations of the new image failed; nothing was switched.", str(error)) from error
        finally:
            self.docker.remove(MIGRATION)

    def start(self, colour: str, image: str, config: str) -> None:
        """Starts one colour and nothing else; a stopped container of the same image and configuration is used again."""
        self.docker.up(f"{self.settings.service}-{colour}", self._chosen(colour, image, config))

    def wake(self, colour: str) -> None:
        """Starts what was stopped."""
        self.docker.wake(self.name(colour))

    def stop(self, colour: str) -> None:
        """Stops a colour and keeps it for a rollback."""
        self.docker.stop(self.name(colour), self.settings.stop_seconds)

    def remove(self, colour: str) -> None:
        """Takes a failed colour away."""
        self.docker.remove(self.name(colour))

    def run_once(self, image: str) -> int:
        """Exit code of one run of a job, whose output is ours."""
        name = f"platform-{self.settings.service}"
        self.docker.remove(name)  # of a run that was killed
        self.docker.pull(image)
        env = {f"{self.settings.service.upper().replace('-', '_')}_IMAGE": image}
        try:
            return self.docker.run_through(self.settings.service, name=name, env=env, timeout=self.settings.timeout)
        finally:
            self.leftovers.end(name)

    # Visitors

    def direct(self, colour: str) -> Answer:
        """Status and version of a colour, past nginx."""
        return ask(plain(self.settings.addresses[colour], self.settings.port), self.settings.health_path, {})[:2]

    def preview(self, colour: str) -> Answer:
        """Status and version of a colour through nginx, on the listener that only the server itself reaches."""
        candidate = colour if self.settings.service == MAIN else f"{self.settings.service}-{colour}"
        return ask(plain("127.0.0.1", PREVIEW_PORT), self.settings.health_path, {"Host": self.settings.server_name, "X-Colour": candidate})[:2]

    def point(self, colour: str | None) -> None:
        """Writes the upstream file, or removes it."""
        self.nginx.point(self.settings.service, self.settings.addresses[colour] if colour else "", self.settings.port)

    def reload(self) -> None:
        """Makes nginx follow."""
        self.nginx.reload()

    def through_nginx(self) -> tuple[int, str, str]:
        """Status, version and answering address as a visitor would get them."""
        name = self.settings.server_name
        return ask(Named("127.0.0.1", name), self.settings.verify_path or self.settings.health_path, {"Host": name})

    def draining(self) -> int:
        """Workers that still finish what they had before a reload."""
        return self.nginx.draining()

    # What is kept and what goes

    def keep_static(self, colour: str, image: str) -> None:
        """Copies a colour's static files to where nginx finds them after the colour is gone."""
        self.static.keep(self.name(colour), image)

    def prune_static(self, kept: list[str]) -> None:
        """Removes the static files that no kept release has."""
        if self.settings.static_path:
            self.static.prune(kept)

    def tidy(self) -> None:
        """Removes what is neither colour: of older versions, or half made."""
        for name in self.leftovers.strays(self.settings.service, job=self.settings.job):
            self.docker.remove(name)

    def images_of(self, repositories: Collection[str]) -> list[str]:
        """Images of these repositories that are here, by digest."""
        return self.docker.images_of(repositories)

    def forget(self, image: str) -> None:
        """Removes an image, unless a container still needs it."""
        self.docker.forget(image)
