# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Hetzner's refusals mean, and what to do about them."""

from __future__ import annotations

import typing as t

from ..api.errors import Failure

RETRY_ALWAYS = frozenset({"conflict", "locked", "rate_limit_exceeded"})
"""The API did nothing: any request may be repeated."""
RETRY_STATUS = frozenset({500, 502, 503, 504})
"""Nobody knows whether the API did it: only what has the same effect twice may be repeated."""

HINTS: dict[str, str] = {
    "unauthorized": "The API token is unknown or was revoked. Make one in the Hetzner Console under Security > API tokens.",
    "forbidden": "The token may not do this. Check which project it belongs to.",
    "token_readonly": "The token may only read. Make one with read and write permission.",
    "resource_limit_exceeded": "The account's limit is reached. Ask Hetzner for a higher one (Console > Limits) or delete what is not needed.",
    "not_found": "It may have been deleted by somebody else meanwhile. Run again.",
    "uniqueness_error": "The name or key exists already in this project.",
    "conflict": "It was changed by somebody else meanwhile, several times in a row. Run again.",
    "deprecated_api_endpoint": "Hetzner removed this function. A newer release of the collection is needed.",
    "resource_unavailable": "Sold out at this location for the moment. Allow another type or another location, or try later.",
    "placement_error": "Hetzner found no place for the server. Try again later, or another type or location.",
    "invalid_input": "The values do not fit together for Hetzner; the details name the field.",
    "invalid_server_type": "The type does not fit the server: its disk is smaller, its architecture another, or it is no longer sold.",
    "server_not_stopped": "The server has to be off for this.",
    "primary_ip_assigned": "The Primary IP belongs to another server. Unassign it there first; the server has to be off for that.",
    "wrong_primary_ip": "Swap the two while the server is off (Console > Primary IPs), or name the Primary IP that it has.",
    "volume_already_attached": "Detach it there first, after making sure that nothing there uses it any more.",
    "wrong_location": "Volumes and addresses cannot leave their location. Choose that location, or other ones.",
    "unknown_host_key": "Is it the right server? An adopted server keeps its own key: put its /etc/ssh/ssh_host_ed25519_key and .pub in place of those in "
    "the state folder, named <server>_ssh_host_ed25519_key, then run again. Lost that folder: restore it from its backup.",
    "cloud_init_failed": "See /var/log/cloud-init-output.log on the server. Its first boot is not complete: delete and make it again, or repair it by hand.",
    "ambiguous": "There has to be exactly one.",
    "action_failed": "Hetzner could not finish it. Run again; when it fails again, its activities in the Console say more.",
    "server_error": "Hetzner has a problem of its own. See status.hetzner.com, then run again.",
    "service_error": "Hetzner has a problem of its own. See status.hetzner.com, then run again.",
    "must_be_unassigned": "The Primary IP still belongs to a server.",
    "locked": "Another action was running on it for too long. See the server's activities in the Console, then run again.",
    "protected": "It is protected against this. Lift the protection on purpose first.",
    "rate_limit_exceeded": "The project's 3600 requests an hour are used up, by this or by something else with the same token's project. Wait a minute.",
    "missing_library": "Install the collection's requirements.txt into the Python that runs this (ansible_python_interpreter).",
    "unreachable": "Check the network, a proxy, and the address of the API.",
    "timeout": "The budget for waiting is used up; what was started goes on at Hetzner. Run again to pick it up.",
}


class HetznerError(Failure):
    """A request or an action that failed for good, in Hetzner's words.

    `code` is Hetzner's error code, or `unreachable`, `timeout`, `bad_answer`, or `no_plan`; `status` the HTTP status, 0 without an answer.
    """

    def __init__(self, code: str, message: str, *, status: int = 0, details: t.Any = None, doing: str = "") -> None:
        super().__init__(message, code, status=status, details=details)
        self.doing = doing

    def __str__(self) -> str:
        where = f"{self.doing}: " if self.doing else ""
        hint = HINTS.get(str(self.code), "")
        return f"{where}{self.message} ({self.code}){_fields(self.details)}.{' ' + hint if hint else ''}"


def _fields(details: t.Any) -> str:
    """Name the fields or limits the API complained about."""
    if not isinstance(details, dict):
        return ""
    named = [
        f"{one.get('name')}: {', '.join(map(str, one.get('messages', [])))}" if one.get("messages") else str(one.get("name"))
        for one in details.get("fields") or []
    ]
    named += [str(one.get("name")) for one in details.get("limits") or []]
    return f" [{'; '.join(named)}]" if named else ""
