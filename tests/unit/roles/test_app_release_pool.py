# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases on several servers: the record that every manager has, what is published to nginx, and how a release asks past the balancer."""

from __future__ import annotations

import base64
import json
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "pool_node" / "files"))

from quetrex_node.desired import Desired
from quetrex_release.outcome import ReleaseError
from quetrex_release.pool import Copies, Inside, Pool, PoolNginx, PoolState
from quetrex_release.probe import ask
from quetrex_release.record import Record, Release
from quetrex_release.settings import Settings
from quetrex_release.swarm import Copy, Swarm

OLD, NEW = ("registry.example.com/app/web@sha256:" + digit * 64 for digit in "12")


class Engine(Swarm):
    """The Swarm's configuration objects. `dies`: the command at which the program is killed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.objects: dict[str, tuple[int, str]] = {}
        self.time = 0
        self.dies = ""

    def run(self, *words: str, env: Mapping[str, str] | None = None, check: bool = True, timeout: float = 600) -> str:
        """What docker would print."""
        if " ".join(words[:2]) == self.dies:
            raise KeyboardInterrupt
        match words:
            case ("config", "ls", *_rest):
                return "\n".join(self.objects)
            case ("config", "inspect", "--format", _format, name):
                return json.dumps(base64.b64encode(self.objects[name][1].encode()).decode())
            case ("config", "inspect", *names):
                return json.dumps([{"Spec": {"Name": name}, "CreatedAt": f"{self.objects[name][0]:09}"} for name in names])
            case ("config", "create", "--label", _label, name, file):
                self.time += 1
                self.objects[name] = (self.time, Path(file).read_text())
            case ("config", "rm", name):
                del self.objects[name]
        return ""

    def copies(self, container: str) -> list[Copy]:
        """One of each colour."""
        return [Copy("running", True, True, "a", ("172.24.1.5" if container.endswith("blue") else "172.24.1.6",))]


def settings(folder: Path) -> Settings:
    (folder / "state").mkdir(exist_ok=True)
    return Settings(
        folder,
        folder / "state",
        {"blue": "web-blue", "green": "web-green"},
        3000,
        "/api/health",
        "example.com",
        60,
        sockets=str(folder),
        static_path="/app/static",
        static_prefix="/static",
    )


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path)


@pytest.fixture
def state(engine: Engine, tmp_path: Path) -> PoolState:
    return PoolState(settings(tmp_path), engine)


def recorded(record: Record, image: str) -> Record:
    track = record.web.add(Release("blue", image, "c", "1.0.0", "2026-11-30T20:00:00Z"))
    return record.having(track, "web")


# The record


def test_every_manager_has_the_same_record(state: PoolState, engine: Engine, tmp_path: Path) -> None:
    """Another server's program reads what this one wrote, and counts it as its own."""
    assert (state.record(), state.own_record()) == (Record(), False)
    state.save_record(recorded(Record(), OLD))
    other = PoolState(settings(tmp_path), engine)
    assert (other.record().web.image, other.own_record()) == (OLD, True)
    other.save_record(recorded(other.record(), NEW))
    assert state.record().web.image == NEW
    assert len(engine.objects) == 1


def test_same_record_is_not_written_again(state: PoolState, engine: Engine) -> None:
    state.save_record(recorded(Record(), OLD))
    state.save_record(state.record())
    assert engine.time == 1


@pytest.mark.parametrize(("dies", "image"), [("config create", OLD), ("config rm", NEW)])
def test_killed_while_the_record_is_written(state: PoolState, engine: Engine, dies: str, image: str) -> None:
    """There is the old record or the new one, and the next release goes on from it."""
    state.save_record(recorded(Record(), OLD))
    engine.dies = dies
    with pytest.raises(KeyboardInterrupt):
        state.save_record(recorded(state.record(), NEW))
    engine.dies = ""
    assert state.record().web.image == image
    state.save_record(recorded(state.record(), NEW))
    assert [state.record().web.image, len(engine.objects)] == [NEW, 1]


