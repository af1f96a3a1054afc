# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of a prepared server: made when it is off, the newest kept, used for new servers where they fit and never a condition."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.images import Golden, surplus, unfit
from lab.api.hetzner.testing import WANTED, HetznerApi, order

Run = Callable[..., dict[str, Any]]
LABELS = {"platform": "quetrex", "environment": "test", "role": "image", "recipe": "abc"}
SNAPSHOT: dict[str, Any] = {"server": "builder", "labels": LABELS}


@pytest.fixture
def builder(hetzner: HetznerApi) -> int:
    """A prepared server with a small disk that has switched itself off."""
    number = order(hetzner, name="builder", server_type="cpx11", labels=LABELS)
    hetzner.project.get("servers", number)
    hetzner.hardware.on.discard(number)
    return number


def snapshots(hetzner: HetznerApi) -> list[int]:
    """Ids of the project's own images."""
    return [int(one["id"]) for one in hetzner.project.all("images")]


def test_each_call_makes_one_and_the_newest_stay(hetzner: HetznerApi, run_hetzner: Run, builder: int) -> None:
    planned = run_hetzner("image", check=True, **SNAPSHOT)
    assert (planned["changed"], planned["steps"], snapshots(hetzner)) == (True, ["make a snapshot of builder"], [])
    made = [run_hetzner("image", **SNAPSHOT)["image"]["id"] for _turn in range(3)]
    assert snapshots(hetzner) == made[1:]
    assert hetzner.project.get("images", made[2])["labels"] == LABELS
    assert run_hetzner("image", check=True, **SNAPSHOT)["steps"][1].startswith(f"delete snapshot {made[1]}")
    last = run_hetzner("image", **SNAPSHOT, keep=1)
    assert [words.split()[:3] for words in last["steps"]] == [["made", "snapshot", str(last["image"]["id"])]] + [
        ["deleted", "snapshot", str(number)] for number in (made[1], made[2])
    ]


def test_a_server_of_another_platform_gets_no_snapshot(hetzner: HetznerApi, run_hetzner: Run) -> None:
    order(hetzner, name="builder", labels={**LABELS, "platform": "other"})
    failed = run_hetzner("image", **SNAPSHOT)
    assert "labelled as another's" in failed["msg"]
    assert snapshots(hetzner) == []


def test_a_server_that_still_runs_gets_no_snapshot(hetzner: HetznerApi, run_hetzner: Run) -> None:
    order(hetzner, name="builder", labels=LABELS)
    failed = run_hetzner("image", **SNAPSHOT)
    assert "has not switched itself off within 120 s; no snapshot was made" in failed["msg"]
    assert snapshots(hetzner) == []


@pytest.mark.parametrize("effect", [{"drop": "after"}, {"html": 502}], ids=str)
def test_a_lost_answer_makes_one_snapshot_or_fails(hetzner: HetznerApi, run_hetzner: Run, builder: int, effect: dict[str, Any]) -> None:
    hetzner.fault(effect, method="POST", path="create_image$")
    result = run_hetzner("image", **SNAPSHOT)
    assert len(snapshots(hetzner)) == (0 if result.get("failed") else 1)
    assert bool(result.get("failed")) == ("html" in effect)


def test_a_failed_snapshot_leaves_the_older_ones(hetzner: HetznerApi, run_hetzner: Run, builder: int) -> None:
    old = run_hetzner("image", **SNAPSHOT, keep=1)["image"]["id"]
    hetzner.fault({"domain": "action", "command": "create_image", "code": "action_failed", "message": "broken host"})
    assert "broken host" in run_hetzner("image", **SNAPSHOT, keep=1)["msg"]
    assert snapshots(hetzner) == [old]


def test_a_broken_one_is_marked_once_and_not_used(hetzner: HetznerApi, run_hetzner: Run, builder: int) -> None:
    number = run_hetzner("image", **SNAPSHOT)["image"]["id"]
    mark = {"state": "broken", "labels": LABELS, "id": number}
    assert run_hetzner("image", check=True, **mark)["changed"] is True
    assert [run_hetzner("image", **mark)["changed"] for _turn in range(2)] == [True, False]
    made = run_hetzner("server", **WANTED, golden_labels=LABELS)
    assert made["golden"] == {"used": None, "refused": {str(number): "a server made from it did not come up"}}


# --- used for new servers


