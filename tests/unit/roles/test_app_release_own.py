# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of the inventory's own services: a worker that follows the web application, a second application, a job, and one that is gone."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.released import answer

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))

from quetrex_release import __main__ as program
from quetrex_release import host as host_module
from quetrex_release import leftovers as leftovers_module
from quetrex_release.colours import Colours
from quetrex_release.docker import Docker
from quetrex_release.forced import Refused, judge
from quetrex_release.host import Host
from quetrex_release.leftovers import Leftovers
from quetrex_release.nginx import Nginx
from quetrex_release.outcome import ReleaseError
from quetrex_release.plan import Container, Observed, Way, make_plan
from quetrex_release.record import Record
from quetrex_release.server import Server
from quetrex_release.settings import Settings
from quetrex_release.stack import Stack

WEB, ADMIN = "registry.example.com/app/web", "registry.example.com/app/admin"


def image(number: int, name: str = WEB) -> str:
    return f"{name}@sha256:{number:064x}"


PRIVATE = {"release": "replace", "job": False, "image": "", "public": False, "health": "tcp"}
SERVICES: dict[str, dict[str, Any]] = {
    "worker": PRIVATE | {"follows": "web"},
    "admin": PRIVATE
    | {
        "release": "blue_green", "follows": "", "image": image(1, ADMIN), "public": True, "health": "http", "health_path": "/h", "port": 3000,
        "addresses": {"blue": "172.30.77.11", "green": "172.30.77.12"}, "server_name": "admin.x.test",
    },
    "nightly": PRIVATE | {"follows": "web", "job": True, "health": ""},
}  # fmt: skip


class Parts(Docker, Host):
    """The engine, whose containers are a table, the clock and the disks. `sick` names images that never get healthy, `ends` is how jobs end."""

    def __init__(self) -> None:
        self.containers: dict[str, Container] = {}
        self.sick: set[str] = set()
        self.did: list[str] = []
        self.time = 0.0
        self.ends = [0]
        self.runs: dict[str, str] = {}
        # what is exchanged in place, and what it mounts
        self.singles: dict[str, list[dict[str, Any]]] = {}

    def run(self, *words: str, env: object = None, check: bool = True, timeout: float = 600) -> str:
        self.did.append(" ".join(words))
        if words[0] == "start":
            self.containers[words[1]] = replace(self.containers[words[1]], running=True, healthy=True)
        if words[:2] == ("container", "ls") and words[-1] != "{{.Names}}":
            return "\n".join(name.removeprefix("platform-").rpartition("-")[0] for name in self.containers if "-web-" not in name)
        return ""

    def names(self, *labels: str) -> list[str]:
        if labels[0] == "platform.part=base":
            return list(self.singles)
        return [name for name in self.containers if name.startswith(f"platform-{labels[0].removeprefix('platform.service=')}-")]

    def inspect(self, name: str) -> dict[str, Any] | None:
        return {"Mounts": self.singles.get(name, [])}

    def told(self, name: str, template: str) -> str:
        return ""

    def image(self, name: str) -> str:
        return self.runs.get(name, "")

    def pull(self, image: str) -> None:
        self.did.append(f"pull {image}")

    def images_of(self, repositories: Collection[str]) -> list[str]:
        return []

    def run_through(self, service: str, *, name: str, env: Mapping[str, str], timeout: float) -> int:
        self.did.append(f"run {env[f'{service.upper()}_IMAGE']}")
        return self.ends[0]

    def memory_mb(self) -> int:
        return 10_000

    def disk_mb(self) -> int:
        return 10_000

    def free_mb(self, folder: Path) -> int:
        return 10_000

    def used_mb(self, process: int) -> int:
        return 0

    def wait(self, seconds: float) -> None:
        self.time += seconds

    def clock(self) -> float:
        return self.time


class Named(Leftovers):
    """What is left on the table."""

    def strays(self, name: str, *, job: bool) -> list[str]:
        docker = self.docker
        assert isinstance(docker, Parts)
        return [one for one in docker.containers if one.startswith(f"platform-{name}-")] if job else []

    def end(self, container: str) -> None:
        docker = self.docker
        assert isinstance(docker, Parts)
        super().end(container)
        docker.containers.pop(container, None)
        docker.singles.pop(container, None)

    def _systemctl(self, *words: str) -> None:
        docker = self.docker
        assert isinstance(docker, Parts)
        docker.did.append(f"systemctl {' '.join(words)}")


