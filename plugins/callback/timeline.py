# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback that shows where a long run is and where its time went."""

from __future__ import annotations

DOCUMENTATION = r"""
name: timeline
type: aggregate
short_description: Shows where a run is and where its time went
version_added: "1.0.0"
author:
  - Quetrex (@quetrex)
description:
  - Prints a heading with the elapsed time whenever a run reaches another role, and ends with a table of these stages.
  - A stage is a role of a play, or the play where a task belongs to no role. Handlers count for their role.
  - Works beside any stdout callback. What a module returns as C(timeline_say) is shown in one line, unfolded.
  - When the run tells a budget in seconds (C(ansible.builtin.set_stats) with C(timeline_budget)), the last line holds the total against it.
  - Optionally keeps the same as JSON, rewritten at every stage so that a killed run leaves how far it got.
requirements:
  - enable in configuration, for example with C(callbacks_enabled = quetrex.platform.timeline)
options:
  path:
    description:
      - File the timeline is written to as JSON. Nothing is written when not set.
      - Its folder is made when missing.
    type: path
    env:
      - name: QUETREX_TIMELINE_PATH
    ini:
      - section: callback_timeline
        key: path
"""

EXAMPLES = r"""
ansible.cfg: |
  [defaults]
  callbacks_enabled = quetrex.platform.timeline
  [callback_timeline]
  path = .cache/timeline.json
"""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.plugins.callback import CallbackBase

from ansible_collections.quetrex.platform.plugins.plugin_utils.timeline import Timeline, clock_text


def role_of(task: Any) -> str | None:
    """Short name of the role a task belongs to; None outside roles."""
    role = getattr(task, "_role", None)
    return str(role.get_name()).rpartition(".")[2] if role else None


def is_rescued(task: Any) -> bool:
    """Whether a failure of the task is caught by a block around it."""
    parent = getattr(task, "_parent", None)
    while parent is not None:
        if getattr(parent, "rescue", None) and task not in parent.rescue:
            return True
        parent = getattr(parent, "_parent", None)
    return False


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Replace the file in one move: a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(data, file, indent=2)
        file.write("\n")
    Path(scratch).replace(path)


class CallbackModule(CallbackBase):
    """Feeds ansible's events to a Timeline."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "quetrex.platform.timeline"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self.timeline = Timeline(time.monotonic)

    def v2_playbook_on_start(self, playbook: Any) -> None:
        self.timeline.playbook = Path(playbook._file_name).stem

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self.timeline.play(play.get_name().strip())

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._task(task)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._task(task)

    def _task(self, task: Any) -> None:
        stage = self.timeline.task(role_of(task))
        if stage is not None:
            heading = f"\n── {clock_text(self.timeline.elapsed())}  {stage.name} {'─' * max(3, 60 - len(stage.name))}"
            self._display.display(heading, color=C.COLOR_HIGHLIGHT)  # type: ignore[attr-defined]  # set from the configuration at run time
            self._write(finished=False)

    def v2_runner_on_ok(self, result: Any) -> None:
        self.timeline.result(changed=result.is_changed())
        said = (getattr(result, "result", None) or result._result).get("timeline_say")
        if said:
            self._display.display(f"── {clock_text(self.timeline.elapsed())}  {said}", color=C.COLOR_HIGHLIGHT)  # type: ignore[attr-defined]  # as above

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        task = getattr(result, "task", None) or result._task
        self.timeline.result(failed=not ignore_errors and not is_rescued(task))

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self.timeline.result(failed=True)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self.timeline.finish()
        if self.timeline.stages:
            self._display.banner("TIMELINE")
            for line in self.timeline.table(float((stats.custom.get("_run") or {}).get("timeline_budget") or 0)):
                self._display.display(line)
        self._write(finished=True)

    def _write(self, finished: bool) -> None:
        path = self.get_option("path")
        if not path:
            return
        try:
            write_json(Path(path), self.timeline.as_data(finished=finished))
        except OSError as error:
            self._display.warning(f"timeline: cannot write {path}: {error.strerror}")
