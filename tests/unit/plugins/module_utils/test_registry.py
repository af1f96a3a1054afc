# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an image can be pulled: references, and what registries of both kinds answer. A real registry is asked in tests/integration."""

from __future__ import annotations

import base64
import json

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.api.policy import Clock
from ansible_collections.quetrex.platform.plugins.module_utils.http_probe import Answer, ProbeError, Question
from ansible_collections.quetrex.platform.plugins.module_utils.registry import Image, Login, parse, problem, problems

LOGIN = Login("ghcr.io", "ci", "secret")
BASIC = f"Basic {base64.b64encode(b'ci:secret').decode()}"


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("nginx", Image("docker.io", "library/nginx", "latest")),
        ("docker.io/library/redis:7.4-alpine@sha256:ab", Image("docker.io", "library/redis", "sha256:ab")),
        ("team/app:2", Image("docker.io", "team/app", "2")),
        ("ghcr.io/team/app@sha256:ab", Image("ghcr.io", "team/app", "sha256:ab")),
        ("registry.example:5000/app:1", Image("registry.example:5000", "app", "1")),
        ("localhost/app", Image("localhost", "app", "latest")),
    ],
)
def test_a_reference_is_taken_apart_as_docker_does(text: str, image: Image) -> None:
    assert parse(text) == image


class Registry:
    """Answers as GitHub's (with tokens) or as Docker's own registry does (with the login itself), and keeps what it was asked."""

    def __init__(self, kind: str, authorization: str, status: int = 200) -> None:
        self.kind, self.authorization, self.status, self.asked = kind, authorization, status, list[Question]()

    def __call__(self, question: Question) -> Answer:
        self.asked.append(question)
        given = question.headers.get("Authorization", "")
        if "/token?" in question.url:
            good = given == BASIC
            return Answer(200 if good else 401, {}, json.dumps({"token": "abc"}) if good else "", None, "192.0.2.1")
        if given == self.authorization:
            return Answer(self.status, {}, "", None, "192.0.2.1")
        wants = {"bearer": 'Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:team/app:pull"', "basic": 'Basic realm="x"'}[self.kind]
        return Answer(401, {"www-authenticate": wants}, "", None, "192.0.2.1")


@pytest.mark.parametrize(("kind", "authorization"), [("bearer", "Bearer abc"), ("basic", BASIC)])
def test_a_login_that_works(kind: str, authorization: str) -> None:
    registry = Registry(kind, authorization)
    assert problem("ghcr.io/team/app@sha256:ab", LOGIN, registry) == ""
    first, *_others, last = registry.asked
    assert (first.method, first.url, first.headers.get("Authorization")) == ("HEAD", "https://ghcr.io/v2/team/app/manifests/sha256:ab", None)
    assert last.headers["Authorization"] == authorization


@pytest.mark.parametrize("kind", ["bearer", "basic"])
def test_a_login_that_has_expired_is_named(kind: str) -> None:
    said = problem("ghcr.io/team/app@sha256:ab", LOGIN._replace(password="old"), Registry(kind, "Bearer abc"))
    assert said == "the registry ghcr.io refuses the login 'ci' of platform_registry for team/app (HTTP 401)"


def test_the_login_is_shown_to_its_own_registry_only() -> None:
    registry = Registry("basic", BASIC)
    assert "refuses a pull without a login" in problem("other.example/team/app", LOGIN, registry)
    assert [question.headers.get("Authorization") for question in registry.asked] == [None]


class Waiting(Clock):
    """Time that passes only while somebody sleeps."""

    elapsed = 0.0

    def now(self) -> float:
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        self.elapsed += seconds


@pytest.mark.parametrize(("status", "words"), [(404, "does not have team/app 2"), (429, "answers HTTP 429"), (500, "answers HTTP 500"), (200, "")])
def test_other_answers(status: int, words: str) -> None:
    clock = Waiting()
    assert words in problem("ghcr.io/team/app:2", LOGIN, Registry("basic", BASIC, status), clock)
    assert (clock.elapsed > 2) == (status in (429, 500))
    assert clock.elapsed <= 5


def test_a_hiccup_is_waited_for() -> None:
    """One refused connection and one 503 are not taken for a registry without the image."""
    registry, calls = Registry("basic", BASIC), list[Question]()

    def flaky(question: Question) -> Answer:
        calls.append(question)
        if len(calls) == 1:
            raise ProbeError("connect_failed", "no connection")
        return Answer(503, {}, "", None, "192.0.2.1") if len(calls) == 2 else registry(question)

    assert problem("ghcr.io/team/app:2", LOGIN, flaky, Waiting()) == ""


def test_a_registry_that_is_not_reached_is_named_once() -> None:
    def away(_question: Question) -> Answer:
        raise ProbeError("connect_failed", "no connection to ghcr.io port 443")

    assert problems(["ghcr.io/a:1", "ghcr.io/b:1"], LOGIN, away, Waiting()) == [
        "this machine does not reach the registry ghcr.io: no connection to ghcr.io port 443"
    ]
    assert problems([], LOGIN, away) == []
