# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What outlives a server: four ways, with every kind of trouble on the way, and for a server that was there before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.api.hetzner.testing import HetznerApi

Run = Callable[..., dict[str, Any]]
LABELS = {"platform": "quetrex", "environment": "test", "role": "app"}
ANYONE = ["0.0.0.0/0", "::/0"]
SSH = {"protocol": "tcp", "port": "22", "source_ips": ANYONE, "description": "SSH"}
WEB = {"protocol": "tcp", "port": "443", "source_ips": ["198.51.100.7/24"]}
WANTED: dict[str, Any] = {
    "name": "app", "labels": LABELS, "location": "ash", "firewall_rules": [SSH], "volume_size": 10, "delete_protection": True, "reverse_dns": "a.example.org",
}  # fmt: skip
TROUBLE: list[dict[str, Any]] = [{"drop": "before"}, {"drop": "after"}, {"status": 503}, {"html": 502}, {"rate_limited": {}}]


def test_four_ways(hetzner: HetznerApi, run_hetzner: Run) -> None:
    planned = run_hetzner("resources", check=True, **WANTED)
    assert planned["steps"] == planned["diff"]["after"]["planned"] == [
        "create firewall app: tcp 22 from 0.0.0.0/0, ::/0",
        "create Primary IPv4 app in ash, resolving to a.example.org, protected",
        "create Primary IPv6 app-ipv6 in ash, resolving to a.example.org, protected",
        "create volume app: 10 GB ext4 in ash",
    ]  # fmt: skip
    assert hetzner.writes() == []
    made = run_hetzner("resources", **WANTED)
    for family in ("ipv4", "ipv6"):
        assert (made[family]["protection"], made[family]["auto_delete"], made[family]["labels"]) == ({"delete": True}, False, LABELS)
        assert made[family]["dns_ptr"][0]["dns_ptr"] == "a.example.org"
    assert made["ipv6"]["dns_ptr"][0]["ip"].endswith("::1")
    assert (made["volume"]["size"], made["volume"]["format"], made["volume"]["protection"]["delete"]) == (10, "ext4", True)
    hetzner.forget()
    again = run_hetzner("resources", **WANTED)
    assert (again["changed"], again["steps"], again["diff"], hetzner.writes()) == (False, [], {}, [])
    assert len(hetzner.exchanges()) <= 6


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"firewall_rules": [SSH, WEB]}, "change firewall app: add tcp 443 from 198.51.100.0/24"),
        ({"firewall_rules": []}, "change firewall app: remove tcp 22 from 0.0.0.0/0, ::/0"),
        ({"volume_size": 20}, "grow volume app from 10 to 20 GB"),
        ({"labels": {**LABELS, "team": "a"}}, "set labels of firewall app"),
        ({"delete_protection": False}, "no longer protect volume app"),
        ({"reverse_dns": "b.example.org"}, "have 10.96.0.1 resolve to b.example.org"),
    ],
)
def test_change_one_value(hetzner: HetznerApi, run_hetzner: Run, change: dict[str, Any], words: str) -> None:
    run_hetzner("resources", **WANTED)
    hetzner.forget()
    assert run_hetzner("resources", check=True, **{**WANTED, **change})["steps"][0] == words
    assert hetzner.writes() == []
    assert run_hetzner("resources", **{**WANTED, **change})["steps"][0] == words
    assert run_hetzner("resources", **{**WANTED, **change})["changed"] is False


def test_the_same_rules_in_other_words_are_no_change(hetzner: HetznerApi, run_hetzner: Run) -> None:
    run_hetzner("resources", **{**WANTED, "firewall_rules": [SSH, WEB]})
    other = [{**WEB, "source_ips": ["198.51.100.0/24"], "port": 443}, {**SSH, "source_ips": ANYONE[::-1], "direction": "in"}]
    assert run_hetzner("resources", **{**WANTED, "firewall_rules": other})["changed"] is False


def test_not_given_is_left_alone(hetzner: HetznerApi, run_hetzner: Run) -> None:
    run_hetzner("resources", **WANTED)
    assert run_hetzner("resources", name="app", labels=LABELS, location="ash")["changed"] is False
    assert run_hetzner("resources", name="other", labels={"x": "y"}, location="ash", ipv4=False, ipv6=False)["changed"] is False


def test_a_volume_never_shrinks(hetzner: HetznerApi, run_hetzner: Run) -> None:
    run_hetzner("resources", **{**WANTED, "volume_size": 30})
    smaller = run_hetzner("resources", **WANTED)
    assert (smaller["changed"], smaller["drift"]) == (False, ["volume app has 30 GB, wanted are 10; a volume cannot shrink"])


@pytest.mark.parametrize("effect", TROUBLE, ids=str)
@pytest.mark.parametrize("path", ["/firewalls$", "/primary_ips$", "/volumes$", "change_dns_ptr", "change_protection"])
def test_trouble_ends_converged_and_never_doubled(hetzner: HetznerApi, run_hetzner: Run, path: str, effect: dict[str, Any]) -> None:
    hetzner.fault(effect, method="POST", path=path)
    assert run_hetzner("resources", **WANTED).get("failed") is None
    hetzner.heal()
    assert run_hetzner("resources", **WANTED)["changed"] is False
    assert [len(hetzner.project.all(kind)) for kind in ("firewalls", "primary_ips", "volumes")] == [1, 2, 1]


