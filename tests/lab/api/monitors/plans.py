# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both services do to their users when a fault says so.

- `{"domain": "plan", "plan": "free"}`: the account is on the free plan, with that plan's limits. With `"status": 402` it refuses what the plan does not
  offer by that status, which is documented nowhere, and with `"headers": false` no answer says how many requests a minute are allowed
- `{"domain": "lag"}`: a list shows what was there when it was asked for the last time
- `{"domain": "escaped"}`: names and addresses come back escaped for HTML
- `{"domain": "made_but_404"}`: what was made is answered with 404, as of something that is not there yet (UptimeRobot)
"""

from __future__ import annotations

import copy
import html
from typing import Any

from ..faults import Faults

Json = dict[str, Any]


class Moods:
    """The behaviours that are switched on, and what lists have shown."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._seen: dict[str, Json] = {}

    def free(self) -> bool:
        """Whether the account is on the free plan."""
        return self.faults.domain("plan", plan="free") is not None

    def refusal(self) -> int:
        """The status of a refusal that comes from the plan."""
        return int((self.faults.domain("plan") or {}).get("status", 403))

    def headers(self) -> bool:
        """Whether answers say how many requests are allowed."""
        return bool((self.faults.domain("plan") or {}).get("headers", True))

    def listed(self, kind: str, rows: Json) -> Json:
        """What a list shows."""
        now = copy.deepcopy(rows)
        before, self._seen[kind] = self._seen.get(kind, now), now
        return before if self.faults.domain("lag") else now

    def written(self, text: str) -> str:
        """A name or address as it is answered."""
        return html.escape(text) if self.faults.domain("escaped") else text

    def hidden(self) -> bool:
        """Whether what was just made is denied."""
        return self.faults.domain("made_but_404") is not None
