# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian root file systems, made once with mmdebstrap and kept in the cache under the hash of what they were made from."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from lab.config import Lab
from lab.process import locked
from lab.shell import run

GUEST = Path(__file__).with_name("guest")
COMPILED = Path(__file__).with_name("compiled")
"""On PYTHONPATH: every Python keeps what it compiles of Ansible's modules (the file there says how)."""

SERVER_PACKAGES = [
    "systemd",
    "systemd-sysv",
    "libpam-systemd",
    "dbus",
    "openssh-server",
    "python3",
    "python3-apt",
    "sudo",
    "ifupdown",
    "isc-dhcp-client",
    "iproute2",
    "iptables",
    "nftables",
    "ca-certificates",
    "curl",
    "cloud-init",
    "kmod",
    "procps",
    "less",
    "e2fsprogs",
    "cron",
    "netbase",
    "iputils-ping",
    "apt-utils",
]

# What would run on the machine's devices or wait for a console that is not there.
MASKED = ["systemd-udevd.service", "systemd-udev-trigger.service", "systemd-networkd-wait-online.service", "getty.target", "console-getty.service"]


def mirrors() -> tuple[str | None, str | None]:
    """The machine's own Debian mirror and security mirror, or None where apt's built-in default serves."""
    found: dict[bool, str] = {}
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for line in (line for file in files if file.is_file() for line in file.read_text().splitlines()):
        match = re.match(r"\s*(?:URIs:|deb(?:\s+\[[^]]*\])?)\s+(\S+/debian(-security)?)/?(?:\s|$)", line)
        if match:
            found.setdefault(bool(match.group(2)), match.group(1))
    return found.get(False), found.get(True)


def sources(suite: str) -> str:
    """The text of a sources.list for a Debian suite, with the mirrors of this machine."""
    main, security = mirrors()
    lines = [f"deb {main} {suite} main"] if main else []
    if main and suite not in ("sid", "forky"):
        lines.append(f"deb {main} {suite}-updates main")
    if security and suite not in ("sid", "forky"):
        lines.append(f"deb {security} {suite}-security main")
    return "\n".join(lines) + "\n" if lines else ""


def apt_settings() -> str:
    """What the machine's apt must know to reach its mirror (proxies, certificates, how dates are checked)."""
    dump = run("apt-config", "dump", check=False)
    wanted = re.compile(r'^Acquire::(Check-Valid-Until|Check-Date|https?::(Proxy|CAInfo|Verify-Peer)\S*) "')
    return "\n".join(line for line in dump.splitlines() if wanted.match(line)) + "\n"


