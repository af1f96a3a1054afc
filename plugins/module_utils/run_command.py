# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module's own run_command, as far as module utilities use it."""

from __future__ import annotations

import threading
import typing as t

if t.TYPE_CHECKING:
    import subprocess

    Process = subprocess.Popen[bytes]


class RunCommand(t.Protocol):
    """AnsibleModule.run_command. `before_communicate_callback` gets the process while it runs."""

    def __call__(
        self,
        args: list[str],
        *,
        environ_update: dict[str, str] | None = None,
        expand_user_and_vars: bool = True,
        before_communicate_callback: t.Callable[[Process], None] | None = None,
        handle_exceptions: bool = True,
    ) -> tuple[int, str, str]:
        """Status, output and complaints."""


def run(
    command: RunCommand,
    argv: list[str],
    environ: dict[str, str] | None = None,
    meanwhile: t.Callable[[Process], None] | None = None,
) -> tuple[int, str, str]:
    """Status, output and complaints of exactly these words. Raises OSError when the program cannot be started."""
    return command(argv, environ_update=environ, expand_user_and_vars=False, before_communicate_callback=meanwhile, handle_exceptions=False)


def run_within(command: RunCommand, argv: list[str], seconds: float) -> tuple[int, str, str] | None:
    """The same; None when it did not end in time and was killed."""
    alarms: list[threading.Timer] = []
    late = threading.Event()

    def set_alarm(process: Process) -> None:
        def ring() -> None:
            late.set()
            process.kill()

        alarms.append(threading.Timer(seconds, ring))
        alarms[0].start()

    try:
        done = run(command, argv, meanwhile=set_alarm)
    finally:
        for alarm in alarms:
            alarm.cancel()
    return None if late.is_set() else done
