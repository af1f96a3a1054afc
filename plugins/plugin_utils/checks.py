# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with one value: each function returns that, and how to put it right, or None. Values that may be secret are never repeated."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Optional
from urllib.parse import urlsplit

from ansible_collections.quetrex.platform.plugins.module_utils.writing import Inexpressible, plain_text, ssh_files

Check = Callable[[Any], Optional[str]]

LONGEST_VALUE = 128 * 1024 - 1
"""Bytes of NAME=value: the kernel's limit for one string of an environment."""
MOST_NETWORKS = 100
"""Networks in one rule of Hetzner's firewalls."""
LEAST_RSA_BITS = 2048

# Accounts and groups that Debian, Ubuntu and the packages of this collection bring, on whose names making a user fails or takes somebody over.
TAKEN = frozenset(
    """
    root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats _apt nobody nogroup adm tty disk kmem dialout fax voice
    cdrom floppy tape sudo audio dip operator src shadow utmp video sasl plugdev staff users input sgx kvm render crontab netdev ssh sshd _ssh messagebus
    systemd-network systemd-resolve systemd-timesync systemd-coredump systemd-journal tss uuidd tcpdump landscape pollinate fwupd-refresh lxd docker
    dhcpcd polkitd syslog postfix ntp chrony _chrony redis nginx postgres sugroup audit debian-exim wheel
    """.split()  # noqa: SIM905 - a table of words
)
# Where the distribution, the kernel or people keep their things; what is ours stands below /srv, /opt, /mnt, /media or a folder of its own.
SYSTEM_FOLDERS = frozenset(
    """
    bin boot dev etc home lib lib32 lib64 libx32 lost+found proc root run sbin sys tmp usr var
    """.split()  # noqa: SIM905 - a table of words
)
SHARED_FOLDERS = frozenset({"/srv", "/opt", "/mnt", "/media", "/opt/containerd"})
PLACEHOLDERS = frozenset({"changeme", "change-me", "secret", "xxx", "token", "todo", "fixme", "tbd", "password", "example", "none", "null", "undefined"})


def number(low: float, high: float, fix: str, whole: bool = False) -> Check:
    """Numbers, also as text, because an inventory's template, the command line and AWX give text; in digits, so that everybody reads the same."""
    pattern = r"0|[1-9][0-9]*" if whole else r"(0|[1-9][0-9]*)([.][0-9]+)?"

    def check(value: Any) -> Optional[str]:
        text = str(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else ""
        fits = re.fullmatch(pattern, text) and low <= float(text) <= high
        return None if fits else f"is {value!r}; {fix}"

    return check


def sealed(value: Any) -> Optional[str]:
    """A SOPS file that was read as plain YAML gives its sealed values."""
    if not str(value).startswith("ENC[AES256_GCM,"):
        return None
    return "is still encrypted by SOPS; set ANSIBLE_VARS_ENABLED=host_group_vars,community.sops.sops, so that Ansible opens such files"


def secret(fix: str, token: bool = False, shortest: int = 1) -> Check:
    """Present, in one line, and not the example's text; the value is never shown. A `token` goes into a header as it is."""

    def check(value: Any) -> Optional[str]:
        if isinstance(value, (int, float)):
            return f"is a number or a switch to YAML, which drops leading zeros; write it in quotes, or {fix}"
        if not isinstance(value, str) or not value:
            return f"is empty; {fix}"
        if re.search(r"\s", value):
            return f"contains white space; {fix}"
        if "{{" in value or "{%" in value:
            return f"is a template that nothing has filled in; {fix}"
        if "…" in value or value.lower() in PLACEHOLDERS:
            return f"is still an example; {fix}"
        if token and not re.fullmatch(r"[!#-&(-~]+", value):
            return f"has a quote or a letter that no token has; {fix}"
        if len(value) < shortest:
            return f"is too short; {fix}"
        return sealed(value)

    return check


def volume_key(value: Any) -> Optional[str]:
    fix = "give one of 32 characters or more (openssl rand -hex 32), or leave it out"
    return secret(fix, shortest=32)(value) or (f"repeats a few characters; {fix}" if len(set(value)) < 8 else None)


def url(value: Any, path: bool = True) -> Optional[str]:
    """An address of an API. A name and password in it would be printed; without TLS the token would be readable on its way, except at home."""
    if not isinstance(value, str) or not re.fullmatch(r"https?://[!-~]+", value):
        return f"is {value!r}; write a URL, beginning with https://"
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if "@" in parts.netloc:
        return "holds a name or a password; leave them out, the token is a setting of its own"
    if not host or parts.query or parts.fragment:
        return f"is {value!r}; write a URL with a host, and a port if it needs one"
    if not path and parts.path not in ("", "/"):
        return f"is {value!r}; write it without {parts.path}, the paths below it are known"
    if parts.scheme == "http" and not _at_home(host):
        return f"is {value!r}; write https://, a token is sent there"
    return None


def site_url(value: Any) -> Optional[str]:
    """An address without a path."""
    return url(value, path=False)


def _at_home(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".internal", ".test"))


