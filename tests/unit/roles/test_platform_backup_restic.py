# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backup program with the real restic: killed at each of its commands, beside other writers, on a full volume, with a real Redis."""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

from lab import offsite
from lab.process import until

PROGRAM = Path(__file__).parents[3] / "roles/platform_backup/files/platform-backup"
pytestmark = pytest.mark.service
RESTIC = shutil.which("restic") or ""

# In restic's place: runs the real one, and kills it and the program that called it when the named command has left its trace in the repository.
SHIM = """#!/bin/sh
echo "$*" >> {calls}
case " $* " in *" $KILL_AT "*) ;; *) exec {restic} "$@" ;; esac
traces() {{ ls {repository}/$TRACE | grep -vc tmp; }}
before=$(traces)
{restic} "$@" &
while kill -0 $! 2>/dev/null && [ "$(traces)" -le "$before" ]; do :; done
kill -9 $!
wait $!
kill -9 $PPID
"""


class Place:
    """A server's state, its settings and a repository elsewhere, in one folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.state, self.repository = root, root / "state", root / "repository"
        self.url = str(self.repository)
        self.settings = {
            "state_dir": str(self.state), "record": str(root / "record/backup.json"), "host_keys": str(root / "ssh"), "host": "quetrex-test",
            "environment": {}, "keep": {"last": 1}, "lock": str(root / "lock"), "timeout": 60, "check_subset": "100%", "lock_wait": 0, "append_only": False,
            "repository_file": str(root / "repository.txt"), "password_file": str(root / "password"), "known_file": str(root / "password.known"),
            "cache_dir": str(root / "cache"),
        }  # fmt: skip

    def make(self) -> None:
        """A platform with some state."""
        for folder in (self.state / "redis/appendonlydir", self.root / "ssh", self.root / "bin"):
            folder.mkdir(parents=True)
        (self.root / "repository.txt").write_text(str(self.repository))
        (self.root / "password").write_text("first")
        (self.state / ".platform-state.json").write_text("{}")
        (self.state / "releases.json").write_text('{"current": 1}')
        aof = self.state / "redis/appendonlydir"
        (aof / "appendonly.aof.1.incr.aof").write_bytes(b"SET a 1\n")
        (aof / "appendonly.aof.manifest").write_text("file appendonly.aof.1.incr.aof seq 1 type i\n")
        shim = self.root / "bin/restic"
        shim.write_text(SHIM.format(restic=RESTIC, repository=self.repository, calls=self.root / "calls"))
        shim.chmod(0o755)

    def run(self, command: str, *, kill_at: str = "", trace: str = "locks", **settings: Any) -> subprocess.CompletedProcess[str]:
        """The program, as the timer or a playbook runs it."""
        environment = self.environment(**settings) | ({"KILL_AT": kill_at, "TRACE": trace} if kill_at else {})
        return subprocess.run([sys.executable, PROGRAM, command], env=environment, capture_output=True, text=True, check=False, timeout=120)

    def environment(self, **settings: Any) -> dict[str, str]:
        """How the program finds its settings."""
        (self.root / "settings.json").write_text(json.dumps({**self.settings, **settings}))
        return {
            **os.environ,
            "PLATFORM_BACKUP_SETTINGS": str(self.root / "settings.json"),
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
            "KILL_AT": "nothing",
        }

    def works(self, command: str, **settings: Any) -> dict[str, Any]:
        """What a run that has to work says."""
        done = self.run(command, **settings)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def restic(self, *words: str, password: str = "first") -> str:  # noqa: S107 - of a repository of a test
        """The real restic, past the program."""
        environment = {**os.environ, "RESTIC_REPOSITORY": self.url, "RESTIC_PASSWORD": password, "RESTIC_CACHE_DIR": str(self.root / "cache")}
        return subprocess.run([RESTIC, *words], env=environment, capture_output=True, text=True, check=True).stdout

    def locks(self) -> list[str]:
        return sorted(path.name for path in (self.repository / "locks").iterdir() if "tmp" not in path.name)

    def lose(self) -> None:
        """A new, empty volume."""
        shutil.rmtree(self.state)
        self.state.mkdir()

    def is_back(self) -> bool:
        return (self.state / "releases.json").read_text() == '{"current": 1}' and (
            self.state / "redis/appendonlydir/appendonly.aof.1.incr.aof"
        ).read_bytes() == b"SET a 1\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A platform with two copies elsewhere, so that there is something to forget and to prune. restic takes half a second of the processor a call."""
    place = Place(tmp_path_factory.mktemp("backup") / "here")
    place.make()
    place.works("backup")
    (place.state / "workspace").write_bytes(secrets.token_bytes(1 << 16))
    place.works("backup", keep={"last": 2})
    return place.root


