# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a language's own reader makes of a written value is the value: Compose, nginx, Node, libpq and ssh are asked themselves."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg2.extensions
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.quetrex.platform.plugins.module_utils import writing
from ansible_collections.quetrex.platform.plugins.module_utils.writing import Inexpressible
from lab import compose
from lab.config import Lab

NASTY = [
    "abc\\",
    "abc\\\\",
    "it's\\",
    "\\'",
    '\\"',
    "a\nINJECTED=1",
    "a\r\n",
    "$HOME ${PATH} $$",
    "it's $x",
    "a #b",
    "#",
    "",
    " ",
    '"q"',
    "`id`",
    "\\0101",
    "\\n",
    "é",
    "{{ x }}",
]
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
TEXTS = st.lists(TEXT | st.text("\\'\"$ #\n\ra{}()=x0n", max_size=12), min_size=1, max_size=60)
FEW = settings(max_examples=8, deadline=None)


def read_by_compose(text: str) -> dict[str, str]:
    """The environment that Compose gives a container with this env file."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "e").write_bytes(text.encode())
        Path(folder, "compose.yml").write_text("services: {a: {image: x, env_file: [e]}}\n")
        words = [str(compose.program(Lab())), "--project-directory", folder, "--file", f"{folder}/compose.yml", "config", "--format", "json"]
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30)
    return {name: value.replace("$$", "$") for name, value in json.loads(done.stdout)["services"]["a"]["environment"].items()}


@FEW
@given(TEXTS)
@example(NASTY)
def test_env_file(values: list[str]) -> None:
    variables = {f"V{number}": value for number, value in enumerate(values)}
    assert read_by_compose(writing.env_file(variables)) == variables


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (False, "false"), (7, "7"), (-1, "-1"), ("007", "007"), ("yes", "yes"), ("1.10", "1.10")])
def test_yaml_value(value: Any, text: str) -> None:
    assert writing.plain_text(value) == text


@pytest.mark.parametrize("value", [1.1, None, [], {}, "a\0b", b"x"])
def test_yaml_value_refused(value: Any) -> None:
    with pytest.raises(Inexpressible, match=r"^N (is|contains)") as caught:
        writing.env_file({"N": value})
    assert "1.1" not in str(caught.value)


def test_env_name_refused() -> None:
    with pytest.raises(Inexpressible, match="letters, digits and _"):
        writing.env_line("A\nB", "x")


def serve(folder: Path, config: str) -> subprocess.Popen[bytes]:
    """nginx with this configuration, once it listens on `folder`/s."""
    temp = "".join(f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    text = f"daemon off; master_process off; pid {folder}/pid; events {{}} http {{ access_log off; {temp} {config} }}"
    (folder / "nginx.conf").write_text(text)
    words = ["/usr/sbin/nginx", "-e", str(folder / "error"), "-c", str(folder / "nginx.conf")]
    subprocess.run([*words, "-t", "-q"], check=True, capture_output=True, timeout=20)
    process = subprocess.Popen(words)
    while not listens(folder / "s"):
        assert process.poll() is None
    return process


def listens(place: Path) -> bool:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as client:
        return client.connect_ex(str(place)) == 0


def ask(folder: Path, path: str, header: bytes = b"") -> bytes:
    """The body of nginx's answer."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as client:
        client.connect(str(folder / "s"))
        client.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n".encode() + header + b"\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    return answer.partition(b"\r\n\r\n")[2]


@pytest.mark.service
@FEW
@given(TEXTS.map(lambda values: [value.replace("$", "") for value in values]))
@example([value.replace("$", "") for value in NASTY])
def test_nginx_string(values: list[str]) -> None:
    places = "".join(f"location = /{number} {{ return 200 {writing.nginx_string(value)}; }}" for number, value in enumerate(values))
    with tempfile.TemporaryDirectory() as folder:
        process = serve(Path(folder), f"server {{ listen unix:{folder}/s; {places} }}")
        try:
            assert [ask(Path(folder), f"/{number}").decode() for number in range(len(values))] == values
        finally:
            process.terminate()
            process.wait(10)


def test_nginx_refused() -> None:
    with pytest.raises(Inexpressible, match=r"contains \$"):
        writing.nginx_string("a$b")
    with pytest.raises(Inexpressible, match="longer than nginx can read"):
        writing.nginx_string("a" * 5000)


@FEW
@given(st.lists(TEXT.filter(bool), min_size=1, max_size=40))
@example([value for value in NASTY if value] + ["p@ss/w:rd?#[]%zz", "50%off", "a b"])
def test_url(passwords: list[str]) -> None:
    """As Node's parser sees it, which ioredis, pg and postgres.js use."""
    parts = [{"scheme": "redis", "user": "w:@/é", "password": word, "host": "::1", "port": 6379, "path": "a/b"} for word in passwords]
    script = "JSON.parse(process.argv[1]).map(u => new URL(u)).map(u => [u.username, u.password, u.pathname.slice(1)].map(decodeURIComponent).concat(u.host))"
    done = subprocess.run(
        ["node", "-p", f"JSON.stringify({script})", json.dumps([writing.url(one) for one in parts])], capture_output=True, text=True, check=True, timeout=30
    )
    assert json.loads(done.stdout) == [["w:@/é", word, "a/b", "[::1]:6379"] for word in passwords]


