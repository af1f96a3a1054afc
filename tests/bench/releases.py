# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases under load: twenty deploys of which five are bad, ways back, exchanges of everything else, and the platform document's way beside it.

`prepare` builds a platform with short waits (a socket may stay open 10 s after a release, a container has 15 s to become healthy); `first`,
`second` and `document` each take less than four minutes and keep their part of `results/releases.json`. Parts that are named work on the lab
that LAB_NAME names; without a name all of them, and without LAB_NAME in a lab that is gone afterwards.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


from lab import cloud
from lab.borrowed import borrowed
from lab.config import Lab, LabError
from lab.machine import Machines
from lab.platform import Platform
from lab.process import until
from lab.visitors import Visitors

RESULT = Path(__file__).parent / "results" / "releases.json"
SHORT = ("-e", "app_stack_worker_shutdown_timeout=10s", "-e", "app_release_gate_seconds=15")
OLD, NEW = "1.0.0", "1.1.0"
# Bad image -> what the program has to call it.
BAD = {
    "never-healthy": "never_healthy",
    "slow-start": "never_healthy",
    "crash": "exited",
    "broken-behind-proxy": "broken_through_nginx",
    "missing": "docker_failed",
}


class Bench:
    """The platform, its visitors, and what was done when."""

    def __init__(self) -> None:
        self.platform = Platform(Lab.from_env())
        self.images: Mapping[str, Mapping[str, str]] = self.platform.facts["registry"]["images"]["tags"]
        self.visitors = Visitors(self.platform.lab, self.platform.server_ipv4, direct={"get": 5, "post": 2})
        self.done: list[dict[str, Any]] = []
        self.version = self.engine("status")["current"]["version"]
        self.peak = 0
        self.ended = threading.Event()
        threading.Thread(target=self.watch_memory, daemon=True).start()

    def server(self, script: str) -> str:
        """Runs a script on the server."""
        return self.platform.on_server(script)

    def engine(self, *words: str) -> dict[str, Any]:
        """The release program's answer."""
        found: dict[str, Any] = json.loads(self.server(f"quetrex-release --json {' '.join(words)} || true").strip().splitlines()[-1])
        return found

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """One thing done under load, with its seconds."""
        line: dict[str, Any] = {"what": name, "at": round(time.time(), 2)}
        began = time.monotonic()
        yield line
        line["seconds"] = round(time.monotonic() - began, 2)
        self.done.append(line)
        print(f"{line['seconds']:7.2f} s  {name}", file=sys.stderr, flush=True)

    def released(self, line: dict[str, Any], answer: Mapping[str, Any], version: str) -> None:
        """What the program told of a good release; from now on nothing but `version` may answer."""
        if answer.get("current", {}).get("version") != version:
            raise RuntimeError(f"{version} was to be released: {answer}")
        line["parts"] = answer["seconds"]
        self.version = version

    def deploy(self) -> None:
        """The other good version."""
        version = NEW if self.version == OLD else OLD
        with self.step(f"deploy {version}") as line:
            self.released(line, self.engine("deploy", self.images["web"][version]), version)
        self.settle()

    def bad(self, name: str) -> None:
        """A bad one: refused, and the serving version goes on."""
        good = self.images["web"][OLD]
        image = self.images["web"].get(name, good.partition("@")[0] + "@sha256:" + "0" * 64)
        with self.visitors.serving(self.version), self.step(f"deploy of a bad image: {name}") as line:
            answer = self.engine("deploy", image)
            if answer.get("failure", {}).get("code") != BAD[name]:
                raise RuntimeError(f"{name}: {answer}")
            line["refused"] = BAD[name]

    def rollback(self) -> None:
        """Back, without arguments."""
        version = NEW if self.version == OLD else OLD
        with self.step(f"rollback to {version}") as line:
            self.released(line, self.engine("rollback"), version)
        self.settle()

    def settle(self, number: int = 300) -> None:
        """Some hundred answers of what serves now."""
        with self.visitors.serving(self.version):
            if not self.visitors.wait_for(number, 60):
                raise RuntimeError("the visitors get no answers")

    def other(self, name: str, script: str, check: Callable[[], bool] = lambda: True) -> None:
        """Something that is no release of the application: whatever serves goes on serving."""
        with self.visitors.serving(self.version), self.step(name):
            self.server(script)
            if not until(check, 60, step=0.2):
                raise RuntimeError(f"{name} did not come to its end")
        self.settle(150)

    def compose(self, pattern: str, name: str) -> None:
        """A change of the compose file, and what the platform does about it."""
        self.other(name, f"sed -i '{pattern}' /opt/platform/compose.yml && quetrex-release services >/dev/null")

    def image(self, service: str, tag: str) -> None:
        """Another image of a service in the compose file."""
        self.compose(f"s#image: .*quetrex/{service}@.*#image: {self.images[service][tag]}#", f"{service} {tag} in place of the previous one")

    def web_setting(self, value: str) -> None:
        """Another setting of the application: the same image is released with it."""
        self.server(f"sed -i '/^BENCH=/d' /opt/platform/env/web.env; echo BENCH='{value}' >> /opt/platform/env/web.env")
        with self.step("deploy of the same image with another setting") as line:
            self.released(line, self.engine("deploy", self.images["web"][self.version]), self.version)
        self.settle()

    def certificate(self) -> None:
        """A new origin certificate, as the schedule's playbook makes it."""
        with self.visitors.serving(self.version), self.step("origin certificate renewed (certificate_renew.yml)"):
            run = self.platform.play("certificate_renew", "-e", "origin_certificate_renew_before=6000")
            if run.code or not run.changed:
                raise RuntimeError(run.explain())
        self.settle(150)

    def watch_memory(self) -> None:
        """The most memory that all of the server's processes held."""
        init = Machines(self.platform.lab).init_pid(self.platform.server)
        for line in Path(f"/proc/{init}/cgroup").read_text().splitlines():
            _number, controllers, place = line.split(":", 2)
            if "memory" in controllers.split(",") or not controllers:
                root = Path("/sys/fs/cgroup") / ("memory" if controllers else "")
                folder = root / re.sub(rf"(/s{self.platform.server})/.*", r"\1", place).lstrip("/")
                if (folder / "memory.stat").exists():
                    break
        while not self.ended.wait(0.5):
            with suppress(OSError):
                match = re.search(r"^(?:anon|total_rss) (\d+)$", (folder / "memory.stat").read_text(), flags=re.MULTILINE)
                self.peak = max(self.peak, int(match.group(1)) >> 20 if match else 0)

    def report(self) -> dict[str, Any]:
        """What it came to."""
        self.visitors.end()
        self.ended.set()
        switches = [line["at"] + sum(list(line["parts"].values())[:7]) for line in self.done if "parts" in line]
        return {
            "done": self.done,
            "requests": len(self.visitors.answers) + len(self.visitors.lost),
            "lost": len(self.visitors.lost),
            "losses": self.visitors.losses[:20],
            "wrong_version": len(self.visitors.wrong),
            "peak_memory_mb": self.peak,
            "sockets": sockets(self.visitors, switches),
        }


