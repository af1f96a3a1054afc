# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release decides to do, for every state it can find."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))

from quetrex_release.plan import Container, Observed, Way, choose, config_hash, make_plan, other
from quetrex_release.record import DIGEST, Record, Release, Track, canonical, repository

OLD, NEW, NEWER = (f"web@sha256:{digit * 64}" for digit in "abc")
KNOWN = {"web"}
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
    assert (plan.colour, plan.old, plan.steps) == ("green", "blue", ("switch", "reload", "verify", "record", "drain", "stop"))


def test_killed_after_switch() -> None:
    """Killed after the switch with a sick colour is undone first."""
    seen = Observed("green", "blue", {"blue": up(OLD), "green": Container(NEW, "c", running=True)})
    plan = make_plan(seen, NEW, "c")
    assert (plan.colour, plan.old) == ("green", "blue")
    assert plan.steps[0] == "restore"


def test_killed_before_the_old_one_was_stopped() -> None:
    plan = make_plan(Observed("green", "green", {"blue": up(OLD), "green": up(NEW)}), NEW, "c")
    assert (plan.old, plan.steps) == ("blue", ("drain", "stop"))


def test_other_alternates() -> None:
    assert [other(None), other("blue"), other("green")] == ["blue", "green", "blue"]


def test_configuration_digest() -> None:
    """The configuration is the same for both colours and differs with a secret or a file."""
    blue = {"image": "a", "container_name": "platform-web-blue", "networks": {"web": 1}, "environment": {"S": "1"}}
    green = blue | {"image": "b", "container_name": "platform-web-green", "networks": {"web": 2}}
    assert config_hash(blue) == config_hash(green)
    assert config_hash(blue) != config_hash(blue | {"environment": {"S": "2"}})
    assert config_hash(blue, b"ca") != config_hash(blue, b"other ca")


def track(*images: str, inventory: str | None = None) -> Track:
    """A track of releases, oldest first."""
    made = Track(inventory=inventory)
    for number, image in enumerate(images):
        made = made.add(Release("blue", image, "c", str(number), f"2026-01-{number + 1:02}T00:00:00Z"))
    return made


def test_rollback_target_is_the_last_release_of_another_image() -> None:
    assert track(OLD).previous is None
    made = track(OLD, NEW, NEW)
    assert made.previous == made.history[0]
    assert [release.version for release in made.history] == ["0", "1", "2"]


def test_an_inventory_does_not_undo_a_later_deploy() -> None:
    made = track(OLD, NEW, inventory=OLD)
    assert choose(made, OLD, None, KNOWN)[0] == NEW
    assert choose(made, NEW, None, KNOWN) == (NEW, None)
    assert choose(made, NEWER, OLD, KNOWN) == (NEWER, None)


def test_an_inventory_asked_long_ago_is_still_older() -> None:
    assert choose(track(NEW, inventory=OLD), OLD, None, KNOWN)[0] == NEW


def test_a_new_server_starts_with_what_served_last() -> None:
    assert choose(Track(), OLD, None, KNOWN) == (OLD, None)
    assert choose(Track(), OLD, NEW, KNOWN)[0] == NEW
    assert choose(Track(), NEW, NEW, KNOWN) == (NEW, None)


def test_running_release_is_kept() -> None:
    """What served goes on whatever the inventory asks for by now."""
    assert choose(track(OLD), NEW, None, KNOWN, resume=True)[0] == OLD
    assert choose(Track(), NEW, OLD, KNOWN, resume=True)[0] == OLD
    assert choose(Track(), NEW, None, KNOWN, resume=True) == (NEW, None)


def test_nothing_of_an_unknown_repository_is_chosen() -> None:
    assert choose(track(OLD), NEW, None, {"other"}, resume=True) == (NEW, None)
    assert choose(track(OLD, inventory=NEW), NEW, None, {"other"}) == (NEW, None)
    assert choose(Track(), NEW, OLD, {"other"}) == (NEW, None)


def test_pruning_spares_the_current_release_and_the_one_before() -> None:
    images = [f"web@sha256:{number:064}" for number in range(6)]
    made = track(*images)
    assert made.kept(3) == images[:2:-1]
    assert made.to_forget(3) == images[:3]
    assert made.kept(0) == [images[5], images[4]]


def test_migrations_run_before_anything_of_the_new_release() -> None:
    steps = make_plan(Observed(), NEW, "c", Way(migrate=True)).steps
    assert steps[:3] == ("pull", "migrate", "start")


def test_image_retention() -> None:
    """Images of failed releases go too and those of a rollback stay."""
    assert track(OLD, NEW).to_forget(5, [OLD, NEW, NEWER]) == [NEWER]


def test_an_image_with_a_tag_is_the_one_without() -> None:
    tagged = OLD.replace("@", ":1.0.0@")
    assert canonical(tagged) == canonical(OLD) == OLD
    assert canonical("registry.example.com:5000/web:1@sha256:1") == "registry.example.com:5000/web@sha256:1"
    assert canonical("web:latest") == "web:latest"
    assert track(OLD, NEW).to_forget(5, [tagged]) == []
    parsed = Record.parse(json.loads(json.dumps(Record(track(OLD)).plain()).replace("web@", "web:1.0.0@")))
    assert parsed.web.image == OLD


def test_a_record_survives_its_file() -> None:
    made = Record().having(track(OLD, NEW, inventory=OLD), "web")
    made = made.having(Track().add(Release("", NEWER, "", "", "2026-01-01T00:00:00Z")), "runner")
    assert Record.parse(json.loads(json.dumps(made.plain()))) == made
    assert made.serial == 2
    assert Record.parse({}) == Record()


def test_a_record_from_before_serials_is_read() -> None:
    plain = Record(track(OLD, NEW)).plain()
    del plain["serial"], plain["runner"]
    assert Record.parse({**plain, "schema": 1}).serial == 2


def test_a_later_record_tells_of_all_that_is_there() -> None:
    first, other_one = Record(track(OLD), Track(), 1), Record(track(NEW), Track(), 9)
    later = first.having(first.web.add(Release("green", NEW, "c", "1", "2020-01-01T00:00:00Z")), "web")
    assert later.continues(first)
    assert not first.continues(first)
    assert not first.continues(later)
    assert not other_one.continues(first), "a greater number alone is no proof"
    assert later.continues(Record())


@pytest.mark.parametrize("image", ["web@sha256:" + "a" * 63, "web:1", "-web@sha256:" + "a" * 64, "web@sha256:" + "a" * 64 + "\n", "w b@sha256:" + "a" * 64])
def test_what_is_no_digest(image: str) -> None:
    assert not DIGEST.fullmatch(image)


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
