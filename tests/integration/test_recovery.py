# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server dies in several ways; one command brings it back, and nothing that was acknowledged is lost."""

from __future__ import annotations

import datetime
import json
import re
import time

import pytest

from lab.machine import Machines
from lab.mortal import WORKSPACE, Mortal, Writer, api, deaf_to_ssh, dns_writes, faults, host_key, missing_from_redis, recover, redis_cli

REDIS_GRACE = 1.0
"""Seconds of acknowledged writes that `appendfsync everysec` may lose."""


def test_a_healthy_server_is_left_alone(mortal: Mortal) -> None:
    server = mortal.server
    refused = mortal.play("recover")
    assert refused.code != 0
    assert "Nothing was done: it is healthy" in " ".join(refused.output.split())
    assert (refused.changed, mortal.server, mortal.status("/api/health")) == (0, server, 200)


def test_killed_under_a_writer_it_comes_back_with_all_that_was_acknowledged(mortal: Mortal) -> None:
    writer, identity = Writer(mortal), host_key(mortal)
    writer.start()
    assert mortal.eventually(writer.busy, 60)
    time.sleep(2)
    died = writer.end()
    Machines(mortal.lab).lose_power(mortal.server)
    assert recover(mortal)["cures"][0] == "power_on"
    redis, files = writer.acknowledged["redis"], writer.acknowledged["files"]
    lost = missing_from_redis(mortal, len(redis))
    assert [number for number in lost if redis[number] < died - REDIS_GRACE] == []
    present = set(mortal.on_server(f"cd {WORKSPACE} && cat r-*").split())
    # what was acknowledged while the power went is neither kept nor lost by promise
    assert {str(number) for number, at in enumerate(files) if at < died} - present == set()
    assert host_key(mortal) == identity


def test_deleted_and_its_recovery_killed_half_way_it_is_back_on_its_address_with_its_volume(mortal: Mortal) -> None:
    server, address, identity = mortal.server, mortal.server_ipv4, host_key(mortal)
    mortal.on_server(f"echo kept > {WORKSPACE}/kept && sync")
    client = api(mortal)
    client.servers.get_by_id(server).delete().wait_until_finished()
    before, records = client.volumes.get_all(), dns_writes(mortal)
    assert mortal.killed_after(25, "recover")
    recover(mortal)
    assert mortal.server != server
    assert (mortal.server_ipv4, host_key(mortal)) == (address, identity)
    assert mortal.on_server(f"cat {WORKSPACE}/kept").strip() == "kept"
    assert [one.id for one in client.volumes.get_all()] == [one.id for one in before]
    assert dns_writes(mortal) == records
    certificates = json.loads(mortal.lab.path("api", "cloudflare.json").read_text())["certificates"].values()
    assert ["revoked_at" in one for one in certificates] == [True, False], "the dead server's certificate is worth nothing any more"


def test_afterwards_site_has_nothing_to_do(mortal: Mortal) -> None:
    again = mortal.play("site", "--diff")
    assert (again.code, again.changed) == (0, 0), again.explain()


@pytest.mark.long
def test_from_a_golden_image_visitors_are_served_before_zone_and_database_are_looked_after(mortal: Mortal) -> None:
    built = mortal.play("image_build")
    assert built.code == 0, built.explain()
    server, identity, asked = mortal.server, host_key(mortal), len(mortal.exchanges("supabase"))
    mortal.on_server(f"echo kept > {WORKSPACE}/pictured && sync")
    api(mortal).servers.get_by_id(server).delete().wait_until_finished()
    assert recover(mortal)["cures"] == ["recreate"]
    assert (mortal.server != server, host_key(mortal)) == (True, identity)
    assert mortal.on_server(f"cat {WORKSPACE}/pictured").strip() == "kept"
    released = datetime.datetime.fromisoformat(json.loads(mortal.on_server("tail -n 1 /srv/platform/releases.log"))["at"]).timestamp()
    looked_after = [float(str(one["time"])) for one in mortal.exchanges("supabase")[asked:] if str(one["path"]).startswith("/v1/projects")]
    assert looked_after
    assert min(looked_after) > released, "site does the rest, and does it afterwards"
    again = mortal.play("site", "--diff")
    assert (again.code, again.changed) == (0, 0), again.explain()


@pytest.mark.long
def test_where_a_reset_brings_back_the_visitors_and_not_the_login_its_owner_chooses_when_they_wait_for_the_rest(mortal: Mortal) -> None:
    deaf_to_ssh(mortal)
    stopped = mortal.play("recover")
    assert stopped.code != 0
    # a server that is young is waited for first
    words = r"Visitors are served again, by (wait, then )?reset\. But visitors are served, only its owner cannot log in"
    assert re.search(words, " ".join(stopped.output.split())), stopped.explain()
    assert mortal.status("/api/health") == 200
    assert recover(mortal, "-e", "platform_recovery_cure=rebuild")["cures"] == ["rebuild", "converge"]
    assert mortal.on_server("systemctl is-active ssh.service ssh.socket || true").split().count("active") >= 1


@pytest.mark.long
def test_where_no_cure_can_be_given_the_server_is_cut_off_and_all_is_elsewhere_with_the_state_of_the_copy(mortal: Mortal) -> None:
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
    assert (record["cures"], record["location"]) == (["reset", "rebuild", "power_on", "recreate", "relocate"], "hil")
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
def test_elsewhere_site_has_nothing_to_do_either_and_says_where_the_inventory_is_wrong(mortal: Mortal) -> None:
    again = mortal.play("site", "--diff")
    assert (again.code, again.changed) == (0, 0), again.explain()
    assert "location is hil, wanted is ash" in " ".join(again.output.split())
