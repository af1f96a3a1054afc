# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each action does what its name says to the one server, and nothing to what has to survive it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.api.hetzner.testing import HetznerApi

Run = Callable[..., dict[str, Any]]
LABELS = {"platform": "quetrex", "environment": "test", "role": "app"}
WHICH: dict[str, Any] = {"name": "app", "labels": LABELS}


@pytest.fixture
def server(hetzner: HetznerApi) -> int:
    """A running server with a volume and a kept address."""
    from hcloud import Client

    client = Client(hetzner.token, api_endpoint=hetzner.url)
    volume = client.request("POST", "/volumes", json={"name": "app", "size": 10, "location": "ash", "labels": LABELS})["volume"]["id"]
    address = {"name": "app", "type": "ipv4", "assignee_type": "server", "location": "ash", "auto_delete": False, "labels": LABELS}
    ip = client.request("POST", "/primary_ips", json=address)["primary_ip"]["id"]
    body = {"name": "app", "server_type": "cpx31", "image": "debian-13", "location": "ash", "labels": LABELS, "volumes": [volume]}
    made = client.request("POST", "/servers", json={**body, "user_data": "#cloud-config\n{}", "public_net": {"ipv4": ip}})
    client.actions.get_by_id(made["action"]["id"])
    hetzner.forget()
    return int(made["server"]["id"])


def protect(hetzner: HetznerApi, server: int) -> None:
    """Protect a server as production's is."""
    from hcloud import Client

    path = f"/servers/{server}/actions/change_protection"
    Client(hetzner.token, api_endpoint=hetzner.url).request("POST", path, json={"delete": True, "rebuild": True})
    hetzner.forget()


def test_power_on_is_done_once(hetzner: HetznerApi, run_hetzner: Run, server: int) -> None:
    hetzner.hardware.on.discard(server)
    assert run_hetzner("repair", check=True, action="power_on", **WHICH)["steps"] == ["power app on"]
    assert hetzner.writes() == []
    assert run_hetzner("repair", action="power_on", **WHICH)["changed"] is True
    assert server in hetzner.hardware.on
    assert run_hetzner("repair", action="power_on", **WHICH)["changed"] is False


def test_reset_keeps_the_disk(hetzner: HetznerApi, run_hetzner: Run, server: int) -> None:
    assert run_hetzner("repair", action="reset", **WHICH)["steps"] == ["reset app"]
    assert hetzner.writes() == [f"POST /v1/servers/{server}/actions/reset"]


def test_rebuild_protected_server(hetzner: HetznerApi, run_hetzner: Run, server: int) -> None:
    """Rebuild takes the protection off and the next image when one is gone."""
    protect(hetzner, server)
    done = run_hetzner("repair", action="rebuild", images=["424242", "debian-13"], **WHICH)
    assert done["steps"] == ["take the protection off app", "put a fresh image on app"]
    assert [call for call in hetzner.hardware.calls if call[0] == "rebuild"] == [("rebuild", server, "#cloud-config\n{}")]
    (one,) = hetzner.servers()
    assert (one["id"], one["status"]) == (server, "running")


def test_recreate_leaves_volume_and_address(hetzner: HetznerApi, run_hetzner: Run, server: int) -> None:
    protect(hetzner, server)
    assert run_hetzner("repair", check=True, action="recreate", **WHICH)["changed"] is True
    assert hetzner.writes() == []
    run_hetzner("repair", action="recreate", **WHICH)
    assert hetzner.servers() == []
    assert [one["server"] for one in hetzner.project.all("volumes")] == [None]
    assert [one["assignee_id"] for one in hetzner.project.all("primary_ips") if one["name"] == "app"] == [None]
    assert run_hetzner("repair", action="recreate", **WHICH) == {"changed": False, "steps": [], "left": []}


def test_what_is_not_there_cannot_be_powered_on(hetzner: HetznerApi, run_hetzner: Run) -> None:
    failed = run_hetzner("repair", action="power_on", **WHICH)
    assert failed["failure"]["code"] == "not_found"


def test_relocate_frees_the_names_and_deletes_nothing(hetzner: HetznerApi, run_hetzner: Run, server: int) -> None:
    assert run_hetzner("repair", check=True, action="relocate", **WHICH)["changed"] is True
    assert hetzner.writes() == []
    done = run_hetzner("repair", action="relocate", **WHICH)
    assert len(done["steps"]) == 3
    assert [words.partition(" (")[0] for words in done["left"]] == [f"{kind}-retired-{row['id']}" for kind, row in retired(hetzner)]
    (one,) = hetzner.servers()
    assert (one["id"], one["status"], one["labels"]["role"]) == (server, "off", "retired")
    again = run_hetzner("repair", action="relocate", **WHICH)
    assert (again["changed"], again["left"]) == (False, done["left"])


def retired(hetzner: HetznerApi) -> list[tuple[str, dict[str, Any]]]:
    """What there is now, in words and as data."""
    kinds = {"servers": "server app", "volumes": "volume app", "primary_ips": "Primary IP app"}
    return [(words, row) for kind, words in kinds.items() for row in hetzner.project.all(kind) if row["name"].startswith("app-retired-")]


def test_relocate_retires_nothing_of_another_platform(hetzner: HetznerApi, run_hetzner: Run) -> None:
    from hcloud import Client

    theirs = {"name": "app", "size": 10, "location": "ash", "labels": {**LABELS, "environment": "production"}}
    Client(hetzner.token, api_endpoint=hetzner.url).request("POST", "/volumes", json=theirs)
    hetzner.forget()
    failed = run_hetzner("repair", action="relocate", **WHICH)
    assert "a volume named app" in failed["msg"]
    assert "labelled as another's: environment=production" in failed["msg"]
    assert hetzner.writes() == []


def test_a_location_that_does_not_listen_stops_no_relocation(hetzner: HetznerApi, run_hetzner: Run, server: int) -> None:
    hetzner.fault({"domain": "action", "command": "stop_server", "code": "action_failed"})
    done = run_hetzner("repair", action="relocate", **WHICH)
    assert any(words.endswith("ash, running)") for words in done["left"])
    hetzner.heal()
    run_hetzner("repair", action="relocate", **WHICH)
    assert hetzner.servers()[0]["status"] == "off"


@pytest.mark.parametrize("broken", [False, True])
def test_rebuild_from_golden_image(hetzner: HetznerApi, run_hetzner: Run, server: int, broken: bool) -> None:
    """Rebuild prefers the golden image and does without a broken one."""
    from hcloud import Client

    labels = {"role": "image", "recipe": "abc"}
    client = Client(hetzner.token, api_endpoint=hetzner.url)
    made = client.request("POST", f"/servers/{server}/actions/create_image", json={"type": "snapshot", "labels": labels})
    client.actions.get_by_id(made["action"]["id"])
    hetzner.forget()
    if broken:
        hetzner.fault({"domain": "action", "command": "rebuild_server", "code": "action_failed"})
    run_hetzner("repair", action="rebuild", golden_labels=labels, **WHICH)
    images = [str(one["request"]["image"]) for one in hetzner.exchanges() if one["method"] == "POST" and one["path"].endswith("/rebuild")]
    assert images == [str(made["image"]["id"]), *(["debian-13"] if broken else [])]
    assert hetzner.servers()[0]["status"] == "running"