@given(TEXT.filter(bool), TEXT.filter(bool), TEXT.filter(bool))
def test_url_of_a_database(user: str, password: str, name: str) -> None:
    """As libpq reads it."""
    parts = {"scheme": "postgresql", "user": user, "password": password, "host": "db.example.com", "port": "5432", "path": name}
    read = psycopg2.extensions.parse_dsn(writing.url({**parts, "query": {"sslmode": "verify-full", "sslrootcert": "/etc/a b&c"}}))
    assert read == {
        "user": user, "password": password, "host": "db.example.com", "port": "5432", "dbname": name, "sslmode": "verify-full", "sslrootcert": "/etc/a b&c",
    }  # fmt: skip


def test_url_of_a_socket() -> None:
    read = psycopg2.extensions.parse_dsn(writing.url({"scheme": "postgresql", "user": "a", "host": "/run/post gres"}))
    assert read == {"user": "a", "host": "/run/post gres"}


PATH = st.text(st.characters(exclude_characters='\0"\\\r\n', exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).map(
    lambda text: "/" + text.replace("${", "$")
)


def read_by_ssh(*paths: str) -> str:
    """The files that ssh would read, as it prints them: with a blank between."""
    words = shlex.split("-o " + shlex.quote(f"UserKnownHostsFile={writing.ssh_files(*paths)}"))
    said = subprocess.run(["ssh", "-G", "-F", "/dev/null", *words, "host"], capture_output=True, text=True, check=True, timeout=10).stdout
    found = re.search(r"^userknownhostsfile (.*)$", said, re.MULTILINE)
    return found[1] if found else ""


@settings(max_examples=40, deadline=None)
@given(PATH)
@example("/tmp/Jane Doe/%h/o'neil/#x/known_hosts")
def test_ssh_files(path: str) -> None:
    assert read_by_ssh(path) == path
    assert read_by_ssh(path, "/b c") == f"{path} /b c"


@pytest.mark.parametrize("path", ['/a"b', "/a\\b", "/a\nb", "/${HOME}/x"])
def test_ssh_files_refused(path: str) -> None:
    with pytest.raises(Inexpressible):
        writing.ssh_files(path)


@pytest.mark.parametrize(("name", "quoted"), [("plain", '"plain"'), ('a"b', '"a""b"'), ("Select *", '"Select *"')])
def test_sql_name(name: str, quoted: str) -> None:
    assert writing.sql_name(name) == quoted


GOOD: dict[str, list[Any]] = {
    "word": ["a", "web.example.com", "_x-1"], "key": ["net.ipv4.conf.all/x", "br-*"], "token": ["+client|list", "-@all", "/tmp:size=64m,mode=1777"],
    "host": ["::1", "ntp.example.com"], "amount": [10, 1.5, "10m", "04:30", "30/minute", "0022", "now", "1month"],
    "calendar": ["hourly", "*-*-* 04:30:00", "Mon..Fri *-*-1/2 0/2:00"], "path": ["/srv/platform", "/x/.y/z_1"],
    "command": ["/usr/local/sbin/x", "/bin/x --a=b c"],
    "image": ["ghcr.io:5000/a/b:1@sha256:0a"], "url": ["https://a.example/b?c=d", "http://[::1]:80/x"], "line": ["", "a b\t'c' \"d\" $e"],
    "address": ["192.0.2.1", "::1"], "network": ["192.0.2.0/24", "2001:db8::/32", "192.0.2.7"],
}  # fmt: skip
EVERYWHERE_BAD = ["a\nb", "a\rb", "a\x00b", "a\n"]
BAD = {
    "word": ["", "-a", "a b", "a;b", "a$b", "a%b", "a/b", "é"], "key": ["a=b", "a b"], "token": ["a b", "a'b", "a$b", "a\\b", "a`b"],
    "host": ["-a", "a b", "a;"],
    "amount": ["", "10 m", "m10", "10m;", "-1"], "calendar": ["%h", "a;b", ""], "path": ["a", "/", "/a b", "/a/", "/a//b", "/a%b", "/$a", "/a'b", "/a:b"],
    "command": ["x", "/x 'y'", "/x $y", "/x; y", "/x %h"], "image": ["-a", "a b", "a}", "a$b"], "url": ["ftp://a", "https://a b", "https://a'b", "https://a$b"],
    "line": ["a\u2028b"], "address": ["192.0.2.0/24", "a", "fe80::1%eth0"], "network": ["192.0.2.0/255.255.255.0", "fe80::1%eth0", "a", "1.2.3.4;x"],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in GOOD.items() for value in values])
def test_literal(kind: str, value: Any) -> None:
    assert writing.literal(value, kind) == str(value)


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in BAD.items() for value in [*values, *EVERYWHERE_BAD, None, ["a"]]])
def test_literal_refused(kind: str, value: Any) -> None:
    with pytest.raises(Inexpressible):
        writing.literal(value, kind)