class Tabled(Colours):
    """A service whose containers are on the table."""

    def __init__(self, shelf: Shelf, settings: Settings) -> None:
        super().__init__(settings, shelf.parts, shelf.nginx, shelf.state, shelf.parts)
        self.parts, self.containers = shelf.parts, shelf.parts.containers
        self.leftovers = Named(settings, shelf.parts)

    def config(self) -> str:
        return "c"

    def container(self, colour: str) -> Container | None:
        return self.containers.get(self.name(colour))

    def start(self, colour: str, image: str, config: str) -> None:
        self.parts.did.append(f"up {self.name(colour)}")
        sick = image in self.parts.sick or self.name(colour) in self.parts.sick
        self.containers[self.name(colour)] = Container(image, config, running=True, healthy=not sick)

    def stop(self, colour: str) -> None:
        self.parts.did.append(f"stop {self.name(colour)}")
        if self.name(colour) in self.containers:
            self.containers[self.name(colour)] = replace(self.containers[self.name(colour)], running=False, healthy=False)

    def remove(self, colour: str) -> None:
        self.containers.pop(self.name(colour), None)

    def reload(self) -> None:
        self.parts.did.append("reload")

    def direct(self, colour: str) -> tuple[int, str]:
        return (200 if self.containers[self.name(colour)].healthy else 500), "1"

    def preview(self, colour: str) -> tuple[int, str]:
        return 200, "1"

    def through_nginx(self) -> tuple[int, str, str]:
        return 200, "1", f"{self.settings.addresses[self.serving() or 'blue']}:3000"

    def draining(self) -> int:
        return 0

    def keep_static(self, colour: str, image: str) -> None:
        self.parts.did.append(f"static of {self.settings.service}")


class Chosen(Stack):
    """The services that are exchanged in place run what is chosen, unless that is sick."""

    docker: Parts

    def as_wanted(self, name: str, wanted: str) -> bool:
        return True

    def learned(self, name: str) -> bool:
        return True

    def learn(self, name: str) -> None:
        pass

    def pull(self, name: str) -> None:
        pass

    def good_is_current(self) -> bool:
        return True