def test_a_new_server_starts_from_the_newest_that_fits(hetzner: HetznerApi, run_hetzner: Run, builder: int) -> None:
    numbers = [run_hetzner("image", **SNAPSHOT)["image"]["id"] for _turn in range(2)]
    planned = run_hetzner("server", check=True, **WANTED, golden_labels=LABELS)
    assert planned["steps"] == [f"create app: cpx31 in ash with golden image {numbers[1]} (else debian-13)"]
    made = run_hetzner("server", **WANTED, golden_labels=LABELS)
    assert made["golden"] == {"used": numbers[1], "refused": {}}
    assert hetzner.project.get("servers", made["server"]["id"])["image"]["id"] == numbers[1]
    hetzner.forget()
    again = run_hetzner("server", **WANTED, golden_labels=LABELS)
    assert (again["changed"], again["drift"], again["golden"]["used"]) == (False, [], None)
    assert [one for one in hetzner.exchanges() if "/images" in str(one["path"])] == []


def test_none_there_is_no_reason_to_wait(hetzner: HetznerApi, run_hetzner: Run) -> None:
    made = run_hetzner("server", **WANTED, golden_labels=LABELS)
    assert (made["server"]["image"], made["golden"]) == ("debian-13", {"used": None, "refused": {}})


@pytest.mark.parametrize("effect", [{"status": 422, "body": {"error": {"code": "invalid_input", "message": "image not found"}}}, None], ids=str)
def test_what_goes_wrong_with_it_ends_with_the_plain_image(hetzner: HetznerApi, run_hetzner: Run, builder: int, effect: dict[str, Any] | None) -> None:
    number = run_hetzner("image", **SNAPSHOT)["image"]["id"]
    if effect:
        hetzner.fault(effect, method="POST", path="^/v1/servers$")
    else:
        hetzner.fault({"domain": "action", "command": "create_server", "code": "action_failed", "message": "image is corrupt"})
    made = run_hetzner("server", **WANTED, golden_labels=LABELS)
    assert (made["server"]["image"], made["server"]["server_type"], made["sold_out"]) == ("debian-13", "cpx31", {})
    assert made["golden"]["refused"][str(number)].startswith("a server could not be made from it")
    assert len([one for one in hetzner.servers() if one["name"] == "app"]) == 1


def test_sold_out_is_told_of_the_type_and_not_of_the_image(hetzner: HetznerApi, run_hetzner: Run, builder: int) -> None:
    run_hetzner("image", **SNAPSHOT)
    hetzner.fault({"domain": "sold_out", "type": "cpx31", "hidden": True}, times=None)
    made = run_hetzner("server", **WANTED, golden_labels=LABELS)
    assert (made["server"]["server_type"], list(made["sold_out"])) == ("cpx41", ["cpx31"])
    assert made["golden"]["used"] is not None


# --- which ones fit


def image(**more: Any) -> dict[str, Any]:
    """A snapshot as the API shows it, as far as is looked at."""
    plain = {"id": 1, "status": "available", "created": "2026-01-02T00:00:00Z", "architecture": "x86", "disk_size": 40, "labels": LABELS}
    return {**plain, "protection": {"delete": False}, **more}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, ""),
        ({"status": "unavailable"}, "it is unavailable"),
        ({"labels": {**LABELS, "broken": "true"}}, "did not come up"),
        ({"labels": {**LABELS, "recipe": "old"}}, "made by other roles"),
        ({"created": "2025-11-01T00:00:00Z"}, "it is 63 days old, 35 are allowed"),
        ({"architecture": "arm"}, "it is arm, cpx31 is x86"),
        ({"disk_size": 160}, "it needs 160 GB of disk, cpx31 has 80"),
    ],
    ids=str,
)
def test_why_one_does_not_fit(more: dict[str, Any], words: str) -> None:
    kind = {"name": "cpx31", "architecture": "x86", "disk": 80}
    found = unfit(image(**more), kind, Golden(LABELS, 35), datetime(2026, 1, 3, tzinfo=UTC))
    assert words in found
    assert bool(found) == bool(words)


def test_what_is_kept() -> None:
    rows = [image(id=number, created=f"2026-01-0{number}T00:00:00Z") for number in (1, 2, 3, 4)]
    rows += [image(id=5, status="creating"), image(id=6, labels={**LABELS, "broken": "true"}), image(id=7, protection={"delete": True})]
    rows[6]["created"] = "2025-01-01T00:00:00Z"
    assert [one["id"] for one in surplus(rows, 2)] == [1, 2, 6]
