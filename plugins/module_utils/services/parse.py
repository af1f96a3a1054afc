# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads `platform_services` and says all that is wrong with it at once. Values of secrets are never repeated."""

from __future__ import annotations

import difflib
import ipaddress
import re
import typing as t
from dataclasses import replace

from ansible_collections.quetrex.platform.plugins.module_utils.services.model import (
    BUILT_IN,
    EXCHANGED,
    FIRST_USER,
    RELEASES,
    USERS,
    USES,
    Health,
    Limits,
    Mount,
    Public,
    Service,
    Static,
    Volume,
)
from ansible_collections.quetrex.platform.plugins.module_utils.services.platform import ELSEWHERE, OVERRIDES, PLATFORM, REMOVABLE, combined
from ansible_collections.quetrex.platform.plugins.module_utils.writing import Inexpressible, plain_text

Json = t.Mapping[str, t.Any]
NAME = r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?"
PATH = r"(/[A-Za-z0-9_.][A-Za-z0-9_.-]*)+"
PUBLIC_PATH = r"/([A-Za-z0-9_.~-]+/)*"
IMAGE = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?(/[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*)+(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?@sha256:[0-9a-f]{64}"
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
DAY = "(Mon|Tue|Wed|Thu|Fri|Sat|Sun|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
EVERY = "minutely|hourly|daily|weekly|monthly|quarterly|semiannually|yearly|annually"
DAYS = re.compile(rf"{DAY}((,|\.\.){DAY})*", re.IGNORECASE)
DATE = re.compile(r"([0-9*][0-9*,./]*-)?[0-9*][0-9*,./]*[-~][0-9*][0-9*,./]*")
ZONE = re.compile(r"UTC|[A-Za-z]+(/[A-Za-z_]+)+")
TIME = re.compile(r"[0-9*][0-9*,./]*:[0-9*][0-9*,./]*(:[0-9*][0-9*,./]*)?")
NOT_OF_JOBS = ("public", "port", "health", "release", "stop_grace_period")


class Wrong(ValueError):
    """What is wrong with a value, and what to write instead."""


def text_of(pattern: str, fix: str) -> t.Callable[[t.Any], str]:
    """A text of a form."""

    def read(value: t.Any) -> str:
        if isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII):
            return str(value)
        raise Wrong(f"is {value!r}; {fix}")

    return read


def choice(*choices: str) -> t.Callable[[t.Any], str]:
    """One of some words."""

    def read(value: t.Any) -> str:
        if value in choices:
            return str(value)
        raise Wrong(f"is {value!r}; choose one of {', '.join(choices)}{meant(value, choices)}")

    return read


def whole(low: int, high: int) -> t.Callable[[t.Any], int]:
    """A whole number; templates and the command line give text."""

    def read(value: t.Any) -> int:
        if not isinstance(value, bool) and re.fullmatch(r"0|[1-9][0-9]*", str(value)) and low <= int(value) <= high:
            return int(value)
        raise Wrong(f"is {value!r}; write a whole number from {low} to {high}")

    return read


def share(value: t.Any) -> float:
    """Processors."""
    if not isinstance(value, bool) and re.fullmatch(r"[0-9]+([.][0-9]+)?", str(value)) and 0 < float(value) <= 64:
        return float(value)
    raise Wrong(f"is {value!r}; write how many processors, for example 0.5")


def switch(value: t.Any) -> bool:
    """On or off."""
    if isinstance(value, bool) or str(value).lower() in ("true", "false", "yes", "no"):
        return str(value).lower() in ("true", "yes")
    raise Wrong(f"is {value!r}; write true or false")


def seconds(value: t.Any) -> int:
    """A time as compose writes it."""
    found = re.fullmatch(r"([1-9][0-9]{0,4})([smh]?)", str(value))
    if not found or isinstance(value, bool):
        raise Wrong(f"is {value!r}; write one whole number with s, m or h, for example 90s")
    return int(found[1]) * SECONDS[found[2]]


def words(value: t.Any) -> tuple[str, ...]:
    """Words of a command. A single text would be split by rules that nobody sees."""
    if not isinstance(value, (list, tuple)) or not value:
        raise Wrong("is no list of words; write it as a list, for example [node, worker.js]")
    return tuple(_word(one) for one in value)


def _word(value: t.Any) -> str:
    try:
        text = plain_text(value)
    except Inexpressible as error:
        raise Wrong(f"has a word that {error}") from None
    return text


def names(*choices: str) -> t.Callable[[t.Any], tuple[str, ...]]:
    """A list of names, each once; of `choices` where there are any."""

    def read(value: t.Any) -> tuple[str, ...]:
        if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
            raise Wrong("is no list of names; write it as a list, for example [redis]")
        strange = [one for one in value if choices and one not in choices]
        if strange:
            raise Wrong(f"has {strange[0]!r}; choose of {', '.join(choices)}{meant(strange[0], choices)}")
        return tuple(dict.fromkeys(str(one) for one in value))

    return read


def variables(value: t.Any) -> dict[str, t.Any]:
    """Variables by name."""
    if not isinstance(value, t.Mapping):
        raise Wrong("is no mapping; write NAME: value pairs")
    for name, content in value.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name)):
            raise Wrong(f"has the name {name!r}; use letters, digits and _ only")
        try:
            plain_text(content)
        except Inexpressible as error:
            raise Wrong(f"{name} {error}") from None
    return dict(value)


