# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the moment a server dies under load to the first 200 through the edge, with `recover.yml` started at that moment; and what was lost.

    python tests/bench/recovery.py up                 # a lab that stays between the calls (LAB_NAME, LAB_SUBNET)
    python tests/bench/recovery.py case NAME [RUNS]   # one way to die; `cases` lists them
    python tests/bench/recovery.py writer [RUNS]      # power lost under a writer, each time counting what was acknowledged and is gone
    python tests/bench/recovery.py down
    python tests/bench/recovery.py                    # all of it, in a lab of its own

BENCH_API_DELAY_MS=300 answers every request of Hetzner's and Cloudflare's API that much later. Results are merged into `results/recovery.json`.
"""

from __future__ import annotations

import datetime
import json
import os
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


from lab import cloud, offsite, slots
from lab.config import CHECKOUT, Lab
from lab.machine import Machines
from lab.mortal import WORKSPACE, Mortal, Writer, api, deaf_to_ssh, faults, missing_from_redis

RESULTS = Path(__file__).parent / "results" / "recovery.json"
DELAY_MS = int(os.environ.get("BENCH_API_DELAY_MS", "0"))
SOLD_OUT = {"domain": "sold_out", "location": "ash"}


def hetzner_server(platform: Mortal) -> Any:
    """The server as the vendor's SDK has it."""
    return api(platform).servers.get_by_id(platform.server)


def delete(platform: Mortal) -> None:
    """Has the vendor delete it."""
    hetzner_server(platform).delete().wait_until_finished()


def fill_disk(platform: Mortal) -> None:
    """Nothing can be written any more, and the application does not run."""
    platform.on_server(
        "docker ps --quiet | xargs docker kill; systemctl stop docker.socket docker; "
        "mount -t tmpfs -o size=64k tmpfs /var/tmp; dd if=/dev/zero of=/var/tmp/full bs=1k count=64 || true"
    )


def break_disk(platform: Mortal) -> None:
    """The disk is read-only, as the kernel makes one that fails."""
    platform.on_server("docker ps --quiet | xargs docker kill; systemctl stop docker.socket docker; mount -t tmpfs -o ro tmpfs /var/tmp")


def sold_out_type(platform: Mortal) -> None:
    """Deleted, and the type it had cannot be had when it is ordered."""
    delete(platform)
    faults(platform, "hetzner", {"effect": {"domain": "sold_out", "type": "cpx31", "location": "ash", "hidden": True}})


def copied(platform: Mortal) -> None:
    """A copy of the state elsewhere."""
    platform.on_server("platform-backup backup")


def pictured(platform: Mortal) -> None:
    """A golden image, if there is none that can be used; its lists of packages are as old as those of an image that is made once a month."""
    if all("broken" in (image.labels or {}) for image in snapshots(platform)):
        built = platform.play("image_build")
        if built.code != 0:
            raise SystemExit(built.explain())
    for image in snapshots(platform):
        apt, weeks_ago = platform.lab.root / "images" / str(image.id) / "upper/var/lib/apt", time.time() - 14 * 86400
        for path in (apt / "lists", apt / "periodic/update-success-stamp"):
            if path.exists():
                os.utime(path, (weeks_ago, weeks_ago))


def grown_up(platform: Mortal) -> None:
    """So old that nobody takes its silence for a first boot."""
    made = hetzner_server(platform).created
    time.sleep(max(0.0, 245 - (datetime.datetime.now(datetime.UTC) - made).total_seconds()))


def snapshots(platform: Mortal) -> list[Any]:
    """The golden images, as the vendor's SDK has them."""
    return list(api(platform).images.get_all(type=["snapshot"]))


def location_out(platform: Mortal) -> None:
    """Deleted, and nothing can be had at its location."""
    delete(platform)
    faults(platform, "hetzner", {"effect": SOLD_OUT})


def vendors_in_trouble(platform: Mortal) -> None:
    """Off, and for a while the vendors' APIs answer errors."""
    Machines(platform.lab).power_off(platform.server)
    faults(platform, "hetzner", {"effect": {"status": 503, "body": {"error": {"code": "service_error", "message": "injected"}}}, "times": 6})
    faults(platform, "cloudflare", {"effect": {"html": 502}, "times": 4})


def deleted_without_its_image(platform: Mortal) -> None:
    """Deleted, and the golden image it could come from has gone as well."""
    for image in snapshots(platform):
        image.delete()
    delete(platform)


def deleted_with_a_broken_image(platform: Mortal) -> None:
    """Deleted, and what is in the golden image does not come up."""
    for image in snapshots(platform):
        (platform.lab.root / "images" / str(image.id) / "upper/usr/sbin/sshd").write_text("#!/bin/false\n")
    delete(platform)


def paused_database(platform: Mortal) -> None:
    """Loses its power while the database's project sleeps."""
    lose_power(platform)
    supabase = platform.facts["apis"]["supabase"]
    address = f"{supabase['url']}/v1/projects/{platform.facts['supabase']['ref']}/pause"
    urllib.request.urlopen(
        urllib.request.Request(address, data=b"", method="POST", headers={"authorization": f"Bearer {supabase['token']}"}), timeout=10
    ).close()