def test_a_record_comes_back(state: PoolState) -> None:
    """A release that fails after its record was written leaves the one from before."""
    state.save_record(recorded(Record(), OLD))
    before = state.record()
    state.save_record(recorded(before, NEW))
    state.save_record(before)
    assert state.record() == before


def test_a_damaged_record_stops_a_release(state: PoolState, engine: Engine) -> None:
    """An empty one would forget what serves."""
    engine.objects["platform-record-1-x"] = (1, "{")
    with pytest.raises(ReleaseError, match="platform-record-1-x cannot be read"):
        state.record()


# What is published


class Nodes:
    """The servers, as far as a publication is concerned."""

    def __init__(self) -> None:
        self.published: list[Desired] = []

    def current(self) -> Desired:
        return self.published[-1] if self.published else Desired()

    def publish(self, desired: Desired) -> None:
        self.published.append(desired)

    def prune(self) -> list[str]:
        return []

    def draining(self) -> int:
        return 3


@pytest.fixture
def web(tmp_path: Path, engine: Engine) -> Copies:
    pool = Pool(settings(tmp_path))
    nginx = PoolNginx(Nodes())  # type: ignore[arg-type]
    return Copies(pool.settings.of("web"), engine, nginx, pool.state, pool.host)  # type: ignore[arg-type]


def published(web: Copies) -> list[Desired]:
    found: Any = web.nginx.nodes
    return list(found.published)


def test_visitors_are_led_by_a_publication(web: Copies) -> None:
    """Nothing reaches a server before it, and a service that is led nowhere is in none."""
    web.point("green")
    assert published(web) == []
    web.reload()
    assert web.serving() == "green"
    assert web.draining() == 3
    web.point(None)
    web.reload()
    assert web.serving() is None
    assert published(web)[-1].upstreams == {}


def test_static_files_are_everywhere_before_visitors(web: Copies) -> None:
    """A page of the new release asks any server for its files, also one that still leads to the old one."""
    web.keep_static("blue", OLD)
    web.keep_static("green", NEW)
    assert [one.images for one in published(web)] == [(OLD,), (NEW, OLD)]
    web.keep_static("green", NEW)
    assert len(published(web)) == 2
    web.prune_static([NEW])
    assert published(web)[-1].images == (NEW,)


def test_nothing_is_published_without_static_files(web: Copies) -> None:
    web.settings = replace(web.settings, static_path="")
    web.keep_static("blue", OLD)
    web.prune_static([])
    assert published(web) == []


# Past the balancer


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[list[str]]:
    """A program at both sockets that answers by the colour it is asked for."""
    asked: list[str] = []
    servers = []
    for name in ("preview", "inside"):
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(str(tmp_path / f"{name}.sock"))
        server.listen()
        servers.append(server)

    def serve(server: socket.socket) -> None:
        while True:
            try:
                one, _address = server.accept()
            except OSError:
                return
            asked.append(one.recv(4096).decode())
            body = b'{"version": "1.1.0"}'
            one.sendall(b"HTTP/1.1 200 OK\r\nX-Upstream: 172.24.1.6:3000\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            one.close()

    for server in servers:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
    yield asked
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def test_preview_asks_for_a_colour(web: Copies, answering: list[str]) -> None:
    assert web.preview("green") == (200, "1.1.0")
    assert "X-Colour: web-green\r\n" in answering[0]
    assert "Host: example.com\r\n" in answering[0]


def test_the_answering_colour_is_told_by_its_address(web: Copies, answering: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """nginx says which copy has answered; verify asks for the colour."""
    monkeypatch.setattr("quetrex_release.pool.Inside", lambda path, _name="": Inside(path))
    assert web.through_nginx() == (200, "1.1.0", "web-green:3000")
    assert len(answering) == 1


def test_no_nginx_is_no_answer(tmp_path: Path) -> None:
    assert ask(Inside(tmp_path / "none.sock"), "/", {}) == (0, "", "")
