# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's nginx, which follows names, led from colour to colour by a server's program while requests come without a pause."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from lab import config
from lab.images import recipes

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "pool_node" / "files"))

from quetrex_node import upstreams
from quetrex_node.desired import Desired
from quetrex_node.node import Node, Settings
from quetrex_release.docker import Docker
from quetrex_release.files import replace
from quetrex_release.host import Host
from quetrex_release.nginx import Nginx
from quetrex_release.outcome import ReleaseError

pytestmark = [pytest.mark.service]
LIBRARIES = "usr/lib/x86_64-linux-gnu"
COLOURS = {"web-blue": "127.0.1.1", "web-green": "127.0.1.2"}
ANSWER_SECONDS = 0.4
"""How long the names' server takes, so that what is asked only after a reload is seen to be late."""
CONF = """
worker_processes 1;
{user}
daemon off;
pid {folder}/pid;
error_log {folder}/error.log info;
events {{ worker_connections 512; }}
http {{
    access_log off;
    {folders}
    resolver 127.0.0.1:{names} valid=1s;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    upstream web {{
        zone web 64k;
        include {folder}/nginx/upstream/web[.]conf;
        server 127.0.0.1:9 down;
        keepalive 16;
    }}
    server {{
        listen unix:{folder}/visitors;
        location / {{ proxy_pass http://web; }}
    }}
}}
"""


def unpacked(folder: Path) -> tuple[str, ...]:
    """Words that start the lab's nginx, from its image if that has been made."""

    def missing(*_words: Any, **_more: Any) -> None:
        pytest.skip("the lab's image of nginx has not been made yet")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes, "run", missing)
        layer = recipes.nginx(config.Lab()).layers[0]
    with tarfile.open(layer.path) as tar:
        tar.extractall(folder, filter="tar", members=[one for one in tar if one.name.lstrip("./").startswith(("usr/sbin/nginx", LIBRARIES))])
    loader = next((folder / LIBRARIES).glob("ld-linux*.so*"))
    return str(loader), "--library-path", str(folder / LIBRARIES), str(folder / "usr/sbin/nginx")


