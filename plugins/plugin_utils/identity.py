# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which platform this is: whether the servers of the inventory and the state folder of this machine are those of the settings. Pure but for reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

MARKER = "identity.json"
"""File in the state folder that says whose it is."""
HOST_KEY = "_ssh_host_ed25519_key"
SERVER = re.compile(rf"(.+)-app(-next|-[0-9]+)?{HOST_KEY}")
GROUP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
EVERYBODY = ("all", "ungrouped")
SELF = ("localhost", "127.0.0.1", "::1")

ABSENT = (
    "Either there is none yet (site makes it), or the inventory does not show it: look at `ansible-inventory --graph`, and at platform_name "
    "and platform_environment"
)
APART = "Give each platform and environment a folder of its own, and move what belongs to the other one there"
LACKING = (
    "This machine has not the platform's state: copy the folder from the machine that ran site, or from its backup, and check platform_state_dir. "
    "Only if it is lost for good: `recover -e platform_recovery_action=recreate` makes another server with another host key; the volume stays"
)


@dataclass(frozen=True)
class Host:
    """One host of the group, as the inventory has it."""

    name: str
    labels: Optional[Mapping[str, Any]]
    address: str = ""
    local: bool = False


@dataclass(frozen=True)
class Platform:
    """What the settings say."""

    name: str
    environment: str

    @property
    def labels(self) -> dict[str, str]:
        return {"platform": self.name, "environment": self.environment}

    def __str__(self) -> str:
        return f"platform {self.name}, environment {self.environment}"


def group_problems(group: str, hosts: Sequence[Host], platform: Platform, *, needed: bool) -> list[str]:
    """What is wrong with the group that a playbook works on."""
    if group in EVERYBODY or group in SELF or not GROUP.fullmatch(group):
        return [f"platform_hosts is {group!r}; name one group that has this platform's servers and nothing else, as platform_servers has"]
    foreign = [problem for problem in (host_problem(host, platform) for host in hosts) if problem]
    if foreign:
        return [f"the group {group} has a host that is not of {platform}: {problem}" for problem in foreign]
    if needed and not hosts:
        return [f"the group {group} has no server of {platform}. {ABSENT}"]
    return []


def host_problem(host: Host, platform: Platform) -> str:
    """Why a host is not the platform's; empty when it is."""
    if host.local or host.name in SELF:
        return f"{host.name} is this machine itself; take it out of the group"
    if host.labels is None:
        return (
            f"{host.name} has no hcloud_labels, so nothing says whose it is; let the inventory plugin quetrex.platform.hcloud find it, "
            f"or give the host hcloud_labels with {words(platform.labels)}"
        )
    has = {key: str(host.labels[key]) for key in platform.labels if key in host.labels}
    if has == platform.labels:
        return ""
    return f"{host.name} is labelled {words(has) or 'as nobody'}. Take it out of the group, or put platform_name and platform_environment right"


def words(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())


def state_problems(folder: Path, platform: Platform, hosts: Sequence[Host], *, needed: bool) -> list[str]:
    """What is wrong with the state folder of this machine."""
    marked = marker(folder)
    if marked is not None and marked != platform.labels:
        return [f"platform_state_dir {folder} is of {words(marked) or 'nobody'} ({MARKER} in it says so), and this is {platform}. {APART}"]
    others = [] if marked else strangers(folder, platform)
    if others:
        return [f"platform_state_dir {folder} also has the host key of {', '.join(others)}, and this is {platform}. {APART}"]
    lacking = [host for host in hosts if not known(folder, host)] if needed else []
    return [
        f"{host.name} runs, and platform_state_dir {folder} has neither {host.name}{HOST_KEY} nor {host.address} in known_hosts. {LACKING}" for host in lacking
    ]


def marker(folder: Path) -> Optional[dict[str, str]]:
    """Whose the folder is; None when nothing says it."""
    try:
        found = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in found.items() if key in ("platform", "environment")} if isinstance(found, dict) else {}


def strangers(folder: Path, platform: Platform) -> list[str]:
    """Names of servers of others whose host keys are in a folder from before there was a marker."""
    own = f"{platform.name}-{platform.environment}"
    found = (SERVER.fullmatch(path.name) for path in sorted(folder.glob(f"*{HOST_KEY}")))
    return sorted({f"{match[1]}-app" for match in found if match and match[1] != own})


def known(folder: Path, host: Host) -> bool:
    """Whether this machine can verify the host: it made its key, or has learned it."""
    # two servers that take each other's place have the same key
    if (folder / f"{host.name.removesuffix('-next')}{HOST_KEY}").is_file():
        return True
    try:
        lines = (folder / "known_hosts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return bool(host.address) and any(host.address in line.partition(" ")[0].split(",") for line in lines)


def record(folder: Path, platform: Platform) -> bool:
    """Write whose the folder is, unless it is written already."""
    if (folder / MARKER).exists():
        return False
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / MARKER).write_text(json.dumps(platform.labels, indent=2) + "\n", encoding="utf-8")
    return True