def secret_variables(value: t.Any) -> dict[str, t.Any]:
    """The same, in quotes and present."""
    found = variables(value)
    for name, content in found.items():
        if not isinstance(content, str):
            raise Wrong(f"{name} is a number or a switch to YAML, which drops leading zeros; write it in quotes")
        if not content:
            raise Wrong(f"{name} is empty; give it a value, or leave it out")
        if content.startswith("ENC[AES256_GCM,"):
            raise Wrong(f"{name} is still encrypted by SOPS")
        if name.startswith("NEXT_PUBLIC_"):
            raise Wrong(f"{name} would be sent to every browser; name a secret otherwise")
    return found


def volumes(value: t.Any) -> tuple[Volume, ...]:
    """`name:/folder` pairs."""
    found = []
    for one in value if isinstance(value, (list, tuple)) else [None]:
        match = re.fullmatch(rf"([a-z0-9][a-z0-9_-]{{0,30}}):({PATH})", one, re.ASCII) if isinstance(one, str) else None
        if not match or match[2].startswith(("/proc", "/sys", "/dev", "/.platform")) or "/../" in f"{match[2]}/":
            raise Wrong(f"has {one!r}; write a list of a name and a folder of the container, for example [data:/var/lib/app]")
        found.append(Volume(match[1], match[2]))
    if len({one.name for one in found}) < len(found) or len({one.target for one in found}) < len(found):
        raise Wrong("names a folder twice")
    return tuple(found)


def memory_folders(value: t.Any) -> tuple[str, ...]:
    """Folders in memory."""
    if not isinstance(value, (list, tuple)):
        raise Wrong("is no list of folders; write for example ['/tmp:size=64m']")
    option = r"(size=[0-9]+[kmg]|mode=[0-7]{3,4})"
    for one in value:
        if not isinstance(one, str) or not re.fullmatch(rf"{PATH}(:{option}(,{option})*)?", one, re.ASCII):
            raise Wrong(f"has {one!r}; write a folder of the container and its size, for example /tmp:size=64m")
    return tuple(value)


def schedule(value: t.Any) -> str:
    """When a job runs, in systemd's words (OnCalendar): days, a date, a time and a time zone, or one word."""
    parts = value.split() if isinstance(value, str) and value == " ".join(value.split()) else []
    left = parts[:-1] if len(parts) > 1 and ZONE.fullmatch(parts[-1]) else parts
    if len(left) == 1 and re.fullmatch(EVERY, left[0], re.IGNORECASE):
        return str(value)
    rest = list(left)
    for pattern in (DAYS, DATE, TIME):
        if rest and pattern.fullmatch(rest[0]):
            if pattern is TIME and not _clock(rest[0]):
                break
            rest.pop(0)
    if not left or rest:
        raise Wrong(f"is {value!r}; write when it runs as systemd does, for example '*-*-* 03:30:00', 'Mon..Fri 07:00' or hourly")
    return str(value)


