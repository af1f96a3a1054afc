# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The look at a server, with programs that answer from a table."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.host import inspection
from ansible_collections.quetrex.platform.plugins.module_utils.host.inspection import PARTS, Places, inspect, kills

RULE = {"rule": {"family": "inet", "table": "platform", "chain": "inbound", "handle": 7, "expr": [{"counter": {"packets": 3}}, {"accept": None}]}}
OPENED = {"rule": {"family": "inet", "table": "platform", "chain": "inbound", "handle": 9, "expr": [{"match": {"right": 8081}}, {"accept": None}]}}
RATES = {"set": {"name": "ssh_rate", "flags": ["dynamic"], "handle": 2, "elem": [{"elem": {"val": "192.0.2.1"}}]}}


class Programs:
    """Answers by the beginning of a command; what is not in the table is not installed."""

    def __init__(self, **answers: str) -> None:
        self.answers = {name.replace("_", " "): text for name, text in answers.items()}

    def __call__(self, argv: list[str]) -> tuple[int, str, str]:
        said = " ".join(argv)
        for start, text in sorted(self.answers.items(), key=lambda pair: -len(pair[0])):
            if said.startswith(start):
                return 0, text, ""
        return -1, "", "not found"


def table(*items: Any) -> str:
    return json.dumps({"nftables": [{"metainfo": {"version": "1"}}, *items]})


def part(name: str, programs: Programs, tmp_path: Path) -> Any:
    return inspect(programs, Places(str(tmp_path), str(tmp_path), (str(tmp_path),)), [name])[name]


def test_machine_without_programs(tmp_path: Path) -> None:
    """Every part answers on a machine without any of the programs."""
    seen = inspect(Programs(), Places(str(tmp_path), str(tmp_path), (str(tmp_path), "/nonexistent")))
    assert set(seen) == {*PARTS, "at"}
    assert seen["containers"] == {"engine": False, "error": "not found", "items": [], "wanted": {}}
    assert seen["disks"][0]["path"] == str(tmp_path)
    assert seen["memory"]["total"] > 0
    assert seen["backups"] is None


def test_firewall_rule_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule added by hand is seen and counters handles and rates are not."""
    rules = tmp_path / "firewall.nft"
    rules.write_text("table inet platform {}")
    monkeypatch.setattr(inspection, "RULES", str(rules))
    again = json.loads(json.dumps(RULE))
    again["rule"].update(handle=99)
    again["rule"]["expr"][0]["counter"]["packets"] = 12345
    quiet = {**RATES, "set": {**RATES["set"], "elem": []}}
    same = part("firewall", Programs(nft=table(again, RATES), unshare=table(RULE, quiet)), tmp_path)
    assert same == {"file": True, "loaded": True, "added": [], "missing": []}
    opened = part("firewall", Programs(nft=table(RULE, OPENED), unshare=table(RULE)), tmp_path)
    assert (len(opened["added"]), opened["missing"]) == (1, [])
    assert "8081" in opened["added"][0]
    closed = part("firewall", Programs(nft=table(), unshare=table(RULE)), tmp_path)
    assert len(closed["missing"]) == 1


def test_internal_sockets(tmp_path: Path) -> None:
    """Sockets of bridges and loopback are nobody else's business."""
    links = json.dumps([{"ifname": "br-web", "addr_info": [{"local": "172.30.0.1"}, {}]}, {"ifname": "eth0", "addr_info": [{"local": "192.0.2.7"}]}])
    lines = """\
tcp   LISTEN 0 128 127.0.0.1:8087 0.0.0.0:* users:(("nginx",pid=1,fd=3))
tcp   LISTEN 0 128 172.30.0.1:8088 0.0.0.0:* users:(("nginx",pid=1,fd=3))
tcp   LISTEN 0 128 [::]:22 [::]:* users:(("sshd",pid=1,fd=3))
tcp   LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))
udp   UNCONN 0 0 192.0.2.7%eth0:68 0.0.0.0:* users:(("systemd-network",pid=1,fd=3))
tcp   LISTEN 0 5 0.0.0.0:8081 0.0.0.0:*
"""
    found = part("listeners", Programs(ip=links, ss=lines), tmp_path)
    assert [(item["protocol"], item["port"], item["program"]) for item in found] == [("tcp", 22, "sshd"), ("tcp", 8081, ""), ("udp", 68, "systemd-network")]


def test_containers_compared(tmp_path: Path) -> None:
    """Containers are put beside what the files and the record want."""
    digest = "registry.example.com:5000/app/web@sha256:" + "c" * 64
    (tmp_path / "releases.json").write_text(json.dumps({"current": {"colour": "green", "image": digest, "config": "h1"}}))
    shown = [
        {
            "Name": "/platform-web-green",
            "Image": "sha256:77",
            "RestartCount": 2,
            "Config": {"Image": digest.replace("@", ":1.0.0@"), "Labels": {"platform.config": "h1", "other": "x"}},
            "State": {"Running": True, "Health": {"Status": "healthy"}, "StartedAt": "2026-11-23T00:00:00Z"},
            "HostConfig": {"PortBindings": {"3000/tcp": [{"HostPort": "3000"}]}},
        }
    ]
    config = {
        "services": {"redis": {"container_name": "platform-redis", "image": "registry.example.com/redis:7@sha256:1", "labels": {"platform.part": "base"}}}
    }
    programs = Programs(
        docker_container_ls="abc\n",
        docker_container_inspect=json.dumps(shown),
        docker_compose=json.dumps(config),
        docker_image_inspect=json.dumps(
            [{"Id": "sha256:77", "RepoDigests": [digest]}, {"Id": "sha256:5", "RepoDigests": ["registry.example.com/redis@sha256:1"]}]
        ),
    )
    seen = part("containers", programs, tmp_path)
    (web,) = seen["items"]
    assert (web["name"], web["restarts"], web["published"], web["labels"]) == ("platform-web-green", 2, ["3000/tcp"], {"platform.config": "h1"})
    assert seen["wanted"]["platform-web-green"] == {"image": digest, "labels": {"platform.config": "h1"}, "image_id": "sha256:77"}
    assert web["image"] == digest, "with a tag it is the same image"
    assert seen["wanted"]["platform-redis"]["image_id"] == "sha256:5"


