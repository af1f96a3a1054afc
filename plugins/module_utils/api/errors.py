# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error type: words for people, a code and details for programs, and no secret in either."""

from __future__ import annotations

import typing as t

HIDDEN = "********"


class Failure(Exception):
    """Something failed for good.

    `code` is the vendor's code or a word of ours, `status` the HTTP status (0 without an answer). Details are given as one value, or by name.
    """

    maybe_done = False
    """Whether nobody knows if what was asked for was done."""

    def __init__(self, message: str, code: int | str = "failed", *, status: int = 0, details: t.Any = None, **named: t.Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.details: t.Any = named if details is None else details

    def __str__(self) -> str:
        return self.message

    def failure(self) -> dict[str, t.Any]:
        """The error as data, for `failure` in a module's result."""
        return {"code": self.code, "message": self.message, "status": self.status, "details": self.details}

    def hide(self, *secrets: str | None) -> None:
        """Take secrets out of everything the error says."""
        self.message, self.details = redact(self.message, *secrets), _redacted(self.details, secrets)


class Uncertain(Failure):
    """A write whose answer was lost: it may have happened. Read the state again before doing anything else."""

    maybe_done = True


def redact(text: str, *secrets: str | None) -> str:
    """The text without the secrets, should a vendor or a library quote one."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    return text


def _redacted(value: t.Any, secrets: tuple[str | None, ...]) -> t.Any:
    if isinstance(value, str):
        return redact(value, *secrets)
    if isinstance(value, dict):
        return {key: _redacted(item, secrets) for key, item in value.items()}
    return [_redacted(item, secrets) for item in value] if isinstance(value, (list, tuple)) else value
