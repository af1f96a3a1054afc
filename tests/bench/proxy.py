# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stack's nginx costs per page and per static file, beside plain nginx and, with `--before COMMIT`, beside what an earlier role configured.

`python tests/bench/proxy.py [--before COMMIT] [--rounds 5] [--seconds 3]` prints JSON and keeps it in `results/`. Every variant is the machine's own
nginx on loopback, with TLS towards the clients and another nginx as the application behind it; rates of the limits are raised so that no request
is refused, the limits themselves stay. Variants take turns within a round, so that the machine's load is the same for all of them. Beside the
requests per second it keeps nginx's own processor time per request, which other work on the machine hardly changes; ratios are of that time, and
above 1 a variant is slower than the one it is compared with.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import random
import re
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ansible.plugins.loader import init_plugin_loader

from lab import pki, rendering

ROOT = Path(__file__).resolve().parents[2]
RESULT = Path(__file__).parent / "results" / "proxy.json"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "nginx"
NAME, APPLICATION, PROCESSES, CONNECTIONS = "example.com", "127.61.0.2:3000", 2, 6
TICKS = os.sysconf("SC_CLK_TCK")
# what an older nginx of the machine does not know, and is about neither headers, limits nor buffers
NEWER = re.compile(r"^ *(http2 on|keepalive_min_timeout \w+);\n", re.MULTILINE)
NO_RATE = {"requests_per_second": 1_000_000, "burst": 1_000_000}
GIVEN = {
    "platform_domain": NAME,
    "platform_state_dir": "/nonexistent",
    "app_stack_redirect_names": [],
    "app_stack_edge_cidrs": ["127.0.0.1/32"],
    "app_stack_edge_client_ca": "",
    "app_stack_visitor_limits": {**NO_RATE, "connections": 100, "uploads": 10},
    "app_stack_total_limits": {**NO_RATE, "connections": 2000, "uploads": 100},
    **{f"platform_{name}_image": f"registry.example.com/{name}@sha256:{'0' * 64}" for name in ("nginx", "redis", "runner")},
}
CASES = {
    "page": "/page.html",
    "page, compressed by the application": "/packed/page.html",
    "static file": "/_next/static/app.js",
    "static file, compressed by the application": "/_next/static/packed/app.js",
    "static file of an earlier release": "/_next/static/kept.js",
}
WORDS = "const value return function import export page layout router session upload limit".split()  # noqa: SIM905 - a list of words
PLAIN = """
user root;
worker_processes 2;
events { worker_connections 4096; }
http {
    include /etc/nginx/mime.types;
    access_log /dev/null;
    gzip on;
    gzip_proxied any;
    gzip_comp_level 5;
    gzip_min_length 1024;
    gzip_types application/javascript text/css text/javascript text/plain;
    upstream web { server %(application)s; keepalive 64; }
    server {
        listen %(address)s:8443 ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate %(folder)s/tls/origin.pem;
        ssl_certificate_key %(folder)s/tls/origin.key;
        location / {
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Connection "";
            proxy_pass http://web;
        }
        location = /_next/static/kept.js { root %(folder)s/static; }
    }
}
"""
BEHIND = """
user root;
worker_processes 1;
daemon off;
pid %(folder)s/application.pid;
events {}
http {
    include /etc/nginx/mime.types;
    access_log off;
    keepalive_requests 1000000;
    server {
        listen %(application)s;
        root %(folder)s/application;
        location ~ /packed/ { add_header Content-Encoding gzip; }
    }
}
"""


def text(size: int) -> bytes:
    """Something that compresses as a page or a program does."""
    dice = random.Random(size)
    return " ".join(f"{dice.choice(WORDS)}{dice.randrange(3000)}" for _number in range(size)).encode()[:size]


@dataclass
class Variant:
    """One nginx that runs."""

    address: str
    pid: int

    @property
    def processor_seconds(self) -> float:
        """What its workers have used."""
        workers = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        fields = [Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split() for worker in workers]
        return sum(int(one[11]) + int(one[12]) for one in fields) / TICKS


def configuration(role: Path, address: str, folder: Path) -> str:
    """A role's nginx.conf, moved from a server's addresses and folders to the bench's."""
    net = address.rpartition(".")[0].rpartition(".")[0]
    given = {**GIVEN, "app_stack_subnets": {"web": f"{net}.3.0/24", "cache": f"{net}.4.0/24", "runner": f"{net}.2.0/24"}}
    found = str(rendering.value(role, "lookup('ansible.builtin.template', 'nginx.conf.j2')", rendering.trusted(given)))
    found = NEWER.sub("", found).replace("user nginx;", "user root;").replace("/srv/static", str(folder / "static"))
    found = re.sub(r"^ *listen \[::\].*\n", "", found, flags=re.MULTILINE).replace("listen 443", f"listen {address}:8443")
    found = re.sub(r"127\.0\.0\.1:(808\d)", rf"{address}:\1", found)
    found = re.sub(r"worker_processes \w+;", "worker_processes 2;", found)
    return found.replace("/etc/platform", str(folder)).replace("/run/", f"{folder}/run/").replace("/dev/std", f"{folder}/std")


@contextlib.contextmanager
def served(folder: Path, config: str, address: str, port: int) -> Iterator[Variant]:
    """nginx with this configuration, once it listens."""
    file = folder / "nginx.conf"
    file.write_text(config)
    for name in ("run", "upstream"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "upstream" / "web.conf").write_text(f"server {APPLICATION} max_fails=0;\n")
    daemon = [] if "daemon off" in config else ["-g", "daemon off;"]
    child = subprocess.Popen([NGINX, "-c", str(file), "-p", str(folder), "-e", str(folder / "start.log"), *daemon])
    try:
        for _attempt in range(100):
            with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
                break
            time.sleep(0.1)
        else:
            raise SystemExit(f"nginx does not listen: {(folder / 'start.log').read_text()}")
        yield Variant(address, child.pid)
    finally:
        child.terminate()
        child.wait(20)