@pytest.mark.parametrize(
    ("line", "folder", "text"),
    [
        ("0::/system.slice/docker-1.scope\n", "sys/fs/cgroup/system.slice/docker-1.scope/memory.events", "low 0\noom 4\noom_kill 3\noom_group_kill 0\n"),
        ("9:cpu:/x\n4:memory:/machine/up/docker/1\n", "sys/fs/cgroup/memory/docker/1/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
    ],
)
def test_killed_worker(tmp_path: Path, line: str, folder: str, text: str) -> None:
    """A killed worker is counted where the first process lives on."""
    for path, content in ((tmp_path / "proc" / "7" / "cgroup", line), (tmp_path / folder, text)):
        path.parent.mkdir(parents=True)
        path.write_text(content)
    assert kills(7, f"{tmp_path}/") == 3
    assert kills(8, f"{tmp_path}/") == kills(0, f"{tmp_path}/") == 0


def test_timers_tell_whether_they_are_to_run_and_do(tmp_path: Path) -> None:
    programs = Programs(
        **{
            "systemctl list-units --state=failed": "bad.service loaded failed failed Bad\n",
            "systemctl list-unit-files": "apt-daily.timer enabled enabled\nfstrim.timer enabled enabled\nclean.timer static -\n",
            "systemctl list-units --type=timer": "apt-daily.timer loaded active waiting x\nfstrim.timer loaded inactive dead x\n",
            "systemctl show": "no\n",
        }
    )
    seen = part("units", programs, tmp_path)
    assert seen["failed"] == ["bad.service"]
    assert seen["timers"][0] == {"name": "apt-daily.timer", "enabled": "enabled", "active": True}
    assert seen["timers"][2] == {"name": "fstrim.timer", "enabled": "enabled", "active": False, "conditions": False}


def test_upgrades_are_counted(tmp_path: Path) -> None:
    said = "Inst bash [1] (2 Debian:13.2/stable [amd64])\nInst openssl [1] (2 Debian-Security:13/stable-security [amd64])\nConf bash (2)\n"
    seen = part("upgrades", Programs(apt_get=said, **{"apt-get": said}), tmp_path)
    assert (seen["pending"], seen["security"]) == (["bash", "openssl"], ["openssl"])


def test_the_last_backup_and_releases_are_read(tmp_path: Path) -> None:
    (tmp_path / "backup.json").write_text('{"at": "2026-11-23T01:00:00Z", "ok": true}')
    (tmp_path / "releases.log").write_text('{"outcome": "released"}\nbroken\n')
    assert part("backups", Programs(), tmp_path) == {"at": "2026-11-23T01:00:00Z", "ok": True}
    assert part("releases", Programs(), tmp_path)["log"] == [{"outcome": "released"}]


def test_end_of_origin_pull_authorities(tmp_path: Path) -> None:
    """A new authority stands beside the old one until the edge has moved; the file lasts as long as its last certificate."""
    folder = tmp_path / "nginx"
    folder.mkdir()
    pems = []
    for days in (10, 400):
        words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=pull", "-days", str(days)]
        pems.append(subprocess.run([*words, "-keyout", str(tmp_path / "key")], check=True, capture_output=True, text=True).stdout)
    (folder / "edge-client-ca.pem").write_text("".join(pems))

    def run(argv: list[str]) -> tuple[int, str, str]:
        done = subprocess.run(argv, check=False, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    (found,) = [item for item in inspect(run, Places(str(tmp_path), str(tmp_path), ()), ["certificates"])["certificates"] if item["where"] == "origin pulls"]
    assert 398 < found["days_left"] < 401
    (folder / "edge-client-ca.pem").write_text("nothing")
    found = inspect(run, Places(str(tmp_path), str(tmp_path), ()), ["certificates"])["certificates"][0]
    assert found["where"] == "origin pulls"
    assert found["error"]


@pytest.mark.parametrize(("text", "seen"), [
    (None, None), ("half a", None), ("[]", None), ('{"since": "2026-11-30T15:00:00Z", "reason": "x"}', {"since": "2026-11-30T15:00:00Z", "reason": "x"}),
])  # fmt: skip
def test_maintenance_is_on_the_volume(tmp_path: Path, text: str | None, seen: dict[str, str] | None) -> None:
    if text is not None:
        (tmp_path / "maintenance").mkdir()
        (tmp_path / "maintenance" / "state.json").write_text(text)
    assert part("maintenance", Programs(), tmp_path) == seen


def test_how_each_job_ended_last(tmp_path: Path) -> None:
    """A file that is damaged is passed over."""
    (tmp_path / "jobs").mkdir()
    last = {"at": "2026-11-30T03:30:00Z", "code": 3, "seconds": 2.5}
    (tmp_path / "jobs/nightly.json").write_text(json.dumps(last))
    (tmp_path / "jobs/weekly.json").write_text("{")
    assert part("releases", Programs(), tmp_path)["jobs"] == {"nightly": last}
