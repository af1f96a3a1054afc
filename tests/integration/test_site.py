# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`site.yml` as its user meets it: the look beforehand, the first run, the second, and what visitors then see."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import psycopg2
import pytest

from lab import cloud, net
from lab.api.hetzner.hardware import LabHardware
from lab.config import CHECKOUT
from lab.machine import Machines
from lab.platform import Platform, Run
from lab.shell import run

from .conftest import Look

pytestmark = [pytest.mark.lab]


def test_check_mode_on_empty_account(first_look: Look) -> None:
    """Check mode on an empty account lists what would be made and touches nothing."""
    assert first_look.run.code == 0, first_look.run.explain()
    assert first_look.run.changed > 5, first_look.run.explain()
    for word in ("cpx31", "EUR a month", "column public.profiles.email", "ssl: strict", "quetrex.test/api/*", "www"):
        assert word.lower() in first_look.run.output.lower(), f"{word!r} is not in what --check shows"
    assert first_look.writes == []


def test_first_run_builds_everything(first_run: Run) -> None:
    """All but the packages, which the prepared image has; the platform `mortal` installs them."""
    assert first_run.code == 0
    assert first_run.changed > 10
    packages = ("Install the base packages", "Install the engine and the compose plugin", "Install nftables")
    assert not [task for task in first_run.changed_tasks if task.endswith(packages)], "tests/lab/base.py lacks packages that the roles want"


def test_second_run_changes_nothing(platform: Platform) -> None:
    again = platform.play("site", "--diff")
    assert (again.code, again.changed) == (0, 0), again.explain()


@pytest.mark.parametrize("path", ["/", "/api/health", "/runner/health"])
def test_pages(platform: Platform, path: str) -> None:
    """Visitors are answered through the edge."""
    assert platform.status(path) == 200


def test_health(platform: Platform) -> None:
    """Health says which release runs and that it reaches Redis."""
    health = json.loads(platform.curl(f"https://{platform.lab.domain}/api/health").stdout)
    assert (health["version"], health["checks"]["redis"]) == ("1.0.0", "ok")


def test_printed_curl_line(platform: Platform) -> None:
    """The printed curl line works as printed."""
    words = [sys.executable, "-m", "lab", "address"]
    printed = subprocess.run(words, cwd=CHECKOUT / "tests", env=platform.environment, capture_output=True, text=True, check=True).stdout
    (line,) = (line for line in printed.splitlines() if line.strip().startswith("curl "))
    answer = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout)["status"] == "ok"


def test_plain_http_is_sent_to_https(platform: Platform) -> None:
    answer = platform.curl(f"http://{platform.lab.domain}/some/page?x=1", "--output", "/dev/null", "--write-out", "%{http_code} %{redirect_url}")
    assert answer.stdout == f"301 https://{platform.lab.domain}/some/page?x=1"


def test_old_tls_is_refused_and_new_tls_is_not(platform: Platform) -> None:
    url, low = f"https://{platform.lab.domain}/", ("--ciphers", "DEFAULT@SECLEVEL=0")
    assert platform.curl(url, "--tlsv1.1", "--tls-max", "1.1", *low).returncode == 35
    assert platform.curl(url, "--tlsv1.2", "--tls-max", "1.2").returncode == 0


def test_caching(platform: Platform) -> None:
    """Static assets are cached and the API never is."""
    page = platform.curl(f"https://{platform.lab.domain}/").stdout
    asset = page.partition('"/_next/static/')[2].partition('"')[0]
    assert asset, "the page refers to no static asset"
    platform.headers(f"/_next/static/{asset}")
    assert platform.headers(f"/_next/static/{asset}")["cf-cache-status"] == "HIT"
    seen = {platform.headers("/api/health").get("cf-cache-status", "") for _attempt in range(4)}
    assert not seen & {"HIT", "MISS"}, seen


