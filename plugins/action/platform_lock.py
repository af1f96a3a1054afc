# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the platform's lock for the ansible-playbook that runs this."""

from __future__ import annotations

import datetime
import getpass
import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.quetrex.platform.plugins.plugin_utils import lock_holder

ANSWER_WITHIN = 60


def started(pid: int) -> str:
    """When a process began, so that a number that was given away again is not taken for it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19] if Path("/proc/self/stat").exists() else ""


def orphaned(parent: int, processes: Path = Path("/proc")) -> bool:
    """Whether the playbook was killed and left this worker to the system's first process, which never ends.

    In a container the playbook may be the first process itself.
    """
    commands = processes / str(parent) / "cmdline"
    return parent == 1 and commands.exists() and b"ansible" not in commands.read_bytes()


def account() -> str:
    """Who runs this; in a container the number may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def whoever(pid: int) -> dict[str, Any]:
    """The run as others see it."""
    playbooks = [Path(str(one)).stem.rpartition(".")[2] for one in context.CLIARGS.get("args") or ()]
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"pid": pid, "started": started(pid), "playbook": " ".join(playbooks) or "ansible", "user": account(), "host": socket.gethostname(), "since": now}


def key_of(name: str) -> int:
    """The number that stands for a lock's name in the database."""
    return int.from_bytes(hashlib.sha256(f"quetrex.platform {name}".encode()).digest()[:8], "big", signed=True)


def words(by: Mapping[str, Any]) -> str:
    """Who holds the lock, for a person."""
    if "playbook" in by:
        return f"{by['playbook']} by {by['user']}@{by['host']} since {by['since']} (process {by['pid']})"
    return str(by["application_name"]) if "application_name" in by else "another run"


class ActionModule(ActionBase):
    """Starts the holder and passes its answer on."""

    _requires_connection = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        result: dict[str, Any] = {**super().run(tmp, task_vars), "changed": False}
        _checked, given = self.validate_argument_spec(
            argument_spec={
                "path": {"type": "path", "required": True},
                "name": {"type": "str", "required": True},
                "database": {"type": "dict", "default": {}},
                "wait": {"type": "float", "default": 5},
                "patience": {"type": "float", "default": 120},
                "go_on": {"type": "bool", "default": False},
            }
        )
        if self._task.check_mode:
            return {**result, "held": False, "by": {}, "database": ""}
        if orphaned(os.getppid()):
            raise AnsibleActionFail("The run that wanted the lock has ended meanwhile; nobody would ever give it back.")
        order = {**given, "key": key_of(given["name"]), "who": whoever(os.getppid())}
        answer = self._ask(order)
        if not answer["held"]:
            raise AnsibleActionFail(
                f"Nothing was done: {words(answer['by'])} is writing to {given['name']}. Wait until it ends, or end it: its lock goes with it."
            )
        if answer["database"]:
            self._display.warning(f"The lock is held on this machine alone, another machine would not see it: {answer['database']}")
        return {**result, "held": True, "by": order["who"], "database": answer["database"]}

    @staticmethod
    def _ask(order: dict[str, Any]) -> dict[str, Any]:
        """The holder's one line. It leaves this session, so that what ends the run's processes leaves it to see the run end."""
        holder = subprocess.Popen(
            [sys.executable, lock_holder.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            text=True,
        )
        if holder.stdin is None or holder.stdout is None:
            raise AnsibleActionFail("The program that holds the lock has no pipes; this cannot happen, please report it.")
        json.dump(order, holder.stdin)
        holder.stdin.close()
        line = holder.stdout.readline()
        holder.stdout.close()
        if not line:
            raise AnsibleActionFail(f"The program that holds the lock ended with {holder.wait(ANSWER_WITHIN)}; is {order['path']} writable?")
        answer: dict[str, Any] = json.loads(line)
        return answer
