# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of the record: a release more, one taken back, what an inventory asked for, and which images nobody needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from quetrex_release.backend import Keeping
from quetrex_release.record import Record, Release


class Ledger:
    """The record of one service."""

    def __init__(self, state: Keeping, service: str) -> None:
        self.state, self.service = state, service

    def add(self, release: Release, inventory: str | None) -> None:
        """One release more."""
        record = self.state.record()
        track = record.track(self.service).add(release)
        self.state.save_record(record.having(replace(track, inventory=inventory or track.inventory), self.service))

    def put_back(self, before: Record) -> None:
        """A record that was written before its step failed says what does not serve."""
        if self.state.record() != before:
            self.state.save_record(before)

    def note(self, inventory: str) -> None:
        """Keeps what the inventory asked for, so that a later deploy is known to be later."""
        record = self.state.record()
        track = record.track(self.service)
        if track.inventory != inventory:
            self.state.save_record(record.having(replace(track, inventory=inventory), self.service))

    def needed(self, number: int) -> set[str]:
        """Images that any service needs, for itself or for a rollback; services may share one."""
        record = self.state.record()
        return {image for track in (record.web, record.runner, *record.services.values()) for image in track.kept(number)}

    def unused(self, present: Iterable[str], number: int) -> list[str]:
        """Of the images that are here, or were released, those that nobody needs."""
        needed = self.needed(number)
        return [image for image in self.state.record().track(self.service).to_forget(number, present) if image not in needed]