def open_ports(platform: Platform, space: str, address: str) -> set[str]:
    """TCP ports that answer at an address, looked at from a network namespace."""
    scan = ["nmap", "-Pn", "-n", "-p-", "--min-rate", "20000", "--max-retries", "1", "--open", "-oG", "-"]
    found = run("nsenter", f"--net=/run/netns/{space}", "--", *scan, *(["-6"] if ":" in address else []), address, timeout=240)
    lines = [line.partition("Ports: ")[2] for line in found.splitlines() if "Ports: " in line]
    return {entry.split("/")[0] for line in lines for entry in line.split(", ")}


def test_open_ports_from_outside(platform: Platform) -> None:
    """A stranger finds only SSH open on the server."""
    with net.visitor(platform.lab, "scan", 20) as space:
        assert open_ports(platform, space, platform.server_ipv4) == {"22"}


def test_the_edge_finds_https_as_well(platform: Platform) -> None:
    assert open_ports(platform, net.netns_name(platform.lab, "edge"), platform.server_ipv4) == {"22", "443"}


def test_database_restrictions(platform: Platform) -> None:
    """The database answers to the server and this machine and to no stranger."""
    knock = f"timeout 3 bash -c 'exec 3<>/dev/tcp/{platform.lab.database}/5432' 2>/dev/null && echo open || echo closed"
    with net.visitor(platform.lab, "knock", 21) as space:
        asked = subprocess.run(["nsenter", f"--net=/run/netns/{space}", "--", "sh", "-c", knock], capture_output=True, text=True, check=True)
        assert (asked.stdout.strip(), platform.on_server(knock).strip()) == ("closed", "open")
        # the pooler listens to everybody, and answers in words
        words = [sys.executable, "-c", f"import psycopg2; psycopg2.connect(**{login(platform, 'pooler')}, sslmode='require')"]
        asked = subprocess.run(["nsenter", f"--net=/run/netns/{space}", "--", *words], capture_output=True, text=True, check=False)
        assert "EADDRNOTALLOWED" in asked.stderr
    # The controller got in when it looked last; without TLS nobody does.
    for way, refusal in {"direct": "no encryption", "pooler": "ESSLREQUIRED"}.items():
        psycopg2.connect(**login(platform, way), sslmode="require").close()
        with pytest.raises(psycopg2.OperationalError, match=refusal):
            psycopg2.connect(**login(platform, way), sslmode="disable")


def login(platform: Platform, way: str) -> dict[str, Any]:
    """Words of libpq for the owner's connection: direct, or pooler."""
    facts = platform.facts["supabase"]
    place = facts["pooler"] if way == "pooler" else facts
    return {"host": place["address"], "port": place["port"], "user": place["user"], "password": facts["password"], "dbname": facts["database"]}


def answering(platform: Platform, space: str) -> list[set[str]]:
    """Which of the doors that matter answer, over IPv4 and IPv6."""
    facts = json.loads((platform.lab.root / "servers" / str(platform.server) / "server.json").read_text())
    found = []
    for address in facts["addresses"]:
        scan = ["nmap", "-Pn", "-n", "-p", "22,80,443,2375,3000,6379,8080", "-T4", "--max-retries", "1", "--open", "-oG", "-"]
        text = run("nsenter", f"--net=/run/netns/{space}", "--", *scan, *(["-6"] if ":" in address else []), address, timeout=60)
        found.append(set(re.findall(r"(\d+)/open/", text)))
    return found


def test_each_of_the_two_firewalls_holds_alone(platform: Platform) -> None:
    """Also against a container that publishes a port, which only the server's own has to fear: the vendor's sees no difference."""
    node, kept = f"s{platform.server}", json.loads((platform.lab.root / "servers" / str(platform.server) / "firewall.json").read_text())
    program = "require('http').createServer((q, a) => a.end('x')).listen(8080, '::')"
    platform.on_server(
        "docker run --detach --rm --name published --publish 8080:8080 --entrypoint node "
        f"$(docker inspect --format '{{{{.Image}}}}' platform-runner) -e \"{program}\" >/dev/null"
    )
    own = "systemctl {} platform-firewall.service"
    try:
        with net.visitor(platform.lab, "walls", 21) as space:
            net.set_firewall(platform.lab, node, None)
            assert answering(platform, space) == [{"22"}, {"22"}], "the server's own firewall alone"
            platform.on_server(own.format("stop"))
            assert platform.eventually(lambda: "8080" in answering(platform, space)[0]), "without any wall nothing answers either: the look proves nothing"
            net.set_firewall(platform.lab, node, kept)
            assert answering(platform, space) == [{"22"}, {"22"}], "the vendor's firewall alone"
            edge = answering(platform, net.netns_name(platform.lab, "edge"))
            assert edge == [{"22", "443"}, {"22", "443"}]
            platform.on_server(own.format("start"))
            assert answering(platform, net.netns_name(platform.lab, "edge")) == edge, "both hold the same"
    finally:
        net.set_firewall(platform.lab, node, kept)
        platform.on_server(own.format("restart") + "; docker rm --force published >/dev/null 2>&1 || true")


