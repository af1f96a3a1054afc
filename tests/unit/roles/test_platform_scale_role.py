# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How `scale` decides, from what there is at Hetzner and what the inventory says, before it touches anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hcloud
import pytest

from lab.api.hetzner.testing import HetznerApi, hetzner_api

if TYPE_CHECKING:
    from lab.supabase.testing import RunPlaybook

pytest_plugins = ["lab.supabase.testing"]

NAME = "quetrex-test-app"
Decide = Callable[..., list[str]]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[HetznerApi]:
    """An empty project."""
    with hetzner_api(tmp_path) as served:
        yield served


@pytest.fixture
def decide(api: HetznerApi, playbook: RunPlaybook, tmp_path: Path) -> Decide:
    """Runs the role's first part once for each of some settings; what was printed each time, in one line."""

    def run(*cases: dict[str, Any], check: bool = False) -> list[str]:
        account = {"platform_hetzner_api_token": api.token, "platform_hetzner_api_url": api.url, "platform_state_dir": str(tmp_path)}
        platform = {"platform_name": "quetrex", "platform_environment": "test", "platform_domain": "quetrex.test", "platform_location": "ash"}
        tasks: list[dict[str, Any]] = []
        for case in cases:
            wanted = {"platform_tier": "starter", **case}
            # the table of the other tiers takes time and decides nothing
            tiers = [{"tier": wanted["platform_tier"], "users": "any", "supabase": "Pro", "supabase_dollars": 25}]
            role = {"include_role": {"name": "quetrex.platform.platform_scale"}, "vars": {**wanted, "__platform_scale_tiers": tiers}}
            tasks += [{"debug": {"msg": "NEXT ONE"}}, {"block": [role], "rescue": [{"debug": {"msg": "REFUSED"}}]}]
        play = [{"hosts": "localhost", "gather_facts": False, "vars": {**account, **platform}, "tasks": tasks}]
        (tmp_path / "play.yml").write_text(json.dumps(play))
        api.forget()
        done = playbook(tmp_path / "play.yml", *(["--check"] if check else []))
        assert done.returncode == 0, done.stdout + done.stderr
        return " ".join(done.stdout.split()).split("NEXT ONE")[1:]

    return run


def order(api: HetznerApi, name: str, role: str, server_type: str, *, volume: bool = False) -> None:
    """A server of the platform, behind the role's back."""
    client = hcloud.Client(api.token, api_endpoint=api.url)
    labels = {"platform": "quetrex", "environment": "test", "role": role}
    volumes = []
    if volume:
        volumes = [client.request("POST", "/volumes", json={"name": NAME, "size": 10, "location": "ash", "labels": labels})["volume"]["id"]]
    body = {"name": name, "labels": labels, "server_type": server_type, "image": "debian-13", "location": "ash", "volumes": volumes}
    client.request("POST", "/servers", json=body)


def names(api: HetznerApi) -> list[str]:
    """The servers there are."""
    return [str(one["name"]) for one in api.servers()]


def test_impossible_settings(api: HetznerApi, decide: Decide) -> None:
    """Settings that cannot work are named before anything is asked."""
    (said,) = decide({"platform_scale_mode": "inplace", "platform_tier": "huge"})
    for words in ("inplace", "auto, in_place, replace", "huge", "starter, growth, scale, peak", "REFUSED"):
        assert words in said, said
    assert api.exchanges() == []


def test_the_way_follows_from_what_is_there(api: HetznerApi, decide: Decide) -> None:
    order(api, NAME, "app", "cpx41", volume=True)
    same, smaller, refused, expensive = decide(
        {"platform_tier": "scale"},
        {},
        {"platform_scale_mode": "in_place"},
        {"platform_tier": "peak", "platform_monthly_budget": 20},
    )
    assert "SCALE to scale (cpx41): nothing to do" in same
    # the disk of the smaller type is too small for what is on the server's
    assert "SCALE to starter (cpx31): replace" in smaller
    assert "REFUSED" in refused
    assert "disk" in refused
    assert "REFUSED" in expensive
    assert "budget" in expensive
    assert api.writes() == []


def test_a_second_server_that_is_not_wanted_any_more_goes(api: HetznerApi, decide: Decide) -> None:
    assert f"There is no server {NAME} yet. Run site" in decide({})[0]
    order(api, NAME, "app", "cpx31", volume=True)
    order(api, f"{NAME}-next", "next", "cpx41")
    (looked,) = decide({}, check=True)
    assert "changed: [localhost]" in looked
    assert (api.writes(), names(api)) == ([], [NAME, f"{NAME}-next"])
    goes_on, back = decide({"platform_tier": "scale"}, {})
    assert "SCALE to scale (cpx41): replace" in goes_on
    assert "SCALE to starter (cpx31): nothing to do" in back
    assert names(api) == [NAME]


def test_the_one_before_has_to_go_first(api: HetznerApi, decide: Decide) -> None:
    order(api, NAME, "app", "cpx31", volume=True)
    order(api, f"{NAME}-old", "retired", "cpx41")
    refused, released = decide({"platform_tier": "scale"}, {"platform_tier": "scale", "platform_scale_release": True})
    assert f"{NAME}-old. To delete it: -e platform_scale_release=true" in refused
    assert "REFUSED" in refused
    assert "SCALE to scale (cpx41): in_place" in released
    assert names(api) == [NAME]
