# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was released, on the volume: the record, its serial, and the log of releases."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from quetrex_release.files import content, replace
from quetrex_release.record import Record
from quetrex_release.store import Store


class State:
    """The record of this server."""

    def __init__(self, project_dir: Path, state_dir: Path) -> None:
        self.record_file = state_dir / "releases.json"
        self.audit_file = state_dir / "releases.log"
        # on the system's disk: the last serial that this server wrote, whatever volume is mounted
        self.serial_file = project_dir / "release-serial"
        self.database = project_dir / "release-database.json"

    @property
    def store(self) -> Store | None:
        """Where the record is kept away from the server, if anywhere."""
        return Store.read(self.database)

    def record(self) -> Record:
        """What was released; one that is damaged is as good as none."""
        text = content(self.record_file)
        if text is None:
            return Record()
        try:
            return Record.parse(json.loads(text))
        except ValueError as error:
            print(f"{self.record_file} is ignored: {error}", file=sys.stderr)
            return Record()

    def save_record(self, record: Record) -> None:
        """Replaces the record."""
        replace(self.record_file, json.dumps(record.plain(), indent=1) + "\n")
        with contextlib.suppress(OSError):  # an older serial there says the same
            replace(self.serial_file, f"{record.serial}\n")

    def own_record(self) -> bool:
        """Whether the record on the volume is the one that this server wrote last, and not that of an older copy or of another server."""
        serial = (content(self.serial_file) or "").strip()
        return serial.isdigit() and self.record_file.exists() and self.record().serial >= int(serial)

    def audit(self, line: dict[str, Any]) -> None:
        """Adds a line to the audit log. A log that cannot be written changes nothing about what serves."""
        try:
            with self.audit_file.open("a") as log:
                log.write(json.dumps(line) + "\n")
        except OSError as error:
            print(f"{self.audit_file}: {error}", file=sys.stderr)
