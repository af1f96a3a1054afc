# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for Docker's package repository: laid out and signed alike, with a key of the lab's own.

Its packages bear Docker's names; inside is the engine of Debian 13, whose programs also run on Debian 12. There are two
revisions of each, so that an upgrade can be tried. What it cannot show: Docker's own builds and their scripts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

from lab import base, process
from lab.config import PORTS, Lab
from lab.shell import run

NAME = "docker-packages"
SUITES = ("bookworm", "trixie")
# Docker's name: (Debian's package, what it needs, what it takes the place of)
PACKAGES = {
    "containerd.io": ("containerd", "runc, libc6", "containerd"),
    "docker-ce-cli": ("docker-cli", "libc6", "docker-cli"),
    "docker-ce": ("docker.io", "containerd.io, docker-ce-cli, iptables, libsystemd0, tini", "docker.io"),
    "docker-buildx-plugin": ("docker-buildx", "docker-ce-cli", "docker-buildx"),
    "docker-compose-plugin": ("docker-compose", "docker-ce-cli", "docker-compose"),
}
_RECIPE = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]


def _control(text: str, name: str, revision: int) -> str:
    """The description of a package under another name."""
    _source, needs, replaces = PACKAGES[name]
    dropped = ("Package:", "Version:", "Source:", "Depends:", "Recommends:", "Suggests:", "Breaks:", "Replaces:", "Conflicts:", "Provides:", "Enhances:")
    kept, skipping = [], False
    for line in text.splitlines():
        skipping = line.startswith(dropped) or (skipping and line.startswith(" "))
        if not skipping:
            kept.append(line)
    head = [f"Package: {name}", f"Version: 5:26.1.5-{revision}", f"Depends: {needs}", f"Conflicts: {replaces}", f"Replaces: {replaces}"]
    return "\n".join([*head, *kept]) + "\n"


def _repack(archive: Path, name: str, pool: Path) -> None:
    with tempfile.TemporaryDirectory(dir=pool.parent) as scratch:
        root = Path(scratch, "root")
        run("dpkg-deb", "--raw-extract", archive, root)
        control = root / "DEBIAN/control"
        original = control.read_text()
        for revision in (1, 2):
            control.write_text(_control(original, name, revision))
            run("dpkg-deb", "--build", "--root-owner-group", "-Znone", root, pool / f"{name}_26.1.5-{revision}.deb", timeout=120)


def _index(root: Path, revision: int) -> str:
    """What `Packages` says of everything up to a revision."""
    entries = []
    for archive in sorted((root / "pool").glob("*.deb")):
        if int(archive.stem[-1]) <= revision:
            data = archive.read_bytes()
            facts = {"Filename": f"pool/{archive.name}", "Size": str(len(data)), "SHA256": hashlib.sha256(data).hexdigest()}
            fields = run("dpkg-deb", "--field", archive).rstrip()
            entries.append(fields + "\n" + "".join(f"{key}: {value}\n" for key, value in facts.items()))
    return "\n".join(entries)


def _publish(root: Path, home: Path, revision: int) -> None:
    """Index and signature of every suite, as apt reads them."""
    architecture = run("dpkg", "--print-architecture").strip()
    index = _index(root, revision)
    for suite in SUITES:
        dists = root / "dists" / suite
        place = dists / f"stable/binary-{architecture}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "Packages").write_text(index)
        name, digest = f"stable/binary-{architecture}/Packages", hashlib.sha256(index.encode()).hexdigest()
        head = f"Origin: Docker\nLabel: Docker CE\nSuite: {suite}\nCodename: {suite}\nArchitectures: {architecture}\nComponents: stable\n"
        (dists / "Release").write_text(f"{head}Date: {formatdate(usegmt=True)}\nSHA256:\n {digest} {len(index.encode())} {name}\n")
        (dists / "InRelease").unlink(missing_ok=True)
        _gpg(home, "--clearsign", "--output", str(dists / "InRelease"), str(dists / "Release"))


def _gpg(home: Path, *words: str) -> None:
    run("gpg", "--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", *words)


@contextlib.contextmanager
def _agent(home: Path) -> Iterator[None]:
    """gpg starts a helper that stays; it goes with the work."""
    home.mkdir(mode=0o700, exist_ok=True)
    try:
        yield
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], capture_output=True, check=False)


def _made(lab: Lab) -> Path:
    """The packages and the key, kept in the cache."""
    place = lab.cache / f"{NAME}-{_RECIPE}"
    with process.locked(lab.cache / f"{NAME}.lock"):
        if not place.is_dir():
            with tempfile.TemporaryDirectory(dir=lab.cache, prefix="making-") as scratch:
                root, debs = Path(scratch, "done"), Path(scratch, "debs")
                (root / "pool").mkdir(parents=True)
                debs.mkdir()
                base.download("trixie", [source for source, _needs, _replaces in PACKAGES.values()], debs)
                for name, (source, _needs, _replaces) in PACKAGES.items():
                    _repack(next(debs.glob(f"{source}_*.deb")), name, root / "pool")
                with _agent(root / "key"):
                    _gpg(root / "key", "--quick-generate-key", "Docker packages of the lab", "ed25519", "sign", "never")
                    _gpg(root / "key", "--armor", "--export", "--output", str(root / "gpg"))
                root.rename(place)
    return place


def up(lab: Lab, revision: int = 1) -> dict[str, str]:
    """Serves the repository up to a revision; returns the settings of the role docker_engine that point at it."""
    made, root = _made(lab), lab.folder(NAME, "debian")
    if not (root / "pool").exists():
        (root / "pool").symlink_to(made / "pool")
        shutil.copy(made / "gpg", root / "gpg")
    with _agent(made / "key"):
        _publish(root, made / "key", revision)
    port = PORTS["packages"]
    argv = [sys.executable, "-m", "http.server", "--bind", lab.control, "--directory", str(lab.folder(NAME)), str(port)]
    process.start(lab, NAME, argv, ready=lambda: _listening(lab.control, port))
    return {
        "docker_engine_source": "docker",
        "docker_engine_repository_url": f"http://{lab.control}:{port}",
        "docker_engine_repository_key_sha256": hashlib.sha256((root / "gpg").read_bytes()).hexdigest(),
    }


def _listening(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    sys.stdout.write(json.dumps(up(Lab.from_env(), int(sys.argv[1]) if sys.argv[1:] else 1)) + "\n")
