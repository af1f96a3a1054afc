# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zone settings, one endpoint per setting: allowed values, the vendor's defaults, and what the plan does not let one edit."""

from __future__ import annotations

from typing import Any

from .errors import ApiError
from .state import Json, now

TOGGLE = ("on", "off")
CHALLENGE_TTL = (300, 900, 1800, 2700, 3600, 7200, 10800, 14400, 28800, 57600, 86400, 604800, 2592000, 31536000)
BROWSER_TTL = (
    0,
    30,
    60,
    120,
    300,
    1200,
    1800,
    3600,
    7200,
    10800,
    14400,
    18000,
    28800,
    43200,
    57600,
    72000,
    86400,
    172800,
    259200,
    345600,
    432000,
    691200,
    1382400,
    2073600,
    2678400,
    5356800,
    16070400,
    31536000,
)
# setting: (allowed values, default)
SETTINGS: dict[str, tuple[tuple[Any, ...], Any]] = {
    "ssl": (("off", "flexible", "full", "strict"), "full"),
    "always_use_https": (TOGGLE, "off"),
    "min_tls_version": (("1.0", "1.1", "1.2", "1.3"), "1.0"),
    "tls_1_3": (("on", "off", "zrt"), "on"),
    "security_level": (("off", "essentially_off", "low", "medium", "high", "under_attack"), "medium"),
    "challenge_ttl": (CHALLENGE_TTL, 1800),
    "cache_level": (("aggressive", "basic", "simplified"), "aggressive"),
    "browser_cache_ttl": (BROWSER_TTL, 14400),
    "tls_client_auth": (TOGGLE, "off"),
    "development_mode": (TOGGLE, "off"),
    "automatic_https_rewrites": (TOGGLE, "on"),
    "opportunistic_encryption": (TOGGLE, "on"),
    "browser_check": (TOGGLE, "on"),
    "email_obfuscation": (TOGGLE, "on"),
    "hotlink_protection": (TOGGLE, "off"),
    "ip_geolocation": (TOGGLE, "on"),
    "ipv6": (TOGGLE, "on"),
    "http2": (TOGGLE, "on"),
    "http3": (TOGGLE, "on"),
    "0rtt": (TOGGLE, "off"),
    "brotli": (TOGGLE, "on"),
    "early_hints": (TOGGLE, "off"),
    "rocket_loader": (TOGGLE, "off"),
    "websockets": (TOGGLE, "on"),
    "always_online": (TOGGLE, "off"),
    "polish": (("off", "lossless", "lossy"), "off"),
    "webp": (TOGGLE, "off"),
    "mirage": (TOGGLE, "off"),
    "waf": (TOGGLE, "off"),
    "true_client_ip_header": (TOGGLE, "off"),
    "response_buffering": (TOGGLE, "off"),
    "sort_query_string_for_cache": (TOGGLE, "off"),
    "origin_error_page_pass_thru": (TOGGLE, "off"),
    "h2_prioritization": (("on", "off", "custom"), "off"),
    "image_resizing": (("on", "off", "open"), "off"),
    "proxy_read_timeout": (tuple(range(1, 6001)), 100),
    "pseudo_ipv4": (("off", "add_header", "overwrite_header"), "off"),
}
PAID = {
    "polish": "pro",
    "webp": "pro",
    "mirage": "pro",
    "waf": "pro",
    "h2_prioritization": "pro",
    "image_resizing": "business",
    "true_client_ip_header": "enterprise",
    "response_buffering": "enterprise",
    "sort_query_string_for_cache": "enterprise",
    "origin_error_page_pass_thru": "enterprise",
    "proxy_read_timeout": "enterprise",
}
RANKS = ("free", "pro", "business", "enterprise")


def read(zone: Json, name: str) -> Json:
    """One setting as the API answers it."""
    if name not in SETTINGS:
        raise ApiError(400, 1006, f"Unrecognized zone setting name: {name}")
    kept = zone["settings"].get(name, {"value": SETTINGS[name][1], "modified_on": None})
    answer: Json = {"id": name, "value": kept["value"], "modified_on": kept["modified_on"], "editable": editable(zone, name)}
    if name == "development_mode":
        answer["time_remaining"] = 0
    return answer


def editable(zone: Json, name: str) -> bool:
    """Whether the zone's plan lets this setting be changed."""
    return RANKS.index(zone["plan"]) >= RANKS.index(PAID.get(name, "free"))


def edit(zone: Json, name: str, body: Json) -> Json:
    """Change one setting. The value has to be of the setting's own type: no `true` for `on`, no `1.2` for `"1.2"`."""
    read(zone, name)
    if not editable(zone, name):
        raise ApiError(400, 1057, f"This zone setting is not available for your plan: {name}")
    value = body.get("value")
    if not any(type(value) is type(choice) and value == choice for choice in SETTINGS[name][0]):
        raise ApiError(400, 1007, f"Invalid value for zone setting {name}")
    zone["settings"][name] = {"value": value, "modified_on": now()}
    return read(zone, name)