@pytest.fixture
def place(template: Path, tmp_path: Path) -> Place:
    """The platform with copies, at a place of its own."""
    # the path of the state is a part of its copies, so the fresh one takes the place of the template
    kept = template.with_name(f"{template.name}.kept")
    if not kept.exists():
        shutil.copytree(template, kept)
    shutil.rmtree(template)
    shutil.copytree(kept, template)
    return Place(template)


@pytest.mark.parametrize(
    ("at", "command"),
    [
        ("backup", "backup"),
        pytest.param("snapshots", "backup", marks=pytest.mark.long),
        ("forget", "backup"),
        pytest.param("forget", "check", marks=pytest.mark.long),
        ("prune", "check"),
        pytest.param("check", "check", marks=pytest.mark.long),
    ],
)
def test_killed_copy_is_made_up_by_the_next(place: Place, at: str, command: str) -> None:
    """The lock that a killed restic leaves stops neither the next copy nor the check, and nothing of the former copies is lost."""
    assert place.run(command, kill_at=at).returncode == -9
    assert place.locks(), "restic was killed while it held its lock"
    place.works("backup")
    place.works("check")
    assert place.locks() == []
    assert len(json.loads(place.restic("snapshots", "--json"))) == 1


@pytest.mark.parametrize("at", ["snapshots", "restore"])
def test_killed_restore_begins_again(place: Place, at: str) -> None:
    place.lose()
    assert place.run("restore", kill_at=at).returncode == -9
    assert place.works("restore")["restored"]
    assert place.is_back()


@pytest.mark.parametrize("at", ["key add", "key list", "key remove"])
def test_killed_change_of_password_is_finished(place: Place, at: str) -> None:
    (place.root / "password").write_text("second")
    trace = "keys" if at == "key add" else "locks"
    assert place.run("restore", kill_at=at, trace=trace).returncode in (0, -9)
    place.works("restore")
    assert len(json.loads(place.restic("key", "list", "--json", password="second"))) == 1
    place.works("backup")


@pytest.mark.parametrize("command", ["prune", "check"])
def test_lock_of_a_dead_server_is_no_obstacle(place: Place, command: str) -> None:
    """The server died while it had the repository for itself, and its successor reads at once."""
    dead = hold(place, command, host="the-dead-server")
    dead.kill()
    dead.wait()
    assert place.locks()
    place.lose()
    assert place.works("restore")["restored"]
    assert place.is_back()
    age(place, minutes=31)
    place.works("backup")
    assert place.locks() == []


def test_lock_of_another_writer_is_never_broken(place: Place) -> None:
    """He works on another machine and refreshes his lock: a copy waits for him and says who he is, a restore reads beside him."""
    other = hold(place, "prune", host="another-server")
    before = place.locks()
    try:
        done = place.run("backup")
        assert done.returncode == 1
        assert "another-server" in done.stderr
        assert "platform-backup unlock" in done.stderr
        assert not json.loads((place.root / "record/backup.json").read_text())["ok"]
        place.lose()
        assert place.works("restore")["restored"]
        assert place.locks() == before
    finally:
        other.kill()
        other.wait()
    place.works("unlock")
    place.works("backup")


def test_copy_waits_for_another_writer(place: Place) -> None:
    """As long as he needs, within the time that is allowed."""
    other = hold(place, "prune", host="another-server")
    waiting = subprocess.Popen([sys.executable, PROGRAM, "backup"], env=place.environment(lock_wait=60))
    try:
        # it was refused twice, and looked for locks of the dead in between
        assert until(lambda: " unlock" in (place.root / "calls").read_text(), 30)
        assert waiting.poll() is None
        other.send_signal(signal.SIGCONT)
        assert other.wait(30) == 0
        assert waiting.wait(60) == 0
    finally:
        for process in (other, waiting):
            process.kill()
            process.wait()


