# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placement groups, certificates and floating IPs: data only, no packets."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from . import persistent
from .basics import Answer, alike, find_location, view_action
from .errors import ApiError, invalid
from .gate import Call
from .schema import LABELS, Field, boolean, choice, integer, many, nullable, parse, reference, text
from .world import Project, Resource, public

# --- placement groups

LARGEST_GROUP = 10
"""Servers in a group of type spread: https://docs.hetzner.com/cloud/placement-groups/overview/#limits."""


def view_group(project: Project, group: Resource) -> Resource:
    """Return a placement group as the vendor shows it."""
    return {**group, "servers": [one["id"] for one in project.all("servers") if one["placement_group"] == group["id"]]}


list_groups, get_group, put_group = alike("placement_groups", view_group, filters=("name", "type"))


def create_group(call: Call) -> Answer:
    """POST /placement_groups."""
    project = call.project
    body = parse(call.body, {"name": Field(text(1, 128), True), "type": Field(choice("spread"), True), "labels": LABELS})
    project.require_unique("placement_groups", body["name"])
    group = project.add("placement_groups", {**body, "labels": body["labels"] or {}, "created": project.world.now()})
    return 201, {"placement_group": view_group(project, group), "action": None}


def require_room(project: Project, group: Resource) -> None:
    """Refuse an eleventh server. The limit is the vendor's; which code it refuses with is written nowhere."""
    if len(view_group(project, group)["servers"]) >= LARGEST_GROUP:
        raise ApiError("resource_limit_exceeded", "the placement group allows no more servers", {"limits": [{"name": "placement_group_servers"}]})


def delete_group(call: Call) -> Answer:
    """DELETE /placement_groups/{id}."""
    if view_group(call.project, call.project.get("placement_groups", call.id))["servers"]:
        raise ApiError("resource_in_use", "placement group still has servers")
    return _gone(call, "placement_groups")


def _gone(call: Call, kind: str) -> Answer:
    del call.project.data[kind][str(call.id)]
    call.project.touch()
    return 204, None


# --- certificates


def view_certificate(project: Project, certificate: Resource) -> Resource:
    """Return a certificate as the vendor shows it, which never repeats the key."""
    used = [one["id"] for one in project.all("load_balancers") if any(certificate["id"] in _certificates(service) for service in one["services"])]
    return {**public(certificate), "used_by": [{"id": number, "type": "load_balancer"} for number in used]}


def _certificates(service: Resource) -> list[int]:
    found: list[int] = (service.get("http") or {}).get("certificates") or []
    return found


list_certificates, get_certificate, put_certificate = alike("certificates", view_certificate, filters=("name", "type"))


def create_certificate(call: Call) -> Answer:
    """POST /certificates: an uploaded one is there at once, a managed one is issued meanwhile."""
    fields = {
        "name": Field(text(1, 128), True),
        "type": Field(choice("uploaded", "managed"), default="uploaded"),
        "certificate": Field(text(1)),
        "private_key": Field(text(1)),
        "domain_names": Field(many(text(1, 253))),
        "labels": LABELS,
    }
    body, project = parse(call.body, fields), call.project
    project.require_unique("certificates", body["name"])
    managed = body["type"] == "managed"
    for wrong in (name for name in ("certificate", "private_key", "domain_names") if (body[name] is None) == (managed == (name == "domain_names"))):
        raise invalid(wrong, f"{'is needed' if body[wrong] is None else 'is not allowed'} for a certificate of type {body['type']}")
    shown = _managed(body["domain_names"]) if managed else _uploaded(body["certificate"], body["private_key"])
    new = {"name": body["name"], "type": body["type"], "labels": body["labels"] or {}, "created": project.world.now(), **shown}
    certificate = project.add("certificates", new)
    if not managed:
        return 201, {"certificate": view_certificate(project, certificate)}
    issued = _issued(project, body["domain_names"]) | {"status": {"issuance": "completed", "renewal": "scheduled", "error": None}}
    failed = {"status": {"issuance": "failed", "renewal": "unavailable", "error": {"code": "action_failed", "message": "the certificate was not issued"}}}
    number = certificate["id"]
    action = project.act(
        "create_certificate",
        [("certificate", number)],
        # which the vendor's authority takes on average
        seconds=75,
        patches=[("certificates", number, issued)],
        on_error=[("certificates", number, failed)],
    )
    return 201, {"certificate": view_certificate(project, certificate), "action": view_action(action)}


def _managed(domains: list[str]) -> Resource:
    unknown = dict.fromkeys(("certificate", "not_valid_before", "not_valid_after", "fingerprint"))
    return {**unknown, "domain_names": domains, "status": {"issuance": "pending", "renewal": "unavailable", "error": None}}


