# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The description of a stack: what it may say, and that everything wrong is said at once."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.services.parse import Wrong, parse, schedule, stack

IMAGE = f"ghcr.io/example/app@sha256:{'0' * 64}"
LIMITS = {"memory_mb": 256}
WORKER = {"follows": "web", "command": ["node", "worker.js"], "uses": ["web"], "limits": LIMITS}
NIGHTLY = {"follows": "web", "command": ["node", "nightly.js"], "schedule": "*-*-* 03:30:00", "limits": LIMITS}
ADMIN = {"image": IMAGE, "release": "blue_green", "port": 3000, "health": {"path": "/h"}, "public": {"host": "app.example.com"}, "limits": LIMITS}


def wrong(**given: Any) -> list[str]:
    return parse(given, "example.com")[1]


def test_a_worker_a_job_and_a_second_application() -> None:
    """What most stacks want is right as it is written in the guide."""
    services, problems = parse({"worker": WORKER, "nightly": NIGHTLY, "admin": ADMIN}, "example.com")
    assert problems == []
    found = {one.name: one for one in services}
    assert (found["worker"].release, found["worker"].job, found["worker"].follows) == ("replace", False, "web")
    assert found["nightly"].job
    assert found["admin"].public[0].host == "app.example.com"
    assert found["admin"].plain()["health"] == {"path": "/h", "port": 0, "command": (), "kind": "http"}


def test_numbers_do_not_depend_on_others() -> None:
    """A service keeps its network and its user whatever other services come and go."""
    alone, beside = parse({"worker": WORKER}, "")[0][0], {one.name: one for one in parse({"admin": ADMIN, "worker": WORKER}, "")[0]}["worker"]
    assert alone.numbers == beside.numbers


def test_an_entry_of_an_outer_inventory_is_removed() -> None:
    """With null."""
    assert parse({"worker": None}, "") == ((), [])


def test_everything_at_once() -> None:
    """Each line names the service and says what to do."""
    found = wrong(
        worker={"imagee": IMAGE, "limits": {"memory": 3}},
        admin={**ADMIN, "depends_on": ["wroker"]},
        api={**ADMIN, "image": "ghcr.io/example/api:latest"},
    )
    text = "\n".join(found)
    for word in (
        "worker: imagee is unknown (did you mean image?)",
        "limits memory is unknown (did you mean memory_mb?)",
        "worker: give image, or follows",
        "admin: depends_on has 'wroker', which is no other service (did you mean worker?)",
        "api: image is 'ghcr.io/example/api:latest'; name the image by digest",
        "api: public app.example.com/ is admin's already",
    ):
        assert word in text, text


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        ({**WORKER, "image": IMAGE}, "not both"),
        ({**WORKER, "limits": None}, "limits memory_mb is missing"),
        ({**WORKER, "release": "blue_green"}, "needs public"),
        ({**WORKER, "command": "node worker.js"}, "write it as a list"),
        ({**WORKER, "secrets": {"KEY": 7}}, "write it in quotes"),
        ({**WORKER, "reaches": ["redis"]}, "uses: [redis]"),
        ({**WORKER, "follows": "wbe"}, "did you mean web?"),
        ({**WORKER, "tmpfs": ["/tmp:size=200m"]}, "more than half"),
        ({**WORKER, "volumes": ["/etc:/etc"]}, "for example [data:/var/lib/app]"),
        ({**WORKER, "timeout": "5m"}, "how long a job may take"),
        ({**NIGHTLY, "port": 80}, "no meaning for a job"),
        ({**NIGHTLY, "schedule": "whenever"}, "write when it runs"),
        ({**ADMIN, "health": None}, "health path is missing"),
        ({**ADMIN, "port": None}, "port is missing"),
        ({**ADMIN, "public": {"host": "app.example.org"}}, "no name below example.com"),
        ({**ADMIN, "public": {"host": "a.b.example.com"}}, "no name below example.com"),
        ({**ADMIN, "public": {"host": "www.example.com"}}, "leads to the web application"),
        ({**ADMIN, "public": {"path": "/"}}, "name a path of it or a host"),
        ({**ADMIN, "public": {"path": "/runner/x/"}}, "the platform's own"),
        ({**ADMIN, "subnet": "172.30.0.0/16"}, "private network"),
        ("node", "is no mapping"),
    ],
)
def test_refused(entry: Any, word: str) -> None:
    """One line, which says what to write instead."""
    found = wrong(service=entry)
    assert len([line for line in found if word in line]) == 1, found