def test_copy_beside_another_writer(place: Place) -> None:
    """Two platforms in one repository: old copies stay in the list until nobody is in the way."""
    other = hold(place, "backup", host="another-server")
    try:
        made = place.works("backup")
        assert (made["ok"], made["forgot"], made["snapshots"]) == (True, False, 3)
    finally:
        other.kill()
        other.wait()
    age(place, minutes=31)
    assert place.works("backup")["forgot"]
    assert len(json.loads(place.restic("snapshots", "--json", "--host", "quetrex-test"))) == 1


def test_restic_that_takes_too_long_takes_its_lock_away(place: Place) -> None:
    """A repository that answers nothing any more once there is data to keep."""
    with elsewhere(place) as server:
        (place.state / "new").write_bytes(secrets.token_bytes(1 << 16))
        server.slow = True
        done = place.run("backup", timeout=8)
    assert done.returncode == 1
    assert "timed out" in done.stderr
    assert place.locks() == []


def test_server_that_may_only_add(tmp_path: Path) -> None:
    """Copies, checks, a restore and another password work without the right to remove anything, and what is left to do elsewhere is said."""
    place = Place(tmp_path)
    place.make()
    with elsewhere(place) as server:
        server.append_only = True
        place.works("backup", append_only=True)
        made = place.works("backup", append_only=True)
        assert (made["forgot"], made["snapshots"]) == (False, 2)
        copy = next((place.repository / "snapshots").iterdir()).name
        attempt = urllib.request.Request(f"{server.url}snapshots/{copy}", method="DELETE", headers={"Authorization": server.credentials.decode()})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(attempt)
        server.refused = 0
        assert len(json.loads(place.restic("snapshots", "--json"))) == 2
        place.works("check", append_only=True)
        (place.root / "password").write_text("second")
        place.lose()
        done = place.works("restore", append_only=True)
        assert done["restored"]
        assert "former password of the repository still opens it" in done["notes"][0]
        assert place.is_back()
        place.works("backup", append_only=True)
        assert server.refused == 0, "the program itself never tried to remove anything"


def test_repository_that_was_never_finished_is_named(tmp_path: Path) -> None:
    """restic leaves a key that opens nothing. Whether it tries that one first is chance: the repository works from then on, or what to do is said each time."""
    place = Place(tmp_path)
    place.make()
    place.repository.mkdir()
    (place.repository / "keys").mkdir()
    assert place.run("backup", kill_at="init", trace="keys").returncode == -9
    said = [place.run("backup").stderr for _time in range(2)]
    assert said == ["", ""] or all("its making was interrupted: empty it" in words for words in said), said
    shutil.rmtree(place.repository)
    place.works("backup")


@contextlib.contextmanager
def elsewhere(place: Place) -> Iterator[Any]:
    """The repository behind restic's REST protocol."""

    class Handler(offsite.Handler):
        root, credentials = place.root, b"Basic " + base64.b64encode(b"platform:word")
        slow, refused, url = False, 0, ""

        def do_POST(self) -> None:
            if Handler.slow and "/data/" in self.path:
                time.sleep(60)
            super().do_POST()

        def _answer(self, status: int, *words: Any, **more: Any) -> None:
            Handler.refused += status == HTTPStatus.FORBIDDEN
            super()._answer(status, *words, **more)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Handler.url = f"http://127.0.0.1:{server.server_port}/repository/"
    place.url = Handler.url.replace("http://", "rest:http://platform:word@")
    (place.root / "repository.txt").write_text(place.url)
    yield Handler
    server.shutdown()
    server.server_close()


# --- Redis ----------------------------------------------------------------------------------------


def test_volume_that_redis_fills_by_half_is_copied(tmp_path: Path) -> None:
    """No second copy of Redis's files is made, and nothing of them stays behind."""
    place = Place(tmp_path)
    place.make()
    with small_volume(place):
        (place.state / "redis/appendonlydir/appendonly.aof.1.incr.aof").write_bytes(secrets.token_bytes(24 << 20))
        place.works("backup")
        assert not (place.state / ".backup").exists()
        found = json.loads(place.restic("stats", "--json", "latest"))
    assert found["total_size"] > 24 << 20


