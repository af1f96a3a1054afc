# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be written and activated: pure functions over plain data.

An activation (a reload, a restart) leaves a stamp once it has worked for exactly these contents.
A run that was killed between writing and reloading therefore finds the stamp missing and reloads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class FileState:
    """A file as it is or as it should be; ``content`` None means the file is absent."""

    content: str | None
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644


@dataclass(frozen=True)
class Wanted:
    """One file of the task."""

    path: str
    state: FileState
    validate: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    before: str | None = None
    secret: bool = False


@dataclass(frozen=True)
class Activation:
    """A command that makes the running system follow ``paths``; ``check`` succeeds while it does."""

    paths: tuple[str, ...]
    command: tuple[str, ...]
    check: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What this run has to do."""

    writes: tuple[Wanted, ...]
    activations: tuple[Activation, ...]

    @property
    def changed(self) -> bool:
        """Whether anything has to be done."""
        return bool(self.writes or self.activations)


def parse_files(raw: Sequence[Mapping[str, Any]]) -> list[Wanted]:
    """Turn the module's ``files`` option into data."""
    return [
        Wanted(
            path=item["path"],
            state=FileState(
                content=None if item["state"] == "absent" else item["content"],
                owner=item["owner"],
                group=item["group"],
                mode=int(item["mode"], 8),
            ),
            validate=tuple(item["validate"] or ()),
            settings=tuple(sorted((str(name), str(value)) for name, value in (item.get("settings") or {}).items())),
            before=item.get("before"),
            secret=bool(item.get("secret")),
        )
        for item in raw
    ]


def _setting_line(name: str, value: str) -> str:
    """Write a setting: ``name=value`` where the value brings its equals sign, else two words."""
    return name + value if value.startswith("=") else f"{name}\t{value}".rstrip()


def _sets(line: str, name: str) -> bool:
    """Whether a line sets this name."""
    return line.replace("=", " =", 1).split()[:1] == [name]


def merge_settings(text: str, settings: Sequence[tuple[str, str]], before: str | None = None) -> str:
    """Give each setting (a line that begins with its name) its value, add the missing ones, leave every other line alone.

    What is missing goes to the end, or before the first line whose first word is ``before``.
    """
    lines = text.splitlines()
    for name, value in settings:
        places = [number for number, line in enumerate(lines) if _sets(line, name)]
        new = _setting_line(name, value)
        if not places:
            ends = [number for number, line in enumerate(lines) if before and line.split()[:1] == [before]]
            lines.insert(ends[0] if ends else len(lines), new)
        elif lines[places[0]].replace("=", " = ", 1).split() != new.replace("=", " = ", 1).split() or len(places) > 1:
            lines[places[0]] = new
            lines = [line for number, line in enumerate(lines) if number not in places[1:]]
    return "".join(line + "\n" for line in lines)


def resolve(wanted: Wanted, found: FileState) -> Wanted:
    """Turn single settings into the whole content that follows from the file as it is; a file that is absent stays so."""
    if not wanted.settings:
        return wanted
    content = None if found.content is None else merge_settings(found.content, wanted.settings, wanted.before)
    return replace(wanted, state=replace(found, content=content))


def forgotten(recorded: Sequence[str], wanted: Sequence[Wanted]) -> list[Wanted]:
    """Return the removal of every file an earlier call wrote and this one does not name."""
    named = {item.path for item in wanted}
    return [Wanted(path, FileState(content=None)) for path in recorded if path not in named]


def parse_activations(raw: Sequence[Mapping[str, Any]]) -> list[Activation]:
    """Turn the module's ``activate`` option into data."""
    return [Activation(tuple(item["paths"]), tuple(item["command"]), tuple(item["check"] or ())) for item in raw]


def differs(wanted: FileState, found: FileState) -> bool:
    """Whether a file has to be written; owner and mode of an absent file do not matter."""
    if wanted.content is None:
        return found.content is not None
    return wanted != found


def stamp(activation: Activation, wanted: Sequence[Wanted]) -> str:
    """Name the contents an activation stands for."""
    contents = {item.path: item.state.content for item in wanted if item.path in activation.paths}
    return hashlib.sha256(json.dumps([activation.command, contents], sort_keys=True).encode()).hexdigest()


def make_plan(
    wanted: Sequence[Wanted],
    found: Mapping[str, FileState],
    activations: Sequence[Activation],
    stamps: Mapping[Activation, str],
    failing: Sequence[Activation] = (),
) -> Plan:
    """Compare the wanted files with the found ones.

    ``stamps`` holds the stamps on disk, ``failing`` the activations whose check failed.
    """
    writes = tuple(item for item in wanted if differs(item.state, found[item.path]))
    due = tuple(item for item in activations if item in failing or stamps.get(item) != stamp(item, wanted) or any(write.path in item.paths for write in writes))
    return Plan(writes, due)