class Shelf(Server):
    """A server whose containers are a table that all services share."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.parts = Parts()
        self.docker = self.host = self.parts
        self.nginx = Nginx(settings.project_dir, self.parts, self.parts)
        self.stack = Chosen(settings.project_dir, settings.exchanges, self.parts)
        self.leftovers = Named(settings, self.parts)
        self.containers, self.sick, self.did, self.ends = self.parts.containers, self.parts.sick, self.parts.did, self.parts.ends
        self.parts.up = self.up  # type: ignore[method-assign]
        self.parts.health = lambda name: "unhealthy" if self.parts.runs.get(name) in self.sick else "healthy"  # type: ignore[method-assign]
        self.parts.restarts = lambda name: 0  # type: ignore[method-assign]

    def up(self, service: str, env: Mapping[str, str] | None = None) -> None:
        """What is exchanged in place."""
        one = self.settings.exchanges[service]
        self.did.append(f"up {service}")
        self.parts.runs[one.container] = self.stack.choice(service) or one.image

    def service(self, name: str) -> Tabled:
        return Tabled(self, self.settings.of(name))


@pytest.fixture(name="shelf")
def _shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """Everything was released once by a run of the inventory's."""
    for name in ("stack/nginx", "state", "units"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("FSTAB", "MOUNTS"):
        monkeypatch.setattr(host_module, name, tmp_path / name)
    monkeypatch.setattr(leftovers_module, "UNITS", tmp_path / "units")
    settings = Settings(
        project_dir=tmp_path / "stack", state_dir=tmp_path / "state", addresses={"blue": "172.30.0.11", "green": "172.30.0.12"}, port=3000,
        health_path="/", server_name="x.test", drain_seconds=5, repositories=(WEB,), services=dict(SERVICES),
    )  # fmt: skip
    made = Shelf(settings)
    assert run(made, "deploy", "--inventory", image(1), "--service", f"admin={image(1, ADMIN)}")[0] == 0
    made.did.clear()
    return made


def run(shelf: Shelf, *words: str) -> tuple[int, dict[str, Any]]:
    return answer(program, shelf, *words)


def running(shelf: Shelf, service: str) -> dict[str, str]:
    """Colour -> image of what runs of a service."""
    return {name.rpartition("-")[2]: one.image for name, one in shelf.containers.items() if name.startswith(f"platform-{service}-") and one.running}


def test_everything_was_released(shelf: Shelf) -> None:
    """The worker has the application's image; the second application has its own line to nginx."""
    assert running(shelf, "worker") == {"blue": image(1)}
    assert running(shelf, "admin") == {"blue": image(1, ADMIN)}
    assert (shelf.settings.project_dir / "nginx/upstream/admin.conf").read_text() == "server 172.30.77.11:3000 max_fails=0;\n"
    assert shelf.state.record().services["worker"].image == image(1)


def test_the_same_again_changes_nothing(shelf: Shelf) -> None:
    code, result = run(shelf, "deploy", "--inventory", image(1), "--service", f"admin={image(1, ADMIN)}")
    assert (code, result["changed"], result["services"]["worker"]["changed"]) == (0, False, False)


def test_a_worker_follows_a_release_and_a_rollback(shelf: Shelf) -> None:
    """After the application serves; the old worker has ended by then, and is kept."""
    code, result = run(shelf, "deploy", image(2))
    assert (code, result["current"]["image"]) == (0, image(2))
    assert running(shelf, "worker") == {"green": image(2)}
    at = shelf.did.index
    assert at("stop platform-worker-blue") < at("up platform-worker-green")
    assert at("up platform-web-green") < at("up platform-worker-green")
    assert run(shelf, "rollback")[0] == 0
    assert running(shelf, "worker") == {"blue": image(1)}


def test_a_sick_worker_gives_way_to_the_old_one(shelf: Shelf) -> None:
    """The application's release stays; the answer says so."""
    shelf.sick.add("platform-worker-green")
    code, result = run(shelf, "deploy", image(2))
    assert (code, result["outcome"]) == (6, "partly"), result
    assert result["current"]["image"] == image(2)
    assert running(shelf, "worker") == {"blue": image(1)}
    assert shelf.state.record().services["worker"].image == image(1)


def test_a_second_application_by_name(shelf: Shelf) -> None:
    """Released and rolled back; the first one is left alone."""
    code, result = run(shelf, "deploy", "--service", f"admin={image(2, ADMIN)}")
    assert (code, result["services"]["admin"]["changed"], result["changed"]) == (0, True, True)
    assert running(shelf, "admin") == {"green": image(2, ADMIN)}
    assert running(shelf, "web") == {"blue": image(1)}
    assert "static of admin" in shelf.did
    assert run(shelf, "rollback", "--service", "admin")[0] == 0
    assert running(shelf, "admin") == {"blue": image(1, ADMIN)}


def test_beforehand(shelf: Shelf) -> None:
    """A deploy in check mode says what the worker would do, and does nothing."""
    _code, result = run(shelf, "deploy", "--check", image(2))
    assert result["services"]["worker"]["steps"] == ["pull", "rest", "start", "gate", "record", "prune"]
    assert shelf.did == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["deploy", "--service", f"wroker={image(2)}"], "unknown_service"),
        (["deploy", "--service", f"worker={image(2)}"], "follows"),
        (["rollback", "--service", "worker"], "follows"),
        (["deploy", "--service", f"admin={image(2)}"], "unknown_repository"),
        (["deploy", "--service", "admin=latest"], "not_a_digest"),
        (["job", "worker"], "unknown_service"),
    ],
)
def test_refused(shelf: Shelf, words: list[str], code: str) -> None:
    """Nothing is begun."""
    status, result = run(shelf, *words)
    assert (status, result["failure"]["code"]) == (4, code), result
    assert not [line for line in shelf.did if line.startswith(("pull", "up"))]


def test_after_a_reboot(shelf: Shelf) -> None:
    """What was recorded runs again, and nothing else; visitors of an interrupted release go back."""
    shelf.containers["platform-worker-blue"] = replace(shelf.containers["platform-worker-blue"], running=False)
    shelf.service("admin").point("green")
    assert run(shelf, "ensure")[0] == 0
    assert running(shelf, "worker") == {"blue": image(1)}
    assert shelf.service("admin").serving() == "blue"


