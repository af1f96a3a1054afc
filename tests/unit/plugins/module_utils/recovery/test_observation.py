# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a login's words mean, and how long it is looked."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.http_probe import Answer, ProbeError, Question
from ansible_collections.quetrex.platform.plugins.module_utils.recovery import observation
from ansible_collections.quetrex.platform.plugins.module_utils.recovery.decision import NOTHING_YET, Decision, History, Situation, decide
from ansible_collections.quetrex.platform.plugins.module_utils.recovery.observation import Inside, Target, observe_until, script, understood

HEALTHY = Situation("ok", "running", True, "answers", "ok", 200, 200, "answers")
DEAD = HEALTHY._replace(ping=False, ssh="silent", login="silent", origin=None, edge=522)
RESET = History(("reset",), ("reset",))
WELL = "disk ok\nvolume 9000000 600000\ncontainer /platform-redis running healthy\ncontainer /platform-nginx running healthy\n"


@pytest.mark.parametrize(
    ("code", "said", "complained", "login", "origin"),
    [
        (0, "disk ok\norigin 200", "", "ok", 200),
        (0, "disk ok\norigin 000", "", "ok", 0),
        (0, "disk ok\nsh: 1: curl: not found\norigin ", "", "ok", None),
        (0, "mktemp: failed to create file via template: Read-only file system\norigin 502", "", "disk read-only", 502),
        (0, "sh: echo: I/O error: No space left on device\norigin 200", "", "disk full", 200),
        (0, "disk ok\nvolume 9 9\nredis: No space left on device\norigin 503", "", "ok", 503),
        (0, "sudo: a password is required\norigin 200", "", "no root", 200),
        (0, "what is this\norigin 200", "", "unclear", 200),
        (255, "", "ops@192.0.2.1: Permission denied (publickey).", "denied", None),
        (
            255,
            "",
            "No ED25519 host key is known for 192.0.2.1 and you have requested strict checking.\nHost key verification failed.",
            "host key not known here",
            None,
        ),
        (255, "", "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\nHost key verification failed.", "another host key than recorded", None),
        (255, "", "ssh: connect to host 192.0.2.1 port 22: Connection timed out", "silent", None),
    ],
)
def test_what_a_login_means(code: int, said: str, complained: str, login: str, origin: int | None) -> None:
    assert understood(code, said, complained)[:2] == (login, origin)


@pytest.mark.parametrize(
    ("changed", "trouble", "parts"),
    [
        (("", ""), "", ""),
        (("volume 9000000", "volume 812"), "the volume is full (0 MB free on /srv/platform)", ""),
        (("600000", "3"), "the volume is full (3 inodes free on /srv/platform)", ""),
        (("redis running healthy", "redis exited unhealthy"), "", "platform-redis exited"),
        (("nginx running healthy", "nginx running unhealthy"), "", "platform-nginx unhealthy"),
        (("redis running healthy", "redis restarting unhealthy"), "", "platform-redis restarting"),
    ],
)
def test_what_the_server_says_of_itself(changed: tuple[str, str], trouble: str, parts: str) -> None:
    found = understood(0, WELL.replace(*changed) + "origin 503", "")
    assert (found.trouble.startswith(trouble), bool(found.trouble), found.parts) == (True, bool(trouble), parts)


COMMANDS = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n" + b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n" * 40


