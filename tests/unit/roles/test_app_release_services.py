# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exchanges of Redis, the runner and nginx: what differs, in which order, and back when the new one is sick."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))

from quetrex_release.server import FILES, ReleaseError, Server, Settings
from quetrex_release.services import Services


class Fake:
    """A server whose services run what they were last told, unless that is sick."""

    settings = SimpleNamespace(gate_seconds=5, verify_seconds=5, gate_successes=2, drain_seconds=5)

    def __init__(self, sick: str = "") -> None:
        self.files = dict.fromkeys(("redis", "runner", "nginx"), "old")
        self.running, self.good = dict(self.files), dict(self.files)
        self.sick, self.bridge, self.chosen = sick, "", ""
        self.time, self.did, self.keys = 0.0, list[str](), [3, 3]

    def wanted_services(self) -> dict[str, str]:
        return dict(self.files)

    def as_wanted(self, name: str, wanted: str) -> bool:
        return self.running[name] == wanted

    def learned(self, _name: str) -> bool:
        return True

    def learn(self, name: str) -> None:
        self.did.append(f"learn {name}")

    def health(self, container: str) -> str:
        if container.endswith("bridge"):
            return "" if not self.bridge else "unhealthy" if self.sick == "nginx" else "healthy"
        name = container.removeprefix("platform-")
        return "unhealthy" if self.running[name] == "new" and self.sick == name else "healthy"

    def restarts(self, _container: str) -> int:
        return 0

    def said(self, container: str) -> str:
        return f"last words of {container}"

    def pull_service(self, name: str) -> None:
        self.did.append(f"pull {name}")

    def up_service(self, name: str) -> None:
        self.did.append(f"up {name}")
        self.running[name] = self.chosen if name == "runner" and self.chosen else self.files[name]

    def stop_service(self, name: str) -> None:
        self.did.append(f"stop {name}")

    def start_bridge(self) -> None:
        self.bridge = "up"

    def end_bridge(self) -> None:
        self.bridge = ""

    def redis_keys(self) -> int:
        return self.keys.pop(0) if self.keys else 0

    def copy_redis(self) -> None:
        self.did.append("copy redis")

    def restore_redis(self) -> None:
        self.did.append("restore redis")

    def restore_good(self) -> bool:
        self.files = dict(self.good)
        return True

    def good_is_current(self) -> bool:
        return self.good == self.files

    def keep_good(self) -> list[str]:
        self.good = dict(self.files)
        return ["an old image"]

    def forget(self, image: str) -> None:
        self.did.append(f"forget {image}")

    def serving(self) -> str:
        return "blue"

    def direct(self, _colour: str) -> tuple[int, str]:
        return 200, "1"

    def runner_choice(self) -> str:
        return self.chosen

    def choose_runner(self, image: str) -> None:
        self.chosen = image

    def audit(self, line: dict[str, Any]) -> None:
        self.did.append(f"audit {line['outcome']}")

    def now(self) -> str:
        return "now"

    def clock(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += seconds


def services(fake: Fake) -> Services:
    return Services(fake, lambda line: None)  # type: ignore[arg-type]


def test_nothing_differs_nothing_is_done() -> None:
    fake = Fake()
    assert services(fake).apply()["changed"] is False
    assert fake.did == []


def test_redis_is_copied_while_nothing_writes() -> None:
    fake = Fake()
    fake.files["redis"] = "new"
    done = services(fake).apply()
    assert (done["changed"], done["redis_keys"]) == (True, [3, 3])
    assert fake.did == ["pull redis", "stop redis", "copy redis", "up redis", "learn redis", "audit exchanged", "forget an old image"]
    assert fake.good == fake.files


@pytest.mark.parametrize("sick", ["redis", "runner", "nginx"])
def test_a_sick_one_gives_way_to_what_ran_before(sick: str) -> None:
    fake = Fake(sick)
    fake.files |= {"redis": "new", sick: "new"}
    with pytest.raises(ReleaseError) as caught:
        services(fake).apply()
    assert caught.value.code == "never_healthy"
    assert "last words" in caught.value.logs
    assert fake.running == dict.fromkeys(("redis", "runner", "nginx"), "old")
    assert fake.files == fake.good
    assert fake.bridge == ""
    assert ("restore redis" in fake.did) is (sick == "redis"), "what a sound Redis acknowledged stays"


def test_an_empty_redis_is_not_accepted() -> None:
    fake = Fake()
    fake.files["redis"] = "new"
    fake.keys = [3, 0]
    with pytest.raises(ReleaseError) as caught:
        services(fake).apply()
    assert caught.value.code == "redis_lost_its_data"
    assert fake.did.index("restore redis") < fake.did.index("audit redis_lost_its_data") + 2
    assert fake.running["redis"] == "old"


def test_a_sick_runner_gives_way_too() -> None:
    fake = Fake("runner")
    fake.chosen = "old"
    with pytest.raises(ReleaseError):
        services(fake).runner("new")
    assert (fake.chosen, fake.running["runner"]) == ("old", "old")


def test_the_files_that_worked_come_back_as_they_were(tmp_path: Path) -> None:
    server = Server(Settings(tmp_path, tmp_path, {}, 3000, "/", "x", 5))
    for name in FILES[2:]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("good")
    (tmp_path / "compose.yml").write_text("good")
    known = '{"services": {"redis": {"image": "a"}, "runner": {"image": "b"}, "nginx": {"image": "c"}}}'
    server.compose = lambda *words, env=None: known  # type: ignore[method-assign]
    assert not server.restore_good()
    server.keep_good()
    assert server.good_is_current()
    (tmp_path / "compose.yml").write_text("bad")
    (tmp_path / ".env").write_text("RUNNER_IMAGE=x\n")
    (tmp_path / "redis/users.acl").unlink()
    assert not server.good_is_current()
    assert server.restore_good()
    assert server.good_is_current()
    assert not (tmp_path / ".env").exists()
    assert (tmp_path / "redis/users.acl").read_text() == "good"


def test_images_are_kept_for_one_way_back(tmp_path: Path) -> None:
    server = Server(Settings(tmp_path, tmp_path, {}, 3000, "/", "x", 5))
    (tmp_path / "compose.yml").write_text("services: {}")
    gone = []
    for image in ("one", "two", "three", "two"):
        text = f'{{"services": {{"redis": {{"image": "{image}"}}, "runner": {{"image": "r"}}, "nginx": {{"image": "n"}}}}}}'
        server.compose = lambda *words, env=None, text=text: text  # type: ignore[method-assign,misc]
        gone.append(server.keep_good())
    assert gone == [[], [], ["one"], []]
