# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole lab: what starts in which order, what is told to the inventory, and how all of it goes away again."""

from __future__ import annotations

import concurrent.futures
import importlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab import base, disks, dns, edge, metadata, net, pki, process, registry, serve
from lab.api.contract import VENDORS
from lab.config import CHECKOUT, Lab, LabError
from lab.machine import Machines
from lab.shell import run
from lab.supabase import service as supabase

Say = Callable[[str], None]


def up(lab: Lab, say: Say, *, prepared: bool = False, direct: bool = False, ifupdown: bool = False) -> dict[str, Any]:
    """Starts everything that is not running and returns what `lab.json` says. Safe to repeat and to interrupt.

    `prepared`: servers are made from an image that has the host's packages, which saves tests their installation. `direct`: the platform goes to the
    database's own host, instead of through the pooler. `ifupdown`: servers set up `eth0` themselves, which takes each start some seconds.
    """
    _require_root()
    _refuse_foreign(lab)
    lab.folder().chmod(0o755)
    with process.locked(lab.path(".lock")):
        owner_file(lab).write_text(str(lab.root))
        lab.path("subnet").write_text(f"{lab.prefix}\n")
        for name, wanted in {"prepared": prepared, "direct": direct, "ifupdown": ifupdown}.items():
            if wanted:
                lab.path(name).touch()
        net.up(lab)
        dns.up(lab)
        metadata.up(lab)
        parts = _start_parts(lab, say)
        serve.up(lab)
        edge.up(lab)
        return _describe(lab, parts)


def _require_root() -> None:
    if os.geteuid() != 0:
        raise LabError("The lab makes network namespaces and mounts: run it as root (for example with sudo).")


def owner_file(lab: Lab) -> Path:
    """Names on the machine (namespaces, groups, tables) belong to the checkout that this file names."""
    path = Path("/run/quetrex-lab/owners") / lab.name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _foreign_root(lab: Lab) -> Path | None:
    """The folder of a lab of the same name that another checkout brought up, if there is one."""
    path = owner_file(lab)
    root = Path(path.read_text()) if path.exists() else lab.root
    return None if root == lab.root else root


def _refuse_foreign(lab: Lab) -> None:
    root = _foreign_root(lab)
    if root is not None and process.members(process.group(lab)):
        raise LabError(f"A lab named {lab.name} runs already, from {root}: take it down there, or choose another LAB_NAME and LAB_SUBNET.")


def _start_parts(lab: Lab, say: Say) -> dict[str, Any]:
    """What takes long the first time, side by side."""
    jobs: dict[str, Callable[[], Any]] = {
        "server image": lambda: base.layers(lab),
        "database": lambda: supabase.up(lab),
        "registry and images": lambda: registry.up(lab),
    }
    results = {}
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        began = time.monotonic()
        futures = {pool.submit(job): name for name, job in jobs.items()}
        for future in concurrent.futures.as_completed(futures):
            results[futures[future]] = future.result()
            say(f"{futures[future]}: ready after {time.monotonic() - began:.1f} s")
    return results


def _describe(lab: Lab, parts: dict[str, Any]) -> dict[str, Any]:
    """Writes `lab.json`, which `inventories/lab` reads: addresses, tokens and image digests of this lab."""
    apis = {api: {"url": lab.url(api), "token": importlib.import_module(f"lab.api.{api}").token_of(lab)} for api in VENDORS}
    database, images = parts["database"], parts["registry and images"]
    dns.publish(lab, "supabase", {name: [address] for name, address in database.get("names", {}).items()})
    facts = {
        "name": lab.name, "domain": lab.domain, "apis": apis, "edge_ipv4": lab.edge, "ca": str(pki.ca(lab)), "dns": lab.control,
        "supabase": database, "registry": images | {"ca": str(pki.ca(lab))},
        "origin_pull_ca": str(edge.pull_authority(lab)[1]), "state_dir": str(lab.folder("controller")), "ssh_key": str(_ssh_key(lab)),
    }  # fmt: skip
    path = lab.path("lab.json")
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps(facts, indent=2) + "\n")
    scratch.chmod(0o600)
    scratch.rename(path)
    return facts


def _ssh_key(lab: Lab) -> Path:
    """The owner's key pair, as `ssh-keygen` makes it."""
    path = lab.folder("controller") / "id_ed25519"
    if not path.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"owner@{lab.name}", "-f", path)
    return path


def down(lab: Lab, *, abandoned: bool = False) -> None:
    """Ends what the lab started and removes what it made, also after a crash half-way. The cache stays.

    `abandoned`: whoever brought up a lab of this name elsewhere is known to be dead; that one goes too.
    """
    _require_root()
    foreign = _foreign_root(lab)
    if not abandoned:
        _refuse_foreign(lab)
    with process.locked(CHECKOUT / ".lab" / f".{lab.name}.down"):
        process.kill(lab)
        for root in filter(None, (lab.root, foreign)):
            _unmount(root)
            disks.down(root)
        net.down(lab)
        _forget(lab, foreign)
    (CHECKOUT / ".lab" / f".{lab.name}.down").unlink(missing_ok=True)


def _unmount(root: Path) -> None:
    """Every mount below a lab's folder, the deepest first."""
    places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for place in sorted((place for place in places if place.startswith(f"{root}/")), key=len, reverse=True):
        run("umount", "--lazy", place, check=False)


def _forget(lab: Lab, foreign: Path | None) -> None:
    for folder in filter(None, (lab.root, foreign, Path("/run/quetrex-lab") / lab.name)):
        if folder.is_dir():
            shutil.rmtree(folder)
    owner_file(lab).unlink(missing_ok=True)


def status(lab: Lab) -> dict[str, Any]:
    """What runs: processes, servers, addresses, memory in MiB."""
    facts = json.loads(lab.path("lab.json").read_text()) if lab.path("lab.json").exists() else {}
    runs = sorted(path.stem for path in (lab.root / "run").glob("*.pid"))
    machines = Machines(lab)
    servers = {path.parent.name: machines.running(int(path.parent.name)) for path in (lab.root / "servers").glob("*/server.json")}
    return {
        "name": lab.name, "subnet": str(lab.prefix), "up": bool(facts) and serve.answers(lab), "domain": lab.domain, "edge": lab.edge,
        "processes": {name: process.running(lab, name) for name in runs if not (name.startswith("s") and name[1:].isdigit())}, "servers": servers,
        "memory_mib": memory(lab), "curl": curl_line(lab), "contract_violations": violations(lab),
    }  # fmt: skip


def memory(lab: Lab) -> int:
    """Proportional memory (PSS) of everything the lab runs, in MiB."""
    total = 0
    for pid in process.members(process.group(lab)):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total // 1024


def violations(lab: Lab) -> int:
    """How many exchanges broke a vendor's contract since the lab came up."""
    path = lab.root / "contract-violations.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


def curl_line(lab: Lab, path: str = "/") -> str:
    """A command that opens the platform through the edge, as typed."""
    return f"curl --cacert {pki.ca(lab)} --resolve {lab.domain}:443:{lab.edge} https://{lab.domain}{path}"


def shell(lab: Lab, node: str, argv: list[str]) -> int:
    """Runs a command on the network of a node (`edge`, `db`, `s1`) or of a stranger (`outside`)."""
    if node == "outside":
        with net.visitor(lab, "out", 9) as space:
            return subprocess.run(["nsenter", f"--net=/run/netns/{space}", "--", *argv], check=False).returncode
    return subprocess.run(["nsenter", f"--net=/run/netns/{net.netns_name(lab, node)}", "--", *argv], check=False).returncode
