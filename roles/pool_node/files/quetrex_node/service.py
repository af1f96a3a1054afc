# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The global service that brings the desired state to every server, as an entry of a stack file. Pure.

Its container holds the state, a static shell from the host, and two folders: it writes into one and reads the other. It has no network that leads
anywhere, for Swarm knows no service without one.
"""

from __future__ import annotations

from typing import Any

from quetrex_node.swarm import TARGET

SHELL = "/.platform/busybox"
INBOX, OUTBOX = "/node/in", "/node/out"
APPLIED = f"{OUTBOX}/applied.json"
NETWORK, CONFIG = "node", "desired"
# The state is brought until the server has it in effect, at once and every ten seconds again: so nothing that was missed stays missed. Whatever the
# server reports becomes a line of the log, which a manager can read.
SCRIPT = f"""\
count=0 last=
while :; do
  pause=1
  if {SHELL} cmp -s {TARGET} {APPLIED}; then
    count=0 pause=3
  else
    if [ $((count % 10)) = 0 ]; then
      {SHELL} cp {TARGET} {INBOX}/.desired.new && {SHELL} mv {INBOX}/.desired.new {INBOX}/desired.json
    fi
    count=$((count + 1))
  fi
  told=
  if [ -f {OUTBOX}/observed.json ]; then read -r told < {OUTBOX}/observed.json; fi
  if [ "$told" != "$last" ]; then printf '%s\\n' "$told"; last=$told; pause=1; fi
  {SHELL} sleep $pause
done
"""


def service(image: str, inbox: str, outbox: str, shell: str) -> dict[str, Any]:
    """The entry. `image` is any that the servers have, the rest are paths on a server."""

    def bind(source: str, target: str, *, read_only: bool) -> dict[str, Any]:
        return {"type": "bind", "source": source, "target": target, "read_only": read_only}

    return {
        "image": image,
        "entrypoint": [SHELL, "sh", "-c", SCRIPT.replace("$", "$$")],
        # of root only the number: the folders are root's, and it can do nothing else
        "user": "0:0",
        "init": True,
        "read_only": True,
        "cap_drop": ["ALL"],
        "networks": [NETWORK],
        "configs": [{"source": CONFIG, "target": TARGET, "mode": 0o444}],
        "volumes": [bind(inbox, INBOX, read_only=False), bind(outbox, OUTBOX, read_only=True), bind(shell, SHELL, read_only=True)],
        "stop_grace_period": "2s",
        "logging": {"driver": "json-file", "options": {"max-size": "1m", "max-file": "2"}},
        "healthcheck": {
            "test": ["CMD", SHELL, "cmp", "-s", TARGET, APPLIED],
            "interval": "15s",
            "timeout": "5s",
            "retries": 3,
            "start_period": "120s",
            "start_interval": "1s",
        },
        "deploy": {
            "mode": "global",
            "endpoint_mode": "dnsrr",
            "labels": {"platform.part": "node"},
            # on all servers at the same time; whether a state that one of them cannot follow is taken back, the release decides
            "update_config": {"parallelism": 0, "order": "stop-first", "failure_action": "continue"},
            "restart_policy": {"condition": "any", "delay": "2s"},
            "resources": {"limits": {"memory": "16M", "pids": 16}},
        },
    }


def stack_file(config: str, entry: dict[str, Any]) -> dict[str, Any]:
    """A stack file of this service alone. Nothing is reached through its network, whose MTU leaves room for VXLAN's header in a private network of 1450."""
    network = {"driver": "overlay", "internal": True, "driver_opts": {"com.docker.network.driver.mtu": "1400"}}
    return {"services": {"node": entry}, "networks": {NETWORK: network}, "configs": {CONFIG: {"external": True, "name": config}}}
