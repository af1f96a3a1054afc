# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API drives: real servers of a lab, or nothing at all for unit tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from lab.config import Lab

    from .world import World

Rules = Sequence[Mapping[str, Any]] | None


class Hardware(Protocol):
    """Blocking work on servers, volumes and the network. Every method may be repeated with the same result."""

    inline: bool
    """Whether the work is so quick that it may be done before the answer."""

    def ipv4(self, number: int) -> str:
        """Return address number `number` of the pool."""

    def ipv6(self, number: int) -> str:
        """Return network number `number` of the pool."""

    def create(
        self,
        server: int,
        *,
        ipv4: str | None,
        ipv6: str | None,
        user_data: str,
        ssh_keys: Sequence[str],
        hostname: str,
        image: Path | None,
        suite: str = "trixie",
    ) -> None:
        """Put an image on a new disk."""

    def power_on(self, server: int) -> None:
        """Start."""

    def shutdown(self, server: int) -> None:
        """Press the power button."""

    def power_off(self, server: int) -> None:
        """Cut the power."""

    def reset(self, server: int) -> None:
        """Cut the power and give it back."""

    def rebuild(self, server: int, user_data: str, image: Path | None) -> None:
        """Put a fresh image on the disk."""

    def delete(self, server: int) -> None:
        """Remove the server and its disk."""

    def running(self, server: int) -> bool:
        """Say whether it is powered on."""

    def set_addresses(self, server: int, addresses: Sequence[str]) -> None:
        """Give it exactly these addresses."""

    def snapshot(self, server: int, image: int) -> Path | None:
        """Copy the disk; return where the copy is."""

    def set_firewall(self, server: int, rules: Rules) -> None:
        """Filter in front of the server; None for no filter."""

    def make_volume(self, volume: int, gigabytes: int, filesystem: str | None) -> None:
        """Make a volume or grow it; a filesystem only on a new one."""

    def remove_volume(self, volume: int) -> None:
        """Destroy a volume."""

    def attach_volume(self, server: int, volume: int) -> None:
        """Plug a volume in."""

    def detach_volume(self, server: int, volume: int) -> None:
        """Pull a volume out."""

    def balancer_addresses(self, number: int) -> tuple[str, str]:
        """Return the IPv4 and IPv6 address of load balancer number `number`, counted from 0."""

    def wire(self, world: World) -> None:
        """Make private networks and load balancers as the state has them."""

    def health(self, balancer: int) -> Mapping[tuple[int, str], str]:
        """Return what a load balancer's checks say of each target, by listening port and name of the target."""


class NullHardware:
    """No machines: remembers what is powered on. A server in `deaf` does not react to its power button."""

    inline = True

    def __init__(self) -> None:
        self.on: set[int] = set()
        self.deaf: set[int] = set()
        self.firewalls: dict[int, Rules] = {}
        self.calls: list[tuple[Any, ...]] = []

    def ipv4(self, number: int) -> str:
        """Return an address of the documentation's pool."""
        return str(IPv4Address("10.96.0.1") + number)

    def ipv6(self, number: int) -> str:
        """Return a network of the documentation's pool."""
        return str(IPv6Network(((0x20010DB8 << 96) + (number << 64), 64)))

    def create(
        self,
        server: int,
        *,
        ipv4: str | None,
        ipv6: str | None,
        user_data: str,
        ssh_keys: Sequence[str],
        hostname: str,
        image: Path | None,
        suite: str = "trixie",
    ) -> None:
        """Note the call."""
        self.calls.append(("create", server, ipv4, ipv6, user_data, tuple(ssh_keys), hostname))

    def power_on(self, server: int) -> None:
        """Note that it runs."""
        self.on.add(server)

    def shutdown(self, server: int) -> None:
        """Stop, unless deaf."""
        if server not in self.deaf:
            self.on.discard(server)

    def power_off(self, server: int) -> None:
        """Stop."""
        self.on.discard(server)

    def reset(self, server: int) -> None:
        """Run."""
        self.on.add(server)

    def rebuild(self, server: int, user_data: str, image: Path | None) -> None:
        """Note the call."""
        self.calls.append(("rebuild", server, user_data))

    def delete(self, server: int) -> None:
        """Forget."""
        self.on.discard(server)
        self.firewalls.pop(server, None)

    def running(self, server: int) -> bool:
        """Say whether it runs."""
        return server in self.on

    def set_addresses(self, server: int, addresses: Sequence[str]) -> None:
        """Note the call."""
        self.calls.append(("set_addresses", server, tuple(addresses)))

    def snapshot(self, server: int, image: int) -> Path | None:
        """Copy nothing."""
        return None

    def set_firewall(self, server: int, rules: Rules) -> None:
        """Remember the rules."""
        self.firewalls[server] = rules

    def make_volume(self, volume: int, gigabytes: int, filesystem: str | None) -> None:
        """Note the call."""
        self.calls.append(("make_volume", volume, gigabytes, filesystem))

    def remove_volume(self, volume: int) -> None:
        """Note the call."""
        self.calls.append(("remove_volume", volume))

    def attach_volume(self, server: int, volume: int) -> None:
        """Note the call."""
        self.calls.append(("attach_volume", server, volume))

    def detach_volume(self, server: int, volume: int) -> None:
        """Note the call."""
        self.calls.append(("detach_volume", server, volume))

    def balancer_addresses(self, number: int) -> tuple[str, str]:
        """Return addresses of the documentation's ranges."""
        return f"198.18.128.{number + 1}", f"2001:db8:2:{number:x}::1"

    def wire(self, world: World) -> None:
        """Connect nothing."""

    def health(self, balancer: int) -> Mapping[tuple[int, str], str]:
        """Know nothing."""
        return {}


