# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-lint with the same rules over the same files, without what it does again and again.

There are no options for this. `make soak` runs ansible-lint itself, and planted defects would tell if this stopped working:

- ansible-playbook for the syntax of every playbook and every role, more than half of its time: one command does that for the artifact's playbooks,
  which load every role (`TestArtifact`);
- each rule copies and parses every task: a third of the rest;
- the kind of a file is asked for by its name, through 30 patterns, thousands of times.
"""

from __future__ import annotations

import functools
import gc
import sys
from typing import Any

import ansible_compat.runtime
import ansiblelint.file_utils
import ansiblelint.utils
from ansiblelint.__main__ import main
from ansiblelint.runner import Runner

_normalize = ansiblelint.utils.normalize_task_v2
_normalized: dict[int, tuple[Any, Any]] = {}


def normalize_once(task: Any) -> Any:
    """A task in its normal form. Rules add keys to it, so each gets a copy."""
    # the task is kept too: another would get its identity
    if id(task.raw_task) not in _normalized:
        _normalized[id(task.raw_task)] = (task.raw_task, _normalize(task))
    found = _normalized[id(task.raw_task)][1]
    return {**found, "action": dict(found["action"])}


if __name__ == "__main__":
    gc.disable()
    Runner._run_syntax_check_phase = lambda runner, matches: []  # type: ignore[method-assign, assignment]
    ansible_compat.runtime.Runtime.has_playbook = lambda *_asked, **_named: True  # type: ignore[method-assign]
    ansiblelint.utils.normalize_task_v2 = normalize_once
    ansiblelint.file_utils.kind_from_path = functools.cache(ansiblelint.file_utils.kind_from_path)
    sys.exit(main())