@pytest.mark.parametrize("name", ["Worker", "a-very-long-name", "app-blue", "9"])
def test_names(name: str) -> None:
    """A network is named after it, and no colour ends it."""
    assert len(wrong(**{name: WORKER})) == 1


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"web": None}, "web: cannot be removed"),
        ({"nginx": None}, "nginx: cannot be removed"),
        ({"web": "none"}, "web: is no mapping"),
        ({"web": {"image": "x"}}, "platform_web_image"),
        ({"web": {"secrets": {"KEY": "word"}}}, "platform_app_secrets"),
        ({"web": {"healht": {}}}, "did you mean health?"),
        ({"web": {"health": {"pathh": "/x"}}}, "did you mean path?"),
        ({"redis": {"mounts": ["state/x:/x"]}}, "redis: mounts is no key"),
        ({"web": {"limits": {"memory_mb": 128}}}, "web: tmpfs takes 384 MB"),
        ({"web": {"reaches": ["wroker"]}, "worker": WORKER}, "did you mean worker?"),
        ({"redis": None, "a": {**WORKER, "uses": ["redis"]}}, "a: uses redis, which this platform does without"),
        ({"a": {**WORKER, "subnet": "172.30.0.0/24"}}, "172.30.0.0/24 is web's already"),
    ],
)
def test_what_is_said_of_the_platforms_own(entries: dict[str, Any], said: str) -> None:
    """Keys that have no meaning for them are refused, and where a setting says it that setting is named."""
    (line,) = wrong(**entries)
    assert said in line


def test_the_platforms_own_are_the_default() -> None:
    """Without a description there are four; an entry says otherwise key by key."""
    services, problems = stack({}, "example.com")
    assert ([one.name for one in services], problems) == (["web", "redis", "runner", "nginx"], [])
    changed, _problems = stack({"web": {"health": {"path": "/healthz"}, "limits": {"cpus": 2}}}, "example.com")
    assert (changed[0].health.path, changed[0].limits.cpus, changed[0].limits.memory_mb) == ("/healthz", 2.0, services[0].limits.memory_mb)
    assert changed[1:] == services[1:]


def test_a_platform_does_without_redis_and_runner() -> None:
    """Nobody is in a network that is not there, and the paths are free."""
    entries = {"redis": None, "runner": None, "worker": {**WORKER, "uses": ["web"]}}
    services, problems = stack(entries, "example.com")
    assert ([one.name for one in services], problems) == (["web", "nginx", "worker"], [])
    assert [one.shares for one in services] == [(), (), ()]
    api = {"image": IMAGE, "port": 1, "public": {"path": "/runner/"}, "health": {"path": "/"}, "limits": {"memory_mb": 64}}
    assert wrong(api={**api, "tmpfs": []}, runner=None) == []
    assert len(wrong(api={**api, "tmpfs": []})) == 1


def test_a_circle_has_no_first_service() -> None:
    found = wrong(a={**WORKER, "depends_on": ["b"]}, b={**WORKER, "depends_on": ["c"]}, c={**WORKER, "depends_on": ["a"]})
    assert [line for line in found if "circle" in line], found


def test_what_others_depend_on_comes_first() -> None:
    services, problems = parse({"a": {**WORKER, "depends_on": ["z"]}, "z": WORKER, "m": WORKER}, "")
    assert ([one.name for one in services], problems) == (["m", "z", "a"], [])


def test_one_network_for_two() -> None:
    """Names can lead to the same number; one of the two then says another."""
    found = wrong(a={**WORKER, "subnet": "172.30.99.0/24"}, b={**WORKER, "subnet": "172.30.99.0/24"})
    assert len(found) == 1
    assert "subnet:" in found[0]


def test_one_user_for_two() -> None:
    """A user of two services could read what each alone should; with a number of its own it is refused no more."""
    found = wrong(w38=WORKER, w46=WORKER)
    assert len(found) == 1
    assert "w46: its user" in found[0]
    assert wrong(w38=WORKER, w46={**WORKER, "user": 70900}) == []


def test_no_secret_is_repeated() -> None:
    found = wrong(worker={**WORKER, "secrets": {"KEY": "s3cret\0"}, "public": {"token": "s3cret x", "path": "/v2/"}})
    assert found
    assert "s3cret" not in "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "hourly",
        "Mon..Fri 07:00",
        "*-*-* 03:30:00",
        "03:30",
        "Mon,Wed *-*-1..7 4:00",
        "*:0/15",
        "2026-12-24 18:00 UTC",
        "daily UTC",
        "Sat *-*-* 02:00 Asia/Tokyo",
    ],
)
def test_schedules(text: str) -> None:
    assert schedule(text) == text


@pytest.mark.parametrize("text", ["whenever", "25:00", "3", "", "*-*-* 3:61", "* * * * *", "0 3 * * *", "@daily", "Mon Fri", "30m", 5, "hourly;x", "03:30\n"])
def test_no_schedules(text: Any) -> None:
    """What cron or people write."""
    with pytest.raises(Wrong):
        schedule(text)