class LabHardware:
    """The machines of a lab."""

    inline = False

    def __init__(self, lab: Lab) -> None:
        from lab.machine import Machines

        self._lab = lab
        self._machines = Machines(lab)
        self.create = self._machines.create
        self.shutdown = self._machines.shutdown
        self.power_off = self._machines.power_off
        self.rebuild = self._machines.rebuild
        self.delete = self._machines.delete
        self.running = self._machines.running
        self.set_addresses = self._machines.set_addresses
        self.snapshot = self._machines.snapshot
        self.detach_volume = self._machines.detach_volume
        self._wired: Any = None

    def ipv4(self, number: int) -> str:
        """Return address number `number` of the lab's pool."""
        from lab import net

        return net.server_address(self._lab, number)

    def ipv6(self, number: int) -> str:
        """Return network number `number` of the lab's pool."""
        from lab import net

        return net.server_network6(self._lab, number)

    def power_on(self, server: int) -> None:
        """Start with the firewall in front: its cable may be a new one, for which nothing is filtered yet."""
        from lab import net, private

        if not self._machines.running(server):
            addresses = json.loads(self._folder(server, "server.json").read_text(encoding="utf-8"))["addresses"]
            net.set_carrier(self._lab, f"s{server}", connected=True)
            net.plug_in(self._lab, f"s{server}", addresses)
            private.connect(self._lab, f"s{server}")
            kept = self._folder(server, "firewall.json")
            net.set_firewall(self._lab, f"s{server}", json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else None)
        self._machines.power_on(server)

    def reset(self, server: int) -> None:
        """Cut the power and give it back."""
        self.power_off(server)
        self.power_on(server)

    def set_firewall(self, server: int, rules: Rules) -> None:
        """Filter at the lab's side of the server's cable, now and at each later start."""
        from lab import net

        kept = self._folder(server, "firewall.json")
        if kept.parent.is_dir():
            kept.write_text(json.dumps(rules), encoding="utf-8")
        if net.exists(self._lab, f"s{server}"):
            net.set_firewall(self._lab, f"s{server}", rules)

    def _folder(self, server: int, name: str) -> Path:
        return self._lab.root / "servers" / str(server) / name

    def make_volume(self, volume: int, gigabytes: int, filesystem: str | None) -> None:
        """Make or grow the file behind the volume, with a filesystem when asked."""
        from lab import disks
        from lab.shell import run

        path = disks.make(self._lab, volume, gigabytes)
        if filesystem:
            run(f"mkfs.{filesystem}", *(["-q"] if filesystem == "ext4" else []), path)

    def remove_volume(self, volume: int) -> None:
        """Delete the file behind the volume."""
        from lab import disks

        disks.remove(self._lab, volume)

    def attach_volume(self, server: int, volume: int) -> None:
        """Plug the volume's file into the server."""
        from lab import disks

        self._machines.attach_volume(server, volume, disks.volume_file(self._lab, volume))

    def balancer_addresses(self, number: int) -> tuple[str, str]:
        """Return addresses of the lab's pool."""
        from lab.balancer import addresses

        return addresses(self._lab, number)

    def wire(self, world: World) -> None:
        """Declare networks first: a balancer may be a member."""
        from lab import balancer, private

        from . import wiring

        wanted = wiring.networks(world), wiring.balancers(world)
        if wanted == self._wired or (self._wired is None and not any(wanted)):
            return
        private.declare(self._lab, wanted[0])
        balancer.declare(self._lab, wanted[1])
        self._wired = wanted

    def health(self, balancer: int) -> Mapping[tuple[int, str], str]:
        """Return what HAProxy says."""
        from lab import balancer as real

        return real.health(self._lab, balancer)
