# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs for integration tests, one shared by all that leave it as it was, and the platform as a user meets it: playbooks outside, curl through the edge."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest

from lab import cloud, mortal, offsite, slots
from lab.config import Lab
from lab.mortal import Mortal
from lab.platform import Platform, Run
from lab.visitors import CALM

_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fixtures that are torn down know whether the test failed."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


# Each lab's name and its number in the slot: two tests that run at the same time never use the same. `main` is shared.
LABS = ("main", "cut", "twin", "out", "rec", "grow", "life", "awx", "run", "kil", "enc", "rot", "up", "pool")
# Labs whose servers start from the vendor's image, so that every package is installed on the way; those of the others have the host's packages already.
PLAIN = ("rec", "cut", "life")
# Labs whose platform goes to the database's own host; those of the others go through the session pooler, as most projects have to.
DIRECT = ("cut", "out", "enc")
# Labs whose servers set up eth0 themselves, by ifupdown as the vendor's; those of the others find it ready.
IFUPDOWN = ("cut",)
NewLab = Callable[[str], AbstractContextManager[Lab]]


@pytest.fixture(scope="session")
def slot() -> slots.Slot:
    """This test process's own names and subnets."""
    return slots.take()


@pytest.fixture(scope="session")
def absent_lab(slot: slots.Slot) -> Callable[[str], Lab]:
    """A lab of this run's own by its name in LABS, not brought up; what a dead run left of it is gone."""

    def absent(name: str) -> Lab:
        lab = slot.lab(LABS.index(name), name)
        cloud.down(lab, abandoned=True)
        return lab

    return absent


@pytest.fixture(scope="session")
def new_lab(absent_lab: Callable[[str], Lab]) -> NewLab:
    """`with new_lab("rec") as lab:` brings it up; it is gone afterwards, whatever happens (TEST_LAB_KEEP keeps it, to be looked at)."""

    @contextmanager
    def up(name: str) -> Iterator[Lab]:
        lab = absent_lab(name)
        try:
            cloud.up(lab, print, prepared=name not in PLAIN, direct=name in DIRECT, ifupdown=name in IFUPDOWN)
            yield lab
        finally:
            if not os.environ.get("TEST_LAB_KEEP"):
                cloud.down(lab)

    return up


@pytest.fixture(scope="session")
def lab(new_lab: NewLab) -> Iterator[Lab]:
    """The lab that tests share: each leaves it as `site.yml` does."""
    with new_lab("main") as made:
        yield made


@dataclass(frozen=True)
class Look:
    """What `site.yml --check --diff` said about an empty account, and what the vendors' APIs saw of it."""

    run: Run
    writes: list[dict[str, object]]


@pytest.fixture(scope="session")
def first_look(lab: Lab) -> Look:
    """The look beforehand: always before the first run, whichever test asks first."""
    platform = Platform(lab)
    run = platform.play("site", "--check", "--diff")
    exchanges = [*platform.exchanges("hetzner"), *platform.exchanges("cloudflare")]
    return Look(run, [exchange for exchange in exchanges if exchange["method"] != "GET"])


@pytest.fixture(scope="session")
def first_run(lab: Lab, first_look: Look) -> Run:
    """The first `site.yml` on an empty account."""
    run = Platform(lab).play("site", "--diff")
    assert run.code == 0, run.explain()
    return run


@pytest.fixture(scope="session")
def built(lab: Lab, first_run: Run) -> Platform:
    """The shared platform, as `site.yml` has built it. Tests ask for `platform`."""
    return Platform(lab)


@pytest.fixture
def platform(built: Platform, request: pytest.FixtureRequest) -> Iterator[Platform]:
    """The shared platform. Each test leaves it as it was; what a failed one has left is put back before the next."""
    yield built
    if request.node.stash.get(_FAILED, False):
        print(restored(built, "site"))


def with_copies(lab: Lab) -> None:
    """A place for copies of the state, and an inventory that names it."""
    lab.path("offsite.json").write_text(json.dumps({"platform_backup": offsite.up(lab)}))


@pytest.fixture(scope="session")
def mortal_lab(new_lab: NewLab) -> Iterator[Mortal]:
    """A platform with copies elsewhere; two runs of `site.yml` were killed on the way to it. Tests ask for `mortal`."""
    with new_lab("rec") as lab:
        with_copies(lab)
        platform = Mortal(lab)
        for name in ("server", "engine"):
            mortal.cut_short(platform, mortal.MOMENTS[name])
        run = platform.play("site")
        assert run.code == 0, run.explain()
        # installed on an empty account once is enough: servers that are made again have the packages
        assert not lab.prepared
        lab.path("prepared").touch()
        yield platform


@pytest.fixture(name="mortal")
def a_platform_to_be_killed(mortal_lab: Mortal, request: pytest.FixtureRequest) -> Iterator[Mortal]:
    """A platform that tests kill, recover and release to; each leaves it serving. What a failed one has left is put back before the next."""
    yield mortal_lab
    if request.node.stash.get(_FAILED, False):
        print(restored(mortal_lab, "recover", "site"))


def restored(platform: Platform, *playbooks: str) -> str:
    """Puts back what a failed test left, and says what it was. Where the playbooks cannot, the platform is recreated."""
    for api in platform.facts["apis"]:
        mortal.faults(platform, api)
    runs = {playbook: platform.play(playbook, *(["--diff"] if playbook == "site" else [])) for playbook in playbooks}
    deployed = platform.play("deploy", "-e", "app_release_what=both")
    left = "; ".join(f"{name}: exit {run.code}, changed {run.changed_tasks}" for name, run in (runs | {"deploy": deployed}).items())
    if runs["site"].code == deployed.code == 0 and platform.status("/api/health") == 200:
        return f"The failed test left: {left}."
    chosen = {"prepared": platform.lab.prepared, "direct": platform.lab.direct, "ifupdown": platform.lab.ifupdown}
    cloud.down(platform.lab)
    cloud.up(platform.lab, print, **chosen)
    if isinstance(platform, Mortal):
        with_copies(platform.lab)
    again = platform.play("site")
    assert again.code == 0, again.explain()
    return f"The failed test left what could not be repaired; the platform was built again. {left}"


@pytest.fixture(params=[pytest.param(CALM, id="calm"), pytest.param(1.0, id="busy", marks=pytest.mark.long)])
def pace(request: pytest.FixtureRequest) -> float:
    """How visitors come while something is changed: calmly in `make test`, as fast as the platform answers in `make soak`."""
    return float(request.param)
