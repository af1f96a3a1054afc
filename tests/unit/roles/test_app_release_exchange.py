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

from quetrex_release.docker import Docker
from quetrex_release.exchange import REDIS_GOES_BACK_TO, Exchanges
from quetrex_release.outcome import Outcome, ReleaseError
from quetrex_release.redis import Redis
from quetrex_release.settings import Exchanged, Settings
from quetrex_release.stack import Stack

EXCHANGES = Settings(Path(), Path(), {}, 3000, "/", "x", 5).exchanges


class Fake:
    """All parts of a server in one, whose services run what they were last told, unless that is sick."""

    settings = SimpleNamespace(gate_seconds=5, verify_seconds=5, gate_successes=2, drain_seconds=5, exchanges=EXCHANGES, public=True)
    exchanges = EXCHANGES

    def __init__(self, sick: str = "") -> None:
        self.stack = self.docker = self.host = self.state = self
        self.files = dict.fromkeys(EXCHANGES, "old")
        self.running, self.good = dict(self.files), dict(self.files)
        self.sick, self.bridge, self.chosen = sick, "", ""
        self.time, self.did, self.held = 0.0, list[str](), list[int | None]([3, 3])
        self.copied, self.unreadable, self.web = "", False, 200
        self.fails: dict[str, Exception] = {}

    def service(self, _name: str) -> Fake:
        return self

    def redis(self, _one: Exchanged) -> Fake:
        return self

    def hashes(self) -> dict[str, str]:
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

    def logs(self, container: str) -> str:
        return f"last words of {container}"

    def _do(self, what: str) -> None:
        self.did.append(what)
        if what in self.fails:
            raise self.fails.pop(what)

    def pull(self, name: str) -> None:
        self._do(f"pull {name}")

    def up(self, name: str) -> None:
        self._do(f"up {name}")
        self.running[name] = self.chosen if name == "runner" and self.chosen else self.files[name]

    def stop(self, container: str, _seconds: int = 0, *, check: bool = False) -> None:
        if not check:
            self.bridge = ""
            return
        name = container.removeprefix("platform-")
        self._do(f"stop {name}")
        self.running[name] = "stopped"

    def remove(self, _container: str) -> None:
        self.bridge = ""

    def compose(self, *_words: str) -> str:
        self.bridge = "up"
        return ""

    def keys(self) -> int | None:
        """The last one stays."""
        return self.held.pop(0) if len(self.held) > 1 else self.held[0]

    def forget_copy(self) -> None:
        self.copied = ""

    def copy(self) -> None:
        self._do("copy redis")
        self.copied = "of this exchange"

    def restore(self) -> bool:
        if not self.copied:
            return False
        self.did.append("restore redis")
        self.copied = ""
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

    def choice(self, _name: str) -> str:
        return self.chosen

    def choose(self, _name: str, image: str) -> None:
        self.chosen = image

    def audit(self, line: dict[str, Any]) -> None:
        self.did.append(f"audit {line['outcome']}")

    def now(self) -> str:
        return "now"

    def clock(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += seconds


def exchanges(fake: Fake) -> Exchanges:
    return Exchanges(fake, lambda line: None)  # type: ignore[arg-type]


def test_nothing_differs_nothing_is_done() -> None:
    fake = Fake()
    assert exchanges(fake).apply()["changed"] is False
    assert fake.did == []


def test_redis_is_copied_while_nothing_writes() -> None:
    fake = Fake()
    fake.files["redis"] = "new"
    done = exchanges(fake).apply()
    assert (done["changed"], done["redis_keys"]) == (True, [3, 3])
    assert fake.did == ["pull redis", "stop redis", "copy redis", "up redis", "learn redis", "audit exchanged", "forget an old image"]
    assert fake.good == fake.files


@pytest.mark.parametrize("sick", ["redis", "runner", "nginx"])
def test_a_sick_one_gives_way_to_what_ran_before(sick: str) -> None:
    fake = Fake(sick)
    fake.files |= {"redis": "new", sick: "new"}
    with pytest.raises(ReleaseError) as caught:
        exchanges(fake).apply()
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
    fake.files["redis"], fake.held = "new", list(keys)
    fake.web, fake.fails = given.get("web", 200), dict(given.get("fails", {}))
    with pytest.raises(ReleaseError) as caught:
        exchanges(fake).apply()
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
    fake.files["redis"], fake.held, fake.web = "new", keys, 503
    fake.unreadable = len(keys) == 2
    with pytest.raises(ReleaseError, match="did not get well"):
        exchanges(fake).apply()
    assert fake.did.count("restore redis") == 1
    assert fake.running["redis"] == "old"


def test_a_redis_that_held_nothing_or_was_not_asked_is_exchanged() -> None:
    for keys in ([0, 0], [None, 0]):
        fake = Fake()
        fake.files["redis"], fake.held = "new", list[int | None](keys)
        assert exchanges(fake).apply()["changed"] is True


def redis(folder: Path) -> Redis:
    """Its data in a folder, without an engine."""
    made = Docker(folder)
    made.run = lambda *words, **more: ""  # type: ignore[method-assign]
    return Redis("platform-redis", folder / "redis", (folder / "web.env", "REDIS_URL"), made)


def test_what_is_replaced_is_kept_and_an_old_copy_is_no_way_back(tmp_path: Path) -> None:
    made, data = redis(tmp_path), tmp_path / "redis" / "appendonlydir"
    data.mkdir(parents=True)
    (data / "aof").write_text("before")
    made.copy()
    (data / "aof").write_text("acknowledged since")
    assert made.restore()
    assert ((data / "aof").read_text(), (tmp_path / "redis/.replaced/aof").read_text()) == ("before", "acknowledged since")
    assert not made.restore()
    made.copy()
    made.forget_copy()
    assert not made.restore()


def test_a_copy_that_ends_half_way_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = redis(tmp_path)
    (tmp_path / "redis" / "appendonlydir").mkdir(parents=True)

    def full(source: Path, target: Path) -> None:
        target.mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(made, "_copy_owned", full)
    with pytest.raises(ReleaseError) as caught:
        made.copy()
    assert caught.value.code == "copy_failed"
    assert not made.restore()
    assert (tmp_path / "redis" / "appendonlydir").is_dir()


def test_a_way_back_that_fails_is_said() -> None:
    fake = Fake("runner")
    fake.files["runner"] = "new"

    def fail() -> bool:
        raise ReleaseError("docker_failed", "the engine is away")

    fake.restore_good = fail  # type: ignore[method-assign]
    with pytest.raises(ReleaseError, match="going back failed: the engine is away") as caught:
        exchanges(fake).apply()
    assert caught.value.outcome is Outcome.unknown


def test_a_runner_goes_back() -> None:
    fake = Fake()
    fake.chosen = fake.running["runner"] = "new"
    exchanges(fake).release_back("runner", "old")
    assert (fake.chosen, fake.running["runner"]) == ("old", "old")


def test_redis_is_asked_with_the_login_of_its_entry(tmp_path: Path) -> None:
    """The password goes through the environment; without a login Redis cannot be asked."""
    made, asked = redis(tmp_path), list[tuple[tuple[str, ...], Any]]()
    assert made.keys() is None

    def run(*words: str, env: Any = None, check: bool = True, timeout: float = 0) -> str:
        asked.append((words, env))
        return "# Keyspace\ndb0:keys=3,expires=0\ndb1:keys=4,expires=0\n"

    made.docker.run = run  # type: ignore[method-assign]
    (tmp_path / "web.env").write_text("CACHE_URL='redis://x:y@cache:6379'\nREDIS_URL='redis://web:p%2Fw@redis:6379'\n")
    assert made.keys() == 7
    ((words, env),) = asked
    assert ("web" in words, "p/w" in " ".join(words), env) == (True, False, {"REDISCLI_AUTH": "p/w"})


def stack(folder: Path, **images: str) -> Stack:
    """A stack's folder, whose compose file says these images."""
    made = Docker(folder)
    made.described = lambda: {name: {"image": images.get(name, name)} for name in EXCHANGES}  # type: ignore[method-assign]
    return Stack(folder, EXCHANGES, made)


def test_the_files_that_worked_come_back_as_they_were(tmp_path: Path) -> None:
    made = stack(tmp_path)
    for name in (*made.files[2:], "compose.yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("good")
    assert not made.restore_good()
    made.keep_good()
    assert made.good_is_current()
    (tmp_path / "compose.yml").write_text("bad")
    (tmp_path / ".env").write_text("RUNNER_IMAGE=x\n")
    (tmp_path / "redis/users.acl").unlink()
    assert not made.good_is_current()
    assert made.restore_good()
    assert made.good_is_current()
    assert not (tmp_path / ".env").exists()
    assert (tmp_path / "redis/users.acl").read_text() == "good"


def test_images_are_kept_for_one_way_back(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text("services: {}")
    gone = [stack(tmp_path, redis=image).keep_good() for image in ("one", "two", "three", "two")]
    assert gone == [[], [], ["one"], []]


def test_released_images_stand_side_by_side(tmp_path: Path) -> None:
    """Going back to the inventory's leaves the other one alone, and an empty file is none."""
    told = {"runner": {"released": True}, "cache": {"released": True, "own": True}}
    made = Stack(tmp_path, Settings(tmp_path, tmp_path, {}, 3000, "/", "x", 5, exchange=told).exchanges, Docker(tmp_path))
    assert made.choice("runner") == ""
    made.choose("runner", "r@1")
    made.choose("cache", "c@1")
    assert (tmp_path / ".env").read_text() == "RUNNER_IMAGE=r@1\nCACHE_IMAGE=c@1\n"
    made.choose("runner", "")
    assert (made.choice("runner"), made.choice("cache")) == ("", "c@1")


def test_what_an_older_stack_told() -> None:
    """A stack.json without exchanges means Redis, the runner and nginx, in this order."""
    assert [(one.name, one.kind, one.released) for one in EXCHANGES.values()] == [
        ("redis", "redis", False),
        ("runner", "plain", True),
        ("nginx", "nginx", False),
    ]


def test_without_redis_and_runner() -> None:
    """Only what the stack names is looked at, exchanged and remembered."""
    fake = Fake()
    only = {"nginx": EXCHANGES["nginx"]}
    fake.settings = SimpleNamespace(**vars(Fake.settings) | {"exchanges": only})  # type: ignore[misc]
    fake.exchanges = only
    fake.files |= {"redis": "new", "runner": "new", "nginx": "new"}
    assert list(exchanges(fake).apply()["seconds"]) == ["nginx"]
    assert fake.running == {"redis": "old", "runner": "old", "nginx": "new"}