def connections(job: tuple[str, str, float]) -> int:
    """Answers that some keep-alive connections got within the seconds; anything but 200 ends the bench."""
    address, path, seconds = job
    counts = [0] * CONNECTIONS

    def one(place: int) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        words = f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\nAccept-Encoding: gzip\r\nCF-Connecting-IP: 198.51.{os.getpid() % 250}.{place + 1}\r\n\r\n".encode()
        with context.wrap_socket(socket.create_connection((address, 8443), timeout=20), server_hostname=NAME) as plain:
            file, end = plain.makefile("rb"), time.monotonic() + seconds
            while time.monotonic() < end:
                plain.sendall(words)
                counts[place] += answered(file)

    threads = [threading.Thread(target=one, args=(place,)) for place in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def answered(file: Any) -> int:
    """Reads one answer whole."""
    status, headers = file.readline(), {}
    while (line := file.readline()) not in (b"\r\n", b""):
        name, _colon, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    if b" 200" not in status:
        raise SystemExit(f"answered {status!r}")
    if headers.get(b"transfer-encoding") == b"chunked":
        while size := int(file.readline(), 16):
            file.read(size + 2)
        file.readline()
    else:
        file.read(int(headers[b"content-length"]))
    return 1


def measure(pool: Any, variant: Variant, path: str, seconds: float) -> dict[str, float]:
    """Requests per second, and processor time per request in microseconds."""
    before, began = variant.processor_seconds, time.monotonic()
    answers = sum(pool.map(connections, [(variant.address, path, seconds)] * PROCESSES))
    took, used = time.monotonic() - began, variant.processor_seconds - before
    return {"per_second": round(answers / took, 1), "processor_us": round(used / answers * 1e6, 1)}


def role_of(commit: str, folder: Path) -> Path:
    """The role as it was."""
    archive = subprocess.run(["git", "archive", commit, "roles/app_stack"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return folder / "roles" / "app_stack"


def bench(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """All variants, all cases, in turns."""
    before, cases = options.before, {case: path for case, path in CASES.items() if options.only in case}
    page, program = text(30_000), text(120_000)
    for place, content in (("page.html", page), ("_next/static/app.js", program)):
        plain = folder / "application" / place
        packed = plain.parent / "packed" / plain.name
        packed.parent.mkdir(parents=True)
        plain.write_bytes(content)
        packed.write_bytes(gzip.compress(content, 6))
    roles = {"now": ROOT / "roles" / "app_stack"} | ({"before": role_of(before, folder)} if before else {})
    with contextlib.ExitStack() as stack:
        (folder / "behind").mkdir()
        known = {"application": APPLICATION, "folder": str(folder)}
        stack.enter_context(served(folder / "behind", BEHIND % known, *_place(APPLICATION)))
        variants: dict[str, Variant] = {}
        for number, name in enumerate(["plain", *roles]):
            own, address = folder / name, f"127.{62 + number}.0.1"
            for part in ("tls", "static/_next/static"):
                (own / part).mkdir(parents=True)
            (own / "static/_next/static/kept.js").write_bytes(program)
            key, certificate = pki.authority(own / "tls", NAME)
            certificate.rename(own / "tls" / "origin.pem")
            key.rename(own / "tls" / "origin.key")
            config = configuration(roles[name], address, own) if name in roles else PLAIN % {**known, "address": address, "folder": str(own)}
            variants[name] = stack.enter_context(served(own, config, address, 8443))
        pool = stack.enter_context(Pool(PROCESSES))
        seen: dict[str, dict[str, list[dict[str, float]]]] = {case: {name: [] for name in variants} for case in cases}
        for _round in range(options.rounds):
            for case, path in cases.items():
                for name, variant in random.sample(list(variants.items()), len(variants)):
                    seen[case][name].append(measure(pool, variant, path, options.seconds))
    return {case: summary(found) for case, found in seen.items()}


def _place(address: str) -> tuple[str, int]:
    host, _colon, port = address.partition(":")
    return host, int(port)


def summary(found: Mapping[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians of a case, and ratios of processor time within each round."""
    medians = {name: {key: statistics.median(one[key] for one in several) for key in several[0]} for name, several in found.items()}

    def ratio(one: str, other: str) -> float:
        return round(statistics.median(a["processor_us"] / b["processor_us"] for a, b in zip(found[one], found[other], strict=True)), 3)

    pairs = [(one, other) for one in ("now", "before") for other in ("plain", "before") if one != other and {one, other} <= set(found)]
    return {"medians": medians, "processor_ratio": {f"{one} to {other}": ratio(one, other) for one, other in pairs}}


def main() -> None:
    """Measures, prints and keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", default="", help="a commit whose role is measured as well")
    parser.add_argument("--only", default="", help="a word: cases without it are left out, and nothing is kept")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    init_plugin_loader([str(ROOT / ".cache" / "tree")])
    with tempfile.TemporaryDirectory(prefix="proxy-") as folder:
        cases = bench(Path(folder), options)
    version = subprocess.run([NGINX, "-v"], check=True, capture_output=True, text=True).stderr.strip().rpartition("/")[2]
    result = {"nginx": version, "load_at_start": round(load, 2), "rounds": options.rounds, "seconds": options.seconds, "before": options.before, "cases": cases}
    if not options.only:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
