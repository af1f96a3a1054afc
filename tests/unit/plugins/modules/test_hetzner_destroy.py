# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Destroying: only what is meant, nothing when part of it is protected, and data only when named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.api.hetzner.testing import HetznerApi

Run = Callable[..., dict[str, Any]]
LABELS = {"platform": "quetrex", "environment": "test", "role": "app"}
WHOSE: dict[str, Any] = {"labels": {"platform": "quetrex", "environment": "test"}}


@pytest.fixture
def platform(hetzner: HetznerApi, run_hetzner: Run) -> Callable[..., None]:
    """Make a platform with all it has; `protected` as in production."""

    def make(environment: str = "test", *, protected: bool = False) -> None:
        name, labels = f"quetrex-{environment}-app", {**LABELS, "environment": environment}
        rules = [{"protocol": "icmp", "source_ips": ["0.0.0.0/0"]}]
        same = {"name": name, "labels": labels, "location": "ash", "delete_protection": protected}
        run_hetzner("resources", **same, firewall_rules=rules, volume_size=10)
        run_hetzner("server", **same, types=["cpx31"], ipv4=name, ipv6_name=f"{name}-ipv6", firewalls=[name], volumes=[name])
        hetzner.forget()

    return make


def there(api: HetznerApi) -> dict[str, list[str]]:
    return {kind: [one["name"] for one in api.project.all(kind)] for kind in ("servers", "firewalls", "primary_ips", "volumes")}


def test_four_ways(hetzner: HetznerApi, run_hetzner: Run, platform: Callable[..., None]) -> None:
    assert run_hetzner("destroy", **WHOSE)["changed"] is False
    platform()
    platform("production")
    told = run_hetzner("destroy", check=True, **WHOSE)
    assert told["deleted"] == ["server quetrex-test-app (cpx31, its disk with all on it)", "firewall quetrex-test-app"]
    assert [one.split(" (")[0] for one in told["kept"]] == ["Primary IP quetrex-test-app", "Primary IP quetrex-test-app-ipv6", "volume quetrex-test-app"]
    assert told["addresses"] == [], "they stay"
    ours = sorted(one["ip"] for one in hetzner.project.all("primary_ips") if "test" in one["name"])
    assert sorted(run_hetzner("destroy", check=True, **WHOSE, also=["addresses"])["addresses"]) == ours
    assert hetzner.writes() == []
    done = run_hetzner("destroy", **WHOSE)
    assert (done["changed"], done["deleted"], done["kept"]) == (True, told["deleted"], told["kept"])
    assert run_hetzner("destroy", **WHOSE)["changed"] is False
    assert there(hetzner)["servers"] == there(hetzner)["firewalls"] == ["quetrex-production-app"]
    assert len(there(hetzner)["volumes"]) == 2
    last = run_hetzner("destroy", **WHOSE, also=["volumes", "addresses"], lift_protection=True)
    assert len(last["deleted"]) == 3
    assert {len(names) for names in there(hetzner).values()} == {1, 2}
    assert all("production" in name for names in there(hetzner).values() for name in names)


def test_what_stays_is_named_and_goes_when_it_is_named(hetzner: HetznerApi, run_hetzner: Run, platform: Callable[..., None]) -> None:
    """Golden images are charged, and SSH keys let somebody in on the next server: neither is left without a word."""
    from hcloud import Client

    platform()
    client = Client(hetzner.token, api_endpoint=hetzner.url)
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ2bJ0yQ5c0q8o8x2pQp3b9xvX1m5s0o5hQm5Jm8Jk1 me"
    run_hetzner("server", name="b", labels={**LABELS, "role": "image"}, types=["cpx11"], location="ash", ssh_public_keys=[key])
    number = client.request("GET", "/servers", params={"name": "b"})["servers"][0]["id"]
    hetzner.hardware.on.discard(number)
    run_hetzner("image", server="b", labels={**LABELS, "role": "image"}, description="golden")
    theirs = client.request("POST", "/ssh_keys", json={"name": "theirs", "public_key": key.replace("GJ2b", "GJ2c"), "labels": {}})["ssh_key"]["id"]
    told = run_hetzner("destroy", check=True, **WHOSE)
    assert [one.split(" (")[0].split(" me-")[0] for one in told["kept"]][-2:] == [f"snapshot {hetzner.project.all('images')[0]['id']}", "SSH key"]
    assert {one["name"]: one["labels"]["role"] for one in told["servers"]} == {"b": "image", "quetrex-test-app": "app"}
    assert [len(one["addresses"]) for one in told["servers"]] == [2, 2]
    assert all(one["addresses"][1].endswith("::1") for one in told["servers"])
    run_hetzner("destroy", **WHOSE, also=["snapshots", "ssh_keys"])
    assert hetzner.project.all("images") == []
    assert [one["id"] for one in hetzner.project.all("ssh_keys")] == [theirs]
    assert len(there(hetzner)["volumes"]) == 1


def test_nothing_goes_when_part_of_it_is_protected(hetzner: HetznerApi, run_hetzner: Run, platform: Callable[..., None]) -> None:
    platform(protected=True)
    before = there(hetzner)
    assert run_hetzner("destroy", check=True, **WHOSE)["protected"] == ["server quetrex-test-app (cpx31, its disk with all on it)"]
    failed = run_hetzner("destroy", **WHOSE)
    assert failed["failure"]["code"] == "protected"
    assert "nothing was deleted, because of server quetrex-test-app" in failed["msg"]
    assert (there(hetzner), hetzner.writes()) == (before, [])
    assert run_hetzner("destroy", **WHOSE, lift_protection=True)["changed"] is True
    assert there(hetzner)["servers"] == []


@pytest.mark.parametrize("effect", [{"drop": "before"}, {"drop": "after"}, {"status": 503}], ids=str)
def test_trouble_is_gone_after_the_next_run(hetzner: HetznerApi, run_hetzner: Run, platform: Callable[..., None], effect: dict[str, Any]) -> None:
    platform()
    hetzner.fault(effect, method="DELETE")
    run_hetzner("destroy", **WHOSE, also=["volumes", "addresses"], lift_protection=True)
    run_hetzner("destroy", **WHOSE, also=["volumes", "addresses"], lift_protection=True)
    assert there(hetzner) == {"servers": [], "firewalls": [], "primary_ips": [], "volumes": []}


@pytest.mark.parametrize("labels", [{}, {"platform": ""}])
def test_no_labels_never_mean_everything(hetzner: HetznerApi, run_hetzner: Run, platform: Callable[..., None], labels: dict[str, str]) -> None:
    platform()
    assert "all of the project would be meant" in run_hetzner("destroy", labels=labels)["msg"]
    assert hetzner.writes() == []