def database_in_trouble(platform: Mortal) -> None:
    """Loses its power, and for a while the API of the database's vendor answers errors."""
    lose_power(platform)
    faults(platform, "supabase", {"effect": {"status": 503, "body": {"message": "injected"}}, "times": 6})


def lose_power(platform: Mortal) -> None:
    """Loses its power."""
    Machines(platform.lab).lose_power(platform.server)


def hang(platform: Mortal) -> None:
    """Stops every process where it stands."""
    Machines(platform.lab).hang(platform.server)


@dataclass(frozen=True)
class Case:
    """A way to die, what is done some time before, the arguments somebody would give, and those of a second call where the first leaves a choice.

    `golden`: whether the new server has to come from a golden image, where that is what is measured.
    """

    die: Callable[[Mortal], None]
    args: tuple[str, ...] = ()
    kill_after: float = 0.0
    before: Callable[[Mortal], None] = lambda _platform: None
    then: tuple[str, ...] = ()
    golden: bool | None = None


PLAIN = ("-e", "hetzner_server_golden=false")
CASES = {
    "power_lost": Case(lose_power),
    "hanging": Case(hang, before=grown_up),
    "ssh_silent": Case(deaf_to_ssh, then=("-e", "platform_recovery_action=rebuild")),
    "disk_full": Case(fill_disk),
    "disk_broken": Case(break_disk),
    "deleted": Case(delete, PLAIN, golden=False),
    "deleted_golden_image": Case(delete, before=pictured, golden=True),
    "deleted_golden_image_broken": Case(deleted_with_a_broken_image, before=pictured),
    "deleted_golden_image_missing": Case(deleted_without_its_image, before=pictured),
    "deleted_and_recovery_killed": Case(delete, kill_after=20),
    "type_sold_out": Case(sold_out_type),
    "vendors_answer_errors": Case(vendors_in_trouble),
    "database_paused": Case(paused_database),
    "database_vendor_answers_errors": Case(database_in_trouble),
    "location_out": Case(location_out, ("-e", '{"platform_recovery_locations": ["hil"]}'), before=copied),
}
SEVERAL = ("power_lost", "deleted", "deleted_golden_image")


class Visitors(threading.Thread):
    """Ask twice a second, one after the other, and keep when they were answered 200."""

    def __init__(self, platform: Mortal) -> None:
        super().__init__(daemon=True)
        self.platform, self.answered, self.done = platform, list[float](), threading.Event()

    def run(self) -> None:
        """Ask until it is enough."""
        while not self.done.wait(0.5):
            if self.platform.status("/api/health", "--max-time", "3") == 200:
                self.answered.append(time.monotonic())


