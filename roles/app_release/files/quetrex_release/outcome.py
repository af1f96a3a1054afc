# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a command ended: the exit code says what serves."""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """A name for programs, the exit code, and the sentence for people. 2 and 64 are wrong words; a kill has the shell's code."""

    done = 0, ""
    failed = 1, "The release failed; what served before serves."
    locked = 3, "Nothing was changed."
    refused = 4, "Nothing was changed."
    unclean = 5, "The release serves; cleaning up failed. Run the same command again."
    partly = 6, "The application's release serves; the runner's or another service's failed, and what ran there before runs."
    job_failed = 8, "Nothing that serves was changed."
    unknown = 7, "Going back failed as well: look at `quetrex-release status` and `docker ps` on the server."

    @property
    def code(self) -> int:
        """The exit code."""
        return int(self.value[0])

    @property
    def sentence(self) -> str:
        """What people are to know of what serves."""
        return str(self.value[1])


class ReleaseError(Exception):
    """Why a command cannot go on.

    `code` is for programs, `logs` are the new container's last lines. Without an outcome nothing had begun: the command is refused.
    """

    def __init__(self, code: str, message: str, logs: str = "", outcome: Outcome | None = None) -> None:
        super().__init__(message)
        self.code, self.logs, self.outcome = code, logs, outcome


def as_error(problem: Exception) -> ReleaseError:
    """Any exception as one of ours: whatever happens in a step, the way back is the same."""
    if isinstance(problem, ReleaseError):
        return problem
    return ReleaseError("system" if isinstance(problem, OSError) else "internal", f"{type(problem).__name__}: {problem}")
