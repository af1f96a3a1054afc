# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service of Docker Swarm in the place of a container: what the release program makes of what the engine says."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))

from quetrex_release.outcome import ReleaseError
from quetrex_release.swarm import Swarm

from ansible_collections.quetrex.platform.plugins.module_utils.writing import env_file

IMAGE = "registry.example.com/app/web@sha256:" + "1" * 64
NAME = "platform-web-blue"
ENTRY: dict[str, Any] = {
    "image": "${WEB_BLUE_IMAGE:-unset}",
    "labels": {"platform.part": "web"},
    "user": "70002:70002",
    "env_file": [],
    "environment": {"PORT": "3000"},
    "networks": {"web": {}},
    "volumes": [
        {"type": "bind", "source": "/usr/bin/busybox", "target": "/.platform/busybox", "read_only": True},
        {"type": "tmpfs", "target": "/tmp", "tmpfs": {"size": 67108864, "mode": 0o1777}},
    ],
    "deploy": {"mode": "replicated", "replicas": 3, "resources": {"limits": {"memory": "512M", "cpus": "0.5", "pids": 256}}},
}


class Engine(Swarm):
    """A manager whose services and tasks are tables. `lost`: tasks that are gone by the time they are asked for, each once."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, wait=self.pass_a_second)
        self.services: dict[str, dict[str, Any]] = {}
        self.tasks: list[dict[str, Any]] = []
        self.said: list[tuple[str, ...]] = []
        self.variables: dict[str, str] = {}
        self.deployed: dict[str, Any] = {}
        self.lost: list[str] = []
        self.waited = 0

    def run(self, *words: str, env: Mapping[str, str] | None = None, check: bool = True, timeout: float = 600) -> str:
        """What docker would print."""
        self.said.append(words)
        match words:
            case ("service", "ls", *_rest):
                return "\n".join(self.services)
            case ("service", "inspect", "--format", "{{json .}}", name):
                return json.dumps(self.services[name])
            case ("service", "ps", *_rest):
                return "\n".join([*(task["ID"] for task in self.tasks), *self.lost])
            case ("inspect", "--type", "task", *ids):
                if self.lost and self.lost.pop() in ids:
                    raise ReleaseError("docker_failed", "task not found")
                return json.dumps(self.tasks)
            case ("stack", "deploy", *rest):
                self.variables = dict(env or {})
                self.deployed = json.loads(Path(rest[rest.index("--compose-file") + 1]).read_text())
            case ("run", *_rest):
                self.variables = dict(env or {})
            case ("service", "scale", "--detach", said):
                name, _equals, number = said.partition("=")
                self.services[name]["Spec"]["Mode"]["Replicated"]["Replicas"] = int(number)
            case ("node", "ls", *_rest):
                nodes = [("a", "Ready", "Active"), ("b", "Ready", "Drain"), ("c", "Down", "Active")]
                return "\n".join(json.dumps({"ID": one, "Hostname": one, "Status": state, "Availability": which}) for one, state, which in nodes)
        return ""

    def pass_a_second(self, _seconds: float) -> None:
        """One copy ends in each second."""
        self.waited += 1
        for task in self.tasks:
            if task["Status"]["State"] == "running":
                task["Status"]["State"] = "shutdown"
                return

    def have(self, states: str, mode: Mapping[str, Any] | None = None, update: str = "", image: str = IMAGE) -> None:
        """A service whose tasks are in these states; `old` is one of what it was before."""
        container = {"Image": IMAGE, "Labels": {"platform.part": "web"}, "DNSConfig": {}}
        spec = {"Labels": {"platform.hash": "h1"}, "Mode": mode or {"Replicated": {"Replicas": 3}}, "TaskTemplate": {"ContainerSpec": container}}
        self.services["platform_web-blue"] = {"Spec": spec, "UpdateStatus": {"State": update}}
        for index, state in enumerate(states.split()):
            made = {"Image": "old" if state == "old" else image, "Labels": {"platform.part": "web"}}
            status = {"State": "running" if state == "old" else state, "Err": "No such image" if state == "rejected" else ""}
            wanted = "running" if state not in ("failed", "rejected", "shutdown") else "shutdown"
            attached = [{"Addresses": [f"172.24.1.{index + 2}/24"]}]
            self.tasks.append(
                {"ID": f"t{index}", "NodeID": "a", "DesiredState": wanted, "Status": status, "Spec": {"ContainerSpec": made}, "NetworksAttachments": attached}
            )


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    folder = tmp_path / "swarm"
    folder.mkdir()
    (folder / "web-blue.json").write_text(json.dumps({"services": {"web-blue": ENTRY}}))
    return Engine(tmp_path)


@pytest.mark.parametrize(
    ("states", "update", "health"),
    [
        ("running running running", "completed", "healthy"),
        ("running running starting", "", "starting"),
        ("running running", "", "starting"),
        ("running running old", "updating", "starting"),
        ("running running running old", "updating", "starting"),
        ("running running running failed", "completed", "healthy"),
        ("running running running", "rollback_completed", "rollback_completed"),
        ("running running running", "paused", "paused"),
    ],
)
def test_healthy_is_every_copy(engine: Engine, states: str, update: str, health: str) -> None:
    """Neither a copy that is missing nor one of the service as it was before counts."""
    engine.have(states, update=update)
    assert engine.health(NAME) == health


def test_healthy_on_every_server_that_takes_tasks(engine: Engine) -> None:
    """A server that is drained or down is not waited for."""
    engine.have("running", mode={"Global": {}})
    assert engine.health(NAME) == "healthy"


def test_no_service_and_no_copies(engine: Engine) -> None:
    assert engine.health(NAME) == ""
    assert engine.inspect(NAME) is None
    assert engine.image(NAME) == ""
    engine.have("", mode={"Replicated": {"Replicas": 0}})
    assert engine.health(NAME) == "exited"
    found = engine.inspect(NAME)
    assert found is not None
    assert found["State"]["Running"] is False


def test_failures_are_counted_and_explained(engine: Engine) -> None:
    """Of what the service is now: an old release's failures do not end the next one."""
    engine.have("rejected failed old")
    assert engine.restarts(NAME) == 2
    assert "No such image" in engine.logs(NAME)
    engine.tasks[0]["Spec"]["ContainerSpec"]["Image"] = "old"
    assert engine.restarts(NAME) == 1


