# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an image can be pulled: its manifest is asked for as a container engine does, and nothing is fetched.

Protocol: https://distribution.github.io/distribution/spec/api/ and .../spec/auth/token/
"""

from __future__ import annotations

import base64
import json
import re
import typing as t
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from .http_probe import Answer, ProbeError, Question, ask

DOCKER_HUB = "docker.io"
HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")
KINDS = ("oci.image.index.v1", "oci.image.manifest.v1", "docker.distribution.manifest.list.v2", "docker.distribution.manifest.v2")
MANIFESTS = ", ".join(f"application/vnd.{kind}+json" for kind in KINDS)
Asker = t.Callable[[Question], Answer]


class Login(t.NamedTuple):
    """How a registry is asked. `address` is one to connect to instead of asking the DNS; `ca_path` replaces the system's authorities."""

    host: str = ""
    username: str = ""
    password: str = ""
    ca_path: t.Optional[str] = None
    address: t.Optional[str] = None
    timeout: float = 10.0


class Image(t.NamedTuple):
    """A reference taken apart as a container engine does it."""

    registry: str
    repository: str
    reference: str


def parse(text: str) -> Image:
    """Take `registry/repository:tag@digest` apart; the digest counts where there is one."""
    name, _at, digest = text.partition("@")
    first, slash, rest = name.partition("/")
    registry, path = (first, rest) if slash and (first == "localhost" or set(".:") & set(first)) else (DOCKER_HUB, name)
    repository, _colon, tag = path.partition(":")
    if registry in HUB_NAMES:
        registry, repository = DOCKER_HUB, repository if "/" in repository else f"library/{repository}"
    return Image(registry, repository, digest or tag or "latest")


def problems(images: t.Iterable[str], login: Login, asker: Asker = ask) -> list[str]:
    """Return why images cannot be pulled, one sentence each; none when all can."""
    wanted = list(dict.fromkeys(images))
    with ThreadPoolExecutor(max(1, len(wanted))) as pool:
        found = list(pool.map(lambda image: problem(image, login, asker), wanted))
    return list(dict.fromkeys(one for one in found if one))


def problem(text: str, login: Login, asker: Asker = ask) -> str:
    """Return why one image cannot be pulled, or nothing."""
    image = parse(text)
    ours = image.registry == login.host or (image.registry == DOCKER_HUB and login.host in HUB_NAMES)
    try:
        answer = _manifest(image, login if ours else Login(timeout=login.timeout), asker)
    except ProbeError as error:
        return f"this machine does not reach the registry {image.registry}: {error}"
    if answer.status == 200:
        return ""
    if answer.status in (401, 403):
        whom = f"the login {login.username!r} of platform_registry" if ours and login.username else "a pull without a login"
        return f"the registry {image.registry} refuses {whom} for {image.repository} (HTTP {answer.status})"
    if answer.status == 404:
        return f"the registry {image.registry} does not have {image.repository} {image.reference}, or does not show it to this login"
    return f"the registry {image.registry} answers HTTP {answer.status} for {image.repository}"


def _manifest(image: Image, login: Login, asker: Asker) -> Answer:
    host = "registry-1.docker.io" if image.registry == DOCKER_HUB else image.registry
    url = f"https://{host}/v2/{image.repository}/manifests/{image.reference}"

    def once(headers: dict[str, str]) -> Answer:
        return asker(Question(url, "HEAD", {"Accept": MANIFESTS, **headers}, connect_to=login.address, ca_path=login.ca_path, timeout=login.timeout))

    answer = once({})
    if answer.status != 401:
        return answer
    kind, _space, words = answer.headers.get("www-authenticate", "").partition(" ")
    if kind.lower() == "basic" and login.username:
        return once(_basic(login))
    token = _token(dict(re.findall(r'(\w+)="([^"]*)"', words)), login, asker) if kind.lower() == "bearer" else ""
    return once({"Authorization": f"Bearer {token}"}) if token else answer


def _token(told: dict[str, str], login: Login, asker: Asker) -> str:
    """Ask the registry's own place for a token; empty when it gives none."""
    if not told.get("realm", "").startswith("https://"):
        return ""
    query = urlencode([(name, told[name]) for name in ("service", "scope") if name in told])
    answer = asker(Question(f"{told['realm']}?{query}", headers=_basic(login), ca_path=login.ca_path, timeout=login.timeout))
    try:
        found = json.loads(answer.body) if answer.status == 200 else {}
    except ValueError:
        found = {}
    return str(found.get("token") or found.get("access_token") or "") if isinstance(found, dict) else ""


def _basic(login: Login) -> dict[str, str]:
    word = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
    return {"Authorization": f"Basic {word}"} if login.username else {}