class Load:
    """Visitors with connections they keep, for as long as the block runs."""

    def __init__(self, platform: Mortal) -> None:
        lab = platform.lab
        words = [sys.executable, "-m", "lab.load", "--address", lab.edge, "--name", lab.domain, "--ca", str(lab.path("pki", "ca.pem"))]
        kinds = ["--get", "1", "--post", "1", "--session", "1", "--socket", "0", "--slow", "0", "--events", "0", "--seconds", "600"]
        self.process = subprocess.Popen([*words, *kinds], cwd=CHECKOUT / "tests", stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.kill()

    def end(self) -> dict[str, Any]:
        """What they saw."""
        self.process.terminate()
        said, _nothing = self.process.communicate(timeout=90)
        seen = json.loads(said)
        return {"answered": len(seen["answers"]), "lost": len(seen["lost"])}


def measure(platform: Mortal, case: Case) -> dict[str, Any]:
    """One death: seconds to the first 200 and to the end of recover.yml, the actions, and what was lost of what was acknowledged."""
    case.before(platform)
    with Load(platform) as load:
        return killed_under(load, platform, case)


def killed_under(load: Load, platform: Mortal, case: Case) -> dict[str, Any]:
    """The death itself, under visitors who are there already."""
    writer, visitors = Writer(platform, str(time.time_ns())), Visitors(platform)
    visitors.start()
    writer.start()
    if not platform.eventually(writer.busy, 60):
        raise SystemExit("nothing is acknowledged before the server dies: is the platform up?")
    died, busy = writer.end(), round(os.getloadavg()[0], 1)
    case.die(platform)
    gone = time.monotonic()
    if DELAY_MS:
        for vendor in ("hetzner", "cloudflare"):
            slow(platform, vendor)
    if case.kill_after:
        platform.killed_after(case.kill_after, "recover", *case.args)
    run = platform.play("recover", *case.args)
    chosen = time.monotonic()
    if case.then:
        assert run.code != 0, "there is nothing to choose"
        assert "Visitors are served again" in " ".join(run.output.split()), run.explain()
        run = platform.play("recover", *case.then)
    ended = time.monotonic()
    visitors.done.set()
    visitors.join()
    for vendor in ("hetzner", "cloudflare", "supabase"):
        faults(platform, vendor)
    seen = load.end()
    if run.code != 0:
        raise SystemExit(run.explain())
    if case.golden is not None:
        assert ("with golden image" in run.output) == case.golden, run.explain()
    record = json.loads((Path(platform.facts["state_dir"]) / "recovery.json").read_text())
    found = {
        "first_200_s": round(min(at for at in visitors.answered if at > gone) - died, 1), "recover_s": round(ended - gone, 1),
        "actions": record["actions"], "location": record["location"], "machine_load": busy, "requests": seen, **lost(platform, writer, died),
    }  # fmt: skip
    if case.then:
        found["until_the_choice_s"] = round(chosen - gone, 1)
    print(json.dumps(found), flush=True)
    return found


def slow(platform: Mortal, vendor: str) -> None:
    """Delay every answer of a vendor's API, and leave other faults as they are."""
    body = json.dumps([{"effect": {"latency_ms": DELAY_MS}}]).encode()
    request = urllib.request.Request(f"{platform.lab.origin(vendor)}/_lab/faults", data=body, method="POST", headers={"content-type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()


def lost(platform: Mortal, writer: Writer, died: float) -> dict[str, Any]:
    """What was acknowledged before the server died and is gone."""
    times = {kind: [at for at in ats if at < died] for kind, ats in writer.acknowledged.items()}
    gone = missing_from_redis(platform, len(times["redis"]), writer.run)
    present = set(platform.on_server(f"cd {WORKSPACE} && cat {writer.run}-* 2>/dev/null || true").split())
    return {
        "redis_acknowledged": len(times["redis"]), "redis_lost": len(gone),
        "redis_lost_span_s": round(died - times["redis"][gone[0]], 3) if gone else 0.0,
        "files_acknowledged": len(times["files"]), "files_lost": len({str(number) for number in range(len(times["files"]))} - present),
    }  # fmt: skip


def writer_rounds(platform: Mortal, runs: int) -> list[dict[str, Any]]:
    """Power lost under a writer; only switched on again, because what is counted is what the disk kept."""
    found = []
    for _round in range(runs):
        writer = Writer(platform, str(time.time_ns()))
        writer.start()
        assert platform.eventually(writer.busy, 60)
        time.sleep(2.5)
        died = writer.end()
        lose_power(platform)
        hetzner_server(platform).power_on().wait_until_finished()
        assert platform.eventually(lambda: platform.status("/api/health") == 200, 90)
        found.append(lost(platform, writer, died))
        print(json.dumps(found[-1]), flush=True)
    return found


def keep(kind: str, name: str, runs: list[dict[str, Any]]) -> None:
    """Merge results into the file, with medians where there are seconds."""
    data: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"bench": "recovery", "cores": os.cpu_count()}
    entry: dict[str, Any] = {"runs": runs, "load": round(os.getloadavg()[0], 1)}
    if kind == "cases":
        entry["median"] = {key: statistics.median(one[key] for one in runs) for key in ("first_200_s", "recover_s")}
    else:
        worst = {key: max(one[key] for one in runs) for key in ("redis_lost", "redis_lost_span_s", "files_lost")}
        entry |= {"rounds": len(runs), "worst": worst, "acknowledged": {key: sum(one[f"{key}_acknowledged"] for one in runs) for key in ("redis", "files")}}
    data.setdefault(kind, {})[name + (f"_api_{DELAY_MS}_ms" if DELAY_MS else "")] = entry
    RESULTS.write_text(json.dumps(data, indent=2) + "\n")
    print(json.dumps({name: entry}, indent=2))


def up(lab: Lab) -> Mortal:
    """The lab, a place elsewhere, and the platform."""
    cloud.up(lab, print)
    lab.path("offsite.json").write_text(json.dumps({"platform_backup": offsite.up(lab)}))
    platform = Mortal(lab)
    built = platform.play("site")
    if built.code != 0:
        raise SystemExit(built.explain())
    return platform


def everything() -> int:
    """All cases and rounds in a lab of its own."""
    lab = slots.take().lab(7, "brec")
    cloud.down(lab, abandoned=True)
    try:
        platform = up(lab)
        for name, case in CASES.items():
            keep("cases", name, [measure(platform, case) for _run in range(5 if name in SEVERAL else 1)])
            if name == "power_lost":
                keep("writer", "power_lost", writer_rounds(platform, 20))
    finally:
        cloud.down(lab)
    return 0


def main(argv: list[str]) -> int:
    """Run what the words say."""
    if not argv:
        return everything()
    lab = Lab.from_env()
    if argv[0] == "up":
        up(lab)
    elif argv[0] == "down":
        cloud.down(lab)
    elif argv[0] == "cases":
        print("\n".join(CASES))
    elif argv[0] == "case":
        keep("cases", argv[1], [measure(Mortal(lab), CASES[argv[1]]) for _run in range(int(argv[2]) if argv[2:] else 1)])
    elif argv[0] == "writer":
        keep("writer", "power_lost", earlier() + writer_rounds(Mortal(lab), int(argv[1]) if argv[1:] else 20))
    return 0


def earlier() -> list[dict[str, Any]]:
    """Rounds of earlier calls, so that twenty can be made in several."""
    data = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    rounds: list[dict[str, Any]] = data.get("writer", {}).get("power_lost", {}).get("runs", [])
    return rounds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
