# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server through its life: too dear, made, grown, resized, refused, half-made, taken away. A real machine behind the vendor's API."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcloud
import pytest
import yaml

from lab.config import CHECKOUT
from lab.machine import Machines
from lab.platform import Platform, Run

from .conftest import NewLab

pytestmark = [pytest.mark.lab, pytest.mark.long]
BIN = Path(sys.executable).parent
STARTED = "systemctl show --property=UserspaceTimestamp --value"
SERVER = [
    {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.import_role": {"name": "quetrex.platform.hetzner_server"}}],
    },
    {
        "hosts": "platform_servers",
        "gather_facts": False,
        "become": True,
        "tasks": [{"quetrex.platform.host_volume": {"device": "/dev/disk/by-id/scsi-0HC_Volume_{{ hcloud_volumes | first }}", "path": "/srv/platform"}}],
    },
]


class Life:
    """The platform's server alone, from the inventory as users have it."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.platform, self.facts, self.book = platform, platform.facts, folder / "server.yml"
        self.book.write_text(yaml.safe_dump(SERVER))
        api = self.facts["apis"]["hetzner"]
        self.client = hcloud.Client(token=api["token"], api_endpoint=api["url"])

    def run(self, *args: str) -> Run:
        command = [str(BIN / "ansible-playbook"), str(self.book), *args]
        done = subprocess.run(
            command, cwd=CHECKOUT, env=self.platform.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=300
        )
        with self.platform.lab.path("log", "server.txt").open("a") as log:
            log.write(done.stdout)
        return Run(done.returncode, done.stdout)

    def rows(self, kind: str, environment: str = "lab") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.request("GET", f"/{kind}", params={"label_selector": f"environment={environment}"})[kind]
        return found

    @property
    def server(self) -> dict[str, Any]:
        (only,) = self.rows("servers")
        return only

    @property
    def state(self) -> tuple[str, str]:
        return self.server["server_type"]["name"], self.server["status"]

    def writes(self) -> list[str]:
        return [f"{one['method']} {one['path']}" for one in self.platform.exchanges("hetzner") if one["method"] != "GET"]

    def fault(self, **fault: Any) -> None:
        """Switch a fault on; without one, switch all off."""
        body = json.dumps([fault]).encode() if fault else None
        url = f"{self.platform.lab.origin('hetzner')}/_lab/faults"
        request = urllib.request.Request(url, data=body, method="POST" if fault else "DELETE", headers={"content-type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()

    def inside(self, script: str) -> str:
        return Machines(self.platform.lab).enter(self.server["id"], "/bin/sh", "-euc", script).strip()


@pytest.fixture(scope="module")
def empty(new_lab: NewLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """An account of its own."""
    with new_lab("life") as lab:
        yield Life(Platform(lab), tmp_path_factory.mktemp("life"))


@pytest.fixture
def life(empty: Life) -> Life:
    """The account with its server, which is made when there is none."""
    if not empty.rows("servers"):
        made = empty.run("-e", "hetzner_server_reverse_dns=app.quetrex.test")
        assert made.code == 0, made.explain()
    return empty


def open_ports(address: str, *ports: int) -> list[int]:
    found = []
    for port in ports:
        try:
            socket.create_connection((address, port), timeout=1).close()
        except OSError:
            continue
        found.append(port)
    return found


def test_budget(empty: Life) -> None:
    """The budget stops the run before anything is bought."""
    run = empty.platform.play("site", "-e", "platform_monthly_budget=10")
    words = " ".join(run.output.split())
    assert run.code != 0
    assert "the budget is 10.00" in words, run.explain()
    assert "nothing that big is within it anywhere" in words
    assert [write for write in empty.writes() if write.startswith(("POST", "PUT", "DELETE"))] == []


def test_made_with_both_families(life: Life) -> None:
    server, network = life.server, life.server["public_net"]["ipv6"]["ip"]
    ipv6 = network.partition("/")[0] + "1"
    addresses = {row["type"]: row for row in life.rows("primary_ips")}
    assert {(row["assignee_id"], row["auto_delete"], row["protection"]["delete"]) for row in addresses.values()} == {(server["id"], False, True)}
    assert [one["dns_ptr"] for row in addresses.values() for one in row["dns_ptr"]] == ["app.quetrex.test"] * 2
    # the same machine answers at both, with the key that was recorded before, and lets in what the rules say
    life.inside("python3 -m http.server --bind :: 8080 >/dev/null 2>&1 & echo started")
    assert life.platform.eventually(lambda: "8080" in life.inside("ss -ltn"))
    assert [open_ports(one, 22, 8080) for one in (server["public_net"]["ipv4"]["ip"], ipv6)] == [[22], [22]]
    inventory = life.book.with_name("hcloud.yml")
    api = life.facts["apis"]["hetzner"]
    inventory.write_text(
        yaml.safe_dump({"plugin": "quetrex.platform.hcloud", "api_endpoint": api["url"], "api_token": api["token"], "connect_with": "public_ipv6"})
    )
    recorded = life.book.with_name("known_hosts")
    recorded.write_text((Path(life.facts["state_dir"]) / "known_hosts").read_text().replace(server["public_net"]["ipv4"]["ip"], ipv6))
    trust = f"-o UserKnownHostsFile={recorded} -o StrictHostKeyChecking=yes"
    command = [str(BIN / "ansible"), "hcloud", "-i", str(inventory), "-u", "ops", "--private-key", life.facts["ssh_key"], f"--ssh-common-args={trust}"]
    done = subprocess.run(
        [*command, "-m", "ansible.builtin.raw", "-a", "echo $SSH_CONNECTION"],
        cwd=CHECKOUT, env=life.platform.environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ipv6 in done.stdout, done.stdout + done.stderr


def test_resize_check_mode(life: Life) -> None:
    """Check mode tells a resize and touches nothing."""
    before, boot = life.writes(), life.inside(STARTED)
    told = life.run("--check", "-e", "platform_tier=scale", "-e", "hetzner_server_resize=true")
    assert told.code == 0, told.explain()
    assert "resize it from cpx31 to cpx41: 120.99 instead of 62.99 a month before tax, a restart, the disk stays at 160 GB" in " ".join(told.output.split())
    assert (life.writes(), life.inside(STARTED), life.state) == (before, boot, ("cpx31", "running"))


def test_size_not_available(life: Life) -> None:
    """Another size that cannot be had is refused before anything is touched."""
    before = life.writes()
    dear = life.platform.play("scale", "-e", "platform_tier=peak", "-e", "platform_monthly_budget=100")
    life.fault(effect={"domain": "sold_out"})
    gone = life.platform.play("scale", "-e", "platform_tier=scale", "-e", "platform_scale_mode=replace")
    life.fault()
    for run, reason in ((dear, "the budget is 100.00"), (gone, "can be ordered in ash now")):
        assert run.code != 0
        assert reason in " ".join(run.output.split()), run.explain()
    assert (life.writes(), life.state) == (before, ("cpx31", "running"))


def test_resize_refused(life: Life) -> None:
    """A resize that the API refuses leaves it running."""
    # it is down already when the refusal comes
    life.fault(match={"method": "POST", "path": "change_type"}, effect={"status": 422, "body": {"error": {"code": "invalid_server_type", "message": "no"}}})
    run = life.run("-e", "platform_tier=scale", "-e", "hetzner_server_resize=true")
    life.fault()
    assert run.code != 0
    assert "the server runs as cpx31" in " ".join(run.output.split()), run.explain()
    assert life.state == ("cpx31", "running")
    assert any("actions/shutdown" in write for write in life.writes())


def test_resized_and_the_volume_grown(life: Life) -> None:
    # it may have been started a moment ago, and mounts a moment after it answers
    assert life.platform.eventually(lambda: "there" in life.inside("mountpoint -q /srv/platform && echo there || true"))
    life.inside("echo acknowledged > /srv/platform/kept")
    address, size = life.server["public_net"]["ipv4"]["ip"], int(life.inside("df --output=size -B1 /srv/platform | tail -1"))
    wanted = ["-e", "platform_tier=scale", "-e", "hetzner_server_resize=true"]
    run = life.run(*wanted)
    assert run.code == 0, run.explain()
    assert (life.state, life.server["public_net"]["ipv4"]["ip"], life.server["primary_disk_size"]) == (("cpx41", "running"), address, 160)
    # back at its place by itself
    assert life.platform.eventually(lambda: life.inside("cat /srv/platform/kept 2>/dev/null || true") == "acknowledged")
    if not may_grow_while_mounted():
        life.inside("umount /srv/platform")
    wanted += ["-e", "platform_volume_size_gb=20"]
    grown = life.run(*wanted)
    assert grown.code == 0, grown.explain()
    assert int(life.inside("df --output=size -B1 /srv/platform | tail -1")) > 1.9 * size
    assert life.inside("cat /srv/platform/kept") == "acknowledged"
    again = life.run(*wanted)
    assert (again.code, again.changed) == (0, 0), again.explain()


def may_grow_while_mounted() -> bool:
    """Whether this machine lets its own root resize a mounted ext4 (CAP_SYS_RESOURCE); containers and sandboxes often do not."""
    (line,) = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("CapBnd:"))
    return bool(int(line.split()[1], 16) >> 24 & 1)


def test_foreign_host_key(life: Life) -> None:
    """A server with a foreign host key is refused at once."""
    state = Path(life.facts["state_dir"])
    kept = {path: path.read_bytes() for path in state.iterdir() if path.is_file()}
    for path in kept:
        if "ssh_host" in path.name:
            path.unlink()
    run = life.run("-e", "platform_tier=scale")
    for path, content in kept.items():
        path.write_bytes(content)
    words = " ".join(run.output.split())
    assert run.code != 0
    assert "does not have the SSH host key recorded" in words, run.explain()
    assert "An adopted server keeps its own key" in words


def test_failed_first_boot(life: Life) -> None:
    """A first boot that failed is told and can be taken away."""
    before = life.state
    shared = life.platform.play("destroy", "-e", "platform_environment=broken")
    assert (shared.code != 0, "is of platform=quetrex,environment=lab" in " ".join(shared.output.split())) == (True, True), shared.explain()
    broken = ["-e", "platform_environment=broken", "-e", f"platform_state_dir={Path(life.facts['state_dir']).with_name('state-of-broken')}"]
    booted = life.run(*broken, "-e", '{"hetzner_server_packages": ["no-such-package-anywhere"], "hetzner_server_delete_protection": true}')
    words = " ".join(booted.output.split())
    assert booted.code != 0
    assert "cloud-init failed" in words, booted.explain()
    assert "See /var/log/cloud-init-output.log" in words
    assert len(life.rows("servers", "broken")) == 1

    typed = life.platform.play("destroy", *broken, "-e", "destroy_confirm=lab")
    assert (typed.code != 0, "type the environment's name" in " ".join(typed.output.split())) == (True, True), typed.explain()
    protected = life.platform.play("destroy", *broken, "-e", "destroy_confirm=broken")
    assert (protected.code != 0, "nothing was deleted, because of" in " ".join(protected.output.split())) == (True, True), protected.explain()
    assert [len(life.rows(kind, "broken")) for kind in ("servers", "firewalls", "volumes", "primary_ips")] == [1, 1, 1, 2]

    lifted = [*broken, "-e", "destroy_confirm=broken", "-e", "destroy_lift_protection=true"]
    gone = life.platform.play("destroy", *lifted)
    assert gone.code == 0, gone.explain()
    assert [len(life.rows(kind, "broken")) for kind in ("servers", "firewalls", "volumes", "primary_ips")] == [0, 0, 1, 2]
    rest = life.platform.play("destroy", *lifted, "-e", '{"destroy_also": ["volumes", "addresses"]}')
    assert rest.code == 0, rest.explain()
    assert [len(life.rows(kind, "broken")) for kind in ("volumes", "primary_ips")] == [0, 0]
    assert (life.state, len(life.rows("volumes")), len(life.rows("primary_ips"))) == (before, 1, 2)
