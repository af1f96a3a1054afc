# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release decides to do, for every state it can find."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))

from quetrex_release.plan import (
    Container,
    Observed,
    Release,
    add_release,
    choose,
    config_hash,
    images_to_forget,
    make_plan,
    newer,
    other,
    releases_kept,
    repository,
)

OLD, NEW = "web@sha256:old", "web@sha256:new"
UP = ("pull", "start", "gate", "preview", "keep", "switch", "reload", "verify", "record")


def up(image: str, config: str = "c") -> Container:
    return Container(image, config, running=True, healthy=True)


def test_first_release_has_nothing_to_drain() -> None:
    plan = make_plan(Observed(), NEW, "c")
    assert (plan.colour, plan.old, plan.steps) == ("blue", None, (*UP, "prune"))


def test_same_release_again_changes_nothing() -> None:
    plan = make_plan(Observed("blue", "blue", {"blue": up(NEW)}), NEW, "c")
    assert not plan.changed


@pytest.mark.parametrize(
    ("serving", "reason"),
    [(up(OLD), "another image"), (up(NEW, "old"), "another configuration"), (Container(NEW, "c", running=True), "the serving colour is not healthy")],
)
def test_whatever_differs_goes_to_the_idle_colour(serving: Container, reason: str) -> None:
    plan = make_plan(Observed("blue", "blue", {"blue": serving}), NEW, "c")
    assert (plan.colour, plan.old, plan.reason) == ("green", "blue", reason)
    assert plan.steps == (*UP, "drain", "stop", "prune")


def test_a_dead_serving_colour_is_neither_drained_nor_stopped() -> None:
    plan = make_plan(Observed("blue", "blue", {"blue": Container(OLD, "c")}), NEW, "c")
    assert plan.steps == (*UP, "prune")


def test_killed_after_the_switch_is_finished() -> None:
    plan = make_plan(Observed("green", "blue", {"blue": up(OLD), "green": up(NEW)}), NEW, "c")
    assert (plan.colour, plan.old, plan.steps) == ("green", "blue", ("reload", "verify", "record", "drain", "stop"))


def test_killed_after_the_switch_with_a_sick_colour_is_undone_first() -> None:
    seen = Observed("green", "blue", {"blue": up(OLD), "green": Container(NEW, "c", running=True)})
    plan = make_plan(seen, NEW, "c")
    assert (plan.colour, plan.old) == ("green", "blue")
    assert plan.steps[0] == "restore"


def test_killed_before_the_old_one_was_stopped() -> None:
    plan = make_plan(Observed("green", "green", {"blue": up(OLD), "green": up(NEW)}), NEW, "c")
    assert (plan.old, plan.steps) == ("blue", ("drain", "stop"))


def test_other_alternates() -> None:
    assert [other(None), other("blue"), other("green")] == ["blue", "green", "blue"]


def test_the_configuration_is_the_same_for_both_colours_and_differs_with_a_secret_or_a_file() -> None:
    blue = {"image": "a", "container_name": "platform-web-blue", "networks": {"web": 1}, "environment": {"S": "1"}}
    green = blue | {"image": "b", "container_name": "platform-web-green", "networks": {"web": 2}}
    assert config_hash(blue) == config_hash(green)
    assert config_hash(blue) != config_hash(blue | {"environment": {"S": "2"}})
    assert config_hash(blue, b"ca") != config_hash(blue, b"other ca")


def test_rollback_target_is_the_last_release_of_another_image() -> None:
    record = add_release({}, Release("blue", OLD, "c", "1", "t1"))
    assert record["previous"] is None
    record = add_release(record, Release("green", NEW, "c", "2", "t2"))
    record = add_release(record, Release("blue", NEW, "d", "2", "t3"))
    assert record["previous"]["image"] == OLD
    assert [entry["at"] for entry in record["history"]] == ["t1", "t2", "t3"]


def test_an_inventory_does_not_undo_a_later_deploy() -> None:
    record = add_release(add_release({"inventory": OLD}, Release("blue", OLD, "c", "1", "t1")), Release("green", NEW, "c", "2", "t2"))
    assert choose(record, OLD, None)[0] == NEW
    assert choose(record, NEW, None) == (NEW, None)
    assert choose(record, "web@sha256:newer", OLD) == ("web@sha256:newer", None)


def test_an_inventory_asked_long_ago_is_still_older() -> None:
    record = {"inventory": OLD} | add_release({"inventory": OLD}, Release("green", NEW, "c", "2", "t2"))
    assert choose(record, OLD, None)[0] == NEW


def test_a_new_server_starts_with_what_served_last() -> None:
    assert choose({}, OLD, None) == (OLD, None)
    assert choose({}, OLD, NEW)[0] == NEW
    assert choose({}, NEW, NEW) == (NEW, None)


def test_pruning_spares_the_current_release_and_the_one_before() -> None:
    record: dict[str, object] = {}
    for number in range(6):
        record = add_release(record, Release("blue", f"web@{number}", "c", str(number), f"t{number}"))
    assert releases_kept(record, 3) == ["web@5", "web@4", "web@3"]
    assert images_to_forget(record, 3) == ["web@0", "web@1", "web@2"]
    assert releases_kept(record, 0) == ["web@5", "web@4"]


def test_migrations_run_before_anything_of_the_new_release() -> None:
    steps = make_plan(Observed(), NEW, "c", migrate=True).steps
    assert steps[:3] == ("pull", "migrate", "start")


def test_images_of_failed_releases_go_too_and_those_of_a_rollback_stay() -> None:
    record = add_release(add_release({}, Release("blue", OLD, "c", "1", "t1")), Release("green", NEW, "c", "2", "t2"))
    assert images_to_forget(record, 5, [OLD, NEW, "web@sha256:failed"]) == ["web@sha256:failed"]


@pytest.mark.parametrize(
    ("away", "here", "expected"),
    [
        ({}, {}, False),
        ({"current": {"at": "2026-01-02"}}, {}, True),
        ({"current": {"at": "2026-01-02"}}, {"current": {"at": "2026-01-02"}}, False),
        ({"current": {"at": "2026-01-02"}}, {"current": {"at": "2026-01-03"}}, False),
        ({"current": {"at": "2026-01-02"}, "runner": {"current": {"at": "2026-01-04"}}}, {"current": {"at": "2026-01-03"}}, True),
    ],
)
def test_the_later_record_is_believed(away: dict[str, object], here: dict[str, object], expected: bool) -> None:
    assert newer(away, here) is expected


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("ghcr.io/a/web@sha256:1", "ghcr.io/a/web"),
        ("ghcr.io/a/web:1.2@sha256:1", "ghcr.io/a/web"),
        ("registry.example.com:5000/web@sha256:1", "registry.example.com:5000/web"),
        ("registry.example.com:5000/web:1@sha256:1", "registry.example.com:5000/web"),
    ],
)
def test_an_images_name_is_without_tag_and_digest(image: str, name: str) -> None:
    assert repository(image) == name
