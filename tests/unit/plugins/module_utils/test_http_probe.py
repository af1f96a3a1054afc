# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging answers and waiting for them, without a network."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils import http_probe
from ansible_collections.quetrex.platform.plugins.module_utils.http_probe import Answer, Expected, ProbeError, Question, connect, judge, probe, probe_once

QUESTION = Question("https://example.com/")


def answer(status: int = 200, body: str = "", **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body, {"version": "TLSv1.3"}, "192.0.2.1")


@pytest.mark.parametrize(
    ("seen", "expected", "problems"),
    [
        (answer(), Expected(), []),
        (answer(502), Expected(), ["status 502, expected 200"]),
        (answer(404), Expected((301, 308)), ["status 404, expected 301 or 308"]),
        (answer(cf_cache_status="HIT"), Expected(headers={"CF-Cache-Status": "^HIT$"}), []),
        (answer(), Expected(headers={"server": "."}), ["no header server"]),
        (answer(server="x"), Expected(headers={"server": "^y"}), ["header server is 'x', which does not match '^y'"]),
        (answer(body="hello"), Expected(body_regex="^hel+o"), []),
        (answer(body="hello"), Expected(body_regex="bye"), ["the body does not match 'bye'"]),
        (answer(body='{"a": [{"b": 1}]}'), Expected(body_json={"a.0.b": 1}), []),
        (answer(body='{"a": [{"b": 1}]}'), Expected(body_json={"a.0.b": 2}), ["a.0.b in the body is 1, expected 2"]),
        (answer(body='{"a": []}'), Expected(body_json={"a.0.b": 2}), ["the body has no a.0.b"]),
        (answer(body="<html>"), Expected(body_json={"a": 2}), ["the body is no JSON"]),
        (answer(500, "x"), Expected(body_regex="y"), ["status 500, expected 200", "the body does not match 'y'"]),
    ],
)
def test_judge(seen: Answer, expected: Expected, problems: list[str]) -> None:
    assert judge(seen, expected) == problems


CLOSED = {"x-maintenance": "2026-11-30T15:00:00Z", "retry-after": "600"}


@pytest.mark.parametrize(("status", "headers", "good"), [(503, CLOSED, True), (503, {}, False), (503, {"retry-after": "600"}, False), (502, CLOSED, False)])
def test_only_the_maintenance_page_is_as_good(status: int, headers: dict[str, str], good: bool) -> None:
    seen = Answer(status, headers, "", None, "")
    assert (judge(seen, Expected(maintenance=True)) == []) is good
    assert judge(seen, Expected()) != []


class World:
    """Time that passes only in sleep, and answers that come in a given order (the last one again and again)."""

    def __init__(self, *answers: Answer | ProbeError) -> None:
        self.now = 0.0
        self.answers = list(answers)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def ask(self, question: Question) -> Answer:
        seen = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(seen, ProbeError):
            raise seen
        return seen


@pytest.mark.parametrize(
    ("world", "wait", "attempts", "code"),
    [
        (World(answer(502)), 0, 1, "unexpected_answer"),
        (World(answer(502), ProbeError("timeout", "t"), answer()), 30, 3, None),
        (World(answer(502)), 10, 6, "unexpected_answer"),
        (World(ProbeError("invalid_input", "no such file", final=True)), 30, 1, "invalid_input"),
    ],
    ids=["once", "becomes right", "budget over", "cannot recover"],
)
def test_waiting(world: World, wait: float, attempts: int, code: str | None) -> None:
    outcome = probe(QUESTION, Expected(), wait=wait, delay=2, clock=lambda: world.now, sleep=world.sleep, asker=world.ask)
    assert outcome.attempts == attempts
    assert (outcome.error.code if outcome.error else None) == code
    assert outcome.elapsed <= wait


def test_a_wrong_answer_is_kept_for_the_report() -> None:
    world = World(answer(502, "Bad Gateway"))
    outcome = probe(QUESTION, Expected(), wait=0, delay=1, clock=lambda: 0, sleep=world.sleep, asker=world.ask)
    assert outcome.answer is not None
    assert outcome.answer.body == "Bad Gateway"


def test_an_expected_refusal_is_only_a_refused_handshake() -> None:
    expected = Expected(refused=True)
    assert probe_once(QUESTION, expected, World(ProbeError("tls_refused", "alert")).ask) is None
    with pytest.raises(ProbeError, match="nobody there"):
        probe_once(QUESTION, expected, World(ProbeError("connect_failed", "nobody there")).ask)
    with pytest.raises(ProbeError, match=r"TLSv1\.3 was accepted"):
        probe_once(QUESTION, expected, World(answer()).ask)


def test_a_reset_right_after_accept_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer's address can no longer be asked then; nothing but ProbeError may come out."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port, connected = server.getsockname()[1], threading.Event()

        def reset() -> None:
            accepted, _address = server.accept()
            # not while the other side is still connecting: that is another failure
            connected.wait(5)
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()

        def connect_and_wait(*arguments: object) -> socket.socket:
            made = connect(*arguments)  # type: ignore[arg-type]
            connected.set()
            thread.join(5)
            return made

        thread = threading.Thread(target=reset)
        thread.start()
        monkeypatch.setattr(http_probe, "connect", connect_and_wait)
        with pytest.raises(ProbeError) as raised:
            http_probe.ask(Question(f"http://127.0.0.1:{port}/"))
    assert raised.value.code == "no_answer"


def test_an_answer_of_the_edges_own_is_no_answer_of_the_server() -> None:
    """The page is not down: nobody asked the server for it."""
    with pytest.raises(ProbeError, match="challenged by the edge, which answered HTTP 403 itself") as caught:
        probe_once(QUESTION, Expected(), lambda _question: answer(403, cf_ray="1", cf_mitigated="challenge"))
    assert caught.value.code == "challenged"
    assert (answer(522, cf_ray="1").edge_marked, answer(522).edge_marked, answer(403, cf_ray="1").mitigated) == (True, False, "")
