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

from .api.client import Attempt, Client
from .api.errors import Failure
from .api.policy import Clock, Policy, Trouble, too_many
from .api.transport import Request
from .http_probe import Answer, ProbeError, Question, ask

TOO_MANY, SICK = 429, 500
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


class Registry(Client):
    """The registries as far as they are asked here. A hiccup is waited for briefly: who asks wants to start a server."""

    vendor = "The registry"
    policy = Policy(repeatable=frozenset({"GET", "HEAD"}), longest=2.0, patience=5.0)

    def __init__(self, login: Login, asker: Asker, clock: Clock | None = None) -> None:
        super().__init__(clock=clock, secrets=(login.password,))
        self.login, self.asker = login, asker

    def exchange(self, request: Request, attempt: Attempt) -> Answer:
        """One question, as a probe asks it."""
        login, timeout = self.login, min(self.login.timeout, attempt.answer)
        question = Question(request.path, request.method, dict(request.headers), connect_to=login.address, ca_path=login.ca_path, timeout=timeout)
        try:
            found = self.asker(question)
        except ProbeError as error:
            failure = Failure(str(error), error.code)
            raise failure if error.final else Trouble(str(error), sent=True, failure=failure) from error
        if found.status == TOO_MANY or found.status >= SICK:
            answered = Failure(f"HTTP {found.status}", "answered", status=found.status)
            raise too_many(found.headers.get("retry-after"), answered) if found.status == TOO_MANY else Trouble(str(answered), sent=True, failure=answered)
        return found


def problems(images: t.Iterable[str], login: Login, asker: Asker = ask, clock: Clock | None = None) -> list[str]:
    """Return why images cannot be pulled, one sentence each; none when all can."""
    wanted = list(dict.fromkeys(images))
    with ThreadPoolExecutor(max(1, len(wanted))) as pool:
        found = list(pool.map(lambda image: problem(image, login, asker, clock), wanted))
    return list(dict.fromkeys(one for one in found if one))


def problem(text: str, login: Login, asker: Asker = ask, clock: Clock | None = None) -> str:
    """Return why one image cannot be pulled, or nothing."""
    image = parse(text)
    ours = image.registry == login.host or (image.registry == DOCKER_HUB and login.host in HUB_NAMES)
    try:
        answer = _manifest(image, Registry(login if ours else Login(timeout=login.timeout), asker, clock))
    except Failure as error:
        if error.status:
            return f"the registry {image.registry} answers HTTP {error.status} for {image.repository}"
        return f"this machine does not reach the registry {image.registry}: {error}"
    if answer.status == 200:
        return ""
    if answer.status in (401, 403):
        whom = f"the login {login.username!r} of platform_registry" if ours and login.username else "a pull without a login"
        return f"the registry {image.registry} refuses {whom} for {image.repository} (HTTP {answer.status})"
    if answer.status == 404:
        return f"the registry {image.registry} does not have {image.repository} {image.reference}, or does not show it to this login"
    return f"the registry {image.registry} answers HTTP {answer.status} for {image.repository}"


def _manifest(image: Image, registry: Registry) -> Answer:
    host = "registry-1.docker.io" if image.registry == DOCKER_HUB else image.registry
    url = f"https://{host}/v2/{image.repository}/manifests/{image.reference}"

    def once(headers: dict[str, str]) -> Answer:
        answer: Answer = registry.ask(Request("HEAD", url, headers={"Accept": MANIFESTS, **headers}))
        return answer

    login = registry.login
    answer = once({})
    if answer.status != 401:
        return answer
    kind, _space, words = answer.headers.get("www-authenticate", "").partition(" ")
    if kind.lower() == "basic" and login.username:
        return once(_basic(login))
    token = _token(dict(re.findall(r'(\w+)="([^"]*)"', words)), registry) if kind.lower() == "bearer" else ""
    return once({"Authorization": f"Bearer {token}"}) if token else answer


def _token(told: dict[str, str], registry: Registry) -> str:
    """Ask the registry's own place for a token; empty when it gives none."""
    if not told.get("realm", "").startswith("https://"):
        return ""
    query = urlencode([(name, told[name]) for name in ("service", "scope") if name in told])
    # the place of tokens has an address of its own
    elsewhere = Registry(registry.login._replace(address=None), registry.asker, registry.clock)
    answer = elsewhere.ask(Request("GET", f"{told['realm']}?{query}", headers=_basic(registry.login)))
    try:
        found = json.loads(answer.body) if answer.status == 200 else {}
    except ValueError:
        found = {}
    return str(found.get("token") or found.get("access_token") or "") if isinstance(found, dict) else ""


def _basic(login: Login) -> dict[str, str]:
    word = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
    return {"Authorization": f"Basic {word}"} if login.username else {}
