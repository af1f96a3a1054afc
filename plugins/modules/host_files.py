#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring several configuration files of a server, and what runs from them, to their wanted state in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Write several configuration files and activate them, undone by the server unless confirmed
version_added: "1.0.0"
description:
  - Compares, validates, writes and activates any number of configuration files in one call, where single tasks would cost most of a second each.
  - An activation (a reload, a restart) runs when one of its files changed, when its last run was interrupted before it worked, or when its check fails.
    A run that was killed between writing and reloading is therefore finished by the next one.
  - With O(guard) the server itself puts the old files back unless the change is confirmed in time, so that a change of the SSH server or the
    firewall can lock nobody out, even if the controller dies in the middle. A server that restarts in that time starts with the old files.
author:
  - Quetrex (@quetrex)
options:
  files:
    description: The files, written in this order.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path. Missing folders are created.
        type: path
        required: true
      content:
        description: The whole content of the file.
        type: str
        default: ""
      state:
        description: Whether the file exists.
        type: str
        choices: [present, absent]
        default: present
      owner:
        description: Name of the owner.
        type: str
        default: root
      group:
        description: Name of the group.
        type: str
        default: root
      mode:
        description: Permissions as an octal number in quotes.
        type: str
        default: "0644"
      settings:
        description:
          - Instead of O(files[].content), single settings of a file that belongs to a package. The line that begins with a name gets its value,
            missing ones are added, all other lines, owner and permissions stay. A file that does not exist is not made.
          - A value that begins with an equals sign is written right behind its name (C(name=value)).
        type: dict
      before:
        description: Where missing O(files[].settings) go, before the first line that begins with this word; at the end if there is none.
        type: str
      secret:
        description:
          - Whether the file holds, or held before, what nobody may read in a difference; it then says only that the content is another one.
          - What the file is to hold is hidden by C(no_log) of the task; what it holds still, which the inventory may know no more, only by this.
        type: bool
        default: false
      validate:
        description:
          - Command that judges the new content before it replaces the old one; C(%s) stands for a scratch file with that content.
          - Not run while its program is not installed, so that files can be in place before a package first starts its service.
        type: list
        elements: str
  activate:
    description: Commands that make the running system follow the files, run in this order after all files are written.
    type: list
    elements: dict
    default: []
    suboptions:
      command:
        description: The command, one item per argument.
        type: list
        elements: str
        required: true
      paths:
        description: The files it stands for.
        type: list
        elements: path
        required: true
      check:
        description: Command that succeeds while the running system follows the files.
        type: list
        elements: str
  record:
    description:
      - Name under which the server remembers the paths of this call. A file that an earlier call of the same name wrote, and this one does not name
        any more, is removed. Files with O(files[].settings) or of O(files[].state=absent) are not remembered.
    type: str
  guard:
    description: Name of a guarded change. The old files come back after O(guard_seconds) unless the change is confirmed.
    type: str
  guard_seconds:
    description: How long a guarded change waits for its confirmation.
    type: int
    default: 60
  undo:
    description: Commands that activate the old files; the commands of O(activate) if not given.
    type: list
    elements: list
    default: []
  state:
    description:
      - V(present) brings files and activations to their wanted state.
      - V(confirmed) keeps the guarded change that waits under O(guard).
      - V(restored) undoes it at once.
    type: str
    choices: [present, confirmed, restored]
    default: present
attributes:
  check_mode:
    support: full
    description: Says what would be written and which commands would run.
  diff_mode:
    support: full
    description: Shows content, owner and mode of every file; of a O(files[].secret) one that the content differs.
  idempotent:
    support: full
    description: A second run changes nothing.
"""

EXAMPLES = r"""
- name: Set kernel parameters
  quetrex.platform.host_files:
    files:
      - path: /etc/sysctl.d/60-platform.conf
        content: |
          vm.overcommit_memory = 1
    activate:
      - command: [sysctl, --quiet, --load, /etc/sysctl.d/60-platform.conf]
        paths: [/etc/sysctl.d/60-platform.conf]

- name: Change the SSH server, and return to the old settings in 60 seconds unless confirmed
  quetrex.platform.host_files:
    guard: ssh
    files:
      - path: /etc/ssh/sshd_config.d/00-platform.conf
        content: |
          PasswordAuthentication no
        validate: [/usr/sbin/sshd, -t, -f, "%s"]
    activate:
      - command: [systemctl, reload, ssh.service]
        paths: [/etc/ssh/sshd_config.d/00-platform.conf]

- name: Keep the change
  quetrex.platform.host_files:
    guard: ssh
    state: confirmed
"""

RETURN = r"""
paths:
  description: The files that were written or removed.
  returned: always
  type: list
  elements: str
commands:
  description: The activations that ran, one line each.
  returned: always
  type: list
  elements: str
pending:
  description: Whether a guarded change waits for its confirmation.
  returned: always
  type: bool
