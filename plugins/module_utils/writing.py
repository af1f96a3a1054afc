# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One function per language that a value is written in; what reads the result gets back the very same value.

For words of a shell the standard library has one already: `shlex.quote`, in templates `ansible.builtin.quote`.

A value that a language cannot express raises `Inexpressible`, whose text says why and never repeats the value: it may be a secret.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from urllib.parse import quote, urlencode

NGINX_LONGEST = 4000
"""Bytes of one word of nginx.conf: its buffer of 4096 has to hold it in one piece."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ENV_ESCAPES = {"\\": "\\\\", '"': '\\"', "$": "\\$", "\n": "\\n", "\r": "\\r"}


_LITERALS = {
    "word": (r"[A-Za-z0-9_][A-Za-z0-9_.-]*", "letters, digits, dots, - and _"),
    "key": (r"[A-Za-z0-9_-][A-Za-z0-9_./*-]*", "letters, digits, dots, -, _, / and *"),
    "token": (r"[!#%&(-\[\]-_a-~]+", "anything but white space, quotes, dollar signs and backslashes"),
    "host": (r"[A-Za-z0-9:][A-Za-z0-9:._-]*", "a host's name or address"),
    "amount": (r"[0-9]+([.:][0-9]+)*([A-Za-z]+|/[a-z]+)?|now", "a number, with its unit if it has one"),
    "calendar": (r"[A-Za-z0-9*][A-Za-z0-9*:,./~ -]*", "a calendar expression of systemd"),
    "path": (r"(/[A-Za-z0-9_.][A-Za-z0-9_.-]*)+", "an absolute path of letters, digits, dots, - and _"),
    "command": (r"(/[A-Za-z0-9_.-]+)+( [A-Za-z0-9_./=@:,+-]+)*", "a program's path and words of letters, digits and _./=@:,+-"),
    "image": (r"[A-Za-z0-9][A-Za-z0-9._/:@-]*", "the name of an image"),
    "url": (r"https?://[A-Za-z0-9\[][A-Za-z0-9\]._~:/?=&@%+,-]*", "a URL without quotes, blanks and dollar signs"),
    "line": (r"[^\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]*", "text in one line"),
}
"""Kind -> pattern of values that every language of the roles' files reads as they stand, and what that is. A `line` is the owner's own text in the
language of the file, and begins nothing new."""


class Inexpressible(ValueError):
    """The language has no way to write this value."""


def plain_text(value: t.Any) -> str:
    """Return a value of an inventory as the text its owner most likely wrote.

    YAML has read `true`, `yes` and `on` as one boolean and `1.10` as 1.1: booleans are written `true` and `false`, whole numbers in digits,
    and fractions are refused, because their last digits are gone.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str):
        if "\0" in value:
            raise Inexpressible("contains a NUL character, which no variable and no argument can hold")
        return str(value)
    if isinstance(value, float):
        raise Inexpressible("is a number with a fraction, which YAML has shortened or rounded; write it in quotes")
    raise Inexpressible("is no single value; write it in quotes")


def literal(value: t.Any, kind: str) -> str:
    """Return a value of a kind that needs no quotes anywhere, as it is: to be pasted where a language has no quotes, or several read the same file.

    Kinds are `address`, `network` and those of `_LITERALS`. Anything else is refused, without the value.
    """
    text = str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else plain_text(value)
    if kind in ("address", "network"):
        try:
            ipaddress.ip_network(text, strict=False) if kind == "network" else ipaddress.ip_address(text)
        except ValueError:
            raise Inexpressible(f"is no {kind} of IPv4 or IPv6") from None
        if "%" in text or re.search(r"/.*[.:]", text):
            raise Inexpressible(f"is no {kind} of IPv4 or IPv6 in its usual form")
        return text
    pattern, what = _LITERALS[kind]
    if not re.fullmatch(pattern, text, re.ASCII if kind != "line" else 0):
        raise Inexpressible(f"has to be {what}")
    return text


def env_line(name: str, value: t.Any) -> str:
    """Return `NAME=value` for an env file as Docker Compose reads it.

    Single quotes are literal there, but a backslash before the closing one is not; whatever holds either goes in double quotes, escaped.
    """
    if not _NAME.fullmatch(name):
        raise Inexpressible("has a name with other characters than letters, digits and _")
    text = plain_text(value)
    if re.search(r"['\\\r\n]", text):
        return f'{name}="{"".join(_ENV_ESCAPES.get(char, char) for char in text)}"'
    return f"{name}='{text}'"


def env_file(variables: t.Mapping[str, t.Any]) -> str:
    """Return the whole file, in the order of the names."""
    lines = []
    for name in sorted(variables):
        try:
            lines.append(env_line(name, variables[name]) + "\n")
        except Inexpressible as error:
            raise Inexpressible(f"{name} {error}") from None
    return "".join(lines)


def nginx_string(value: t.Any) -> str:
    """Return one parameter of nginx.conf, in quotes. nginx has no way to write a dollar sign where it expands variables."""
    text = plain_text(value)
    if "$" in text:
        raise Inexpressible("contains $, where nginx would put a variable")
    return _nginx_quoted(text)


def _nginx_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    if len(escaped.encode()) > NGINX_LONGEST:
        raise Inexpressible(f"is longer than nginx can read: {NGINX_LONGEST} bytes")
    return f'"{escaped}"'


def url(parts: t.Mapping[str, t.Any]) -> str:
    """Return the URL of `scheme`, `user`, `password`, `host`, `port`, `path` and `query` (a mapping); all but scheme and host may be left out."""
    host = plain_text(parts["host"])
    login = quote(plain_text(parts.get("user") or ""), safe="")
    if parts.get("password"):
        login += ":" + quote(plain_text(parts["password"]), safe="")
    # a folder of sockets is a host to libpq
    place = f"[{host}]" if re.fullmatch(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", host) else quote(host, safe="")
    if parts.get("port"):
        place += f":{int(parts['port'])}"
    path = "/" + quote(plain_text(parts["path"]), safe="") if parts.get("path") else ""
    query = urlencode({key: plain_text(value) for key, value in (parts.get("query") or {}).items()}, safe="/", quote_via=quote)
    return f"{parts['scheme']}://{login + '@' if login else ''}{place}{path}{'?' + query if query else ''}"


def ssh_files(*paths: str) -> str:
    """Return file names as the value of an option such as UserKnownHostsFile, which holds several, expands `%` and `${NAME}`, and knows quotes."""
    for path in paths:
        if re.search(r'["\\\r\n\0]|\$\{', path):
            raise Inexpressible("is a path with a quote, a backslash, a line end or ${, which ssh would not read as part of a name")
    return " ".join('"' + path.replace("%", "%%") + '"' for path in paths)


def sql_name(name: str) -> str:
    """Return an identifier of PostgreSQL, in quotes."""
    if "\0" in name or not name:
        raise Inexpressible("is no name of PostgreSQL")
    return '"' + name.replace('"', '""') + '"'
