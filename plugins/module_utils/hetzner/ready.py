# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ssh and cloud-init say about a server that comes up, and what it means."""

from __future__ import annotations

import fcntl
import json
import os
import typing as t
from pathlib import Path

from .errors import HetznerError

REMOTE = (
    "if command -v cloud-init >/dev/null; then timeout {seconds} cloud-init status --wait >/dev/null 2>&1; cloud-init status --format json; "
    'else echo \'{{"status": "none"}}\'; fi'
)
"""Waits, then asks how far it came, also when time was over before cloud-init was done. Its exit status says 1 for failed, 2 for done with
warnings ("degraded"); its JSON says why."""
NOTES = frozenset({"DEPRECATED", "INFO"})
"""Levels of what cloud-init did all the same."""
CHANGED_KEY = "Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED", "no matching host key"
SSH_FAILED = 255


class Verdict(t.NamedTuple):
    """Whether waiting is over; if so what cloud-init said, else why it goes on."""

    final: bool
    reason: str = ""
    cloud_init: str = ""
    warnings: tuple[str, ...] = ()


def judge(status: int, out: str, error: str, target: t.Mapping[str, t.Any]) -> Verdict:
    """Return what one look means; raise when waiting cannot help."""
    where = f"{target['user']}@{target['address']}"
    said = error.strip().splitlines()[-1] if error.strip() else "no answer"
    if status == SSH_FAILED:
        if any(words in error for words in CHANGED_KEY):
            raise HetznerError("unknown_host_key", f"the server at {target['address']} does not have the SSH host key recorded in {target['known_hosts']}")
        return Verdict(False, f"SSH as {where}: {said}")
    try:
        told = json.loads(out[out.index("{") :])
    except ValueError:
        return Verdict(False, f"cloud-init does not tell how it is (exit status {status}): {said}")
    return _told(told)


def _told(told: dict[str, t.Any]) -> Verdict:
    state = str(told.get("status"))
    if state == "error":
        reasons = "; ".join(map(str, told.get("errors") or [told.get("detail") or "it gives no reason"]))
        raise HetznerError("cloud_init_failed", f"cloud-init failed: {reasons}", details={"errors": told.get("errors")})
    if state not in ("done", "disabled", "none"):
        return Verdict(False, f"cloud-init is {state} ({told.get('detail') or 'it does not say at what'})")
    warnings = [f"{level}: {one}" for level, ones in (told.get("recoverable_errors") or {}).items() if level not in NOTES for one in ones]
    return Verdict(True, cloud_init=state, warnings=tuple(dict.fromkeys(warnings)))


def record(path: str, address: str, key: str, *, write: bool) -> bool:
    """Have exactly this key recorded for an address; return whether it was not."""
    words = key.split()
    if len(words) < 2 or not words[0].startswith(("ssh-", "ecdsa-")):
        raise HetznerError("invalid_input", f"host_key is not an SSH public key: {key[:40]!r}")
    line, file = f"{address} {words[0]} {words[1]}", Path(path)
    if not write:
        return _recorded(file, address, line, write=False)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # runs for two servers at the same time must not lose each other's line
    with file.with_name(f".{file.name}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _recorded(file, address, line, write=True)


def _recorded(file: Path, address: str, line: str, *, write: bool) -> bool:
    present = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    others = [one for one in present if one.split(" ")[0] != address]
    if [one for one in present if one not in others] == [line]:
        return False
    if write:
        new = file.with_name(f".{file.name}.{os.getpid()}")
        new.write_text("\n".join([*others, line, ""]), encoding="utf-8")
        new.replace(file)
    return True
