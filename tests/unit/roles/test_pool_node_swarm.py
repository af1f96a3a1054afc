# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On a manager: the desired state comes to every server that is ready, and the wait for it ends with what a server has to say."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "pool_node" / "files"))

from quetrex_node import __main__ as program
from quetrex_node import service
from quetrex_node.desired import Desired
from quetrex_node.node import Observed
from quetrex_node.swarm import KEPT, TARGET, Nodes, config_name
from quetrex_release.docker import Docker
from quetrex_release.outcome import ReleaseError

BLUE, GREEN = (Desired().leading("web", colour, 3000) for colour in ("blue", "green"))


@dataclass
class Host:
    """A server: how it is, how many looks its task needs until it is healthy (None: for ever), and what its log says."""

    status: str = "Ready"
    availability: str = "Active"
    looks: int | None = 2
    log: str | None = None
    task: str = ""
    left: int | None = 0


@dataclass
class Swarm(Docker):
    """A docker on a manager."""

    hosts: dict[str, Host]
    objects: dict[str, str] = field(default_factory=dict)
    brought: str = ""
    calls: list[str] = field(default_factory=list)
    time: float = 0.0
    exists: bool = True
    described_as: str = ""

    def run(self, *words: str, **_more: Any) -> str:
        self.calls.append(" ".join(words[:2]))
        verb = "tasks" if words[0] == "inspect" else f"{words[0]}_{words[1]}"
        return str(getattr(self, verb)(*words[2:]))

    def now(self) -> str:
        return ""

    def clock(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += seconds

    def service_ls(self, *_words: str) -> str:
        return "platform_node\nplatform_nodes-other\n" if self.exists else ""

    def service_inspect(self, *words: str) -> str:
        if not self.exists:
            raise ReleaseError("docker_failed", "docker service failed: no such service: platform_node")
        if "platform.hash" in " ".join(words):
            return self.described_as
        others = [{"ConfigName": "other", "File": {"Name": "/other"}}]
        return json.dumps([*others, {"ConfigName": self.brought, "File": {"Name": TARGET}}] if self.brought else None)

    def stack_deploy(self, *words: str) -> str:
        assert {"--with-registry-auth", "--detach=true"} < set(words)
        stack = json.loads(Path(words[words.index("--compose-file") + 1]).read_text())
        self.exists, self.brought = True, stack["configs"]["desired"]["name"]
        self.described_as = stack["services"]["node"]["deploy"]["labels"]["platform.hash"]
        assert self.brought in self.objects
        for host in self.hosts.values():
            host.task, host.left = self.brought, host.looks
        return ""

    def service_update(self, *words: str) -> str:
        removed = words[words.index("--config-rm") + 1] if "--config-rm" in words else ""
        assert removed == self.brought
        source, target, mode = words[words.index("--config-add") + 1].split(",")
        self.brought = source.removeprefix("source=")
        assert (target, mode, words[-1], "--detach" in words) == (f"target={TARGET}", "mode=0444", "platform_node", True)
        assert self.brought in self.objects
        for host in self.hosts.values():
            host.task, host.left = self.brought, host.looks
        return ""

    def service_ps(self, *_words: str) -> str:
        return "".join(f"task-{name}\n" for name, host in self.hosts.items() if host.task)

    def service_logs(self, *words: str) -> str:
        log = self.hosts[words[-1].removeprefix("task-")].log
        if log is None:
            raise ReleaseError("docker_failed", "docker service failed: timed out")
        return log

    def tasks(self, *words: str) -> str:
        found = []
        for name in (word.removeprefix("task-") for word in words if word.startswith("task-")):
            host = self.hosts[name]
            config = {"ConfigName": host.task, "File": {"Name": TARGET}}
            state = "running" if host.left == 0 else "starting"
            found.append({"ID": f"task-{name}", "NodeID": f"id-{name}", "Status": {"State": state}, "Spec": {"ContainerSpec": {"Configs": [config]}}})
            host.left = host.left if not host.left else host.left - 1
        return json.dumps(found)

    def node_ls(self, *_words: str) -> str:
        lines = [{"ID": f"id-{name}", "Hostname": name, "Status": host.status, "Availability": host.availability} for name, host in self.hosts.items()]
        return "\n".join(map(json.dumps, lines))

    def config_create(self, *words: str) -> str:
        assert words[:2] == ("--label", "platform.part=desired")
        assert words[2] not in self.objects, "it cannot be made twice"
        self.objects[words[2]] = Path(words[3]).read_text()
        return "id\n"

    def config_ls(self, *_words: str) -> str:
        return "\n".join(sorted(self.objects))

    def config_inspect(self, *words: str) -> str:
        if words[0] == "--format":
            return json.dumps(base64.b64encode(self.objects[words[2]].encode()).decode())
        ages = list(self.objects)
        return json.dumps([{"Spec": {"Name": name}, "CreatedAt": f"2026-01-01T00:00:{ages.index(name):02}Z"} for name in words])

    def config_rm(self, name: str) -> str:
        assert name != self.brought
        del self.objects[name]
        return ""


def swarm(**hosts: Host) -> tuple[Swarm, Nodes]:
    """Servers, and the program on one of them."""
    found = Swarm({"one": Host(), "two": Host(looks=5), **hosts})
    nodes = Nodes(found, found)
    found.brought = nodes.create(Desired())
    return found, nodes


def told(desired: Desired, **parts: Any) -> str:
    return Observed(sha256(desired.text().encode()).hexdigest(), desired.generation, **parts).text()


def test_published_when_every_server_has_it() -> None:
    """Two that cannot have it are not waited for."""
    found, nodes = swarm(down=Host(status="Down", looks=None), drained=Host(availability="Drain", looks=None))
    nodes.publish(BLUE)
    assert found.time == 5, "as long as the slowest server takes"
    assert (found.brought, nodes.current()) == (config_name(BLUE, "platform"), BLUE)
    before = len(found.calls)
    nodes.publish(BLUE)
    assert not {"service update", "config create"} & set(found.calls[before:])
    nodes.publish(GREEN)
    nodes.publish(BLUE)
    assert nodes.current() == BLUE
    assert len(found.objects) == 3


def test_a_server_that_goes_down_meanwhile_is_not_waited_for() -> None:
    found, nodes = swarm(dying=Host(looks=None))
    ready = nodes.ready

    def watched() -> dict[str, str]:
        if found.time > 10:
            found.hosts["dying"].status = "Down"
        return ready()

    nodes.ready = watched  # type: ignore[method-assign]
    nodes.publish(BLUE)
    assert found.time == 11


def test_a_refusal_ends_the_wait_with_the_servers_words() -> None:
    found, nodes = swarm(three=Host(looks=None, log=told(BLUE, ok=False, code="refused", problem="version 1 is not 2: run site")))
    with pytest.raises(ReleaseError, match=r"three: version 1 is not 2: run site") as caught:
        nodes.publish(BLUE)
    assert caught.value.code == "nodes_failed"
    assert found.time < 5


def test_a_problem_that_stays_is_named_at_the_end() -> None:
    found, nodes = swarm(
        three=Host(looks=None, log=told(BLUE, ok=False, code="no_address", problem="web-blue:3000: no container")),
        four=Host(looks=None, log="not a report"),
        five=Host(looks=None),
        # what it says is about another state
        six=Host(looks=None, log=told(GREEN, ok=False, code="refused", problem="long ago")),
    )
    with pytest.raises(ReleaseError) as caught:
        nodes.publish(BLUE, seconds=30)
    said = "; ".join(f"{name}: its task is starting" for name in ("five", "four", "six"))
    assert str(caught.value) == f"Not in effect on {said}; three: web-blue:3000: no container"
    assert found.time == 30


def test_a_server_without_a_task_is_named() -> None:
    found, nodes = swarm()
    nodes.publish(BLUE)
    found.hosts["new"] = Host()
    with pytest.raises(ReleaseError, match="new: it has no task of this state yet"):
        nodes.publish(BLUE, seconds=3)


def test_draining_is_the_sum_and_silence_counts() -> None:
    found, nodes = swarm(three=Host(looks=0, log=told(BLUE, draining=3)), four=Host(looks=0, log=told(BLUE)), silent=Host(looks=0))
    nodes.publish(BLUE)
    for name in ("one", "two"):
        found.hosts[name].log = told(BLUE)
    assert nodes.draining() == 4
    found.hosts["silent"].status = "Down"
    assert nodes.draining() == 3


def test_old_objects_go_but_a_few() -> None:
    found, nodes = swarm()
    states = [BLUE.leading("admin", "blue", port) for port in range(1, 6)]
    for state in states:
        nodes.publish(state)
    nodes.publish(states[0])
    assert len(nodes.prune()) == 2
    assert set(found.objects) == {config_name(state, "platform") for state in (states[0], *states[-KEPT:])}
    assert nodes.prune() == []


def test_the_first_state_is_empty() -> None:
    """Before the stack is deployed the service cannot be asked; its first object is made then, once."""
    found = Swarm({}, exists=False)
    nodes = Nodes(found, found)
    assert nodes.current_name() == ""
    assert nodes.current() == Desired()
    name = nodes.create(Desired())
    assert (nodes.current_name(), nodes.create(Desired()), nodes.current()) == (name, name, Desired())
    with pytest.raises(ReleaseError, match="no such service"):
        nodes.publish(BLUE)


IMAGE = f"registry.example.com/nginx@sha256:{'0' * 64}"


def stack_file(config: str, image: str = IMAGE) -> dict[str, Any]:
    return service.stack_file(config, service.service(image, "/run/in", "/run/out", "/usr/bin/busybox"))


def test_the_service_is_brought_up_with_the_present_state() -> None:
    """At first with an empty one; later whatever it holds by then, and only when it is described otherwise."""
    found = Swarm({"one": Host()}, exists=False)
    nodes = Nodes(found, found)
    assert nodes.ensure(stack_file, check=True)
    assert not found.exists
    assert nodes.ensure(stack_file)
    assert nodes.current() == Desired()
    nodes.publish(BLUE)
    assert not nodes.ensure(stack_file)
    assert nodes.ensure(lambda config: stack_file(config, IMAGE.replace("0", "1")))
    assert nodes.current() == BLUE


def test_words_on_a_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What the role reads: whether anything changed, and the name of the state's object."""
    found = Swarm({"one": Host(looks=0)}, exists=False)
    monkeypatch.setattr(program, "Docker", lambda _stack: found)
    monkeypatch.setattr(program, "Host", lambda: found)
    (tmp_path / "node.json").write_text(json.dumps(dict.fromkeys(("inbox", "outbox", "nginx", "static", "stack"), "/nowhere")))

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        code = program.main(["--settings", str(tmp_path / "node.json"), "--json", *words])
        return code, json.loads(capsys.readouterr().out)

    name = config_name(Desired(), "platform")
    assert run("service", "--image", IMAGE, "--check") == (0, {"changed": True, "config": ""})
    assert run("desired") == (0, {"changed": True, "config": name})
    assert run("desired") == (0, {"changed": False, "config": name})
    assert run("service", "--image", IMAGE) == (0, {"changed": True, "config": name})
    assert run("service", "--image", IMAGE) == (0, {"changed": False, "config": name})
    found.hosts["ill"] = Host()
    code, said = run("service", "--image", IMAGE)
    assert (code, said["failed"], said["failure"]["code"], "ill: it has no task" in said["msg"]) == (1, True, "nodes_failed", True)


# --- the service ---------------------------------------------------------------------------------


def test_a_stack_file_takes_the_service(tmp_path: Path) -> None:
    """The client judges it as `docker stack deploy` does, and leaves the program's own words alone."""
    docker = shutil.which("docker")
    if not docker:
        pytest.skip("needs the docker client")
    (tmp_path / "stack.yml").write_text(json.dumps(stack_file("x")))
    done = subprocess.run([docker, "stack", "config", "-c", str(tmp_path / "stack.yml")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "nsupported" not in done.stderr
    assert '"$last"' in done.stdout or "$$last" in done.stdout


def test_the_state_is_brought_until_it_is_in_effect(tmp_path: Path) -> None:
    """The service's own program, with the machine's shell: it brings, brings again what somebody else changed, and tells what is reported."""
    folders = {f" {TARGET} ": f" {tmp_path / 'desired.json'} ", service.INBOX: str(tmp_path / "in"), service.OUTBOX: str(tmp_path / "out")}
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "desired.json").write_text(BLUE.text())
    words = service.SCRIPT.replace(f"{service.SHELL} sleep $pause", "sleep 0.05").replace(f"{service.SHELL} ", "")
    for inside, outside in folders.items():
        words = words.replace(inside, outside)
    brought, said = tmp_path / "in" / "desired.json", tmp_path / "said"
    with said.open("w") as output, subprocess.Popen(["sh", "-c", words], stdout=output) as process:
        try:
            _until(lambda: brought.exists() and brought.read_text() == BLUE.text())
            report = told(BLUE, ok=False, code="x", problem='a "strange" \\n word')
            (tmp_path / "out" / "observed.json").write_text(report)
            _until(lambda: said.read_text() == report)
            brought.write_text("changed")
            _until(lambda: brought.read_text() == BLUE.text())
            (tmp_path / "out" / "applied.json").write_text(BLUE.text())
            (tmp_path / "out" / "observed.json").write_text(told(BLUE))
            _until(lambda: said.read_text() == report + told(BLUE))
            assert process.poll() is None
        finally:
            process.terminate()


def _until(what: Any) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)
