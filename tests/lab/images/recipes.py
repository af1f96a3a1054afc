# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the lab's images: four services, the proxy of a pool, their next versions, and versions of the web application that are broken on purpose.

Every layer is kept in the lab's cache under the hash of what it was made from. `next build` runs once for all versions:
a version is an environment variable and one small static file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import base
from lab.config import Lab, LabError
from lab.images import oci
from lab.process import locked
from lab.shell import run

HERE = Path(__file__).parent
RUNNING_VERSION, NEXT_VERSION = "1.0.0", "1.1.0"
# Version -> what is wrong with it.
WEB_VERSIONS = {
    RUNNING_VERSION: "",
    NEXT_VERSION: "",
    "never-healthy": "never-healthy",
    "crash": "crash",
    "slow-start": "slow-start",
    "broken-behind-proxy": "broken-behind-proxy",
}
WEB_SOURCES = ("package.json", "package-lock.json", "next.config.mjs", "entry.js", "socket.js", "src")
# Version of Redis -> Debian suite that has it.
REDIS_SUITES = {"7": "bookworm", "8": "trixie"}
NODE_USER, NGINX_USER, REDIS_USER, HAPROXY_USER = 1000, 101, 999, 99
# Documentation and the tables of exotic character sets: nothing an image needs at run time.
DISPENSABLE = "usr/share/doc usr/share/man usr/share/locale usr/share/lintian usr/share/bash-completion"
DISPENSABLE += " usr/share/nodejs/corepack usr/lib/x86_64-linux-gnu/gconv"
CERTIFICATES = 'mkdir -p "$1/etc/ssl/certs" && cat "$1"/usr/share/ca-certificates/mozilla/*.crt > "$1/etc/ssl/certs/ca-certificates.crt"'
SHELL = 'for tool in sh wget cat ls ps kill sleep env id nc; do ln -sf busybox "$1/usr/bin/$tool"; done'


def hash_of(*parts: str | Path) -> str:
    """A key for the cache from texts and from files and folders with all they hold."""
    sums = hashlib.sha256()
    for part in parts:
        files = [part] if isinstance(part, Path) and part.is_file() else sorted(part.rglob("*")) if isinstance(part, Path) else []
        for file in (file for file in files if file.is_file()):
            sums.update(f"{file.name}\0".encode() + file.read_bytes())
        if isinstance(part, str):
            sums.update(f"{part}\0".encode())
    return sums.hexdigest()[:16]


def layer(lab: Lab, name: str, key: str, make: Callable[[Path], None]) -> oci.Layer:
    """The layer from the cache, or made now: `make` writes a tar file to the path it is given."""
    folder = lab.cache / "images"
    with locked(folder / f"{name}.lock"):
        if (kept := oci.load_layer(folder, f"{name}-{key}")) is not None:
            return kept
        with tempfile.TemporaryDirectory(dir=folder, prefix="making-") as scratch:
            tar = Path(scratch, "layer.tar")
            make(tar)
            return oci.save_layer(folder, f"{name}-{key}", tar)


def debian(lab: Lab, name: str, suite: str, packages: Iterable[str], hooks: Iterable[str] = ()) -> oci.Layer:
    """Packages unpacked with what they depend on; no maintainer script runs, so nothing else is needed around them."""
    wanted, after = sorted(packages), [*hooks, f'cd "$1" && rm -rf {DISPENSABLE}']

    def make(tar: Path) -> None:
        settings = tar.with_name("apt.conf")
        # The newest suite is a moving target: a mirror that keeps a past day of it has an expired Release file.
        settings.write_text(base.apt_settings() + 'Acquire::Check-Valid-Until "false";\n')
        words = ["env", "SOURCE_DATE_EPOCH=1", "mmdebstrap", "--quiet", "--mode=root", "--variant=extract", "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"]
        words += [f"--include={','.join(wanted)}", f"--aptopt={settings}", *(f"--extract-hook={hook}" for hook in after), suite, str(tar)]
        text = base.sources(suite)
        run(*words, *(["-"] if text else []), stdin=text or None, timeout=900)

    return layer(lab, name, hash_of(suite, *wanted, *after), make)


def files(lab: Lab, name: str, content: dict[str, str | bytes], folders: Iterable[tuple[str, int, int]] = ()) -> oci.Layer:
    """A layer of a few small files and empty folders."""
    places = list(folders)
    key = hash_of(repr(sorted(content.items())), repr(places))
    return layer(lab, name, key, lambda tar: oci.tar_files(tar, content, places))


