# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single networks in a project's restrictions, whatever else is there."""

from __future__ import annotations

import ipaddress

from . import restrictions
from .errors import Failure
from .management import Api
from .networks import ANYWHERE, networks
from .project import Change, Wanted, find


def after(current: list[str], given: list[str], *, present: bool) -> list[str]:
    """The restrictions with these networks, or without them. Pure. An open project stays open, and nobody is shut out by leaving nothing."""
    wanted = [] if not given else networks(given)
    if present:
        return sorted({*current, *(item for item in wanted if not _covered(item, current))})
    left = sorted(set(current) - set(wanted))
    if current and not left:
        raise Failure(f"Without {', '.join(wanted)} nobody could connect to the database any more. Let somebody else in first.", "network")
    return left


def _covered(network: str, current: list[str]) -> bool:
    one = ipaddress.ip_network(network)
    others = [ipaddress.ip_network(item) for item in current]
    return any(one.version == other.version and one.subnet_of(other) for other in others)  # type: ignore[arg-type]


def converge(api: Api, wanted: Wanted, given: list[str], *, present: bool, check: bool) -> Change | None:
    """What changed, or would. A project that nobody has made lets nobody in."""
    project = find(api, wanted)
    if project is None:
        raise Failure(f"There is no project called {wanted.name}.", "not_found")
    current = restrictions.read(api, project["ref"])
    named = [item for item in given if item not in ANYWHERE]
    change = Change("allowed_networks", current.in_force, after(current.known, named, present=present))
    # What was asked for and never applied lets nobody in, and still may.
    if change.after == current.known and (not present or after(current.in_force, named, present=True) == current.in_force):
        return None
    if not check:
        restrictions.change(api, project["ref"], change.before, change.after)
    return change