@contextlib.contextmanager
def small_volume(place: Place) -> Iterator[None]:
    """The state on 40 MB."""
    kept = place.root / "kept"
    place.state.rename(kept)
    place.state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", place.state], check=True)
    try:
        shutil.copytree(kept, place.state, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", place.state], check=True)


def test_copy_of_a_redis_at_work_comes_back_whole(tmp_path: Path) -> None:
    """Copies are made while it writes and rewrites its file; what it had acknowledged before a copy began is in it."""
    place = Place(tmp_path)
    place.make()
    shutil.rmtree(place.state / "redis")
    with redis(place.state / "redis", tmp_path / "one.sock") as ask:
        ask("SET", "before", "x" * 100_000)
        place.works("backup")
        writing = subprocess.Popen(
            ["redis-benchmark", "-s", tmp_path / "one.sock", "-q", "-t", "set", "-n", "20000000", "-d", "500", "-r", "2000"], stdout=subprocess.DEVNULL
        )
        for number in range(3):
            ask("SET", f"acknowledged:{number}", "yes")
            ask("BGREWRITEAOF")
            place.works("backup")
        writing.kill()
        writing.wait()
    place.lose()
    assert place.works("restore")["restored"]
    with redis(place.state / "redis", tmp_path / "two.sock") as ask:
        assert [ask("EXISTS", f"acknowledged:{number}") for number in range(3)] == ["1"] * 3
        assert ask("STRLEN", "before") == "100000"


@contextlib.contextmanager
def redis(folder: Path, socket: Path) -> Iterator[Any]:
    """A Redis as the platform runs it; yields what asks it one command."""
    folder.mkdir(exist_ok=True)
    program = folder.parent.parent / "redis-server"
    if not program.exists():
        program.symlink_to(shutil.which("redis-check-rdb") or "")
    options = ["--port", "0", "--unixsocket", socket, "--dir", folder, "--appendonly", "yes", "--save", "", "--appendfsync", "everysec"]
    server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)

    def ask(*words: str) -> str:
        return subprocess.run(["redis-cli", "-s", socket, *words], capture_output=True, text=True, check=True).stdout.strip()

    try:
        assert until(lambda: socket.exists() and ask("PING") == "PONG", 10)
        yield ask
    finally:
        server.kill()
        server.wait()


# --- other writers --------------------------------------------------------------------------------


def hold(place: Place, command: str, host: str) -> subprocess.Popen[bytes]:
    """A real restic of another machine that has the repository locked and is stopped in the middle; it goes on with SIGCONT."""
    words = [command, *([str(place.root / "ssh")] if command == "backup" else []), *(["--host", host] if command == "backup" else [])]
    inside = f'hostname {host}; exec "$@"'
    environment = {**os.environ, "RESTIC_REPOSITORY": str(place.repository), "RESTIC_PASSWORD": "first", "RESTIC_CACHE_DIR": str(place.root / "cache")}
    other = subprocess.Popen(
        ["unshare", "--uts", "sh", "-c", inside, "sh", RESTIC, *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 30
    while not place.locks() and time.monotonic() < deadline:
        pass
    other.send_signal(signal.SIGSTOP)
    return other


def age(place: Place, minutes: int) -> None:
    """Let the locks be older, as if nobody had refreshed them since: restic's own form, written as restic does it.

    https://restic.readthedocs.io/en/stable/100_references.html#keys-encryption-and-mac
    """
    key = json.loads(place.restic("--no-lock", "cat", "masterkey"))
    for name in place.locks():
        lock = json.loads(place.restic("--no-lock", "cat", "lock", name))
        then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=minutes)
        sealed = seal(key, json.dumps({**lock, "time": then.isoformat()}).encode())
        (place.repository / "locks" / name).unlink()
        (place.repository / "locks" / hashlib.sha256(sealed).hexdigest()).write_bytes(sealed)


def seal(key: dict[str, Any], text: bytes) -> bytes:
    """AES-256 in counter mode and Poly1305-AES."""
    nonce = secrets.token_bytes(16)
    encrypt = base64.b64decode(key["encrypt"])
    mac_key, mask = (base64.b64decode(key["mac"][part]) for part in ("k", "r"))
    stream = Cipher(algorithms.AES(encrypt), modes.CTR(nonce)).encryptor()
    body = stream.update(text) + stream.finalize()
    block = Cipher(algorithms.AES(mac_key), modes.ECB()).encryptor()  # noqa: S305 - one block, as Poly1305-AES wants it
    return nonce + body + Poly1305.generate_tag(mask + block.update(nonce), body)