def accounts(user: str, number: int) -> dict[str, str | bytes]:
    """The user tables of an image with one service account."""
    return {
        "etc/passwd": f"root:x:0:0:root:/root:/bin/sh\n{user}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\nnobody:x:65534:65534::/:/usr/sbin/nologin\n",
        "etc/group": f"root:x:0:\n{user}:x:{number}:\nnogroup:x:65534:\n",
        "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    }


COMMON = (("tmp", 0o1777, 0), ("run", 0o755, 0), ("proc", 0o555, 0), ("sys", 0o555, 0), ("dev", 0o755, 0))


def node(lab: Lab) -> oci.Layer:
    """Node.js from Debian's newest suite, shared by the web application and the runner."""
    return debian(lab, "node", "forky", ["nodejs", "ca-certificates"], [CERTIFICATES])


def nginx(lab: Lab, tag: str = "stable") -> oci.Image:
    """nginx >= 1.28 (graceful keep-alive on reload needs 1.27.4), with the small tools the official alpine image has."""
    system = debian(lab, "nginx", "forky", ["nginx", "busybox-static"], [SHELL])
    extra = files(lab, "nginx-extra", accounts("nginx", NGINX_USER), [*COMMON, ("var/cache/nginx", 0o755, 0), ("var/log/nginx", 0o755, 0)])
    settings = {"Cmd": ["nginx", "-g", "daemon off;"], "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "StopSignal": "SIGQUIT", "Labels": {"tag": tag}}
    return oci.Image("quetrex/nginx", tag, (system, extra), settings)


def redis(lab: Lab, tag: str = "7") -> oci.Image:
    """Redis 7, or the next major version."""
    system = debian(lab, "redis", REDIS_SUITES[tag], ["redis-server", "redis-tools", "busybox-static"], [SHELL])
    extra = files(lab, "redis-extra", accounts("redis", REDIS_USER), [*COMMON, ("data", 0o755, REDIS_USER)])
    settings = {"Cmd": ["redis-server"], "Env": ["PATH=/usr/bin:/bin"], "User": str(REDIS_USER), "WorkingDir": "/data"}
    return oci.Image("quetrex/redis", tag, (system, extra), settings)


def haproxy(lab: Lab, tag: str = "stable") -> oci.Image:
    """HAProxy as the official image has it: started as it is, by a user without rights, and no shell is needed."""
    system = debian(lab, "haproxy", "trixie", ["haproxy"])
    extra = files(lab, "haproxy-extra", accounts("haproxy", HAPROXY_USER), COMMON)
    settings = {"Cmd": ["haproxy", "-W", "-db"], "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "User": str(HAPROXY_USER), "StopSignal": "SIGUSR1"}
    return oci.Image("quetrex/haproxy", tag, (system, extra), settings)


def redis_next(lab: Lab) -> oci.Image:
    """The next major version of Redis."""
    return redis(lab, "8")


def runner(lab: Lab, version: str = RUNNING_VERSION, fault: str = "") -> oci.Image:
    """The runner: one file of JavaScript on the layer of Node.js."""
    content = accounts("node", NODE_USER) | {"app/server.js": (HERE / "runner" / "server.js").read_text()}
    extra = files(lab, "runner", content, [*COMMON, ("workspace", 0o755, NODE_USER)])
    environment = ["PATH=/usr/bin:/bin", "NODE_ENV=production", f"APP_VERSION={version}", *([f"APP_FAULT={fault}"] if fault else [])]
    settings = {"Cmd": ["node", "server.js"], "Env": environment, "User": str(NODE_USER), "WorkingDir": "/app", "ExposedPorts": {"8080/tcp": {}}}
    return oci.Image("quetrex/runner", version, (node(lab), extra), settings)


def _build_web(tar: Path) -> None:
    """`next build` in a scratch folder; the tar holds the standalone server and its static files."""
    folder = tar.with_name("web")
    folder.mkdir()
    for name in WEB_SOURCES:
        source = HERE / "web" / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    if shutil.which("npm") is None:
        raise LabError("npm is not installed: the web image is built with it (packages nodejs and npm, Node.js 18.18 or newer).")
    # `npm ci` asks for lock entries of other systems' optional packages, which a partial mirror does not have.
    run("npm", "install", "--prefix", folder, "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", timeout=600)
    environment = [f"{name}=1" for name in ("NEXT_TELEMETRY_DISABLED", "NEXT_IGNORE_INCORRECT_LOCKFILE")]
    run("env", f"--chdir={folder}", *environment, "node_modules/.bin/next", "build", timeout=600)
    built = folder / ".next"
    oci.copy_into(built / "standalone", folder / "entry.js", folder / "socket.js")
    oci.tar_tree(tar, {"app": built / "standalone", "app/.next/static": built / "static"})


def web_build(lab: Lab) -> oci.Layer:
    """The one layer of the application that all its versions share."""
    return layer(lab, "web", hash_of(*(HERE / "web" / name for name in WEB_SOURCES)), _build_web)


def web(lab: Lab, version: str) -> oci.Image:
    """The application in one of `WEB_VERSIONS`."""
    system = files(lab, "web-system", accounts("node", NODE_USER), [*COMMON, ("app/.next/cache", 0o755, NODE_USER)])
    # A static file of this version alone: what a page of one release asks for and a server of another does not have.
    script = f"globalThis.__release = {version!r};\n"
    release = files(lab, "web-release", {f"app/.next/static/release/{version}.js": script})
    environment = ["PATH=/usr/bin:/bin", "NODE_ENV=production", "HOSTNAME=0.0.0.0", "PORT=3000", "KEEP_ALIVE_TIMEOUT=75000", f"APP_VERSION={version}"]
    if fault := WEB_VERSIONS[version]:
        environment.append(f"APP_FAULT={fault}")
    settings = {
        "Cmd": ["node", "entry.js"],
        "Env": environment,
        "User": str(NODE_USER),
        "WorkingDir": "/app",
        "ExposedPorts": {"3000/tcp": {}},
        "Labels": {"org.opencontainers.image.version": version},
    }
    return oci.Image("quetrex/web", version, (node(lab), web_build(lab), system, release), settings)


def build(lab: Lab) -> list[oci.Image]:
    """Every image of the lab. The slow layers are made side by side, one per core."""
    with ThreadPoolExecutor(max_workers=max(2, (os.cpu_count() or 2))) as workers:
        slow = [workers.submit(make, lab) for make in (web_build, node, redis, redis_next, nginx, haproxy)]
        for job in slow:
            job.result()
    now = [runner(lab), redis(lab), nginx(lab), haproxy(lab)]
    later = [runner(lab, NEXT_VERSION), runner(lab, "crash", "crash"), redis_next(lab), nginx(lab, "next")]
    return [*(web(lab, version) for version in WEB_VERSIONS), *now, *later]