def sockets(visitors: Visitors, switches: list[float]) -> dict[str, Any]:
    """What became of open websockets and event streams, and how long after a switch."""
    seen = visitors.seen("sockets")
    cut = [socket for socket in seen if socket["how"] != "by the client"]
    after = [min((socket["ended"] - moment for moment in switches if moment < socket["ended"]), default=0) for socket in cut]
    streams = visitors.seen("streams")
    return {
        "opened": len(seen),
        "ended": {how: sum(socket["how"] == how for socket in cut) for how in sorted({socket["how"] for socket in cut})},
        "seconds_after_a_switch": {"least": round(min(after), 1), "median": round(statistics.median(after), 1), "most": round(max(after), 1)} if after else {},
        "echoes_without_an_answer": sum(socket["sent"] - socket["echoed"] for socket in seen),
        "streams": len(streams),
        "streams_cut": sum(not stream["whole"] for stream in streams),
    }


def prepare() -> dict[str, Any]:
    """The platform with short waits."""
    lab = Lab.from_env()
    cloud.up(lab, lambda line: print(line, file=sys.stderr, flush=True))
    run = Platform(lab).play("site", *SHORT)
    if run.code:
        raise LabError(run.explain())
    return {}


def first() -> dict[str, Any]:
    """Ten deploys, three of them bad; a way back; the exchange of nginx and a restart of Docker."""
    bench = Bench()
    bench.settle()
    for name in ("never-healthy", "crash", "broken-behind-proxy"):
        bench.deploy()
        bench.bad(name)
    bench.deploy()
    bench.rollback()
    bench.image("nginx", "next")
    bench.deploy()
    bench.other("systemctl restart docker", "systemctl restart docker", lambda: bench.server("docker ps -q | wc -l").strip() == "4")
    for _turn in range(3):
        bench.deploy()
    return bench.report()


def second() -> dict[str, Any]:
    """Ten more, two of them bad; two ways back; Redis, the certificate, Docker's packages and the compose file."""
    bench = Bench()
    bench.settle()
    bench.deploy()
    bench.image("redis", "8")
    bench.bad("slow-start")
    bench.deploy()
    bench.rollback()
    bench.certificate()
    bench.bad("missing")
    bench.deploy()
    bench.web_setting("1")
    bench.compose("s/pids_limit: 1024/pids_limit: 1000/", "another limit of the runner in the compose file")
    bench.rollback()
    packages = "DEBIAN_FRONTEND=noninteractive apt-get -q -y install --reinstall docker.io containerd >/dev/null 2>&1"
    bench.other("apt-get install --reinstall docker.io containerd", packages, lambda: bench.server("docker ps -q | wc -l").strip() == "4")
    for _turn in range(3):
        bench.deploy()
    return bench.report()


