# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the database's own host does with wrong passwords: the third from one address in ten minutes bans that address for half an hour.

Packets of a banned address are rejected, those of its open connections as well. Limits are those of the vendor's image (supabase/postgres,
ansible/files/fail2ban_config, read on 2026-11-30: maxretry 3, bantime 1800) and the window that fail2ban has by default. The pooler has limits of its own,
see strict.py: it reaches the database over a socket, which is never banned.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from lab.shell import run

WRONG, WINDOW, BAN = 3, 600.0, 1800
_FAILED = re.compile(r"\[\d+\] (?P<address>[0-9a-fA-F.:]+) .*FATAL:  password authentication failed for user")
_SETS = {4: "four", 6: "six"}
_TABLE = f"""table inet bans
delete table inet bans
table inet bans {{
  set four {{ type ipv4_addr; flags timeout; timeout {BAN}s; }}
  set six {{ type ipv6_addr; flags timeout; timeout {BAN}s; }}
  chain inward {{
    type filter hook input priority filter; policy accept;
    ip saddr @four tcp dport 5432 reject with tcp reset
    ip6 saddr @six tcp dport 5432 reject with tcp reset
  }}
}}
"""


class Counter:
    """Wrong passwords by address."""

    def __init__(self) -> None:
        self._wrong: dict[str, list[float]] = {}

    def bans(self, lines: Iterable[str], now: float) -> list[str]:
        """The addresses that these lines of PostgreSQL's log ban."""
        found = []
        for address in (match["address"] for match in map(_FAILED.search, lines) if match):
            moments = [moment for moment in self._wrong.get(address, []) if now - moment < WINDOW] + [now]
            self._wrong[address] = [] if len(moments) >= WRONG else moments
            if len(moments) >= WRONG and address not in {"127.0.0.1", "::1"}:
                found.append(address)
        return found


def banned(space: str) -> list[str]:
    """The addresses that are banned in a network namespace."""
    listed = [json.loads(_inside(space, "--json", "list", "set", "inet", "bans", name)) for name in _SETS.values()]
    found = [item["set"].get("elem", []) for one in listed for item in one["nftables"] if "set" in item]
    return [str(element["elem"]["val"]) for elements in found for element in elements]


def lift(space: str) -> None:
    """As the dashboard's button does, for all addresses."""
    for name in _SETS.values():
        _inside(space, "flush", "set", "inet", "bans", name)


def _inside(space: str, *words: str) -> str:
    return run("nsenter", f"--net=/run/netns/{space}", "--", "nft", *words)


def main(log: str) -> None:
    """Follow a log that exists, in the network namespace of the database, until killed."""
    run("nft", "-f", "-", stdin=_TABLE)
    counter = Counter()
    with Path(log).open(errors="replace") as file:
        file.seek(0, 2)
        rest = ""
        while True:
            *lines, rest = (rest + file.read()).split("\n")
            for address in counter.bans(lines, time.monotonic()):
                run("nft", "add", "element", "inet", "bans", _SETS[6 if ":" in address else 4], f"{{ {address} }}")
            time.sleep(0.2)


if __name__ == "__main__":
    main(sys.argv[1])