def _issued(project: Project, domains: list[str]) -> Resource:
    """Make what an authority would: a certificate for 90 days, here signed by its own key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, domains[0])])
    begins = datetime.datetime.fromtimestamp(project.world.clock(), datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begins, begins + datetime.timedelta(days=90))
    signed = made.sign(key, hashes.SHA256())
    return _shown(signed) | {"certificate": signed.public_bytes(serialization.Encoding.PEM).decode(), "domain_names": domains}


def _uploaded(certificate: str, key: str) -> Resource:
    """Read a certificate and hold its key against it."""
    try:
        found = x509.load_pem_x509_certificate(certificate.encode())
        private = serialization.load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise invalid("certificate", "certificate or private key is not valid PEM") from error
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if private.public_key().public_bytes(*form) != found.public_key().public_bytes(*form):
        raise invalid("private_key", "private key does not belong to the certificate")
    return _shown(found) | {"certificate": certificate, "domain_names": _domains(found), "status": None}


def _shown(found: x509.Certificate) -> Resource:
    return {
        "not_valid_before": _moment(found.not_valid_before_utc),
        "not_valid_after": _moment(found.not_valid_after_utc),
        "fingerprint": ":".join(f"{byte:02x}" for byte in found.fingerprint(hashes.SHA256())),
    }


def _domains(certificate: x509.Certificate) -> list[str]:
    common = [str(one.value) for one in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    try:
        other = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        other = []
    return list(dict.fromkeys([*common, *other]))


def _moment(when: datetime.datetime) -> str:
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")


def delete_certificate(call: Call) -> Answer:
    """DELETE /certificates/{id}."""
    if view_certificate(call.project, call.project.get("certificates", call.id))["used_by"]:
        raise ApiError("resource_in_use", "certificate is still in use")
    return _gone(call, "certificates")


# --- floating IPs


def view_floating(project: Project, ip: Resource) -> Resource:
    """Return a floating IP as the vendor shows it."""
    return {**public(ip), "home_location": next(one for one in project.world.locations if one["name"] == ip["home_location"])}


list_floatings, get_floating, put_floating = alike("floating_ips", view_floating, sorts=("id", "created"), more={"description": Field(text(0, 255))})


def create_floating(call: Call) -> Answer:
    """POST /floating_ips."""
    fields = {
        "type": Field(choice("ipv4", "ipv6"), True),
        "server": Field(nullable(integer())),
        "home_location": Field(reference),
        "description": Field(text(0, 255)),
        "name": Field(text(1, 128)),
        "labels": LABELS,
    }
    body, project = parse(call.body, fields), call.project
    place, server = body["home_location"], body["server"]
    known = {one[key] for one in project.world.locations for key in ("id", "name")}
    if (server is None and place not in {str(one) for one in known}) or (server is not None and str(server) not in project.data["servers"]):
        message = "invalid input in fields 'server', 'home_location'"
        raise ApiError("invalid_input", message, {"fields": [{"name": name, "messages": ["either is needed"]} for name in ("server", "home_location")]})
    if body["name"]:
        project.require_unique("floating_ips", body["name"])
    persistent.require_limit(project, "floating_ip_limit")
    home = find_location(project, place)["name"] if server is None else project.get("servers", server)["location"]
    new = {
        "name": body["name"] or f"floating-ip-{project.world.next_id()}",
        "description": body["description"],
        "type": body["type"],
        "server": server,
        "home_location": home,
        "blocked": False,
        "protection": {"delete": False},
        "labels": body["labels"] or {},
        "created": project.world.now(),
    }
    ip = project.add("floating_ips", new)
    four, six = reserved_addresses(1, ip["id"])
    ip.update(
        {"ip": four, "dns_ptr": [{"ip": four, "dns_ptr": persistent.usual_pointer(four)}]} if body["type"] == "ipv4" else {"ip": f"{six}/64", "dns_ptr": []}
    )
    done = {} if server is None else {"action": _floating_action(project, "assign_floating_ip", ip, server)}
    return 201, {"floating_ip": view_floating(project, ip), **done}


def reserved_addresses(kind: int, number: int) -> tuple[str, str]:
    """Return addresses of the documentation's ranges for what has no machine, an IPv4 and an IPv6 network without its mask."""
    return f"198.18.{kind * 64 + number // 250 % 64}.{number % 250 + 1}", f"2001:db8:{kind:x}:{number % 65536:x}::"


def _floating_action(project: Project, command: str, ip: Resource, server: int | None) -> Resource:
    resources = [("floating_ip", ip["id"]), *([("server", server)] if server else [])]
    return view_action(project.act(command, resources, seconds=0.5))


def delete_floating(call: Call) -> Answer:
    """DELETE /floating_ips/{id}."""
    if call.project.get("floating_ips", call.id)["protection"]["delete"]:
        raise ApiError("protected", "Floating IP deletion is protected")
    return _gone(call, "floating_ips")


def assign_floating(call: Call) -> Answer:
    """POST /floating_ips/{id}/actions/assign: also from one server to another."""
    ip = call.project.get("floating_ips", call.id)
    ip["server"] = call.project.get("servers", parse(call.body, {"server": Field(integer(), True)})["server"])["id"]
    return 201, {"action": _floating_action(call.project, "assign_floating_ip", ip, ip["server"])}


def unassign_floating(call: Call) -> Answer:
    """POST /floating_ips/{id}/actions/unassign."""
    ip = call.project.get("floating_ips", call.id)
    parse(call.body, {})
    server, ip["server"] = ip["server"], None
    return 201, {"action": _floating_action(call.project, "unassign_floating_ip", ip, server)}


def protect_floating(call: Call) -> Answer:
    """POST /floating_ips/{id}/actions/change_protection."""
    ip = call.project.get("floating_ips", call.id)
    ip["protection"] = parse(call.body, {"delete": Field(boolean, default=ip["protection"]["delete"])})
    return 201, {"action": _floating_action(call.project, "change_protection", ip, None)}


def floating_pointer(call: Call) -> Answer:
    """POST /floating_ips/{id}/actions/change_dns_ptr."""
    ip = call.project.get("floating_ips", call.id)
    persistent.set_pointer(ip, parse(call.body, persistent.POINTER))
    return 201, {"action": _floating_action(call.project, "change_dns_ptr", ip, None)}