"""

import os
import shutil
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.host import files as disk
from ansible_collections.quetrex.platform.plugins.module_utils.host import guard
from ansible_collections.quetrex.platform.plugins.module_utils.host.plan import (
    Activation,
    Plan,
    Wanted,
    forgotten,
    make_plan,
    parse_activations,
    parse_files,
    resolve,
    stamp,
)

FILE_OPTIONS: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str", "default": ""},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0644"},
    "settings": {"type": "dict"},
    "before": {"type": "str"},
    "secret": {"type": "bool", "default": False, "no_log": False},
    "validate": {"type": "list", "elements": "str"},
}
ACTIVATE_OPTIONS: dict[str, Any] = {
    "command": {"type": "list", "elements": "str", "required": True},
    "paths": {"type": "list", "elements": "path", "required": True},
    "check": {"type": "list", "elements": "str"},
}


class HostFiles:
    """One run of the module: fetch, plan, apply."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.requested: list[Wanted] = parse_files(module.params["files"])
        self.wanted: list[Wanted] = self.requested
        self.record: str | None = module.params["record"]
        self.activations: list[Activation] = parse_activations(module.params["activate"])
        self.guard: str | None = module.params["guard"]

    def run(self, argv: Any) -> tuple[int, str]:
        """Run a command and return its code and all it said."""
        code, out, err = self.module.run_command(list(argv))
        return code, out + err

    def fetch(self) -> tuple[Plan, list[dict[str, str]]]:
        """Read the server and compare."""
        removals = forgotten(disk.read_record(self.record), self.requested) if self.record else []
        found = {item.path: disk.read(item.path) for item in [*self.requested, *removals]}
        self.wanted = [resolve(item, found[item.path]) for item in [*self.requested, *removals]]
        stamps = {item: disk.read_stamp(item) for item in self.activations}
        failing = [item for item in self.activations if item.check and not self.passes(item.check)]
        plan = make_plan(self.wanted, found, self.activations, stamps, failing)
        return plan, [describe(item, found[item.path]) for item in plan.writes]

    def passes(self, argv: tuple[str, ...]) -> bool:
        """Whether a check succeeds; a program that is not installed does not."""
        return shutil.which(argv[0]) is not None and self.run(argv)[0] == 0

    def validate(self, plan: Plan) -> None:
        """Refuse bad content before anything is touched; a program that is not installed yet cannot judge."""
        for item in plan.writes:
            if item.validate and shutil.which(item.validate[0]):
                disk.check(item, self.run)

    def apply(self, plan: Plan) -> None:
        """Write, then activate; a stamp is left only by what worked."""
        if self.guard and plan.changed:
            guard.arm(self.guard, plan, self.module.params["undo"], self.module.params["guard_seconds"], self.run)
        kept = [item.path for item in self.requested if item.state.content is not None and not item.settings]
        if self.record:
            # what is about to be written is remembered before, what is about to go is forgotten after: a killed run leaves no orphan
            disk.write_record(self.record, [*{*kept, *disk.read_record(self.record)}])
        for item in plan.writes:
            disk.write(item)
        if self.record:
            disk.write_record(self.record, kept)
        for activation in plan.activations:
            code, output = self.run(activation.command)
            if code != 0:
                raise disk.HostFileError(f"'{' '.join(activation.command)}' failed: {output.strip()}{self.undo_hint()}")
            disk.write_stamp(activation, stamp(activation, self.wanted))

    def undo_hint(self) -> str:
        """Put the old files back after a failed activation, if they are guarded, and say so."""
        if not self.guard:
            return ""
        guard.restore(self.guard, self.run)
        return " (the old files are back)"

    def present(self) -> dict[str, Any]:
        """Bring everything to its wanted state."""
        plan, diff = self.fetch()
        waiting = bool(self.guard and guard.pending(self.guard))
        self.validate(plan)
        if waiting and plan.changed and not self.module.check_mode:
            # an interrupted change lies in between: start again from the state that was proved
            guard.restore(str(self.guard), self.run)
            plan, diff = self.fetch()
            waiting = False
        if not self.module.check_mode:
            self.apply(plan)
        return {
            "changed": plan.changed or waiting,
            "paths": [item.path for item in plan.writes],
            "commands": [" ".join(item.command) for item in plan.activations],
            "pending": bool(self.guard and guard.pending(self.guard)),
            "diff": diff,
        }

    def finish(self, state: str) -> dict[str, Any]:
        """Keep or undo a guarded change."""
        name = str(self.guard)
        if not self.module.check_mode:
            action = guard.confirm if state == "confirmed" else guard.restore
            action(name, self.run)
        return {"changed": state == "restored", "paths": [], "commands": [], "pending": False}


HIDDEN = "(what this file holds is not shown: {})\n"


def describe(item: Wanted, found: Any) -> dict[str, str]:
    """Return one file's diff. Of a file that goes only the owner knows whether it held secrets, if it was only the owner's to read."""
    mode = "" if found.content is None else f"{found.owner}:{found.group} {found.mode:04o}\n"
    new = "" if item.state.content is None else f"{item.state.owner}:{item.state.group} {item.state.mode:04o}\n"
    same = mode == new
    before, after = found.content or "", item.state.content or ""
    if item.secret or (item.state.content is None and not found.mode & 0o077):
        before, after = (text and HIDDEN.format("the same" if before == after else state) for text, state in ((before, "the old"), (after, "the new")))
    return {
        "before_header": item.path,
        "after_header": item.path,
        "before": ("" if same else mode) + before,
        "after": ("" if same else new) + after,
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "default": [], "options": FILE_OPTIONS},
            "activate": {"type": "list", "elements": "dict", "default": [], "options": ACTIVATE_OPTIONS},
            "record": {"type": "str"},
            "guard": {"type": "str"},
            "guard_seconds": {"type": "int", "default": 60},
            "undo": {"type": "list", "elements": "list", "default": []},
            "state": {"type": "str", "choices": ["present", "confirmed", "restored"], "default": "present"},
        },
        required_if=[("state", "confirmed", ["guard"]), ("state", "restored", ["guard"])],
        supports_check_mode=True,
    )
    # folders this makes are for everyone to enter, whatever the login's umask
    os.umask(0o022)
    task = HostFiles(module)
    state = module.params["state"]
    try:
        result = task.present() if state == "present" else task.finish(state)
    except (disk.HostFileError, OSError, KeyError) as error:
        module.fail_json(msg=str(error), failure={"code": "host_files", "details": {"state": state}})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