def server_path(value: Any) -> Optional[str]:
    """A folder on the server that is ours alone, in letters that a shell, systemd, Compose and fstab leave as they are."""
    if not isinstance(value, str) or not re.fullmatch(r"(/[A-Za-z0-9_][A-Za-z0-9._-]*)+", value):
        return f"is {value!r}; write an absolute path of letters, digits, dots, - and _ without a slash at the end, for example /srv/platform"
    if value in SHARED_FOLDERS or value.split("/")[1] in SYSTEM_FOLDERS:
        return f"is {value!r}, which belongs to the system; name a folder of its own, for example /srv/platform"
    return None


def user(value: Any) -> Optional[str]:
    if isinstance(value, str) and value in TAKEN:
        return f"is {value!r}, which systems have already; name an ordinary user, it is made on the server"
    if isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", value):
        return None
    return f"is {value!r}; use small letters, digits, - and _, beginning with a letter"


def controller_path(value: Any) -> Optional[str]:
    fix = "write an absolute path on this machine"
    if not isinstance(value, str) or not value.startswith(("/", "~")) or re.search(r"[\0-\x1f\x7f]", value):
        return f"is {value!r}; {fix}"
    try:
        Path(value).expanduser()
    except RuntimeError:
        return f"is {value!r}, and there is no such user on this machine; {fix}"
    return None


def state_folder(value: Any) -> Optional[str]:
    """Its files are named to ssh; it must not be shared with others or be emptied at a start."""
    problem = controller_path(value)
    if problem:
        return problem
    path = Path(value).expanduser()
    if len(path.parts) < 3 or path == Path.home():
        return f"is {value!r}, which others use as well; name a folder of its own, for example ~/.local/state/platform"
    try:
        ssh_files(str(path))
    except Inexpressible as error:
        return str(error)
    return None


def existing_file(value: Any) -> Optional[str]:
    problem = controller_path(value)
    if problem or Path(value).expanduser().is_file():
        return problem
    return f"is {value!r}, and there is no such file on this machine; write the path of an existing file"


def key_file(value: Any) -> Optional[str]:
    """What ssh takes as an identity: a private key, or the public half of one that an agent holds."""
    problem = existing_file(value)
    if problem:
        return problem
    try:
        text = Path(value).expanduser().read_bytes()[:65536].decode("ascii", "replace")
    except OSError as error:
        return f"is {value!r}, which cannot be read: {error.strerror}"
    if "PRIVATE KEY-----" in text or public_key(text.strip()) is None:
        return None
    return f"is {value!r}, which holds no key; name the private key whose public half is in platform_admin_ssh_public_keys, for example ~/.ssh/id_ed25519"


def public_keys(value: Any) -> Optional[str]:
    fix = "give a list of public keys as in ~/.ssh/id_ed25519.pub, at least one"
    if not isinstance(value, (list, tuple)) or not value:
        return f"is not a list of keys; {fix}"
    for position, key in enumerate(value, 1):
        if "PRIVATE KEY" in str(key):
            return f"has a PRIVATE key at position {position}; {fix}. Replace that key, it has been shown around"
        problem = public_key(str(key))
        if problem:
            return f"has {problem} at position {position}; {fix}"
    return None


def public_key(key: str) -> Optional[str]:
    """What the servers' sshd would not take, in a few words."""
    found = re.fullmatch(r"([a-z0-9@.-]+) ([A-Za-z0-9+/]{40,}={0,3})(?: [^\0-\x08\x0a-\x1f\x7f]{0,1000})?", key)
    if not found:
        return "a key with a line end" if re.search(r"[\r\n]", key.strip()) or (key != key.strip() and "\r" in key) else "no public key"
    kind = found[1]
    if "nistp" in kind or kind == "ssh-dss":
        return f"a key of the kind {kind}, which the servers refuse (ssh-ed25519, sk-ssh-ed25519@openssh.com and ssh-rsa are accepted),"
    if kind not in ("ssh-ed25519", "ssh-rsa", "sk-ssh-ed25519@openssh.com"):
        return "no public key"
    parts = _key_parts(found[2])
    if not parts or parts[0] != kind.encode():
        return "a damaged key"
    if kind == "ssh-rsa" and (len(parts) != 3 or int.from_bytes(parts[2], "big").bit_length() < LEAST_RSA_BITS):
        return f"an RSA key of less than {LEAST_RSA_BITS} bits"
    return None if kind == "ssh-rsa" or len(parts[1]) == 32 else "a damaged key"