def test_a_task_that_is_forgotten_in_between(engine: Engine) -> None:
    engine.have("running running running")
    engine.lost = ["t9"]
    assert engine.health(NAME) == "healthy"


def test_start_hands_over_image_and_identity(engine: Engine) -> None:
    """The stack file is the same for every release; what differs comes by variables, and the registry's password goes along."""
    engine.up("web-blue", {"WEB_BLUE_IMAGE": IMAGE})
    words = engine.said[-1]
    assert words[:2] == ("stack", "deploy")
    assert {"--with-registry-auth", "--detach=true"} <= set(words)
    assert engine.variables["WEB_BLUE_IMAGE"] == IMAGE
    assert engine.variables["PLATFORM_HASH"] == engine.hashes()["web-blue"]


def test_identity_follows_variables_and_choices(engine: Engine) -> None:
    """A file of variables is read by the client at the start: another value is another service."""
    file = engine.folder / "web.env"
    file.write_text("KEY=1\n")
    (engine.folder / "swarm" / "web-blue.json").write_text(json.dumps({"services": {"web-blue": {**ENTRY, "env_file": [str(file)]}}}))
    before = engine.hashes()
    file.write_text("KEY=2\n")
    assert engine.hashes() != before
    (engine.folder / ".env").write_text(f"WEB_BLUE_IMAGE={IMAGE}\n")
    assert engine.described()["web-blue"]["image"] == IMAGE


def test_values_of_env_files_arrive_as_they_are(engine: Engine) -> None:
    """`docker stack` takes the quotes of such a file for a part of the value, and expands what looks like a variable."""
    values = {"PASSWORD": 'it\'s $HOME \\ "q"\nline', "PLAIN": "a$b", "EMPTY": "", "PORT": "1"}
    file = engine.folder / "web.env"
    file.write_text(env_file(values))
    (engine.folder / "swarm" / "web-blue.json").write_text(json.dumps({"services": {"web-blue": {**ENTRY, "env_file": [str(file)]}}}))
    engine.up("web-blue", {"WEB_BLUE_IMAGE": IMAGE})
    entry = engine.deployed["services"]["web-blue"]
    assert "env_file" not in entry
    assert {name: value.replace("$$", "$") for name, value in entry["environment"].items()} == {**values, "PORT": "3000"}
    engine.run_once("web-blue", "true", name="platform-migration", env={"WEB_BLUE_IMAGE": IMAGE}, timeout=60)
    assert engine.variables == {**values, "PORT": "3000"}
    assert not any(values["PASSWORD"] in word for word in engine.said[-1])


def test_stop_waits_for_every_copy_and_wake_brings_them_back(engine: Engine) -> None:
    engine.have("running running running")
    engine.stop(NAME, 30)
    assert engine.health(NAME) == "exited"
    assert engine.waited == 3
    engine.wake(NAME)
    assert engine.number_wanted(NAME) == 3


def test_a_migration_has_the_rights_of_its_service(engine: Engine) -> None:
    """On this server, in the service's network, with its user, limits and folders, and nothing more."""
    engine.run_once("web-blue", "node", "migrate.js", name="platform-migration", env={"WEB_BLUE_IMAGE": IMAGE}, timeout=60)
    words = " ".join(engine.said[-1])
    for part in ("--network platform_web", "--user 70002:70002", "--cap-drop ALL", "--read-only", "--memory 512M", "--tmpfs /tmp:size=67108864,mode=1777"):
        assert part in words
    assert "source=/usr/bin/busybox,target=/.platform/busybox,readonly" in words
    assert words.endswith(f"{IMAGE} node migrate.js")


def test_names_by_label(engine: Engine) -> None:
    engine.have("running")
    assert engine.names() == [NAME]
    assert engine.names("platform.part=web") == [NAME]
    assert engine.names("platform.part=base") == []
    assert engine.label(NAME, "com.docker.compose.config-hash") == "h1"