def test_a_job_runs_what_was_released_last(shelf: Shelf) -> None:
    run(shelf, "deploy", image(2))
    code, result = run(shelf, "job", "nightly")
    assert (code, result["image"]) == (0, image(2))
    assert f"run {image(2)}" in shelf.did
    assert run(shelf, "status")[1]["services"]["nightly"]["last"]["code"] == 0


def test_a_job_that_fails_says_so(shelf: Shelf) -> None:
    """By its exit code, which makes its unit a failed one."""
    shelf.ends[0] = 3
    code, result = run(shelf, "job", "nightly")
    assert (code, result["outcome"]) == (8, "job_failed")
    assert "exit code 3" in result["msg"]
    assert run(shelf, "status")[1]["services"]["nightly"]["last"]["code"] == 3


def test_one_run_of_a_job_at_a_time(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    again: list[int] = []
    monkeypatch.setattr(Tabled, "run_once", lambda self, image: again.append(run(shelf, "job", "nightly")[0]) or 0)
    assert run(shelf, "job", "nightly")[0] == 0
    assert again == [3]


def test_a_service_that_left_the_inventory_goes(shelf: Shelf) -> None:
    """Its folder on the volume stays, and is named; a deploy between two runs of site removes nothing."""
    kept = shelf.settings.state_dir / "services/worker"
    kept.mkdir(parents=True)
    del shelf.settings.services["worker"]
    run(shelf, "deploy", image(2))
    assert running(shelf, "worker")
    code, result = run(shelf, "deploy", "--inventory", image(2), "--service", f"admin={image(1, ADMIN)}")
    assert (code, result["removed"], result["changed"]) == (0, ["worker"], True)
    assert result["stays"] == [str(kept)]
    assert not running(shelf, "worker")
    assert "worker" not in shelf.state.record().services
    assert "removed" not in run(shelf, "deploy", "--inventory", image(2), "--service", f"admin={image(1, ADMIN)}")[1]


RUNNER = "registry.example.com/app/runner"
QUEUE = {"kind": "plain", "released": True, "own": True, "image": image(1, RUNNER), "files": ["env/queue.env"]}


def exchanging(shelf: Shelf, **entries: dict[str, Any]) -> Shelf:
    """The same server whose stack has these to be exchanged in place."""
    made = Shelf(replace(shelf.settings, exchange=entries, known_runner_repositories=(RUNNER,)))
    made.containers.update(shelf.containers)
    for name, entry in entries.items():
        made.parts.runs[f"platform-{name}"] = entry.get("image", "")
        made.parts.singles[f"platform-{name}"] = []
    return made


@pytest.mark.parametrize("name", ["queue", "runner"])
def test_what_is_exchanged_in_place_is_released_by_name(shelf: Shelf, name: str) -> None:
    """And rolled back; a sick one gives way, and nothing else is touched."""
    shelf = exchanging(shelf, **{name: QUEUE})
    chosen = shelf.settings.project_dir / ".env"
    for number in (2, 3):
        code, result = run(shelf, "deploy", "--service", f"{name}={image(number, RUNNER)}")
        part = result[name] if name == "runner" else result["services"][name]
        assert (code, part["changed"], shelf.parts.runs[f"platform-{name}"]) == (0, True, image(number, RUNNER))
    assert chosen.read_text() == f"{name.upper()}_IMAGE={image(3, RUNNER)}\n"
    shelf.sick.add(image(4, RUNNER))
    assert run(shelf, "deploy", "--service", f"{name}={image(4, RUNNER)}")[0] == 1
    assert shelf.parts.runs[f"platform-{name}"] == image(3, RUNNER)
    assert run(shelf, "rollback", "--service", name)[0] == 0
    assert chosen.read_text() == f"{name.upper()}_IMAGE={image(2, RUNNER)}\n"
    assert running(shelf, "web") == {"blue": image(1)}


def test_what_is_exchanged_in_place_follows(shelf: Shelf) -> None:
    """An image of another service's, after it."""
    shelf = exchanging(shelf, queue=QUEUE | {"image": "", "follows": "web"})
    assert run(shelf, "deploy", image(2))[1]["services"]["queue"]["image"] == image(2)
    assert run(shelf, "deploy", "--service", f"queue={image(2)}")[1]["failure"]["code"] == "follows"


def test_without_a_runner(shelf: Shelf) -> None:
    """A stack that has none refuses its name and says nothing of it; one that was there goes, and its folder stays."""
    words = ("deploy", "--inventory", image(1), "--service", f"admin={image(1, ADMIN)}")
    with_one = exchanging(shelf, runner=QUEUE | {"own": False})
    assert run(with_one, "deploy", "--runner", image(2, RUNNER))[0] == 0
    without = exchanging(shelf)
    folder = without.settings.state_dir / "workspace"
    mounts = [{"Source": str(folder), "RW": True}, {"Source": "/opt/platform/runner/config.yml", "RW": False}]
    without.parts.singles["platform-runner"] = mounts
    assert "runner" not in run(without, "status")[1]
    for refused in (["deploy", "--runner", image(2, RUNNER)], ["rollback", "--runner"]):
        assert run(without, *refused)[1]["failure"]["code"] == "unknown_service"
    assert run(without, *words[:1], "--check", *words[1:])[1]["removed"] == ["runner"]
    code, result = run(without, *words)
    assert (code, result["removed"], result["stays"]) == (0, ["runner"], [str(folder)])
    assert without.parts.singles == {}
    assert without.state.record().runner.image == ""
    assert (without.settings.project_dir / ".env").read_text() == ""
    assert "removed" not in run(without, *words)[1]


def test_a_service_that_becomes_a_job_and_back(shelf: Shelf) -> None:
    """Nothing of its former kind goes on running, and check mode says what would go."""
    words = ("deploy", "--inventory", image(1), "--service", f"admin={image(1, ADMIN)}")
    shelf.settings.services["worker"] = SERVICES["nightly"]
    assert run(shelf, *words[:1], "--check", *words[1:])[1]["removed"] == ["platform-worker-blue"]
    assert run(shelf, *words)[1]["removed"] == ["platform-worker-blue"]
    assert "rm --force platform-worker-blue" in shelf.did
    assert "platform-worker-blue" not in shelf.containers
    shelf.settings.services["worker"] = SERVICES["worker"]
    timer = leftovers_module.UNITS / "platform-job-worker.timer"
    timer.write_text("")
    assert run(shelf, *words)[1]["removed"] == ["platform-job-worker.timer"]
    assert not timer.exists()
    assert "systemctl disable --now platform-job-worker.timer" in shelf.did


def test_the_record_survives_its_writing(shelf: Shelf) -> None:
    record = shelf.state.record()
    assert Record.parse(json.loads(json.dumps(record.plain()))) == record
    foreign = record.of({WEB}, set(), {"worker": {WEB}})
    assert set(foreign.services) == {"worker"}, "what no inventory knows is left out"


def test_an_interrupted_replacement_is_finished() -> None:
    """Killed between the stop of the old one and the record of the new one."""
    seen = Observed("blue", "blue", {"blue": Container(image(1), "c"), "green": Container(image(2), "c", running=True, healthy=True)})
    plan = make_plan(seen, image(2), "c", Way(beside=False, public=False))
    assert (plan.colour, plan.steps) == ("green", ("pull", "rest", "start", "gate", "record", "prune"))


def test_what_the_deploy_key_may_ask_for() -> None:
    """A service by name, and an image of its repository alone."""
    services = {"admin": [ADMIN]}
    for words in (["deploy", "--service", f"admin={image(2, ADMIN)}"], ["rollback", "--service", "admin", "--check"]):
        assert judge(words, [WEB], [], services) == words
    for words in (
        ["deploy", "--service", f"admin={image(2)}"],
        ["deploy", "--service", f"other={image(2, ADMIN)}"],
        ["rollback", "--service", "other"],
        ["job", "x"],
    ):
        with pytest.raises(Refused):
            judge(words, [WEB], [], services)


def test_no_service_of_an_unknown_name() -> None:
    with pytest.raises(ReleaseError, match="platform_services"):
        program.own_image(["x"], Settings(Path(), Path(), {}, 3000, "/", "x", 5))
