# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The integration targets of the vendor's own collection, hetzner.hcloud, run against the stand-in.

The installed collection is without its tests; the source archive of `ansible` has them, with the collections that they need. It is taken
once, in the version whose wheel is pinned, and kept in the cache.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from lab.config import CHECKOUT, Lab
from lab.process import locked
from lab.shell import run

from .testing import HetznerApi

COLLECTIONS = ("hetzner/hcloud", "ansible/utils", "community/crypto", "community/general")
FILTERS_NEED = "netaddr"
TARGETS = (
    "certificate", "certificate_info", "filter_all", "firewall", "firewall_info", "firewall_resource", "floating_ip", "floating_ip_info", "iso_info",
    "load_balancer", "load_balancer_info", "load_balancer_network", "load_balancer_service", "load_balancer_target", "load_balancer_type_info",
    "location_info", "network", "network_info", "placement_group", "primary_ip", "primary_ip_info", "rdns", "route", "server", "server_info",
    "server_network", "server_type_info", "ssh_key", "ssh_key_info", "subnetwork", "volume", "volume_attachment", "volume_info",
)  # fmt: skip
LEFT_OUT: Mapping[str, str] = {
    "datacenter_info": "the vendor took /datacenters away",
    "image_info": "needs the vendor's command line client, which no package registry has",
    "storage_box.*": "storage boxes are another API of the vendor's",
    "zone.*": "the platform's names are at Cloudflare",
    "setup_.*": "no targets, but roles of theirs",
}
"""Patterns of targets that do not apply, and why."""


def version() -> str:
    """The version of `ansible` that is pinned."""
    found = re.search(r"^ansible==(\S+)", (CHECKOUT / "tools" / "collections-bundle.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)
    if found is None:
        raise ValueError("tools/collections-bundle.txt names no version of ansible")
    return found[1]


def tree(lab: Lab) -> Path:
    """The folder with the collections, their tests among them, and what these need of Python."""
    place = lab.cache / f"hcloud-targets-{version()}"
    with locked(lab.cache / "hcloud-targets.lock"):
        if not place.is_dir():
            with tempfile.TemporaryDirectory(dir=lab.cache, prefix="making-") as scratch:
                _fill(Path(scratch, "tree"), Path(scratch, "archive"))
                Path(scratch, "tree").rename(place)
    return place


def _fill(place: Path, archive: Path) -> None:
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    source = ["--no-deps", "--no-binary=ansible", "--no-build-isolation", f"ansible=={version()}"]
    run(*pip, "download", *source, "-d", archive, timeout=590)
    run(*pip, "install", "--target", place / "python", FILTERS_NEED, timeout=120)
    wanted = tuple(f"ansible_collections/{name}/" for name in COLLECTIONS)
    with tarfile.open(next(archive.glob("*.tar.gz"))) as packed:
        for member in packed:
            member.name = member.name.partition("/")[2]
            if member.name.startswith(wanted):
                packed.extract(member, place, filter="data")


def names(place: Path) -> set[str]:
    """Every target there is."""
    return {path.name for path in _targets(place).iterdir()}


def _targets(place: Path) -> Path:
    return place / "ansible_collections/hetzner/hcloud/tests/integration/targets"


def play(place: Path, target: str, api: HetznerApi, scratch: Path) -> subprocess.CompletedProcess[str]:
    """Runs one target as its own collection does: as a role, on this machine."""
    book = scratch / "play.json"
    book.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "roles": [target]}]), encoding="utf-8")
    (scratch / "ansible.cfg").touch()
    environment = {
        **os.environ,
        "HCLOUD_TOKEN": api.token,
        "HCLOUD_ENDPOINT": api.url,
        "ANSIBLE_COLLECTIONS_PATH": str(place),
        "ANSIBLE_ROLES_PATH": str(_targets(place)),
        "ANSIBLE_HOME": str(scratch / "home"),
        "ANSIBLE_CONFIG": str(scratch / "ansible.cfg"),
        "ANSIBLE_PIPELINING": "1",
        "PYTHONPATH": str(place / "python"),
        "NO_COLOR": "1",
    }
    program = Path(sys.executable).parent / "ansible-playbook"
    variables = json.dumps({"ansible_python_interpreter": sys.executable})
    argv = [str(program), "-i", "localhost,", str(book), "-e", variables]
    return subprocess.run(argv, cwd=scratch, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=590)
