# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server dies in several ways; one command brings it back, and nothing that was acknowledged is lost."""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hcloud.firewalls.domain import FirewallRule

from lab.machine import Machines
from lab.mortal import WORKSPACE, Mortal, Writer, api, deaf_to_ssh, dns_writes, faults, host_key, missing_from_redis, recover, redis_cli
from lab.visitors import visited

REDIS_GRACE = 1.0
"""Seconds of acknowledged writes that `appendfsync everysec` may lose."""


def test_a_healthy_server_is_left_alone(mortal: Mortal) -> None:
    server = mortal.server
    refused = mortal.play("recover")
    assert refused.code != 0
    assert "Nothing was done: it is healthy" in " ".join(refused.output.split())
    assert (refused.changed, mortal.server, mortal.status("/api/health")) == (0, server, 200)


# no waiting for a first boot: these servers may be minutes old
AT_ONCE = ("-e", "platform_recovery_rebuild_wait=0")


@contextlib.contextmanager
def closed_to_this_machine(platform: Mortal) -> Iterator[None]:
    """The vendor's firewall lets another address in for SSH only, as when the owner's has changed."""
    (firewall,) = api(platform).firewalls.get_all(label_selector="role=app") or api(platform).firewalls.get_all()
    rules = list(firewall.rules or [])
    others = [FirewallRule(**{**vars_of(rule), "source_ips": ["192.0.2.0/24"]}) if rule.port == "22" else rule for rule in rules]
    assert others != rules
    firewall.set_rules(others)
    try:
        yield
    finally:
        firewall.set_rules(rules)


def vars_of(rule: FirewallRule) -> dict[str, Any]:
    """What a rule is made of."""
    return {name: getattr(rule, name) for name in ("direction", "protocol", "port", "source_ips", "destination_ips", "description")}


@pytest.mark.long
def test_blind_controller(mortal: Mortal) -> None:
    """Its owner's address has changed, and the edge is filtered: to this machine it looks dead, and visitors are served all the time."""
    server, uptime = mortal.server, mortal.on_server("cut -d' ' -f1 /proc/uptime")
    with closed_to_this_machine(mortal), visited(mortal.lab, mortal.server_ipv4):
        stopped = mortal.play("recover", *AT_ONCE, "-e", f"platform_recovery_edge_address={mortal.lab.prefix.network_address + 0x163}")
    said = " ".join(stopped.output.split())
    assert stopped.code != 0
    assert "SSH silent, login silent, on the server not asked, through the edge no answer" in said, stopped.explain()
    assert "nothing proves that the server is dead. this machine gets no answer from the edge" in said, stopped.explain()
    assert (stopped.changed, mortal.server) == (0, server)
    assert float(mortal.on_server("cut -d' ' -f1 /proc/uptime")) > float(uptime), "not even a reset"


@pytest.mark.long
def test_controller_without_state(mortal: Mortal, tmp_path: Path) -> None:
    """A machine without the state folder destroys nothing for a Redis that is stopped."""
    server, booted = mortal.server, mortal.on_server("cat /proc/sys/kernel/random/boot_id; stat -c %i /etc/machine-id")
    mortal.on_server("docker stop platform-redis")
    try:
        stopped = mortal.play("recover", *AT_ONCE, "-e", f"platform_state_dir={tmp_path}")
        said = " ".join(stopped.output.split())
        assert stopped.code != 0
        assert "login host key not known here" in said, stopped.explain()
        assert "see that platform_state_dir is the folder that the server was made with" in said, stopped.explain()
        assert (mortal.server, mortal.on_server("cat /proc/sys/kernel/random/boot_id; stat -c %i /etc/machine-id")) == (server, booted)
    finally:
        mortal.on_server("docker start platform-redis")
    assert mortal.eventually(lambda: mortal.status("/api/health") == 200, 60)


