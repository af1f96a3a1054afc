# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's error table: every code with the HTTP status it comes with."""

from __future__ import annotations

from typing import Any

STATUS = {
    "json_error": 400,
    "unauthorized": 401,
    "token_readonly": 403,
    "forbidden": 403,
    "resource_limit_exceeded": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "uniqueness_error": 409,
    "conflict": 409,
    "deprecated_api_endpoint": 410,
    "resource_unavailable": 412,
    "invalid_input": 422,
    "unsupported_error": 422,
    "server_not_stopped": 422,
    "already_in_placement_group": 422,
    "firewall_already_applied": 422,
    "firewall_managed_by_label_selector": 422,
    "firewall_resource_not_found": 404,
    "invalid_server_type": 422,
    "ip_not_available": 422,
    "must_be_unassigned": 422,
    "invalid_load_balancer_type": 422,
    "load_balancer_not_attached_to_network": 422,
    "load_balancer_already_attached": 422,
    "load_balancer_public_interface_disabled": 422,
    "resolve_cloud_private_targets_error": 422,
    "resolve_cloud_public_targets_error": 422,
    "source_port_already_used": 412,
    "target_already_defined": 422,
    "targets_without_use_private_ip": 422,
    "no_subnet_available": 422,
    "placement_error": 422,
    "primary_ip_already_assigned": 422,
    "primary_ip_assigned": 422,
    "primary_ip_datacenter_mismatch": 422,
    "primary_ip_version_mismatch": 412,
    "resource_in_use": 422,
    "server_already_added": 422,
    "server_already_attached": 422,
    "server_has_ipv4": 422,
    "server_has_ipv6": 422,
    "volume_already_attached": 422,
    "locked": 423,
    "protected": 423,
    "rate_limit_exceeded": 429,
}


class ApiError(Exception):
    """A request the vendor refuses."""

    def __init__(self, code: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = STATUS[code]
        self.details = details

    def body(self) -> dict[str, Any]:
        """Return the error as the vendor's JSON."""
        return {"error": {"code": self.code, "message": str(self), "details": self.details}}


def invalid(field: str, message: str) -> ApiError:
    """Return the refusal of one field."""
    return ApiError("invalid_input", f"invalid input in field '{field}'", {"fields": [{"name": field, "messages": [message]}]})


def not_unique(field: str, message: str) -> ApiError:
    """Return the refusal of a name or key that is taken."""
    return ApiError("uniqueness_error", message, {"fields": [{"name": field}]})