@contextmanager
def names() -> Iterator[int]:
    """A server of names that takes its time; the port it listens on."""
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    door.bind(("127.0.0.1", 0))

    def answer(question: bytes, asker: Any) -> None:
        time.sleep(ANSWER_SECONDS)
        length = question[12]
        name, kind = question[13 : 13 + length].decode(), question[13 + length + 1 : 13 + length + 3]
        found = [COLOURS[name]] if name in COLOURS and kind == b"\0\1" else []
        head = question[:2] + (b"\x81\x80" if name in COLOURS else b"\x81\x83") + struct.pack("!HHHH", 1, len(found), 0, 0)
        records = b"".join(b"\xc0\x0c\0\1\0\1" + struct.pack("!IH", 600, 4) + socket.inet_aton(address) for address in found)
        with suppress(OSError):  # nobody asks any more
            door.sendto(head + question[12 : 13 + length + 5] + records, asker)

    def serve() -> None:
        while True:
            try:
                question, asker = door.recvfrom(512)
            except OSError:
                return
            threading.Thread(target=answer, args=(question, asker), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield door.getsockname()[1]
    door.close()


class Application(BaseHTTPRequestHandler):
    """Says its colour."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = str(self.connection.getsockname()[0]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: Any) -> None:
        """Says nothing."""


@dataclass
class Engine(Docker):
    """A docker whose one container is a process of this machine."""

    words: tuple[str, ...]
    folder: Path
    process: int

    def run(self, *words: str, **_more: Any) -> str:
        if words[0] == "container":
            return "one\n"
        if words[0] == "top":
            return "\n".join(f"{process} {title}" for process, title in self.children())
        if words[:2] == ("image", "ls"):
            return ""
        assert words[:2] == ("exec", "one")
        if words[-1].endswith("question.conf"):
            return ""
        done = subprocess.run([*self.words, "-p", self.folder, "-c", self.folder / "nginx.conf", *words[5:]], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ReleaseError("docker_failed", done.stderr)
        return done.stdout

    def children(self) -> list[tuple[int, str]]:
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
                title = (path / "cmdline").read_text().replace("\0", " ").strip()
            except OSError:
                continue
            if int(parent) == self.process:
                found.append((int(path.name), title))
        return found


class Visitor(http.client.HTTPConnection):
    """By the socket of a file."""

    def __init__(self, door: Path) -> None:
        super().__init__("platform")
        self.door = door

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self.door))


@dataclass
class Visitors:
    """Two that ask without a pause; how often each answer came."""

    door: Path
    answers: Counter[str] = field(default_factory=Counter)
    going: bool = True

    def __enter__(self) -> Self:
        self.threads = [threading.Thread(target=self.ask, daemon=True) for _ in range(2)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_problem: object) -> None:
        self.going = False
        for thread in self.threads:
            thread.join(30)

    def ask(self) -> None:
        while self.going:
            visitor = Visitor(self.door)
            visitor.request("GET", "/")
            answer = visitor.getresponse()
            body = answer.read().decode()
            self.answers[body if answer.status == 200 else str(answer.status)] += 1
            visitor.close()


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(name="engine")
def _engine(tmp_path: Path) -> Iterator[Engine]:
    words = unpacked(tmp_path / "image")
    for name in ("nginx/upstream", "in", "out"):
        (tmp_path / name).mkdir(parents=True)
    applications = [ThreadingHTTPServer((address, 3000), Application) for address in COLOURS.values()]
    for one in applications:
        threading.Thread(target=one.serve_forever, daemon=True).start()
    with names() as port:
        folders = " ".join(f"{name} {tmp_path}/{name};" for name in upstreams.FOLDERS)
        user = "user root;" if os.geteuid() == 0 else ""
        (tmp_path / "nginx.conf").write_text(CONF.format(folder=tmp_path, folders=folders, names=port, user=user))
        process = subprocess.Popen([*words, "-p", tmp_path, "-c", tmp_path / "nginx.conf"])
        try:
            until((tmp_path / "visitors").exists)
            yield Engine(words, tmp_path, process.pid)
        finally:
            process.terminate()
            process.wait(10)
            for one in applications:
                one.shutdown()
                one.server_close()


def test_no_request_is_lost_between_colours(engine: Engine) -> None:
    """By the program none; by one reload, which leads to a name that nginx did not know, those that came before its addresses did."""
    folder = engine.folder
    node = Node(Settings(folder / "in", folder / "out", folder / "nginx", folder / "static", folder, settle_seconds=1), engine, Host())

    def lead(colour: str) -> None:
        (folder / "in" / "desired.json").write_text(Desired().leading("web", colour, 3000).text())
        assert node.converge().ok

    lead("blue")
    with Visitors(folder / "visitors") as visitors:
        until(lambda: visitors.answers[COLOURS["web-blue"]] > 10)
        visitors.answers.clear()
        for colour in ("green", "blue"):
            lead(colour)
            seen = visitors.answers[COLOURS[f"web-{colour}"]]
            until(lambda colour=colour, seen=seen: visitors.answers[COLOURS[f"web-{colour}"]] > seen + 20)  # type: ignore[misc]
        assert set(visitors.answers) == set(COLOURS.values()), visitors.answers
        replace(folder / "nginx" / "upstream" / "web.conf", upstreams.leading("web-green:3000"))
        Nginx(folder, engine, Host(), "one").reload()
        until(lambda: visitors.answers["502"] > 0)


def test_a_question_finds_a_name_or_not(tmp_path: Path) -> None:
    """Any nginx answers it, and says which name it did not find."""
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not nginx:
        pytest.skip("needs nginx")
    for host, code in (("localhost:3000", 0), ("platform-none.invalid:3000", 1)):
        (tmp_path / "question.conf").write_text(upstreams.question([host]).replace("/run/", f"{tmp_path}/"))
        done = subprocess.run([nginx, "-t", "-q", "-c", str(tmp_path / "question.conf")], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert bool(re.search(rf'host not found in upstream "{re.escape(host)}"', done.stderr)) is bool(code)