@pytest.mark.long
def test_registry_refuses_login(mortal: Mortal) -> None:
    """A registry that refuses the login stops before the disk goes."""
    server = mortal.server
    with visited(mortal.lab, mortal.server_ipv4):
        login = {"host": mortal.facts["registry"]["host"], "username": mortal.facts["registry"]["username"], "password": "expired"}
        login["ca_certificate"] = Path(mortal.facts["registry"]["ca"]).read_text()
        stopped = mortal.play("recover", "-e", "platform_recovery_action=rebuild", "-e", json.dumps({"platform_registry": login}))
    said = " ".join(stopped.output.split())
    assert stopped.code != 0
    assert "the server could not be filled again: the registry" in said, stopped.explain()
    assert "refuses the login 'platform' of platform_registry for" in said, stopped.explain()
    assert (mortal.server, mortal.status("/api/health")) == (server, 200)


def test_power_loss_under_writer(mortal: Mortal) -> None:
    """Killed under a writer it comes back with all that was acknowledged."""
    writer, identity = Writer(mortal), host_key(mortal)
    writer.start()
    assert mortal.eventually(writer.busy, 60)
    time.sleep(2)
    died = writer.end()
    Machines(mortal.lab).lose_power(mortal.server)
    assert recover(mortal)["actions"][0] == "power_on"
    redis, files = writer.acknowledged["redis"], writer.acknowledged["files"]
    lost = missing_from_redis(mortal, len(redis))
    assert [number for number in lost if redis[number] < died - REDIS_GRACE] == []
    present = set(mortal.on_server(f"cd {WORKSPACE} && cat r-*").split())
    # what was acknowledged while the power went is neither kept nor lost by promise
    assert {str(number) for number, at in enumerate(files) if at < died} - present == set()
    assert host_key(mortal) == identity


def test_deleted_and_recovery_killed(mortal: Mortal) -> None:
    """Deleted and its recovery killed half way it is back on its address with its volume."""
    server, address, identity = mortal.server, mortal.server_ipv4, host_key(mortal)
    mortal.on_server(f"echo kept > {WORKSPACE}/kept && sync")
    client = api(mortal)
    client.servers.get_by_id(server).delete().wait_until_finished()
    before, records, served = client.volumes.get_all(), dns_writes(mortal), valid_certificates(mortal)
    assert mortal.killed_after(25, "recover")
    recover(mortal)
    assert mortal.server != server
    assert (mortal.server_ipv4, host_key(mortal)) == (address, identity)
    assert mortal.on_server(f"cat {WORKSPACE}/kept").strip() == "kept"
    assert [one.id for one in client.volumes.get_all()] == [one.id for one in before]
    assert dns_writes(mortal) == records
    now = valid_certificates(mortal)
    assert (len(now), now & served) == (1, set()), "the dead server's certificate is worth nothing any more"


def test_afterwards_site_has_nothing_to_do(mortal: Mortal) -> None:
    again = mortal.play("site", "--diff")
    assert (again.code, again.changed) == (0, 0), again.explain()


def valid_certificates(mortal: Mortal) -> set[str]:
    """Those of the zone that nobody revoked."""
    certificates = json.loads(mortal.lab.path("api", "cloudflare.json").read_text())["certificates"]
    return {name for name, one in certificates.items() if "revoked_at" not in one}


@pytest.mark.long
def test_golden_image(mortal: Mortal) -> None:
    """From a golden image visitors are served before zone and database are prepared."""
    built = mortal.play("image_build")
    assert built.code == 0, built.explain()
    server, identity, asked = mortal.server, host_key(mortal), len(mortal.exchanges("supabase"))
    mortal.on_server(f"echo kept > {WORKSPACE}/pictured && sync")
    api(mortal).servers.get_by_id(server).delete().wait_until_finished()
    assert recover(mortal)["actions"] == ["recreate"]
    assert (mortal.server != server, host_key(mortal)) == (True, identity)
    assert mortal.on_server(f"cat {WORKSPACE}/pictured").strip() == "kept"
    released = datetime.datetime.fromisoformat(json.loads(mortal.on_server("tail -n 1 /srv/platform/releases.log"))["at"]).timestamp()
    looked_after = [float(str(one["time"])) for one in mortal.exchanges("supabase")[asked:] if str(one["path"]).startswith("/v1/projects")]
    assert looked_after
    assert min(looked_after) > released, "site does the rest, and does it afterwards"
    again = mortal.play("site", "--diff")
    assert (again.code, again.changed) == (0, 0), again.explain()