def test_the_address_of_a_server_that_was_there_before_is_kept(hetzner: HetznerApi, run_hetzner: Run) -> None:
    made = run_hetzner("server", name="app", labels=LABELS, types=["cpx31"], location="ash")["server"]
    adopted = run_hetzner("resources", **WANTED)
    assert (adopted["ipv4"]["ip"], adopted["ipv6"]["ip"]) == (made["ipv4"], made["ipv6"])
    assert (adopted["ipv4"]["name"], adopted["ipv4"]["auto_delete"], adopted["ipv6"]["name"]) == ("app", False, "app-ipv6")
    assert run_hetzner("resources", **WANTED)["changed"] is False
    kept = run_hetzner("server", name="app", labels=LABELS, types=["cpx31"], location="ash", ipv4="app", ipv6_name="app-ipv6")
    assert kept["server"]["id"] == made["id"]


# --- whose something is


def send(hetzner: HetznerApi, method: str, path: str, **body: Any) -> None:
    """Change something behind the module's back."""
    from hcloud import Client

    Client(hetzner.token, api_endpoint=hetzner.url).request(method, path, json=body)


def there(hetzner: HetznerApi) -> dict[str, list[Any]]:
    return {kind: [dict(one) for one in hetzner.project.all(kind)] for kind in ("firewalls", "primary_ips", "volumes")}


def test_joined_names_do_not_collide(hetzner: HetznerApi, run_hetzner: Run) -> None:
    """`q2`/`x-y` and `q2-x`/`y` are both `q2-x-y-app` at Hetzner: the second is refused, and what the first has stays as it is."""
    first = {"platform": "q2", "environment": "x-y", "role": "app"}
    run_hetzner("resources", **{**WANTED, "name": "q2-x-y-app", "labels": first})
    before = there(hetzner)
    hetzner.forget()
    second = {**WANTED, "name": "q2-x-y-app", "labels": {"platform": "q2-x", "environment": "y", "role": "app"}}
    failed = run_hetzner("resources", **second)
    assert "q2-x-y-app (id " in failed["msg"]
    assert "is labelled as another's: environment=x-y,platform=q2,role=app. Nothing was touched." in failed["msg"]
    assert (there(hetzner), hetzner.writes()) == (before, [])
    assert run_hetzner("resources", check=True, **second)["failure"]["code"] == "uniqueness_error"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/volumes", {"name": "app", "size": 10, "location": "ash"}),
        ("/firewalls", {"name": "app"}),
        ("/primary_ips", {"name": "app", "type": "ipv4", "assignee_type": "server", "location": "ash"}),
        ("/primary_ips", {"name": "app-ipv6", "type": "ipv6", "assignee_type": "server", "location": "ash"}),
    ],
)
@pytest.mark.parametrize("labels", [{}, {**LABELS, "environment": "production"}, {"platform": "quetrex"}], ids=str)
def test_a_resource_of_the_name_without_the_labels_is_refused(
    hetzner: HetznerApi, run_hetzner: Run, path: str, body: dict[str, Any], labels: dict[str, str]
) -> None:
    send(hetzner, "POST", path, **body, labels=labels)
    hetzner.forget()
    failed = run_hetzner("resources", **WANTED)
    assert failed["failure"]["code"] == "uniqueness_error"
    assert f"named {body['name']} (id " in failed["msg"]
    assert hetzner.writes() == []


def test_addresses_of_other_environments_are_told(hetzner: HetznerApi, run_hetzner: Run) -> None:
    theirs = run_hetzner("resources", **{**WANTED, "name": "theirs", "labels": {**LABELS, "environment": "production"}})
    assert theirs["other_addresses"] == []
    ours = run_hetzner("resources", **WANTED)
    assert ours["other_addresses"] == sorted([theirs["ipv4"]["ip"], theirs["ipv6"]["dns_ptr"][0]["ip"]])


def test_what_was_renamed_is_found_by_its_labels(hetzner: HetznerApi, run_hetzner: Run) -> None:
    made = run_hetzner("resources", **WANTED)
    for kind in ("firewall", "volume", "ipv4", "ipv6"):
        path = "primary_ips" if kind.startswith("ip") else f"{kind}s"
        send(hetzner, "PUT", f"/{path}/{made[kind]['id']}", name=f"renamed-{kind}")
    found = run_hetzner("resources", **WANTED)
    kinds = ("firewall", "volume", "ipv4", "ipv6")
    assert [found[kind]["id"] for kind in kinds] == [made[kind]["id"] for kind in kinds]
    assert [found[kind]["name"] for kind in kinds] == ["app", "app", "app", "app-ipv6"]
    assert run_hetzner("resources", **WANTED)["changed"] is False


def test_several_of_the_labels_and_none_of_the_name_are_refused(hetzner: HetznerApi, run_hetzner: Run) -> None:
    for name in ("a", "b"):
        send(hetzner, "POST", "/volumes", name=name, size=10, location="ash", labels=LABELS)
    hetzner.forget()
    failed = run_hetzner("resources", **WANTED)
    assert (failed["failure"]["code"], "a (id " in failed["msg"], hetzner.writes()) == ("ambiguous", True, [])


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"firewall_rules": [{**SSH, "source_ips": ["300.1.2.3"]}]}, "firewall rule SSH: '300.1.2.3' does not appear to be an IPv4 or IPv6 network"),
        ({"firewall_rules": [{**SSH, "port": None}]}, "port is required for tcp and udp"),
        ({"location": "moon"}, "location"),
        ({"volume_size": 5}, "size"),
    ],
)
def test_what_cannot_be_is_told(hetzner: HetznerApi, run_hetzner: Run, bad: dict[str, Any], words: str) -> None:
    failed = run_hetzner("resources", **{**WANTED, **bad})
    assert (failed["failed"], words in failed["msg"]) == (True, True), failed["msg"]
