# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What growth costs in seconds: an image, a new server from it and from the plain one, another size in place and by a second server, a rehearsal.

`python tests/bench/scale.py [image] [recreate] [in_place] [replace] [rehearsal]`; all parts without names. With LAB_NAME set it uses that lab,
otherwise one of its own. Each part replaces its figures in `results/scale.json` and prints them.
"""

from __future__ import annotations

import collections
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


from lab import cloud, slots
from lab.config import Lab
from lab.growing import Growing, crowd
from lab.platform import Run
from lab.process import until

RESULTS = Path(__file__).parent / "results" / "scale.json"
UP, DOWN = "scale", "starter"


def timed(platform: Growing, playbook: str, *words: str) -> float:
    """Seconds of a playbook that has to end well."""
    began = time.monotonic()
    run: Run = platform.play(playbook, *words)
    if run.code != 0:
        raise SystemExit(run.explain())
    return round(time.monotonic() - began, 1)


def image(platform: Growing) -> dict[str, Any]:
    """A golden image from nothing."""
    return {"seconds": timed(platform, "image_build")}


def recreate(platform: Growing) -> dict[str, Any]:
    """The server is deleted; `site` makes it again from either image."""
    found = {}
    for name, golden in (("golden", "true"), ("plain", "false")):
        server = platform.api.servers.get_by_id(platform.server)
        if server.protection and server.protection["delete"]:
            server.change_protection(delete=False, rebuild=False).wait_until_finished()
        server.delete().wait_until_finished()
        found[f"site_{name}_s"] = timed(platform, "site", "-e", f"hetzner_server_golden={golden}")
    return found


def changed(platform: Growing, tier: str, mode: str) -> dict[str, Any]:
    """Another size under load: seconds in all, without an answer, and requests."""
    platform.leave_words()
    with crowd(platform) as seen:
        seconds = timed(platform, "scale", "-e", f"platform_tier={tier}", "-e", f"platform_scale_mode={mode}")
        until(lambda: platform.status("/api/health") == 200, 60, step=0.2)
        time.sleep(2)  # visitors go on for a moment, so that the end of the gap is one of their answers
    told, requests = platform.told("scale"), len(seen.answers) + len(seen.lost)
    errors = collections.Counter(str(one["error"])[:60] for one in seen.lost)
    found = {
        "type": platform.type, "seconds": seconds, "gap_s": round(seen.gap, 1), "requests": requests, "lost": len(seen.lost),
        "errors": dict(errors.most_common(6)), "data_kept": platform.kept_words() == ("kept", "kept"),
    }  # fmt: skip
    print(json.dumps(found), flush=True)
    if told["kept"]:
        timed(platform, "scale", "-e", f"platform_tier={tier}", "-e", "platform_scale_release=true")
    return found


def in_place(platform: Growing) -> dict[str, Any]:
    """Up and down by a restart."""
    return {"up": changed(platform, UP, "in_place"), "down": changed(platform, DOWN, "in_place")}


def replace(platform: Growing) -> dict[str, Any]:
    """Up and down by a second server."""
    return {"up": changed(platform, UP, "replace"), "down": changed(platform, DOWN, "replace")}


def rehearsal(platform: Growing) -> dict[str, Any]:
    """A recovery beside production, under load."""
    with crowd(platform) as seen:
        seconds = timed(platform, "recover_rehearse")
    return {"seconds": seconds, "until_served_s": platform.told("rehearsal")["seconds"], "requests": len(seen.answers) + len(seen.lost), "lost": len(seen.lost)}


PARTS: dict[str, Callable[[Growing], dict[str, Any]]] = {
    "image": image,
    "recreate": recreate,
    "in_place": in_place,
    "replace": replace,
    "rehearsal": rehearsal,
}


def keep(part: str, found: dict[str, Any]) -> None:
    """Merge one part into the results."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[part] = {"commit": commit, "load_after": round(os.getloadavg()[0], 1), **found}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(part, json.dumps(found), flush=True)


def main(parts: list[str]) -> int:
    """Run the parts."""
    given = os.environ.get("LAB_NAME")
    lab = Lab.from_env() if given else slots.take().lab(5, "bgrow")
    try:
        if not given:
            cloud.down(lab, abandoned=True)
            cloud.up(lab, print)
        platform = Growing(lab)
        if not given and parts != ["image"]:
            timed(platform, "site")
        for part in parts or list(PARTS):
            keep(part, PARTS[part](platform))
    finally:
        if not given:
            cloud.down(lab)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
