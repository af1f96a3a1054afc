#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module hetzner_server_ready: SSH answers with the known key, and cloud-init is done."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hetzner_server_ready
short_description: Wait until a new server can be worked with
version_added: "1.0.0"
description:
  - Records the SSH host key that is known from having made it, then waits until the server answers with exactly that key, lets the account in,
    and cloud-init is done.
  - A server with another key is refused at once, and a cloud-init that failed is reported with its reasons. Nothing on the server is changed.
  - A cloud-init that is done but could not do everything (C(degraded done)) is no failure. What it could not do is given as warnings.
  - Runs on the controller with its C(ssh).
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: partial
    details: In check mode only the record of the host key is looked at; the server is not waited for.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
options:
  address:
    description: Address of the server.
    type: str
    required: true
  user:
    description: Account to log in with.
    type: str
    required: true
  host_key:
    description: The server's public SSH host key, as C(type base64).
    type: str
    required: true
  known_hosts:
    description: File in which the key is recorded.
    type: path
    required: true
  private_key_file:
    description: SSH private key to log in with. Without it those of the agent and of C(~/.ssh) are tried.
    type: path
  budget:
    description: Seconds to wait altogether.
    type: float
    default: 300
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Wait until the new server can be worked with
  quetrex.platform.hetzner_server_ready:
    address: "{{ made.server.ipv4 }}"
    user: ops
    host_key: "{{ lookup('file', 'state/app_ssh_host_ed25519_key.pub') }}"
    known_hosts: state/known_hosts
"""

RETURN = r"""
recorded:
  description: Whether the host key was recorded now.
  returned: success
  type: bool
cloud_init:
  description: What cloud-init says about itself; V(none) where there is none, empty in check mode.
  returned: success
  type: str
  sample: done
warnings_of_cloud_init:
  description: What cloud-init could not do and went on without.
  returned: success
  type: list
  elements: str
failure:
  description: The failure as data.
  returned: failure
  type: dict
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.api.module import run
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.errors import HetznerError
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.ready import REMOTE, Verdict, judge, record
from ansible_collections.quetrex.platform.plugins.module_utils.writing import ssh_files


def command(params: dict[str, t.Any], left: float) -> list[str]:
    """Return the call of ssh that asks cloud-init to tell when it is done."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(max(1, min(10, int(left)))),
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": ssh_files(params["known_hosts"]),
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlgorithms": params["host_key"].split()[0],
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "3",
        "LogLevel": "ERROR",
    }
    flags = [f"-o{key}={value}" for key, value in options.items()]
    key = ["-i", params["private_key_file"], "-oIdentitiesOnly=yes"] if params["private_key_file"] else []
    return ["ssh", *flags, *key, "-l", params["user"], "--", params["address"], REMOTE.format(seconds=max(1, int(left)))]


def wait(module: AnsibleModule) -> Verdict:
    """Ask until there is an answer that stays, or time is over."""
    deadline = time.monotonic() + module.params["budget"]
    while True:
        status, out, error = module.run_command(command(module.params, deadline - time.monotonic()))
        verdict = judge(status, out, error, module.params)
        if verdict.final:
            return verdict
        if time.monotonic() + 1 > deadline:
            raise HetznerError("timeout", f"{module.params['address']} is not ready after {module.params['budget']:.0f} s: {verdict.reason}")
        time.sleep(0.5)


def ready(module: AnsibleModule) -> dict[str, t.Any]:
    """Record the host key, and wait until the server is ready."""
    recorded = record(module.params["known_hosts"], module.params["address"], module.params["host_key"], write=not module.check_mode)
    verdict = Verdict(True) if module.check_mode else wait(module)
    for warning in verdict.warnings:
        module.warn(f"cloud-init of {module.params['address']} went on without this: {warning}")
    return {"changed": recorded, "recorded": recorded, "cloud_init": verdict.cloud_init, "warnings_of_cloud_init": list(verdict.warnings)}


def main() -> None:
    """Run the module."""
    spec = {
        "address": {"type": "str", "required": True},
        "user": {"type": "str", "required": True},
        "host_key": {"type": "str", "required": True, "no_log": False},
        "known_hosts": {"type": "path", "required": True},
        "private_key_file": {"type": "path"},
        "budget": {"type": "float", "default": 300},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    run(module, lambda: ready(module))


if __name__ == "__main__":
    main()
