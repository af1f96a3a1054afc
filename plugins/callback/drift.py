# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback that keeps, as data, what a run in check mode would change."""

from __future__ import annotations

DOCUMENTATION = r"""
name: drift
type: notification
short_description: Keeps, as data, what a run in check mode would change
version_added: "1.0.0"
author:
  - Quetrex (@quetrex)
description:
  - Writes one line of JSON for each task that would change something, failed, or did not reach its host.
  - What a task hides with C(no_log) stays hidden.
  - Written for M(quetrex.platform.platform_drift), which starts the run.
requirements:
  - enable in configuration, for example with C(callbacks_enabled = quetrex.platform.drift)
options:
  path:
    description: File the lines are added to. Nothing is written when not set.
    type: path
    env:
      - name: QUETREX_DRIFT_PATH
    ini:
      - section: callback_drift
        key: path
  keep_going:
    description: Go on after a failed task, so that one layer's failure does not hide the layers after it.
    type: bool
    default: false
    env:
      - name: QUETREX_DRIFT_KEEP_GOING
    ini:
      - section: callback_drift
        key: keep_going
"""

EXAMPLES = r"""
ansible.cfg: |
  [defaults]
  callbacks_enabled = quetrex.platform.drift
  [callback_drift]
  path = .cache/drift.jsonl
"""

import json
import re
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
LINES = 20
WIDTH = 240


def role_of(task: Any) -> str:
    """Short name of the role a task belongs to; empty outside roles."""
    role = getattr(task, "_role", None)
    return str(role.get_name()).rpartition(".")[2] if role else ""


def outcome(result: Any) -> tuple[Any, str, dict[str, Any]]:
    """Task, host and result, as any supported core gives them."""
    if hasattr(result, "task"):
        return result.task, str(result.host.get_name()), result.result
    return result._task, str(result._host.get_name()), result._result


def changed_lines(text: str) -> list[str]:
    """The lines of a difference that differ."""
    plain = (COLOUR.sub("", line) for line in text.splitlines())
    lines = [line[:WIDTH] for line in plain if line.startswith(("+", "-")) and not line.startswith(("+++", "---"))]
    return lines[:LINES] + ([f"… {len(lines) - LINES} more lines"] if len(lines) > LINES else [])


class CallbackModule(CallbackBase):
    """Turns ansible's events into lines."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "quetrex.platform.drift"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_play_start(self, play: Any) -> None:
        if self.get_option("keep_going"):
            # tasks inherit it from their play; those written in the play itself know it by the object it was before it got its variables
            blocks = [*play.pre_tasks, *play.tasks, *play.post_tasks, *play.handlers]
            for one in {id(one): one for one in [play, *(getattr(block, "_play", None) for block in blocks)] if one is not None}.values():
                one.ignore_errors = one.ignore_unreachable = True

    def v2_runner_on_ok(self, result: Any) -> None:
        _task, _host, data = outcome(result)
        if "results" in data:
            return  # its items were told one by one
        self._changed(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._changed(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        _task, _host, data = outcome(result)
        if not any(item.get("failed") for item in data.get("results") or [] if isinstance(item, dict)):
            self._write("failed", result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._write("failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._write("unreachable", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        counts = [stats.summarize(host) for host in stats.processed]
        self._line({"kind": "end", "tasks": sum(sum(count.values()) for count in counts), "hosts": len(counts)})

    def _changed(self, result: Any) -> None:
        if outcome(result)[2].get("changed"):
            self._write("changed", result)

    def _write(self, kind: str, result: Any) -> None:
        task, host, data = outcome(result)
        line = {"kind": kind, "role": role_of(task), "task": task.get_name().strip().rpartition(" : ")[2], "host": host}
        item = data.get("_ansible_item_label")
        if item is not None:
            line["item"] = str(item)[:WIDTH]
        if kind != "changed":
            line["message"] = " ".join(str(data.get("msg") or data.get("censored") or "no message").split())[: 4 * WIDTH]
        elif data.get("censored"):
            line["hidden"] = True
        elif data.get("diff"):
            line["diff"] = changed_lines(self._get_diff(data["diff"]))
        self._line(line)

    def _line(self, line: dict[str, Any]) -> None:
        path = self.get_option("path")
        if path:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