@pytest.mark.long
def test_lost_login(mortal: Mortal) -> None:
    """Where a reset brings back the visitors and not the login its owner chooses when they wait for the rest."""
    deaf_to_ssh(mortal)
    stopped = mortal.play("recover")
    assert stopped.code != 0
    # a server that is young is waited for first
    words = r"Visitors are served again, by (wait, then )?reset\. But visitors are served, only its owner cannot log in"
    assert re.search(words, " ".join(stopped.output.split())), stopped.explain()
    assert mortal.status("/api/health") == 200
    assert recover(mortal, "-e", "platform_recovery_action=rebuild")["actions"] == ["rebuild", "converge"]
    assert mortal.on_server("systemctl is-active ssh.service ssh.socket || true").split().count("active") >= 1


@pytest.mark.long
def test_relocate(mortal: Mortal) -> None:
    """Where no action can be given the server is cut off and all is elsewhere with the state of the copy."""
    server, address, identity = mortal.server, mortal.server_ipv4, host_key(mortal)
    mortal.on_server(f"echo copied > {WORKSPACE}/copied && echo 'SET copied yes' | {' '.join(redis_cli(mortal))} && platform-backup backup")
    assert json.loads(mortal.on_server("platform-backup status"))["age_seconds"] < 60
    releases = mortal.on_server("cat /srv/platform/releases.log")
    client, records = api(mortal), dns_writes(mortal)
    Machines(mortal.lab).hang(server)
    commands = ("reset_server", "rebuild_server", "start_server")
    # of this one alone: the server elsewhere is started by the same command
    dead = [{"domain": "action", "command": command, "server": server, "code": "action_failed"} for command in commands]
    faults(mortal, "hetzner", *({"effect": effect} for effect in [*dead, {"domain": "sold_out", "location": "ash"}]))
    try:
        record = recover(mortal, "-e", '{"platform_recovery_locations": ["hil"]}')
    finally:
        faults(mortal, "hetzner")
    assert (record["actions"], record["location"]) == (["reset", "rebuild", "power_on", "recreate", "relocate"], "hil")
    old = client.servers.get_by_id(server)
    assert (old.status, (old.labels or {})["role"]) == ("off", "retired")
    assert mortal.server_ipv4 != address
    assert host_key(mortal) == identity
    assert mortal.on_server(f"cat {WORKSPACE}/copied; echo 'GET copied' | {' '.join(redis_cli(mortal))}").split() == ["copied", "yes"]
    assert sorted(str(one.location and one.location.name) for one in client.volumes.get_all()) == ["ash", "hil"]
    switched = dns_writes(mortal)[len(records) :]
    assert switched
    recorded = mortal.on_server("cat /srv/platform/releases.log")
    assert recorded.startswith(releases), "the record of releases goes on where the copy ended"
    released = json.loads(recorded.splitlines()[-1])
    assert released["outcome"] == "released"
    assert min(float(one["time"]) for one in switched) >= datetime.datetime.fromisoformat(released["at"]).timestamp(), "the origin answers first"


@pytest.mark.long
def test_site_after_relocate(mortal: Mortal) -> None:
    """Elsewhere site has nothing to do either and says where the inventory is wrong."""
    again = mortal.play("site", "--diff")
    assert (again.code, again.changed) == (0, 0), again.explain()
    assert "location is hil, wanted is ash" in " ".join(again.output.split())
