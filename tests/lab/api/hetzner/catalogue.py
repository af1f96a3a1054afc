# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the vendor sells: locations, server types with prices and stock, images. A realistic mid-2026 catalogue, net prices in euros."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

VAT = Decimal("1.19")
TERABYTE = 1024**4
PRIMARY_IPV4 = {"fsn1": "0.60", "nbg1": "0.60", "hel1": "0.60", "ash": "0.60", "hil": "0.60", "sin": "0.60"}
VOLUME_GB = "0.0572"

_LOCATIONS = [
    (1, "fsn1", "Falkenstein DC Park 1", "DE", "Falkenstein", 50.47612, 12.370071, "eu-central"),
    (2, "nbg1", "Nuremberg DC Park 1", "DE", "Nuremberg", 49.452102, 11.076665, "eu-central"),
    (3, "hel1", "Helsinki DC Park 1", "FI", "Helsinki", 60.169855, 24.938379, "eu-central"),
    (4, "ash", "Ashburn, VA", "US", "Ashburn, VA", 39.045821, -77.487073, "us-east"),
    (5, "hil", "Hillsboro, OR", "US", "Hillsboro, OR", 45.54222, -122.951924, "us-west"),
    (6, "sin", "Singapore", "SG", "Singapore", 1.283333, 103.833333, "ap-southeast"),
]
_EU, _US, _SIN = ("fsn1", "nbg1", "hel1"), ("ash", "hil"), ("sin",)
# family: (cpu type, architecture, category); type: (id, cores, GB of memory, GB of disk, {locations: (euros a month, TB of traffic)})
_FAMILIES = {
    "cx": ("shared", "x86", "Cost-Optimized"),
    "cax": ("shared", "arm", "Cost-Optimized"),
    "cpx": ("shared", "x86", "Regular Performance"),
    "ccx": ("dedicated", "x86", "General Purpose"),
}
_TYPES: dict[str, tuple[int, int, float, int, dict[tuple[str, ...], tuple[str, int]]]] = {
    "cx11": (1, 1, 2, 20, {_EU: ("3.29", 20)}),
    "cpx11": (22, 2, 2, 40, {_US: ("17.99", 1), _EU: ("6.49", 20)}),
    "cpx21": (23, 3, 4, 80, {_US: ("32.99", 2), _EU: ("11.99", 20)}),
    "cpx31": (24, 4, 8, 160, {_US: ("62.99", 3), _EU: ("20.99", 20)}),
    "cpx41": (25, 8, 16, 240, {_US: ("120.99", 4), _EU: ("38.99", 20)}),
    "cpx51": (26, 16, 32, 360, {_US: ("238.49", 5), _EU: ("79.99", 20)}),
    "cax11": (45, 2, 4, 40, {_EU: ("5.49", 20)}),
    "cax21": (93, 4, 8, 80, {_EU: ("9.49", 20)}),
    "cax31": (94, 8, 16, 160, {_EU: ("18.49", 20)}),
    "cax41": (95, 16, 32, 320, {_EU: ("36.49", 20)}),
    "ccx13": (96, 2, 8, 80, {_EU: ("18.99", 20), _US: ("42.99", 1), _SIN: ("46.99", 1)}),
    "ccx23": (97, 4, 16, 160, {_EU: ("36.49", 20), _US: ("84.99", 2), _SIN: ("91.99", 2)}),
    "ccx33": (98, 8, 32, 240, {_EU: ("72.49", 30), _US: ("167.99", 3), _SIN: ("181.99", 3)}),
    "ccx43": (99, 16, 64, 360, {_EU: ("144.49", 40), _US: ("334.49", 4), _SIN: ("361.99", 4)}),
    "ccx53": (100, 32, 128, 600, {_EU: ("288.49", 50), _US: ("667.99", 6), _SIN: ("721.99", 6)}),
    "ccx63": (101, 48, 192, 960, {_EU: ("432.49", 60), _US: ("999.99", 8), _SIN: ("1081.99", 8)}),
    "cpx12": (108, 1, 2, 40, {_EU: ("7.99", 20), _SIN: ("16.99", 1)}),
    "cpx22": (109, 2, 4, 80, {_EU: ("12.49", 20), _SIN: ("26.99", 1)}),
    "cpx32": (110, 4, 8, 160, {_EU: ("22.49", 20), _SIN: ("50.99", 2)}),
    "cpx42": (111, 8, 16, 320, {_EU: ("42.49", 20), _SIN: ("96.99", 3)}),
    "cpx52": (112, 12, 24, 480, {_EU: ("61.99", 20), _SIN: ("142.99", 4)}),
    "cpx62": (113, 16, 32, 640, {_EU: ("83.99", 20), _SIN: ("188.99", 5)}),
    "cx23": (114, 2, 4, 40, {_EU: ("4.99", 20)}),
    "cx33": (115, 4, 8, 80, {_EU: ("8.99", 20)}),
    "cx43": (116, 8, 16, 160, {_EU: ("16.49", 20)}),
    "cx53": (117, 16, 32, 320, {_EU: ("29.99", 20)}),
}
# The first generation of CPX can no longer be ordered in Europe; it stays listed for those who have one.
_DEPRECATED_IN_EU = frozenset({"cpx11", "cpx21", "cpx31", "cpx41", "cpx51"})
# Of what was sold first, which nobody can order any more, nothing but the list of types is left.
_GONE = {"cx11": {"announced": "2024-06-06T08:00:00Z", "unavailable_after": "2024-09-06T00:00:00Z"}}
_DEPRECATION = {"announced": "2025-10-16T06:00:00Z", "unavailable_after": "2025-12-31T23:59:59Z"}
_IMAGES = [
    ("debian-12", "Debian 12", "debian", "12", 114690387, 114690389),
    ("debian-13", "Debian 13", "debian", "13", 310557660, 310557662),
    ("ubuntu-24.04", "Ubuntu 24.04", "ubuntu", "24.04", 161547269, 161547270),
    ("ubuntu-26.04", "Ubuntu 26.04", "ubuntu", "26.04", 371547269, 371547270),
    ("rocky-10", "Rocky Linux 10", "rocky", "10", 305557660, 305557662),
]