def test_reboot(platform: Platform) -> None:
    """As the window of unattended upgrades does it: systemd goes down, which stops the containers instead of killing them."""
    machines, names = Machines(platform.lab), ("nginx", "runner", "redis")
    platform.on_server("systemctl stop platform-stack.service")
    ended = platform.on_server("docker inspect --format '{{.Name}} {{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}' $(docker ps --all --quiet)")
    states = dict(line.removeprefix("/platform-").split(" ", 1) for line in ended.strip().splitlines())
    assert {state.split()[0] for state in states.values()} == {"exited"}, states
    assert {states[name].split()[1] for name in names} <= {"0", "143"}, states
    assert "bye bye" in platform.on_server("docker logs --tail 20 platform-redis 2>&1"), "Redis was not allowed to finish"
    platform.on_server("systemctl start platform-stack.service")
    assert platform.eventually(lambda: platform.status("/api/health") == 200, 60)
    # down and up again, as a whole server
    machines.shutdown(platform.server)
    assert platform.eventually(lambda: not machines.running(platform.server), 60), "the server does not go down"
    LabHardware(platform.lab).power_on(platform.server)
    assert platform.eventually(lambda: platform.status("/api/health") == 200, 90), "the platform does not come back"
    goodbyes = platform.on_server("docker logs platform-redis 2>&1 | grep 'bye bye' | wc -l")
    assert int(goodbyes) >= 2, "Redis was killed by the reboot"
    assert platform.on_server("docker ps --quiet --filter label=platform.part=base --filter health=healthy | wc -l").strip() == "3"


def test_engine_restart(platform: Platform) -> None:
    """A restart of the engine leaves the stack alone."""
    pids = "docker inspect --format '{{.Name}} {{.State.Pid}}' $(docker ps --quiet) | sort"
    before = platform.on_server(pids)
    platform.on_server("systemctl restart docker.service containerd.service")
    assert platform.eventually(lambda: platform.on_server(f"{pids} || true") == before, 15)
    assert platform.status("/api/health") == 200


def test_wrong_origin_certificate(platform: Platform) -> None:
    """A wrong origin certificate is refused by the edge."""
    tls, reload = "/opt/platform/nginx/tls", "docker kill --signal HUP platform-nginx >/dev/null"
    # By rename: nginx keeps a certificate whose file has the same inode and second of change. With its time: a file that is as new as nginx's last reload
    # would be a difference, because nobody knows which of them came first.
    put = f"for part in pem key; do cp --archive /root/$from.$part {tls}/.new; mv {tls}/.new {tls}/origin.$part; done; {reload}"
    platform.on_server(f"cp --archive {tls}/origin.pem /root/good.pem; cp --archive {tls}/origin.key /root/good.key")
    platform.on_server(f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={platform.lab.domain} -keyout /root/bad.key -out /root/bad.pem 2>&1")
    try:
        platform.on_server(f"from=bad; {put}")
        assert platform.eventually(lambda: platform.status("/") == 526)
    finally:
        platform.on_server(f"from=good; {put}")
    assert platform.eventually(lambda: platform.status("/") == 200)


def test_no_exchange_broke_a_vendors_contract(platform: Platform) -> None:
    assert cloud.violations(platform.lab) == 0