def document() -> dict[str, Any]:
    """`docker compose pull && docker compose up -d` with the document's own files, on the same server."""
    bench = Bench()
    bench.visitors.end()
    bench.visitors.kill()
    place = "/opt/document"
    compose = (Path(__file__).parent / "document" / "docker-compose.yml").read_text()
    nginx = (Path(__file__).parent / "document" / "nginx.conf").read_text().replace("DOMAIN", bench.platform.lab.domain)
    write = f"mkdir -p {place}/ssl && cat > {place}/docker-compose.yml <<'EOF'\n{compose}\nEOF\ncat > {place}/nginx.conf <<'EOF'\n{nginx}\nEOF\n"
    bench.server(
        write + f"echo name: document > {place}/runner-config.yml; cp /opt/platform/nginx/tls/origin.pem /opt/platform/nginx/tls/origin.key {place}/ssl/"
    )
    names = {name.upper(): bench.images[name][tag] for name, tag in (("redis", "7"), ("runner", OLD), ("nginx", "stable"))}
    docker = f"cd {place} && {' '.join(f'{name}={image}' for name, image in names.items())}"

    def up(version: str) -> None:
        words = "docker --config /opt/platform/docker compose --project-name document"
        bench.server(f"{docker} WEB={bench.images['web'][version]} sh -c '{words} pull -q && {words} up -d' 2>&1; docker system prune -f >/dev/null")

    base = "platform-nginx platform-web-blue platform-web-green platform-redis platform-runner"
    bench.server(f"docker stop {base} >/dev/null 2>&1 || true")
    done = []
    try:
        up(OLD)
        if not until(lambda: bench.platform.status("/api/health") == 200, 60, step=0.5):
            raise RuntimeError("the document's stack does not answer")
        visitors = Visitors(bench.platform.lab, bench.platform.server_ipv4, direct={"get": 5, "post": 2})
        try:
            visitors.wait_for(500, 60)
            for version in (NEW, OLD, NEW):
                began = time.monotonic()
                up(version)
                done.append(round(time.monotonic() - began, 2))
                visitors.wait_for(500, 60)
            visitors.end()
        finally:
            visitors.kill()
    finally:
        bench.server(f"{docker} WEB=x docker compose --project-name document down --volumes >/dev/null 2>&1 || true; systemctl restart platform-stack")
        bench.engine("services")
    return {
        "deploys": len(done),
        "seconds": done,
        "requests": len(visitors.answers) + len(visitors.lost),
        "lost": len(visitors.lost),
        "sockets": sockets(visitors, []),
    }


def summary(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The parts in one line each."""
    ours = [parts[name] for name in ("first", "second") if name in parts]
    releases = [line for part in ours for line in part["done"] if "parts" in line]
    took = {word: [line["seconds"] for line in releases if line["what"].startswith(word)] for word in ("deploy", "rollback")} | {
        step: [line["parts"][step] for line in releases if step in line["parts"]] for step in ("gate", "drain")
    }
    return {
        "deploys": sum(line["what"].startswith("deploy") for part in ours for line in part["done"]),
        "bad": sum("refused" in line for part in ours for line in part["done"]),
        "rollbacks": sum(line["what"].startswith("rollback") for part in ours for line in part["done"]),
        **{name: sum(part[name] for part in ours) for name in ("requests", "lost", "wrong_version")},
        "peak_memory_mb": max((part["peak_memory_mb"] for part in ours), default=0),
        "seconds": {name: {"median": statistics.median(values), "most": max(values)} for name, values in took.items() if values},
    }


def main() -> None:
    """Runs the named parts; all of them without a name."""
    if sys.argv[1:]:
        keep(sys.argv[1:])
        return
    with borrowed(7, "rel"):
        keep(list(PARTS))


PARTS = {"prepare": prepare, "first": first, "second": second, "document": document}


def keep(names: list[str]) -> None:
    """Each part's figures are kept at once."""
    for name in names:
        kept: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.exists() else {}
        found = PARTS[name]()
        if found:
            processor = subprocess.run(["nproc"], capture_output=True, text=True, check=True).stdout.strip()
            kept = {**kept, name: {"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "processors": int(processor), **found}}
            RESULT.write_text(json.dumps({**kept, "summary": summary(kept)}, indent=1) + "\n")
            print(json.dumps({key: value for key, value in found.items() if key != "done"}, indent=1))


if __name__ == "__main__":
    main()