def download(suite: str, packages: Sequence[str], folder: Path) -> None:
    """A suite's packages as files in `folder`, with the machine's own apt settings and lists of their own."""
    for part in ("lists/partial", "archives/partial"):
        (folder / part).mkdir(parents=True)
    (folder / "sources.list").write_text(sources(suite))
    options = {
        "Dir::Etc::SourceList": folder / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder,
        "APT::Sandbox::User": "root",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    run("apt-get", "-q", *words, "update", timeout=300)
    for package in packages:
        run("sh", "-c", 'cd "$0" && exec apt-get -q "$@"', folder, *words, "download", package, timeout=300)


def debian_root(cache: Path, suite: str, packages: Sequence[str], *, variant: str = "apt", customize: Sequence[str] = (), salt: str = "") -> Path:
    """Folder of a Debian root with these packages. Shared by all labs: never write into it, lay an overlay over it."""
    key = hashlib.sha256("\n".join([suite, variant, *sorted(packages), *customize, salt]).encode()).hexdigest()[:12]
    place = cache / f"debian-{suite}-{key}"
    with locked(cache / f"{place.name}.lock"):
        if not place.is_dir():
            _bootstrap(place, suite, packages, variant, customize)
    return place


def _bootstrap(place: Path, suite: str, packages: Sequence[str], variant: str, customize: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="making-") as scratch:
        Path(scratch).chmod(0o755)
        root = Path(scratch, "root")
        settings = Path(scratch, "apt.conf")
        settings.write_text(apt_settings())
        hooks = [f"--customize-hook={hook}" for hook in (f"copy-in {settings} /etc/apt/apt.conf.d/", *customize)]
        text = sources(suite)
        words = ["mmdebstrap", "--quiet", f"--variant={variant}", f"--include={','.join(packages)}", f"--aptopt={settings}", *hooks, suite, str(root)]
        try:
            run(*words, *(["-"] if text else []), stdin=text or None, timeout=900)
        except BaseException:
            shutil.rmtree(root, ignore_errors=True)
            raise
        # A vendor's image is weeks old; apt judges the age of its lists, empty or not, by this folder.
        os.utime(root / "var/lib/apt/lists", (0, 0))
        root.rename(place)


def server_root(lab: Lab, suite: str = "trixie") -> Path:
    """The vendor's Debian image (13 unless another suite is named): systemd, sshd, cloud-init, nothing else."""
    parts = [GUEST / "lab-guest", GUEST / "cloud.cfg", GUEST / "DataSourceHetzner.py"]
    salt = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()
    customize = [
        f"upload {parts[0]} /usr/lib/lab-guest",
        'chmod 0755 "$1/usr/lib/lab-guest"',
        f"upload {parts[1]} /etc/cloud/cloud.cfg.d/90-lab.cfg",
        'mkdir "$1/usr/lib/python3/dist-packages/lab_cloud"',
        f"upload {parts[2]} /usr/lib/python3/dist-packages/lab_cloud/DataSourceHetzner.py",
        f'chroot "$1" systemctl mask {" ".join(MASKED)}',
        'rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/machine-id" "$1/var/lib/dbus/machine-id" "$1/etc/resolv.conf"',
        ': > "$1/etc/machine-id"',
    ]
    if suite == "bookworm":
        # Debian 12's cloud-init insists on a language that the vendor's image has and this small one has not
        customize.append('echo "locale: false" > "$1/etc/cloud/cloud.cfg.d/91-lab.cfg"')
    return debian_root(lab.cache, suite, SERVER_PACKAGES, customize=customize, salt=salt)


def cloud_init_schema(lab: Lab, suite: str = "trixie") -> Path:
    """The JSON schema by which that Debian's cloud-init judges user data, out of its package, kept in the cache."""
    place = lab.cache / f"cloud-config-{suite}.json"
    with locked(lab.cache / f"{place.name}.lock"):
        if not place.exists():
            with tempfile.TemporaryDirectory(dir=lab.cache, prefix="making-") as scratch:
                download(suite, ["cloud-init"], Path(scratch))
                package, root = next(Path(scratch).glob("cloud-init_*.deb")), Path(scratch, "root")
                run("dpkg-deb", "--extract", package, root)
                shutil.copy(root / "usr/lib/python3/dist-packages/cloudinit/config/schemas/schema-cloud-config-v1.json", place)
    return place


# What the roles of a host install in the lab, so that a server of a test has it already. A list that is behind costs time and nothing else: the roles
# install what is missing; tests/unit/lab/test_base.py compares it with them.
HOST_PACKAGES = [
    *("ca-certificates", "curl", "logrotate", "python3-psycopg2", "systemd-timesyncd", "tzdata", "unattended-upgrades"),
    *("apparmor", "auditd", "debsums", "libpam-pwquality", "nftables", "python3-cryptography"),
    *("docker.io", "docker-cli", "docker-compose", "busybox-static"),
]
_PREPARE = """
root=$1 compiled=$2; shift 2
mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"
cp /etc/resolv.conf "$root/etc/resolv.conf"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"; chmod 0755 "$root/usr/sbin/policy-rc.d"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
chroot "$root" apt-get -q update
chroot "$root" apt-get -q install -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io "$@"
chroot "$root" apt-get -q clean
# the role starts the engine when its settings are there
chroot "$root" systemctl --quiet disable docker.service docker.socket containerd.service
rm -f "$root/usr/sbin/policy-rc.d" "$root/etc/resolv.conf"
install -m 0644 "$compiled" "$root/usr/lib/python3/dist-packages/lab_compiled.py"
echo 'import lab_compiled' >"$root/usr/lib/python3/dist-packages/lab-compiled.pth"
"""


def prepared_layer(lab: Lab, suite: str = "trixie") -> Path:
    """What the vendor's image becomes when the packages of the host's roles are installed: a folder to be laid over `server_root`. Never write into it.

    Its Python keeps what it compiles of modules (`COMPILED`).
    It is made again every day: a server's package lists are as old as it is, and old ones are a finding.
    """
    plain, today = server_root(lab, suite), datetime.now(UTC).date().isoformat()
    compiled = (COMPILED / "sitecustomize.py").read_text()
    key = hashlib.sha256("\n".join([plain.name, today, *sorted(HOST_PACKAGES), _PREPARE, compiled]).encode()).hexdigest()[:12]
    place = lab.cache / f"prepared-{suite}-{key}"
    with locked(lab.cache / f"prepared-{suite}.lock"):
        if not place.is_dir():
            _prepare(place, plain)
            _remove_old(place)
    return place


def _remove_old(newest: Path) -> None:
    """Those that no server has needed for days."""
    mounts, before = Path("/proc/self/mountinfo").read_text(), time.time() - 3 * 86400
    for path in newest.parent.glob(newest.name.rpartition("-")[0] + "-*"):
        if path.is_dir() and path.stat().st_mtime < before and str(path) not in mounts:
            shutil.rmtree(path)


def _prepare(place: Path, plain: Path) -> None:
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="making-") as scratch:
        upper, work, root = (Path(scratch, name) for name in ("upper", "work", "root"))
        for folder in (upper, work, root):
            folder.mkdir(mode=0o755)
        mount = f"mount -t overlay overlay -o lowerdir={plain},upperdir={upper},workdir={work} {root}"
        # what is mounted goes with the namespace
        compiled = COMPILED / "sitecustomize.py"
        run("unshare", "--mount", "--propagation", "private", "sh", "-euc", f"{mount}\n{_PREPARE}", "prepare", root, compiled, *HOST_PACKAGES, timeout=900)
        upper.rename(place)


def layers(lab: Lab, suite: str = "trixie") -> list[Path]:
    """What lies under a server's own disk, the topmost first."""
    plain = server_root(lab, suite)
    return [prepared_layer(lab, suite), plain] if lab.prepared and suite == "trixie" else [plain]