def _key_parts(text: str) -> list[bytes]:
    """The strings of a key's binary form; none when it is not one."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        return []
    parts, place = [], 0
    while place < len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        parts.append(data[place + 4 : place + 4 + length])
        place += 4 + length
    return parts if place == len(data) and len(parts) >= 2 else []


def address(value: Any) -> Optional[str]:
    try:
        fits = "%" not in str(value) and ipaddress.ip_address(str(value))
    except ValueError:
        fits = False
    return None if fits else f"is {value!r}; write one IPv4 or IPv6 address, or leave it out"


def networks(value: Any) -> Optional[str]:
    """Networks as nft, Hetzner and Supabase read them: an address, or an address and the length of its prefix."""
    fix = "write a list such as [192.0.2.0/24, '2001:db8::/32']"
    if not isinstance(value, (list, tuple)):
        return f"is no list of networks; {fix}"
    if not value:
        return "is empty"
    for one in value:
        problem = _network(one)
        if problem:
            return f"has {one!r}, {problem}; {fix}"
    if len({str(ipaddress.ip_network(one)) for one in value}) < len(value):
        return "names a network twice; name each once"
    return f"names more than {MOST_NETWORKS} networks, which is all that one rule of the firewall takes" if len(value) > MOST_NETWORKS else None


def _network(one: Any) -> Optional[str]:
    if not isinstance(one, str) or not re.fullmatch(r"[0-9A-Fa-f:.]+(/[0-9]{1,3})?", one):
        return "which is no address with the length of its prefix"
    try:
        network = ipaddress.ip_network(one)
    except ValueError as error:
        return f"which is no network: {error}"
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped:
        return "which is an IPv4 address in IPv6's form"
    return None


def environment(value: Any) -> Optional[str]:
    """A mapping of variable names to single values; only names are shown."""
    if not isinstance(value, Mapping):
        return "is not a mapping; write NAME: value pairs"
    for name, content in value.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name)):
            return f"has the name {name!r}; use letters, digits and _ only"
        if isinstance(content, (Mapping, list, tuple)) or content is None:
            return f"has no single value for {name}; quote the value"
        problem = _variable(str(name), content)
        if problem:
            return f"{name} {problem}"
    return None


def _variable(name: str, content: Any) -> Optional[str]:
    try:
        text = plain_text(content)
    except Inexpressible as error:
        return str(error)
    if len(f"{name}={text}".encode(errors="surrogateescape")) > LONGEST_VALUE:
        return f"is longer than {LONGEST_VALUE} bytes, which no program can be started with; put it into a file"
    return sealed(content)


def secret_environment(value: Any) -> Optional[str]:
    """As environment, of values that must not be changed by YAML and must be there."""
    problem = environment(value)
    if problem:
        return problem
    for name, content in value.items():
        if not isinstance(content, str):
            return f"{name} is a number or a switch to YAML, which drops leading zeros; write it in quotes"
        if not content:
            return f"{name} is empty; give it a value, or leave it out"
        if "…" in content or content.lower() in PLACEHOLDERS:
            return f"{name} is the text of an example; give it its value"
    return None


def pem(value: Any) -> Optional[str]:
    """One certificate or more that OpenSSL can read."""
    fix = "is no certificate; give the text of a PEM file"
    if not isinstance(value, str) or "-----BEGIN CERTIFICATE-----" not in value:
        return fix
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=value)
    except (ssl.SSLError, ValueError):
        return fix
    return None


def registry(value: Any) -> Optional[str]:
    """Username and password are of use together only."""
    given = [name for name in ("username", "password") if isinstance(value, Mapping) and name in value]
    if len(given) == 1:
        return f"has {given[0]} alone; give username and password, or neither"
    if isinstance(value, Mapping) and ":" in str(value.get("username", "")):
        return "username has a colon, where the password would begin"
    return None


def key_role(value: Any) -> str:
    """What a key of Supabase is for, as far as it says so itself: `anon`, `service_role`, or nothing."""
    text = str(value)
    prefixes = {"sb_publishable_": "anon", "sb_secret_": "service_role"}
    for prefix, role in prefixes.items():
        if text.startswith(prefix):
            return role
    parts = text.split(".")
    if len(parts) != 3:
        return ""
    try:
        told = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return ""
    return str(told.get("role", "")) if isinstance(told, dict) else ""


def supabase_key(role: str) -> Check:
    """A key of this role; one that says nothing about itself may be of any."""
    present = secret("copy it from the Supabase dashboard, Settings > API Keys", token=True)

    def check(value: Any) -> Optional[str]:
        found = key_role(value)
        if found in ("anon", "service_role") and found != role:
            return f"is a key of the role {found}, not {role}; copy it from the Supabase dashboard, Settings > API Keys"
        return present(value)

    return check


def repository(value: Any) -> Optional[str]:
    """A restic repository elsewhere."""
    fix = "name a restic repository elsewhere, for example s3:https://host/bucket or sftp:user@host:/path"
    problem = secret(fix)(value)
    if problem:
        return problem
    return None if re.match(r"(s3|sftp|rest|azure|gs|b2|swift|rclone):.", value) else f"is a folder of the server itself, which is lost with it; {fix}"


def host_pattern(value: Any) -> Optional[str]:
    """One group or host of the inventory, and not the machine that runs the playbooks."""
    fix = "name one group or one host of the inventory"
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", value):
        return f"is {value!r}; {fix}"
    return f"is {value!r}, to which the machine that runs the playbooks belongs; {fix}" if value in ("all", "ungrouped", "localhost", "127.0.0.1") else None