def _clock(text: str) -> bool:
    """Whether hours, minutes and seconds are ones."""
    tops = (23, 59, 59)
    return all(int(number) <= top for part, top in zip(text.split(":"), tops) for number in re.findall(r"(?<![/.0-9])\d+", part))


def subnet(value: t.Any) -> str:
    """A private /24 network."""
    fix = "write a private network such as 172.30.77.0/24"
    try:
        network = ipaddress.IPv4Network(value)
    except (ValueError, TypeError):
        raise Wrong(f"is {value!r}; {fix}") from None
    if network.prefixlen != 24 or not network.is_private:
        raise Wrong(f"is {value!r}; {fix}")
    return str(network)


def token(value: t.Any) -> str:
    """A bearer token; it goes into a header as it is."""
    if not isinstance(value, str) or not re.fullmatch(r"[!#-&(-~]{16,}", value):
        raise Wrong("is no token of 16 or more letters without blanks and quotes")
    return str(value)


def variables_of_kernel(value: t.Any) -> dict[str, str]:
    """Settings of the kernel in the container's own network."""
    return {str(name): str(content) for name, content in dict(value).items()}


def _mount(text: str) -> Mount:
    """`stack/folder:/target:ro,made` of the description of the platform's own."""
    source, target, options = f"{text}:".split(":")[:3]
    root, _slash, path = source.partition("/")
    return Mount(root, path, target, read_only="ro" in options.split(","), made="made" in options.split(","))