def locations() -> list[dict[str, Any]]:
    """Return every location."""
    keys = ("id", "name", "description", "country", "city", "latitude", "longitude", "network_zone")
    return [dict(zip(keys, row, strict=True)) for row in _LOCATIONS]


def money(net: str | Decimal) -> dict[str, str]:
    """Return a price as the vendor writes it: net and gross as decimal strings."""
    return {"net": f"{Decimal(net):.10f}", "gross": f"{Decimal(net) * VAT:.16f}"}


def server_types() -> list[dict[str, Any]]:
    """Return every server type with prices and stock per location."""
    return [_server_type(name) for name in _TYPES]


def _server_type(name: str) -> dict[str, Any]:
    number, cores, memory, disk, sold = _TYPES[name]
    cpu_type, architecture, category = _FAMILIES[name.rstrip("0123456789")]
    ids = {row[1]: row[0] for row in _LOCATIONS}
    places = [(place, price, traffic) for group, (price, traffic) in sold.items() for place in group]
    everywhere = _GONE.get(name)
    gone = {place: everywhere or (_DEPRECATION if name in _DEPRECATED_IN_EU and place in _EU else None) for place, _price, _traffic in places}
    return {
        "id": number,
        "name": name,
        "description": name.upper(),
        "cores": cores,
        "memory": float(memory),
        "disk": disk,
        "deprecated": everywhere is not None,
        "deprecation": everywhere,
        "prices": [_price(place, price, traffic) for place, price, traffic in places],
        "storage_type": "local",
        "cpu_type": cpu_type,
        "category": category,
        "architecture": architecture,
        "locations": [
            {
                "id": ids[place],
                "name": place,
                "deprecation": gone[place],
                "recommended": not gone[place],
                "available": not gone[place],
            }
            for place, _euros, _traffic in places
        ],
    }


# name: (id, connections, services, targets, certificates, euros a month)
_BALANCERS = {"lb11": (1, 10000, 5, 25, 10, "5.39"), "lb21": (2, 20000, 15, 75, 25, "16.40"), "lb31": (3, 40000, 30, 150, 50, "32.90")}


