# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exchanges of Redis, the runner and nginx: what differs, in which order, and back when the new one is unhealthy."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))

from quetrex_release.outcome import Outcome, ReleaseError
from quetrex_release.server import FILES, Server, Settings
from quetrex_release.services import REDIS_GOES_BACK_TO, Services


class Fake:
    """A server whose services run what they were last told, unless that is sick."""

    settings = SimpleNamespace(gate_seconds=5, verify_seconds=5, gate_successes=2, drain_seconds=5)

    def __init__(self, sick: str = "") -> None:
        self.files = dict.fromkeys(("redis", "runner", "nginx"), "old")
        self.running, self.good = dict(self.files), dict(self.files)
        self.sick, self.bridge, self.chosen = sick, "", ""
        self.time, self.did, self.keys = 0.0, list[str](), list[int | None]([3, 3])
        self.copy, self.unreadable, self.web = "", False, 200
        self.fails: dict[str, Exception] = {}

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
        if name == "redis" and self.unreadable and self.running[name] == "old" and "restore redis" not in self.did and "up redis" in self.did:
            return "unhealthy"
        return "unhealthy" if self.running[name] == "new" and self.sick == name else "healthy"

    def restarts(self, _container: str) -> int:
        return 0

    def said(self, container: str) -> str:
        return f"last words of {container}"

    def _do(self, what: str) -> None:
        self.did.append(what)
        if what in self.fails:
            raise self.fails.pop(what)

    def pull_service(self, name: str) -> None:
        self._do(f"pull {name}")

    def up_service(self, name: str) -> None:
        self._do(f"up {name}")
        self.running[name] = self.chosen if name == "runner" and self.chosen else self.files[name]

    def stop_service(self, name: str) -> None:
        self._do(f"stop {name}")
        self.running[name] = "stopped"

    def start_bridge(self) -> None:
        self.bridge = "up"

    def end_bridge(self) -> None:
        self.bridge = ""

    def redis_keys(self) -> int | None:
        """The last one stays."""
        return self.keys.pop(0) if len(self.keys) > 1 else self.keys[0]

    def forget_redis_copy(self) -> None:
        self.copy = ""

    def copy_redis(self) -> None:
        self._do("copy redis")
        self.copy = "of this exchange"

    def restore_redis(self) -> bool:
        if not self.copy:
            return False
        self.did.append("restore redis")
        self.copy = ""
        return True

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
        return self.web, "1"

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
    assert "restore redis" not in fake.did, "what a Redis acknowledged stays, if only for a moment it ran"


# How an exchange of Redis fails -> what it holds before, after and on the way back, and the code that says so.
FAILURES: dict[str, tuple[dict[str, Any], list[int | None], str]] = {
    "not fetched": ({"fails": {"pull redis": ReleaseError("docker_failed", "no")}}, [3], "docker_failed"),
    "not stopped": ({"fails": {"stop redis": ReleaseError("docker_failed", "no")}}, [3], "docker_failed"),
    "not copied": ({"fails": {"copy redis": ReleaseError("copy_failed", "no room")}}, [3], "copy_failed"),
    "not started": ({"fails": {"up redis": ReleaseError("docker_failed", "no")}}, [3], "docker_failed"),
    "interrupted": ({"fails": {"up redis": ReleaseError("interrupted", "stop")}}, [3], "interrupted"),
    "a defect": ({"fails": {"copy redis": KeyError("x")}}, [3], "internal"),
    "never healthy": ({"sick": "redis"}, [3], "never_healthy"),
    "not asked": ({}, [3, None], "redis_not_asked"),
    "application away": ({"web": 503}, [3], "not_reconnected"),
    "empty": ({}, [3, 0, 3], "redis_lost_its_data"),
}


@pytest.mark.parametrize("how", FAILURES)
def test_redis_goes_back_to_its_copy_only_when_it_holds_nothing(how: str) -> None:
    given, keys, code = FAILURES[how]
    fake = Fake(given.get("sick", ""))
    fake.files["redis"], fake.keys = "new", list(keys)
    fake.web, fake.fails = given.get("web", 200), dict(given.get("fails", {}))
    with pytest.raises(ReleaseError) as caught:
        services(fake).apply()
    assert (caught.value.code, caught.value.outcome) == (code, Outcome.failed)
    assert fake.running["redis"] == "old"
    assert ("restore redis" in fake.did) is (how == "empty")


def test_every_code_of_redis_is_decided() -> None:
    """A code that is not in the table keeps the data as well: the table is there to be read."""
    assert {code for _given, _keys, code in FAILURES.values()} - {"internal"} == set(REDIS_GOES_BACK_TO) - {"exited"}
    assert [code for code, to in REDIS_GOES_BACK_TO.items() if to != "data"] == ["redis_lost_its_data"]


@pytest.mark.parametrize("keys", [[3, 3], [3, 3, 0]], ids=["unreadable", "read as nothing"])
def test_redis_falls_back_to_copy(keys: list[int | None]) -> None:
    """Redis goes back to its copy when it cannot go on with its data."""
    fake = Fake()
    fake.files["redis"], fake.keys, fake.web = "new", keys, 503
    fake.unreadable = len(keys) == 2
    with pytest.raises(ReleaseError, match="did not get well"):
        services(fake).apply()
    assert fake.did.count("restore redis") == 1
    assert fake.running["redis"] == "old"


def test_a_redis_that_held_nothing_or_was_not_asked_is_exchanged() -> None:
    for keys in ([0, 0], [None, 0]):
        fake = Fake()
        fake.files["redis"], fake.keys = "new", list[int | None](keys)
        assert services(fake).apply()["changed"] is True


def test_what_is_replaced_is_kept_and_an_old_copy_is_no_way_back(tmp_path: Path) -> None:
    server = Server(Settings(tmp_path, tmp_path, {}, 3000, "/", "x", 5))
    server.docker = lambda *words, **more: ""  # type: ignore[method-assign]
    data = tmp_path / "redis" / "appendonlydir"
    data.mkdir(parents=True)
    (data / "aof").write_text("before")
    server.copy_redis()
    (data / "aof").write_text("acknowledged since")
    assert server.restore_redis()
    assert ((data / "aof").read_text(), (tmp_path / "redis/.replaced/aof").read_text()) == ("before", "acknowledged since")
    assert not server.restore_redis()
    server.copy_redis()
    server.forget_redis_copy()
    assert not server.restore_redis()


def test_a_copy_that_ends_half_way_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(Settings(tmp_path, tmp_path, {}, 3000, "/", "x", 5))
    (tmp_path / "redis" / "appendonlydir").mkdir(parents=True)

    def full(source: Path, target: Path) -> None:
        target.mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(server, "_copy_owned", full)
    with pytest.raises(ReleaseError) as caught:
        server.copy_redis()
    assert caught.value.code == "copy_failed"
    assert not server.restore_redis()
    assert (tmp_path / "redis" / "appendonlydir").is_dir()


def test_a_way_back_that_fails_is_said() -> None:
    fake = Fake("runner")
    fake.files["runner"] = "new"

    def fail() -> bool:
        raise ReleaseError("docker_failed", "the engine is away")

    fake.restore_good = fail  # type: ignore[method-assign]
    with pytest.raises(ReleaseError, match="going back failed: the engine is away") as caught:
        services(fake).apply()
    assert caught.value.outcome is Outcome.unknown


def test_a_runner_goes_back() -> None:
    fake = Fake()
    fake.chosen = fake.running["runner"] = "new"
    services(fake).runner_back("old")
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