PORT = whole(1, 65535)
AMOUNT = text_of(r"[1-9][0-9]*[kmg]?", "write a size such as 50m")
READERS: dict[str, t.Callable[[t.Any], t.Any]] = {
    "image": text_of(IMAGE, "name the image by digest: registry/name@sha256:<64 hexadecimal digits>"),
    "follows": text_of(NAME, "name the service whose image it runs, for example web"),
    "release": choice(*RELEASES),
    "command": words,
    "entrypoint": words,
    "environment": variables,
    "secrets": secret_variables,
    "uses": names(*USES),
    "reaches": names(),
    "depends_on": names(),
    "volumes": volumes,
    "tmpfs": memory_folders,
    "user": whole(1, 2**31 - 1),
    "read_only": switch,
    "stop_grace_period": seconds,
    "port": PORT,
    "health": lambda value: one_of(Health, HEALTH, value),
    "limits": lambda value: one_of(Limits, LIMITS, value),
    "public": lambda value: tuple(one_of(Public, PUBLIC, one) for one in (value if isinstance(value, (list, tuple)) else [value])),
    "schedule": schedule,
    "timeout": seconds,
    "subnet": subnet,
}
STATIC: dict[str, t.Callable[[t.Any], t.Any]] = {
    "path": text_of(rf"({PATH})?", "write the folder of the image, for example /app/.next/static, or '' for none"),
    "prefix": text_of(PATH, "write the path visitors ask for, for example /_next/static"),
}
PLATFORM_READERS: dict[str, t.Callable[[t.Any], t.Any]] = {
    **READERS,
    "release": choice(*RELEASES, EXCHANGED),
    "user": whole(0, 2**31 - 1),
    "public": lambda value: (one_of(Public, PLATFORM_PUBLIC, value),),
    "static": lambda value: one_of(Static, STATIC, value),
    "settled": variables,
    "reads": names(),
    "mounts": lambda value: tuple(_mount(one) for one in value),
    "network": text_of(NAME, "write a name"),
    "internal": switch,
    "host_network": switch,
    "capabilities": names(),
    "sysctls": variables_of_kernel,
    "stop_signal": text_of(r"SIG[A-Z]+", "write a signal"),
    "weight": whole(2, 262144),
    "kind": choice("plain", "redis", "nginx"),
    "files": names(),
    "released": switch,
    "in_parts": switch,
}
"""What the platform's own services say: what others do, and a few words that only these may use."""
FROM_SETTINGS: dict[str, t.Callable[[t.Any], t.Any]] = {"image": str, "tmpfs": lambda value: tuple(map(str, value))}
"""What options of roles say, which judge it themselves."""
HEALTH: dict[str, t.Callable[[t.Any], t.Any]] = {
    "path": text_of(r"/[A-Za-z0-9_.~/?=&%-]*", "write a path such as /healthz"),
    "port": PORT,
    "command": words,
}
LIMITS: dict[str, t.Callable[[t.Any], t.Any]] = {"memory_mb": whole(6, 10**6), "cpus": share, "pids": whole(1, 10**6)}
PUBLIC: dict[str, t.Callable[[t.Any], t.Any]] = {
    "host": text_of(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+", "write a host name in small letters, for example app.example.com"),
    "path": text_of(PUBLIC_PATH, "write a path with a slash at both ends, for example /v2/"),
    "body_limit": AMOUNT,
    "timeout": lambda value: f"{seconds(value)}s",
    "token": token,
}
PLATFORM_PUBLIC: dict[str, t.Callable[[t.Any], t.Any]] = {**PUBLIC, "stripped": switch}
Made = t.TypeVar("Made")


def meant(name: t.Any, known: t.Iterable[str]) -> str:
    """The known name that was probably meant."""
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""


def one_of(kind: type[Made], readers: t.Mapping[str, t.Callable[[t.Any], t.Any]], value: t.Any) -> Made:
    """A part of a service that is a mapping itself."""
    if not isinstance(value, t.Mapping):
        raise Wrong(f"is no mapping; give {', '.join(readers)}")
    found, wrong = _read(readers, value)
    if wrong:
        raise Wrong("; ".join(wrong))
    return kind(**found)


def _read(readers: t.Mapping[str, t.Callable[[t.Any], t.Any]], value: Json) -> tuple[dict[str, t.Any], list[str]]:
    found, wrong = {}, [f"{key} is unknown{meant(key, readers)}" for key in value if key not in readers]
    for key, reader in readers.items():
        if key in value and value[key] is not None:
            try:
                found[key] = reader(value[key])
            except Wrong as error:
                wrong.append(f"{key} {error}")
    return found, wrong


def parse(given: t.Any, domain: str = "", own_names: t.Iterable[str] = ()) -> tuple[tuple[Service, ...], list[str]]:
    """The inventory's own services in the order of their releases, and what is wrong. `own_names` are hosts that lead to the web application."""
    services, wrong = stack(given, domain, own_names)
    return tuple(one for one in services if one.own), wrong


def stack(given: t.Any, domain: str = "", own_names: t.Iterable[str] = (), settings: Json | None = None) -> tuple[tuple[Service, ...], list[str]]:
    """All services: the platform's own, then the inventory's in the order of their releases, and what is wrong with them.

    `settings` say of the platform's own what stands in settings of roles; they were judged there.
    """
    if not isinstance(given, t.Mapping):
        return (), ["is no mapping; write a service an entry, its name first"]
    platform, wrong = _platform(given, settings or {})
    services = []
    for name, entry in given.items():
        if name in BUILT_IN or entry is None:  # what an inventory further out has, and this one has not
            continue
        made, problems = _service(str(name), entry)
        services += [made] if made else []
        wrong += [f"{name}: {problem}" for problem in problems]
    wrong += _together(services, platform, domain, set(own_names) or {domain, f"www.{domain}"})
    return _sharing((*platform, *_ordered(services))), wrong


def _platform(given: Json, settings: Json) -> tuple[tuple[Service, ...], list[str]]:
    """The platform's own with what the inventory says otherwise, without those it does without."""
    found, wrong = [], []
    for name, default in PLATFORM.items():
        entry = given.get(name, {})
        if entry is None and name in REMOVABLE:
            continue
        if not isinstance(entry, t.Mapping):
            wrong.append(f"{name}: " + ("cannot be removed" if entry is None else "is no mapping") + f"; give {', '.join(OVERRIDES[name])}, or leave it out")
            entry = {}
        for key in entry:
            if key not in OVERRIDES[name]:
                where = ELSEWHERE.get(f"{name} {key}")
                why = f"is the setting {where}'s; write it there" if where else f"is no key of the platform's own {name}{meant(key, OVERRIDES[name])}"
                wrong.append(f"{name}: {key} {why}")
        described = combined(default, {key: value for key, value in entry.items() if key in OVERRIDES[name] and value is not None})
        told = settings.get(name, {})
        read, problems = _read({**PLATFORM_READERS, **(FROM_SETTINGS if told else {})}, combined(described, told))
        made = Service(name, **read)
        wrong += [f"{name}: {problem}" for problem in (problems if told else problems + _room(made))]
        found.append(made)
    gone = {name for name in REMOVABLE if name not in {one.name for one in found}}
    return tuple(replace(one, uses=tuple(used for used in one.uses if used not in gone)) for one in found), wrong


def _sharing(services: tuple[Service, ...]) -> tuple[Service, ...]:
    """Who uses a service of the platform is in its network; who uses `web` uses what it uses."""
    by_name = {one.name: one for one in services}

    def shared(one: Service) -> tuple[str, ...]:
        used = {*one.uses, *(by_name["web"].uses if "web" in one.uses else ())}
        return tuple(other.home for other in services if other.name in used and other.network)

    return tuple(replace(one, shares=shared(one)) for one in services)


def _service(name: str, entry: t.Any) -> tuple[Service | None, list[str]]:
    if not re.fullmatch(NAME, name) or name.endswith(("-blue", "-green")):
        return None, ["use at most 12 small letters, digits and - as a name, beginning with a letter, and no colour at the end; a network is named after it"]
    if not isinstance(entry, t.Mapping):
        return None, ["is no mapping; give image or follows, and limits"]
    found, wrong = _read(READERS, entry)
    made = Service(name, **found)
    return made, wrong + _complete(made, entry)


def _complete(made: Service, entry: Json) -> list[str]:
    """What is missing, or does not go together in one service."""
    wrong = []
    if bool(entry.get("image")) == bool(entry.get("follows")):
        wrong.append("give image, or follows for the image of another service" + (", not both" if made.image else ""))
    if "limits" not in entry or not made.limits.memory_mb:
        wrong.append("limits memory_mb is missing; every service has one")
    wrong += [f"secrets repeats {name} of environment; name it once" for name in sorted(set(made.environment) & set(made.secrets))]
    wrong += _room(made)
    return wrong + (_as_job(entry) if made.job else _as_service(made, entry))


def _room(made: Service) -> list[str]:
    """Folders in memory count against the service's own."""
    room = sum(_megabytes(folder) for folder in made.folders)
    if made.limits.memory_mb and room * 2 > made.limits.memory_mb:
        return [f"tmpfs takes {room} MB, more than half of its {made.limits.memory_mb} MB; give its folders smaller sizes, or raise limits memory_mb"]
    return []


def _as_job(entry: Json) -> list[str]:
    return [f"{key} has no meaning for a job; leave it out, or schedule" for key in NOT_OF_JOBS if entry.get(key)]


def _as_service(made: Service, entry: Json) -> list[str]:
    health = made.health
    rules = (
        (entry.get("timeout"), "timeout is how long a job may take; give schedule, or leave it out"),
        (made.public and not made.port, "port is missing, at which the service answers what is public"),
        (made.release == "blue_green" and not made.public, "release blue_green needs public: without nginx nobody is led to the new colour; write replace"),
        (made.public and health.kind != "http", "health path is missing; what is public is asked for it before visitors come"),
        (health.kind == "http" and not (health.port or made.port or made.public), "health port is missing"),
        (health.command and (health.port or health.path), "health has a command and a path or port; give one of them"),
    )
    return [text for broken, text in rules if broken]


def _megabytes(folder: str) -> int:
    size = re.search(r"size=(\d+)([kmg])", folder)
    return max(1, int(size[1]) * {"k": 1, "m": 1024, "g": 1024**2}[size[2]] // 1024) if size else 0


def _together(services: list[Service], platform: tuple[Service, ...], domain: str, own_names: set[str]) -> list[str]:
    """What is right alone and wrong together."""
    by_name = {one.name: one for one in services}
    wrong = []
    there, taken = {one.name for one in platform}, _taken(platform)
    for one in services:
        wrong += _links(one, by_name)
        wrong += [f"{one.name}: uses {used}, which this platform does without ({used}: null)" for used in one.uses if used in REMOVABLE and used not in there]
        for public in one.public:
            wrong += [f"{one.name}: public {problem}" for problem in _place(public, domain, own_names, taken)]
    for one in platform:
        wrong += [f"{one.name}: reaches has {other!r}, which is no service{meant(other, by_name)}" for other in one.reaches if other not in by_name]
    claimed: dict[tuple[str, str], str] = {}
    networks: dict[str, str] = {}
    users: dict[int, str] = {}
    networks |= {one.numbers[1]: one.name for one in platform if not one.host_network}
    for one in services:
        for public in one.public:
            place = (public.host, public.path.rstrip("/") + "/")
            if place in claimed:
                wrong.append(f"{one.name}: public {public.host or domain}{public.path} is {claimed[place]}'s already; name each path once")
            claimed.setdefault(place, one.name)
        user, network = one.numbers
        if user in users and not one.user:
            wrong.append(f"{one.name}: its user {user} is {users[user]}'s already; give it another one, for example user: {FIRST_USER + USERS}")
        users.setdefault(user, one.name)
        if network in networks:
            wrong.append(f"{one.name}: its network {network} is {networks[network]}'s already; give it another one, for example subnet: 172.30.15.0/24")
        networks.setdefault(network, one.name)
    return wrong + _cycles(by_name)


def _links(one: Service, by_name: t.Mapping[str, Service]) -> list[str]:
    wrong = []
    for key, others in (("depends_on", one.depends_on), ("reaches", one.reaches)):
        for other in others:
            if other == one.name or other not in by_name:
                hint = "; write uses: [redis]" if other == "redis" else meant(other, [name for name in by_name if name != one.name])
                wrong.append(f"{one.name}: {key} has {other!r}, which is no other service{hint}")
    if one.follows and one.follows != "web":
        followed = by_name.get(one.follows)
        if followed is None:
            wrong.append(f"{one.name}: follows {one.follows!r}, which is no service{meant(one.follows, ['web', *by_name])}")
        elif followed.follows or followed.job:
            wrong.append(f"{one.name}: follows {one.follows}, which has no image of its own; name the service that has")
    return wrong


def _taken(platform: tuple[Service, ...]) -> list[str]:
    """Paths of the platform's own domain that lead elsewhere already."""
    paths = [public.path for one in platform for public in one.public if public.path != "/"]
    return paths + [f"{one.static.prefix}/" for one in platform if one.static.path]


def _place(public: Public, domain: str, own_names: set[str], taken: list[str]) -> list[str]:
    if public.host in own_names and public.host:
        return [f"host {public.host} leads to the web application; leave host out and give a path"]
    if public.host and domain and not re.fullmatch(rf"[a-z0-9-]+\.{re.escape(domain)}", public.host):
        return [f"host {public.host} is no name below {domain}; the edge's certificate is for one label in front of it"]
    if not public.host and public.path.rstrip("/") == "":
        return ["path is missing; the platform's own domain leads to the web application, name a path of it or a host"]
    if not public.host and any(f"{public.path.rstrip('/')}/".startswith(own) for own in taken):
        return [f"path {public.path} is the platform's own"]
    return []


def _cycles(by_name: t.Mapping[str, Service]) -> list[str]:
    """A circle of dependencies has no first service."""
    for name in by_name:
        seen, line = [name], list(by_name[name].depends_on)
        while line:
            other = line.pop()
            if other == name:
                return [f"{name}: depends_on goes in a circle ({' -> '.join([*seen, name])}); leave one of them out"]
            if other in by_name and other not in seen:
                seen.append(other)
                line += by_name[other].depends_on
    return []


def _ordered(services: list[Service]) -> tuple[Service, ...]:
    """What others depend on first; otherwise by name, so that the order of an inventory means nothing."""
    left, done = sorted(services, key=lambda one: one.name), []
    while left:
        ready = [one for one in left if not set(one.depends_on) & {other.name for other in left if other is not one}]
        done += ready or left
        left = [one for one in left if one not in done]
    return tuple(done)