def load_balancer_types() -> list[dict[str, Any]]:
    """Return every type of load balancer."""
    return [
        {
            "id": number,
            "name": name,
            "description": name.upper(),
            "max_connections": connections,
            "max_services": services,
            "max_targets": targets,
            "max_assigned_certificates": certificates,
            "deprecated": None,
            "deprecation": None,
            "prices": [_price(row[1], euros, 20) for row in _LOCATIONS],
        }
        for name, (number, connections, services, targets, certificates, euros) in _BALANCERS.items()
    ]


_ISOS = [
    (122898, "systemrescue-12.02-amd64.iso", "SystemRescue 12.02", "x86"),
    (120980, "debian-13.1.0-amd64-netinst.iso", "Debian 13.1 (amd64/netinstall)", "x86"),
    (120981, "debian-13.1.0-arm64-netinst.iso", "Debian 13.1 (arm64/netinstall)", "arm"),
    (119702, "nixos-minimal-25.05-aarch64-linux.iso", "NixOS 25.05 (aarch64/minimal)", "arm"),
    (119701, "AlmaLinux-10-latest-aarch64-dvd.iso", "AlmaLinux 10 (aarch64)", "arm"),
]


def isos() -> list[dict[str, Any]]:
    """Return some of the vendor's boot media."""
    return [
        {"id": number, "name": name, "description": description, "type": "public", "deprecation": None, "architecture": architecture}
        for number, name, description, architecture in _ISOS
    ]


def _price(location: str, monthly: str, traffic: int) -> dict[str, Any]:
    return {
        "location": location,
        "price_hourly": money((Decimal(monthly) / 624).quantize(Decimal("0.0001"))),
        "price_monthly": money(monthly),
        "included_traffic": traffic * TERABYTE,
        "price_per_tb_traffic": money("1.00" if location in _EU else "7.40" if location == "sin" else "1.00"),
    }


def images() -> list[dict[str, Any]]:
    """Return the vendor's system images, one per architecture."""
    return [_image(number, architecture, *row[:4]) for row in _IMAGES for architecture, number in (("x86", row[4]), ("arm", row[5]))]


def _image(number: int, architecture: str, name: str, description: str, flavor: str, version: str) -> dict[str, Any]:
    return {
        "id": number,
        "type": "system",
        "status": "available",
        "name": name,
        "description": description,
        "image_size": None,
        "disk_size": 5,
        "created": "2025-08-09T06:00:00Z",
        "created_from": None,
        "bound_to": None,
        "os_flavor": flavor,
        "os_version": version,
        "rapid_deploy": True,
        "protection": {"delete": False},
        "deprecated": None,
        "deleted": None,
        "labels": {},
        "architecture": architecture,
    }


def pricing() -> dict[str, Any]:
    """Return the price list of what is not a server."""
    hour = {place: money((Decimal(euros) / 624).quantize(Decimal("0.0001"))) for place, euros in PRIMARY_IPV4.items()}
    ipv4 = [{"location": place, "price_hourly": hour[place], "price_monthly": money(euros)} for place, euros in PRIMARY_IPV4.items()]
    ipv6 = [{"location": place, "price_hourly": money("0"), "price_monthly": money("0")} for place in PRIMARY_IPV4]
    floating = [{"location": place, "price_monthly": money("3.60")} for place in PRIMARY_IPV4]
    return {
        "currency": "EUR",
        "vat_rate": "19.000000",
        "primary_ips": [{"type": "ipv4", "prices": ipv4}, {"type": "ipv6", "prices": ipv6}],
        "floating_ips": [{"type": "ipv4", "prices": floating}, {"type": "ipv6", "prices": floating}],
        "floating_ip": {"price_monthly": money("3.60")},
        "image": {"price_per_gb_month": money("0.0143")},
        "volume": {"price_per_gb_month": money(VOLUME_GB)},
        "server_backup": {"percentage": "20.0000000000"},
        "server_types": [{"id": one["id"], "name": one["name"], "prices": one["prices"]} for one in server_types()],
        "load_balancer_types": [{"id": one["id"], "name": one["name"], "prices": one["prices"]} for one in load_balancer_types()],
    }
