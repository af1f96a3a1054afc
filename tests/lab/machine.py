# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers: real Debian systems with their own systemd, sshd, network and disk, under systemd-nspawn.

A server's folder `.lab/<lab>/servers/<id>/` holds what is written on its disk: `upper` (its root, over the shared base image),
`docker` and `containerd` (Docker cannot keep its data on an overlay). Volumes are outside and survive it.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab import base, disks, net, process
from lab.config import Lab, LabError
from lab.shell import run

_DISK = ("upper", "docker", "containerd")
_INSIDE = {"docker": "/var/lib/docker", "containerd": "/var/lib/containerd"}
# What a kernel of its own shows in /dev by itself: a file can be mounted.
_LOOPS = (
    "[ -e /dev/loop-control ] || mknod -m 660 /dev/loop-control c 10 237; "
    "n=0; while [ $n -lt 96 ]; do [ -e /dev/loop$n ] || mknod -m 660 /dev/loop$n b 7 $n; n=$((n+1)); done"
)


class Machines:
    """Boots, stops, kills and deletes the servers of one lab. Every method may be called again with the same result."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def _folder(self, server: int) -> Path:
        return self.lab.root / "servers" / str(server)

    def _name(self, server: int) -> str:
        return f"s{server}"

    def _facts(self, server: int) -> dict[str, Any]:
        path = self._folder(server) / "server.json"
        if not path.exists():
            raise LabError(f"Server {server} does not exist in lab {self.lab.name}.")
        facts: dict[str, Any] = json.loads(path.read_text())
        return facts

    def create(
        self,
        server: int,
        *,
        ipv4: str | None,
        ipv6: str | None,
        user_data: str,
        ssh_keys: Sequence[str],
        hostname: str,
        image: Path | None = None,
        suite: str = "trixie",
    ) -> None:
        """Puts an image on a new disk; `image` is a snapshot's folder, None the vendor's image of that Debian suite. Does not power on."""
        facts = {"suite": suite, "hostname": hostname, "addresses": [address for address in (ipv4, ipv6) if address], "ssh_keys": list(ssh_keys), "volumes": {}}
        self._folder(server).mkdir(parents=True, exist_ok=True)
        (self._folder(server) / "server.json").write_text(json.dumps(facts))
        self._install(server, user_data, image)

    def _install(self, server: int, user_data: str, image: Path | None) -> None:
        """A fresh disk with the image; what cloud-init asks for is given by the metadata service."""
        facts, folder = self._facts(server), self._folder(server)
        # a disk is what differs from the layers below it, which have to be the same for its whole life
        facts["below"] = (image / "below").read_text() if image else ":".join(map(str, base.layers(self.lab, facts.get("suite", "trixie"))))
        (folder / "server.json").write_text(json.dumps(facts))
        for part in (*_DISK, "work"):
            shutil.rmtree(folder / part, ignore_errors=True)
            if image and (image / part).is_dir():
                run("cp", "-a", image / part, folder / part)
            (folder / part).mkdir(exist_ok=True)
        (folder / "user-data").write_text(user_data)
        (folder / "user-data").chmod(0o600)
        (folder / "upper/etc").mkdir(exist_ok=True)
        if not self.lab.ifupdown:
            (folder / "upper/etc/cloud/cloud.cfg.d").mkdir(parents=True, exist_ok=True)
            (folder / "upper/etc/cloud/cloud.cfg.d/92-lab-network.cfg").write_text("network: {config: disabled}\n")
        (folder / "upper/etc/resolv.conf").write_text("".join(f"nameserver {address}\n" for address in net.RESOLVERS[:3]))

    def set_addresses(self, server: int, addresses: Sequence[str]) -> None:
        """The public addresses, from its next start on at the latest (the vendor wants the server off for that)."""
        facts = self._facts(server) | {"addresses": list(addresses)}
        (self._folder(server) / "server.json").write_text(json.dumps(facts))
        if not self.lab.ifupdown and net.exists(self.lab, self._name(server)):
            net.set_addresses(self.lab, self._name(server), addresses)

    def power_on(self, server: int) -> None:
        """Starts the server; returns when its init runs, long before SSH answers."""
        if self.running(server):
            return
        facts = self._facts(server)
        net.set_carrier(self.lab, self._name(server), connected=True)
        net.plug_in(self.lab, self._name(server), facts["addresses"])
        root = self._mount_root(server)
        self._write_volumes(server)
        process.start(self.lab, self._name(server), self._argv(server, root, facts["hostname"]), env=_environment(), legacy_groups=True)

    def _mount_root(self, server: int) -> Path:
        folder = self._folder(server)
        root = folder / "root"
        root.mkdir(exist_ok=True)
        (folder / "work").mkdir(exist_ok=True)
        if not root.is_mount():
            run(
                "mount",
                "-t",
                "overlay",
                "overlay",
                "-o",
                f"lowerdir={self._facts(server)['below']},upperdir={folder / 'upper'},workdir={folder / 'work'}",
                root,
            )
        return root

    def _argv(self, server: int, root: Path, hostname: str) -> list[str]:
        folder = self._folder(server)
        binds = [f"--bind={folder / part}:{place}" for part, place in _INSIDE.items()]
        network = f"--network-namespace-path=/run/netns/{net.netns_name(self.lab, self._name(server))}"
        rights = ["--capability=all", "--system-call-filter=add_key keyctl bpf", "--bind=/dev/fuse", f"--bind-ro={folder / 'lab'}:/run/lab"]
        plain = [
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            "--console=pipe",
            "--kill-signal=SIGRTMIN+3",
        ]
        legacy = ["--setenv=SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"] if process.legacy_roots() else []
        return [
            "systemd-nspawn",
            *plain,
            *legacy,
            f"--directory={root}",
            f"--machine={hostname}",
            f"--hostname={hostname}",
            network,
            *rights,
            *binds,
            "/bin/sh",
            "-c",
            f"{_LOOPS}; exec /usr/lib/lab-guest init",
        ]

    def _write_volumes(self, server: int) -> None:
        lines = []
        for volume, path in self._facts(server)["volumes"].items():
            _device, major, minor = disks.plug(Path(path))
            lines.append(f"{volume} {major} {minor}\n")
        (self._folder(server) / "lab").mkdir(exist_ok=True)
        (self._folder(server) / "lab" / "volumes").write_text("".join(lines))
        (self._folder(server) / "lab" / "serial").write_text(str(server))

    def running(self, server: int) -> bool:
        """Whether the server is powered on (a hanging one is)."""
        return process.running(self.lab, self._name(server))

    def shutdown(self, server: int) -> None:
        """Presses the power button: the server goes down in its own time, or not at all."""
        process.signal(self.lab, self._name(server), signal.SIGTERM)

    def power_off(self, server: int) -> None:
        """Cuts the power: nothing is flushed by the server's own services."""
        net.set_carrier(self.lab, self._name(server), connected=False)
        process.kill(self.lab, self._name(server))
        with contextlib.suppress(LabError):
            run("umount", "--lazy", self._folder(server) / "root")

    def lose_power(self, server: int) -> None:
        """Cuts the power as the data centre's failure does: what the kernel had not yet written to a volume is lost as well.

        The machine's own kernel would write it out after the server's end, so the volume is put back to the moment of the cut.
        """
        self.hang(server)
        volumes = [Path(path) for path in self._facts(server)["volumes"].values()]
        copies = [disks.at_this_moment(path) for path in volumes]
        self.power_off(server)
        for path, copy in zip(volumes, copies, strict=True):
            disks.put_back(path, copy)

    def reset(self, server: int) -> None:
        """Cuts the power and gives it back."""
        self.power_off(server)
        self.power_on(server)

    def hang(self, server: int, hanging: bool = True) -> None:
        """Stops every process of the server where it stands, or lets them go on."""
        process.freeze(self.lab, self._name(server), hanging)

    def rebuild(self, server: int, user_data: str, image: Path | None = None) -> None:
        """A fresh image on the same server: the disk's content is gone, addresses and volumes stay."""
        was_on = self.running(server)
        self.power_off(server)
        self._install(server, user_data, image)
        if was_on:
            self.power_on(server)

    def delete(self, server: int) -> None:
        """The server with its disk; volumes stay."""
        self.power_off(server)
        net.remove_namespace(self.lab, self._name(server))
        shutil.rmtree(self._folder(server), ignore_errors=True)

    def snapshot(self, server: int, image: int) -> Path:
        """Copies the disk as it is now into an image's folder."""
        place = self.lab.folder("images") / str(image)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for part in _DISK:
            run("cp", "-a", self._folder(server) / part, place / part)
        (place / "below").write_text(self._facts(server)["below"])
        return place

    def attach_volume(self, server: int, volume: int, path: Path) -> None:
        """Plugs a volume in; it appears as /dev/disk/by-id/scsi-0HC_Volume_<id>."""
        self._set_volumes(server, self._facts(server)["volumes"] | {str(volume): str(path)})

    def detach_volume(self, server: int, volume: int) -> None:
        """Pulls a volume out, mounted or not."""
        volumes = self._facts(server)["volumes"]
        path = volumes.pop(str(volume), None)
        self._set_volumes(server, volumes)
        if path:
            disks.unplug(Path(path))

    def _set_volumes(self, server: int, volumes: Mapping[str, str]) -> None:
        (self._folder(server) / "server.json").write_text(json.dumps(self._facts(server) | {"volumes": dict(volumes)}))
        self._write_volumes(server)
        if self.running(server):
            self.enter(server, "/bin/sh", "-c", f"/usr/lib/lab-guest volumes; {_LOOPS}")

    def init_pid(self, server: int) -> int:
        """Process id, seen from outside, of the server's own init."""
        keeper = process.main_pid(self.lab, self._name(server))
        children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split() if keeper else []
        if not children:
            raise LabError(f"Server {server} is not running.")
        return int(children[0])

    def enter(self, server: int, *argv: str) -> str:
        """Runs a command inside as the vendor's rescue would, past SSH and firewall."""
        return run("nsenter", f"--target={self.init_pid(server)}", "--mount", "--uts", "--ipc", "--pid", "--net", "--", *argv)

    def down(self) -> None:
        """Ends every server and unmounts its root; the disks stay in the lab's folder."""
        for folder in sorted((self.lab.root / "servers").glob("*/server.json")):
            self.power_off(int(folder.parent.name))


def _environment() -> dict[str, str]:
    """What systemd-nspawn must be told on a machine with control groups of version 1, 2 or both."""
    common = {"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1"}
    legacy = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "0"} if process.legacy_roots() else {}
    return common | legacy
