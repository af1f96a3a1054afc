# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second server takes over step by step, from wherever an earlier run was killed, and nothing is lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.api.hetzner.testing import HetznerApi, make, order

Run = Callable[..., dict[str, Any]]
LABELS = {"platform": "quetrex", "environment": "test", "role": "app"}
WHICH: dict[str, Any] = {"name": "app", "labels": LABELS}


def equip(hetzner: HetznerApi, name: str, role: str, *, volume: bool) -> int:
    """A server with Primary IPs and a firewall of its own."""
    labels = {**LABELS, "role": role}
    lasting = {"assignee_type": "server", "location": "ash", "auto_delete": False, "labels": labels}
    four, six = (
        make(hetzner, "/primary_ips", name=f"{name}{tail}", type=kind, **lasting)["primary_ip"]["id"] for tail, kind in (("", "ipv4"), ("-ipv6", "ipv6"))
    )
    for number in (four, six):
        make(hetzner, f"/primary_ips/{number}/actions/change_protection", delete=True)
    wall = make(hetzner, "/firewalls", name=name, labels=labels, rules=[])["firewall"]["id"]
    volumes = [make(hetzner, "/volumes", name="app", size=10, location="ash", labels=labels)["volume"]["id"]] if volume else []
    more = {"public_net": {"ipv4": four, "ipv6": six}, "firewalls": [{"firewall": wall}], "volumes": volumes}
    return order(hetzner, name=name, labels=labels, **more)


@pytest.fixture
def pair(hetzner: HetznerApi) -> tuple[int, int]:
    """The server that serves, and the one that is to."""
    found = equip(hetzner, "app", "app", volume=True), equip(hetzner, "app-next", "next", volume=False)
    hetzner.forget()
    return found


def test_alone_there_is_nothing_to_hand_over(hetzner: HetznerApi, run_hetzner: Run) -> None:
    equip(hetzner, "app", "app", volume=True)
    looked = run_hetzner("handover", **WHICH)
    assert (looked["changed"], looked["stage"], list(looked["servers"])) == (False, "none", ["app"])


def test_from_the_first_look_to_the_end(hetzner: HetznerApi, run_hetzner: Run, pair: tuple[int, int]) -> None:
    first, second = pair
    looked = run_hetzner("handover", **WHICH)
    assert (looked["stage"], looked["servers"]["next"]["id"]) == ("prepared", second)
    assert run_hetzner("handover", check=True, part="volume", **WHICH)["steps"] == ["detach volume app"]
    assert hetzner.writes() == []
    moved = run_hetzner("handover", part="volume", **WHICH)
    assert (moved["stage"], moved["steps"]) == ("moved", ["detach volume app", "attach volume app to app-next"])
    address = moved["servers"]["next"]["ipv4"]
    named = run_hetzner("handover", part="names", **WHICH)
    assert (named["stage"], named["servers"]["app"]["id"], named["servers"]["app"]["name"], named["servers"]["old"]["id"]) == ("kept", second, "app", first)
    assert named["servers"]["app"]["ipv4"] == address
    assert [one["name"] for one in hetzner.project.all("firewalls")] == ["app"]
    assert {one["name"]: one["assignee_id"] for one in hetzner.project.all("primary_ips")} == {
        "app-old": first, "app-old-ipv6": first, "app": second, "app-ipv6": second,
    }  # fmt: skip
    gone = run_hetzner("handover", part="release", **WHICH)
    assert (gone["stage"], list(gone["servers"])) == ("none", ["app"])
    assert {one["name"] for one in hetzner.project.all("primary_ips")} == {"app", "app-ipv6"}
    for part in ("names", "release"):
        assert run_hetzner("handover", part=part, **WHICH)["changed"] is False


def test_the_volume_goes_back(hetzner: HetznerApi, run_hetzner: Run, pair: tuple[int, int]) -> None:
    run_hetzner("handover", part="volume", **WHICH)
    back = run_hetzner("handover", part="volume", to="app", **WHICH)
    assert (back["stage"], back["changed"]) == ("prepared", True)
    assert run_hetzner("handover", part="volume", to="app", **WHICH)["changed"] is False


def test_a_killed_run_is_finished_from_every_request_on(hetzner: HetznerApi, run_hetzner: Run, pair: tuple[int, int]) -> None:
    # Each time one request of a kind gets through before the run dies.
    for turn in range(30):
        for method in ("POST", "PUT", "DELETE"):
            hetzner.fault({"status": 403, "body": {"error": {"code": "forbidden", "message": "killed"}}}, times=None, after=1, method=method)
        looked = run_hetzner("handover", **WHICH)["stage"]
        part = "volume" if looked in ("prepared", "moving") else "names"
        killed = run_hetzner("handover", part=part, **WHICH)
        hetzner.heal()
        if not killed.get("failed") and killed["stage"] == "kept":
            assert turn > 4
            break
    names = {one["name"]: one["labels"]["role"] for one in hetzner.servers()}
    assert names == {"app": "app", "app-old": "retired"}
    assert run_hetzner("handover", part="names", **WHICH)["changed"] is False
    assert hetzner.project.all("volumes")[0]["server"] == pair[1]


def test_two_of_one_role_are_refused(hetzner: HetznerApi, run_hetzner: Run, pair: tuple[int, int]) -> None:
    order(hetzner, name="another", labels={**LABELS, "role": "next"})
    assert run_hetzner("handover", **WHICH)["failure"]["code"] == "ambiguous"


def test_abandoned_successor(hetzner: HetznerApi, run_hetzner: Run, pair: tuple[int, int]) -> None:
    """A successor that is not wanted goes with all it has and nothing else."""
    looked = run_hetzner("handover", check=True, part="abandon", **WHICH)
    assert (looked["steps"][0], looked["steps"][-1], hetzner.writes()) == ("delete app-next", "delete firewall app-next", [])
    # killed after the server went
    hetzner.fault({"status": 403, "body": {"error": {"code": "forbidden", "message": "killed"}}}, times=None, after=1, method="DELETE")
    assert run_hetzner("handover", part="abandon", **WHICH)["failed"]
    hetzner.heal()
    assert run_hetzner("handover", part="abandon", **WHICH)["changed"] is True
    kinds = ("servers", "firewalls", "volumes", "primary_ips")
    assert {kind: [one["name"] for one in hetzner.project.all(kind)] for kind in kinds} == {
        "servers": ["app"], "firewalls": ["app"], "volumes": ["app"], "primary_ips": ["app", "app-ipv6"],
    }  # fmt: skip
    assert run_hetzner("handover", part="abandon", **WHICH)["changed"] is False


def test_successor_in_use(hetzner: HetznerApi, run_hetzner: Run, pair: tuple[int, int]) -> None:
    """A successor that has the volume or the name is not abandoned."""
    run_hetzner("handover", part="volume", **WHICH)
    hetzner.forget()
    assert run_hetzner("handover", part="abandon", **WHICH)["failure"]["code"] == "resource_in_use"
    run_hetzner("handover", part="names", **WHICH)
    hetzner.forget()
    assert run_hetzner("handover", part="abandon", **WHICH)["changed"] is False
    assert hetzner.writes() == []