def redis(folder: Path) -> subprocess.Popen[str]:
    """A Redis with the platform's own way to keep its data, which listens at a socket."""
    words = ["redis-server", "--port", "0", "--unixsocket", str(folder / "s"), "--dir", str(folder), "--appendonly", "yes"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def filled(folder: Path) -> Path:
    """The folder of a Redis that held data and ended well."""
    server = redis(folder)
    try:
        deadline = time.monotonic() + 20
        while not (folder / "s").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        client = ["redis-cli", "-s", str(folder / "s")]
        for words in (["DEBUG", "JMAP"], ["SET", "k", "v" * 500], ["BGREWRITEAOF"], ["SET", "l", "w" * 500], ["SET", "m", "w" * 500]):
            subprocess.run([*client, *words], capture_output=True, check=False)
        while "aof_rewrite_in_progress:1" in subprocess.run([*client, "INFO", "persistence"], capture_output=True, text=True, check=True).stdout:
            time.sleep(0.05)
        subprocess.run([*client, "SHUTDOWN"], capture_output=True, check=False)
    finally:
        server.kill()
        server.wait()
    return folder / "appendonlydir"


def cut_base(files: Path) -> None:
    base = next(files.glob("*.base.rdb"))
    os.truncate(base, base.stat().st_size - 9)


def scramble_base(files: Path) -> None:
    next(files.glob("*.base.rdb")).write_bytes(b"nothing of Redis" * 9)


def scramble_manifest(files: Path) -> None:
    next(files.glob("*.manifest")).write_text("nothing of Redis\n")


def scramble_commands(files: Path) -> None:
    """In the middle, so that whole commands follow."""
    next(files.glob("*.incr.aof")).write_bytes(COMMANDS + b"garbage in between" + COMMANDS)


def lose_base(files: Path) -> None:
    next(files.glob("*.base.rdb")).unlink()


@pytest.mark.service
@pytest.mark.parametrize("damage", [cut_base, scramble_base, scramble_manifest, scramble_commands, lose_base])
def test_files_that_a_real_redis_cannot_read_are_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    damage(filled(tmp_path))
    server = redis(tmp_path)
    said, _nothing = server.communicate(timeout=30)
    assert server.returncode != 0
    logged = "".join(f"redis: {one}\n" for one in said.splitlines()[-40:])
    found = understood(0, WELL.replace("redis running healthy", "redis restarting unhealthy") + logged + "origin 503", "")
    assert found.trouble.startswith("Redis cannot read its files in /srv/platform/redis ("), said
    # whoever stopped it may have repaired it since
    assert understood(0, WELL.replace("redis running healthy", "redis exited unhealthy") + logged + "origin 503", "") == Inside(
        "ok", 503, "", "platform-redis exited"
    )


def starts(folder: Path) -> bool:
    """Whether a Redis comes up with what is there."""
    server = redis(folder)
    try:
        assert server.stdout
        return any("eady to accept connections" in line for line in server.stdout)
    finally:
        server.kill()
        server.wait()


@pytest.mark.service
def test_the_runbooks_repairs_make_redis_start(tmp_path: Path) -> None:
    files = filled(tmp_path)
    scramble_commands(files)
    assert not starts(tmp_path)
    subprocess.run(["redis-check-aof", "--fix", files / "appendonly.aof.manifest"], input="y\n", text=True, capture_output=True, check=True)
    assert starts(tmp_path)
    scramble_manifest(files)
    assert not starts(tmp_path)
    shutil.rmtree(files)
    assert starts(tmp_path)


def test_nothing_of_the_settings_is_run_by_the_servers_shell(tmp_path: Path) -> None:
    """The script is given to a real shell, with a sudo that only says what it would run."""
    for name, text in {"sudo": 'shift; "$@"', "curl": 'for word; do echo "curl: $word"; done', "docker": "exit 1", "df": 'echo "df $2" >&2'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    nasty = "; touch escaped; $(touch escaped) `touch escaped` & ' \""
    target = Target("app.example", f"/health?deep=1&x{nasty}", None, None, "ops", "key", (), None, 5432, None, mount=f"/srv/a b{nasty}")
    done = subprocess.run(
        ["sh", "-c", script(target)], cwd=tmp_path, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, capture_output=True, text=True, check=True
    )
    assert not (tmp_path / "escaped").exists(), done
    assert f"curl: https://app.example/health?deep=1&x{nasty}" in done.stdout
    assert f"df /srv/a b{nasty}" in done.stdout
    assert understood(0, done.stdout, "").login == "ok"


def test_the_file_that_is_written_cannot_be_put_there_beforehand() -> None:
    """As root in a folder that everybody writes to."""
    written = [word for word in shlex.split(script(Target("a", "/", None, None, "o", "k", (), None, 5432, None))) if "/var/tmp" in word]
    assert len(written) == 1
    assert "mktemp /var/tmp/platform-diagnosis.XXXXXXXXXX" in written[0]
    assert written[0].count("/var/tmp") == 1


class Clock:
    """Time that passes only while somebody sleeps."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def seeing(situations: Iterator[Situation], past: History = NOTHING_YET) -> Callable[[bool], tuple[Situation, Decision]]:
    def see(_patient: bool) -> tuple[Situation, Decision]:
        observed = next(situations)
        return observed, decide(observed, past)

    return see


def test_a_slow_answer_is_no_death() -> None:
    clock = Clock()
    observed, decision, looks = observe_until(seeing(iter([DEAD, HEALTHY])), 0, 2, clock, clock.sleep)
    assert (observed, decision.action, looks) == (HEALTHY, "none", 2)


def test_a_dead_server_is_dead_twice() -> None:
    clock = Clock()
    assert observe_until(seeing(iter([DEAD, DEAD])), 0, 2, clock, clock.sleep)[1:] == (decide(DEAD), 2)


def test_waiting_after_an_action() -> None:
    """After an action the probes go on until the server works or time is over."""
    clock = Clock()
    booting = HEALTHY._replace(login="denied", edge=522)
    looks = iter([DEAD, booting, booting, HEALTHY._replace(edge=521)])
    assert observe_until(seeing(looks, RESET), 60, 2, clock, clock.sleep)[1].action == "converge"
    assert clock.now == 6
    late = Clock()
    assert observe_until(seeing(iter([DEAD] * 50), RESET), 60, 2, late, late.sleep)[1].action == "rebuild"
    assert late.now == 60


def test_an_edge_that_tried_for_long_enough_is_asked_once() -> None:
    clock = Clock()

    def see(_patient: bool) -> tuple[Situation, Decision]:
        clock.sleep(19)
        return DEAD, decide(DEAD)

    assert observe_until(see, 0, 2, clock, clock.sleep)[1:] == (decide(DEAD), 1)


def test_while_no_two_looks_agree_nothing_is_done() -> None:
    clock = Clock()
    looks = iter([DEAD, DEAD._replace(edge=0)] * 9)
    decision = observe_until(seeing(looks), 0, 2, clock, clock.sleep)[1]
    assert (decision.action, "no two looks agree" in decision.reason) == ("stop", True)


def test_slow_edge_after_an_action() -> None:
    """Only the last looks after an action wait for a slow edge."""
    clock, patience = Clock(), list[bool]()

    def see(patient: bool) -> tuple[Situation, Decision]:
        patience.append(patient)
        return DEAD, decide(DEAD, RESET)

    observe_until(see, 6, 2, clock, clock.sleep)
    assert patience == [False, False, False, True]


@pytest.mark.parametrize(
    ("server", "login", "patient", "asked"),
    [
        ("running", (255, "", "Connection timed out"), True, [5, 105]),
        ("running", (255, "", "Connection timed out"), False, [5]),
        ("running", (0, "disk ok\norigin 000", ""), True, [5]),
        ("off", (255, "", ""), True, [2]),
        ("rebuilding", (255, "", ""), True, [5]),
    ],
)
def test_a_slow_edge_is_waited_for_where_its_word_decides(
    monkeypatch: pytest.MonkeyPatch, server: str, login: tuple[int, str, str], patient: bool, asked: list[int]
) -> None:
    """The edge says 522 after 19 s."""
    patience: list[float] = []

    def ask(question: Question) -> Answer:
        patience.append(question.answer_timeout or 0)
        if patience[-1] < 19:
            raise ProbeError("timeout", "no answer")
        return Answer(522, {"cf-ray": "1"}, "", None, "192.0.2.1")

    monkeypatch.setattr(observation, "ask", ask)
    monkeypatch.setattr(observation, "_banner", lambda _address, _timeout: "silent")
    monkeypatch.setattr(observation, "_ping", lambda _command, _address: None)
    target = Target("app.example", "/", None, None, "ops", "key", (), None, 5432, None, timeout=4)
    observed = observation.look(lambda *_args, **_more: login, "ok", server, "192.0.2.1", target, patient=patient)
    assert (patience, observed.edge) == (asked, 522 if len(asked) == 2 else 0)
