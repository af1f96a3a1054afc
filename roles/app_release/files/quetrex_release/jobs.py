# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job: one run of a service that ends by itself. Its output is this program's, which a timer's unit hands to the journal."""

from __future__ import annotations

import contextlib
import fcntl
import json
from typing import Any

from quetrex_release.backend import Platform
from quetrex_release.docker import TIMED_OUT
from quetrex_release.files import content, replace
from quetrex_release.outcome import Outcome, ReleaseError
from quetrex_release.record import repository
from quetrex_release.settings import Settings


def last(settings: Settings) -> dict[str, Any] | None:
    """How it ended last; None when it has never run."""
    with contextlib.suppress(ValueError, OSError):
        found = json.loads(content(settings.state_dir / "jobs" / f"{settings.service}.json") or "null")
        return found if isinstance(found, dict) else None
    return None


def run(platform: Platform, name: str) -> dict[str, Any]:
    """Runs it, unless it runs already, and keeps how it ended."""
    told = platform.settings.services.get(name)
    if not told or not told.get("job"):
        names = [one for one, its in platform.settings.services.items() if its.get("job")]
        raise ReleaseError("unknown_service", f"{name!r} is no job of platform_services ({', '.join(names) or 'it has none'}).")
    own, host = platform.service(name), platform.host
    folder = platform.settings.state_dir / "jobs"
    folder.mkdir(mode=0o755, exist_ok=True)
    with (folder / f"{name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ReleaseError("running", f"{name} runs already; one run at a time.", outcome=Outcome.locked) from error
        image = image_of(platform, name)
        began, at = host.clock(), host.now()
        code = own.run_once(image)
        ended = {"at": at, "seconds": round(host.clock() - began, 1), "code": code, "image": image}
        replace(folder / f"{name}.json", json.dumps(ended) + "\n")
    if code != 0:
        why = f"{name} took longer than {own.settings.timeout} s and was stopped." if code == TIMED_OUT else f"{name} ended with exit code {code}."
        raise ReleaseError("job_failed", why, outcome=Outcome.job_failed)
    return {"changed": True, **ended}


def image_of(platform: Platform, name: str) -> str:
    """What was released last, of its own or of the service it follows; the inventory's before the first release."""
    settings, record = platform.settings.of(name), platform.state.record()
    followed = settings.follows or settings.service
    image = record.track(followed).image or settings.image
    if not image:
        raise ReleaseError("nothing_released", f"{followed} has not been released yet, whose image {settings.service} runs.")
    if repository(image) not in settings.known(settings.service):
        raise ReleaseError("unknown_repository", f"{image} is of none of the known repositories of {settings.service}.")
    return image
