# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx includes for an upstream, and how it comes from one colour to the other without a lost request.

nginx asks for the addresses of a name that it did not know before a reload only afterwards, and has none to lead to until they are there. So the new name
is made known first, as a server that is down, and led to by a second reload, which takes over the addresses. Nothing is marked as failed (`max_fails=0`):
else one visitor, with a path that makes the application drop connections, would take a service away from all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from quetrex_node.desired import Desired

SERVER = re.compile(r"server ([a-z0-9-]+:[0-9]+) ")
# what nginx would make folders for where it cannot write
FOLDERS = ("client_body_temp_path", "proxy_temp_path", "fastcgi_temp_path", "uwsgi_temp_path", "scgi_temp_path")


def addresses(desired: Desired) -> dict[str, str]:
    """Host and port by service."""
    return {name: f"{one.host(name)}:{one.port}" for name, one in desired.upstreams.items()}


def serving(text: str) -> str:
    """Host and port that an upstream file leads to; empty when it leads nowhere."""
    match = SERVER.match(text)
    return match[1] if match else ""


def leading(address: str) -> str:
    """The file that leads to a host."""
    return f"server {address} resolve max_fails=0;\n"


def between(former: str, address: str) -> str:
    """The file that goes on leading to the former host and makes the next one known."""
    return f"{leading(former)}server {address} resolve down;\n"


def plan(present: Mapping[str, str], desired: Desired) -> tuple[dict[str, str], dict[str, str]]:
    """The files of the first step and of the last, by service. They are the same where no service changes its host."""
    last = {name: leading(address) for name, address in addresses(desired).items()}
    first = dict(last)
    for name, address in addresses(desired).items():
        former = serving(present.get(name, ""))
        if former and former != address:
            first[name] = between(former, address)
    return first, last


def question(hosts: list[str]) -> str:
    """A configuration that nginx accepts only if it finds these hosts: so no other program is needed in its image."""
    folders = " ".join(f"{name} /run/question-{name};" for name in FOLDERS)
    servers = " ".join(f"upstream u{index} {{ server {host}; }}" for index, host in enumerate(hosts))
    return f"pid /run/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{ {folders} {servers} }}\n"
