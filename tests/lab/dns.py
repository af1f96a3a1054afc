# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's resolver: dnsmasq with a folder of hosts files that each part of the lab keeps for its own names."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab import process
from lab.config import Lab
from lab.shell import run


def _upstreams() -> list[str]:
    """The machine's own resolvers, asked for every name that is not of the lab."""
    return re.findall(r"^\s*nameserver\s+(\S+)", Path("/etc/resolv.conf").read_text(), flags=re.MULTILINE)


def up(lab: Lab) -> None:
    """Starts the resolver on the control plane's address."""
    hosts = lab.folder("dns", "hosts")
    for folder in (lab.root, hosts.parent, hosts):
        folder.chmod(0o755)
    upstream = [f"--server={address}" for address in _upstreams()]
    listen = [f"--listen-address={lab.control}", f"--listen-address={lab.address6(0)}", "--bind-interfaces", "--no-dhcp-interface=*"]
    quiet = ["--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--log-facility=-", "--user=root", "--pid-file="]
    local = [f"--local=/{domain}/" for domain in (lab.domain, "supabase.test")]
    argv = ["dnsmasq", *quiet, *listen, *upstream, *local, f"--addn-hosts={hosts}", "--local-ttl=1"]
    process.start(lab, "dns", argv, ready=lambda: f" {lab.control}:53 " in run("ss", "-Hlun"))


def publish(lab: Lab, owner: str, names: Mapping[str, Sequence[str]]) -> None:
    """Makes these names resolve to these addresses, replacing what the same owner published before."""
    path = lab.folder("dns", "hosts") / owner
    text = "".join(f"{address} {name}\n" for name, addresses in sorted(names.items()) for address in addresses)
    if path.exists() and path.read_text() == text:
        return
    path.write_text(text)
    path.chmod(0o644)
    process.signal(lab, "dns", signal.SIGHUP)
