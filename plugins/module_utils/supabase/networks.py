# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may connect to a project's database. Several environments can share one: each adds and removes its own networks and no others. Pure but for a file."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .errors import Failure

ANYWHERE = ("0.0.0.0/0", "::/0")
FOREIGN = ("refuse", "keep", "remove")


def networks(given: Iterable[str]) -> list[str]:
    """Addresses and networks in the API's form, sorted; an empty list would shut out everybody and is refused."""
    try:
        found = {str(ipaddress.ip_network(item, strict=False)) for item in given}
    except ValueError as error:
        raise Failure(f"allowed_networks: {error}.", "network") from error
    if not found:
        raise Failure(f"allowed_networks is empty: nobody could connect any more. To lift all restrictions give {' and '.join(ANYWHERE)}.", "network")
    return sorted(found)


def present(answer: dict[str, Any]) -> list[str]:
    """The networks that may connect, of the API's answer. A project that was never restricted has empty lists, which nobody has applied."""
    config = answer["config"]
    found = sorted([*config.get("dbAllowedCidrs", []), *config.get("dbAllowedCidrsV6", [])])
    return found or ([] if answer.get("status") == "applied" else sorted(ANYWHERE))


def is_open(found: Iterable[str]) -> bool:
    return bool(set(ANYWHERE) & set(found))


def plan(found: Sequence[str], wanted: Sequence[str], owned: Sequence[str], foreign: str) -> list[str]:
    """The networks that may connect afterwards: what is wanted, without what this environment has added before, and as told with all others."""
    if is_open(found) or is_open(wanted):
        return list(wanted)
    unknown = sorted(set(found) - set(wanted) - set(owned))
    if unknown and foreign == "refuse":
        raise Failure(
            f"The database also lets in {', '.join(unknown)}, which this environment has not added: another environment may live by it. Nothing was changed. "
            "Say what is to be done with foreign_networks (in the inventory platform_supabase_foreign_networks): keep leaves it, remove takes it out. Or add "
            "it to the networks of this environment (platform_supabase_allowed_networks).",
            "foreign_networks",
            networks=unknown,
        )
    return sorted({*wanted, *(unknown if foreign == "keep" else [])})


def refuse_to_close(found: Sequence[str], wanted: Sequence[str], others: Sequence[str], foreign: str) -> None:
    """Refuse to restrict a database that is open to all when other environments are known to use it: their addresses are not known."""
    if is_open(found) and not is_open(wanted) and others and foreign != "remove":
        raise Failure(
            f"The database is open to all and is also used by {', '.join(others)}, which would be shut out. Nothing was changed. Add its servers' addresses "
            "to the networks of this environment (platform_supabase_allowed_networks), and say with foreign_networks=remove "
            "(platform_supabase_foreign_networks) that they are all there; or leave the database open.",
            "foreign_networks",
            others=list(others),
        )


def now_owned(found: Sequence[str], wanted: Sequence[str], owned: Sequence[str] | None) -> list[str]:
    """What this environment has added, of what is wanted; `owned` is None before there was a record, when all is adopted if there is nothing else."""
    if is_open(found) or (owned is None and not set(found) - set(wanted)):
        return sorted(wanted)
    return sorted({*(owned or []), *(set(wanted) - set(found))} & set(wanted))


def read_record(path: str | None, ref: str) -> list[str] | None:
    """The networks that this environment has added to the project; None when nothing is known."""
    try:
        record = json.loads(Path(path).expanduser().read_text(encoding="utf-8")) if path else {}
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Failure(f"{path} cannot be read: {error}. Delete it; the networks of other environments are asked about then.", "record") from error
    return [str(item) for item in record["networks"]] if isinstance(record, dict) and record.get("ref") == ref else None


def write_record(path: str | None, ref: str, owned: Sequence[str]) -> None:
    if path and read_record(path, ref) != list(owned):
        file = Path(path).expanduser()
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_text(json.dumps({"ref": ref, "networks": list(owned)}, indent=2) + "\n", encoding="utf-8")
