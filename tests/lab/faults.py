# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One fault in each layer of a lab's platform, as a careless or hostile hand would leave it, and the way back."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lab.config import Lab
from lab.machine import Machines
from lab.supabase import service

TLS = "/opt/platform/nginx/tls/origin.pem"


@dataclass(frozen=True)
class Fault:
    """What is done, how it is undone, and by which part and words it has to be named."""

    name: str
    part: str
    words: str
    do: Callable[[], Any]
    undo: Callable[[], Any]


class Hand:
    """Reaches everything past the platform's own tools."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.facts: dict[str, Any] = json.loads(lab.path("lab.json").read_text())
        (self.server,) = (int(path.parent.name) for path in (lab.root / "servers").glob("*/server.json"))

    def api(self, name: str, method: str, path: str, body: Any = None) -> Any:
        """One call of a vendor's API, with the owner's token."""
        api = self.facts["apis"][name]
        headers = {"Authorization": f"Bearer {api['token']}", "Content-Type": "application/json"}
        request = urllib.request.Request(api["url"] + path, None if body is None else json.dumps(body).encode(), headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def root(self, script: str) -> str:
        """A script as root on the server, past SSH and firewall."""
        return Machines(self.lab).enter(self.server, "/bin/sh", "-euc", script)

    def sql(self, statement: str) -> None:
        """A statement as the database's superuser."""
        connection = service.connect(self.lab)
        try:
            connection.autocommit = True
            connection.cursor().execute(statement)
        finally:
            connection.close()

    def zone(self) -> str:
        """The path of the zone."""
        (zone,) = self.api("cloudflare", "GET", f"/zones?name={self.facts['domain']}")["result"]
        return f"/zones/{zone['id']}"

    def record(self) -> dict[str, Any]:
        """The address record of www."""
        (found,) = self.api("cloudflare", "GET", f"{self.zone()}/dns_records?type=A&name=www.{self.facts['domain']}")["result"]
        return dict(found)

    def rule(self) -> dict[str, Any]:
        """The page rule for static files."""
        (found,) = (rule for rule in self.api("cloudflare", "GET", f"{self.zone()}/pagerules")["result"] if "_next" in str(rule["targets"]))
        return dict(found)

    def firewall(self) -> dict[str, Any]:
        """The vendor's firewall of the server."""
        (found,) = self.api("hetzner", "GET", "/firewalls")["firewalls"]
        return dict(found)

    def open_everywhere(self, port: int) -> None:
        """A door in the vendor's firewall."""
        wall = self.firewall()
        door = {"direction": "in", "protocol": "tcp", "port": str(port), "source_ips": ["0.0.0.0/0", "::/0"]}
        self.api("hetzner", "POST", f"/firewalls/{wall['id']}/actions/set_rules", {"rules": [*_rules(wall), door]})

    def close(self, port: int) -> None:
        """The same without that door."""
        wall = self.firewall()
        rules = [rule for rule in _rules(wall) if rule.get("port") != str(port)]
        self.api("hetzner", "POST", f"/firewalls/{wall['id']}/actions/set_rules", {"rules": rules})


def _rules(wall: dict[str, Any]) -> list[dict[str, Any]]:
    return [{key: value for key, value in rule.items() if value not in (None, [])} for rule in wall["rules"]]


def faults(lab: Lab) -> list[Fault]:
    """All of them; they can be there together."""
    hand = Hand(lab)
    record, rule = hand.record(), hand.rule()
    www, target = f"{hand.zone()}/dns_records/{record['id']}", f"{hand.zone()}/pagerules/{rule['id']}"
    redis = hand.facts["registry"]["images"]["redis"]
    listen = "systemd-run --quiet --unit=odd-listener --collect python3 -m http.server 8081"
    other = f"docker run --detach --name platform-runner {redis} redis-server --port 7000"
    swap = f"docker stop --time 1 platform-runner; docker rename platform-runner aside; {other}"
    back = "docker rm --force platform-runner; docker rename aside platform-runner; docker start platform-runner"
    weak = f"openssl req -x509 -newkey rsa:2048 -nodes -days 5 -subj /CN={lab.domain} -keyout /root/odd.key -out /root/odd.pem 2>/dev/null"
    # with its time: a file newer than nginx's last reload would be a difference of its own
    put = f"cp --archive {{0}} {TLS}.new; mv {TLS}.new {TLS}"
    door = "nft add rule inet platform inbound tcp dport 8081 accept"
    return [
        Fault(
            "a port opened by a program", "firewall", "python3 listens on tcp/8081",
            lambda: hand.root(listen), lambda: hand.root("systemctl stop odd-listener"),
        ),
        Fault(
            "a port opened in the host's firewall", "firewall", "tcp dport 8081 accept",
            lambda: hand.root(door), lambda: hand.root("systemctl reload platform-firewall"),
        ),
        Fault("a port opened at Hetzner", "cloud", "Create firewall", lambda: hand.open_everywhere(8081), lambda: hand.close(8081)),
        Fault(
            "a page rule edited", "edge", "Apply the page rules",
            lambda: hand.api("cloudflare", "PATCH", target, {"actions": [{"id": "cache_level", "value": "bypass"}]}),
            lambda: hand.api("cloudflare", "PATCH", target, {"actions": rule["actions"]}),
        ),
        Fault(
            "a record changed", "edge", "Point the records at the origin",
            lambda: hand.api("cloudflare", "PATCH", www, {"content": lab.control}),
            lambda: hand.api("cloudflare", "PATCH", www, {"content": record["content"]}),
        ),
        Fault(
            "a grant added", "database", "somebody added",
            lambda: hand.sql("GRANT SELECT ON public.profiles TO anon"),
            lambda: hand.sql("REVOKE SELECT ON public.profiles FROM anon"),
        ),
        Fault("an image swapped", "containers", "the image of platform-runner was swapped", lambda: hand.root(swap), lambda: hand.root(back)),
        Fault(
            "a certificate near its end", "certificates", "ends in",
            lambda: hand.root(f"cp --archive {TLS} /root/good.pem; {weak}; " + put.format("/root/odd.pem")), lambda: hand.root(put.format("/root/good.pem")),
        ),
        Fault(
            "a timer stopped", "server", "apt-daily.timer is stopped",
            lambda: hand.root("systemctl stop apt-daily.timer"), lambda: hand.root("systemctl start apt-daily.timer"),
        ),
    ]  # fmt: skip


@contextmanager
def injected(lab: Lab) -> Iterator[list[Fault]]:
    """Every fault is there, and gone afterwards."""
    found, done = faults(lab), list[Fault]()
    try:
        for fault in found:
            done.append(fault)
            fault.do()
        yield found
    finally:
        for fault in reversed(done):
            fault.undo()
