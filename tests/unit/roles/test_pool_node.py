# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server of a pool: it follows what is desired, refuses what is strange, and goes on as before whatever fails or is killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "pool_node" / "files"))

from quetrex_node import __main__ as program
from quetrex_node import upstreams
from quetrex_node.desired import Desired, Refused
from quetrex_node.node import CONTAINER, Node, Observed, Settings
from quetrex_release.docker import Docker
from quetrex_release.outcome import ReleaseError

NEW, OLD = (f"registry.example.com/app/web@sha256:{digit * 64}" for digit in "ab")
BLUE, GREEN = (Desired().leading("web", colour, 3000) for colour in ("blue", "green"))


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Engine(Docker):
    """A docker whose nginx reads its files when it is told to, with the images, names and faults of a test. `at` kills the caller at that command."""

    folder: Path
    nginx: str = "c0ffee"
    hosts: set[str] = field(default_factory=lambda: {"web-blue", "web-green"})
    images: dict[str, dict[str, str]] = field(default_factory=dict)
    here: set[str] = field(default_factory=set)
    refuses: str = ""
    at: int = 0
    calls: list[tuple[str, ...]] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    created: str = ""
    busy: int = 0
    time: float = 0.0
    waits: Callable[[], None] = lambda: None

    def run(self, *words: str, check: bool = True, **_more: Any) -> str:
        self.calls.append(words)
        if len(self.calls) == self.at:
            raise Killed
        found = getattr(self, f"do_{words[0]}")(*words[1:])
        if isinstance(found, ReleaseError):
            if check:
                raise found
            return str(found)
        return str(found)

    def do_container(self, *_words: str) -> str:
        return f"{self.nginx}\n" if self.nginx else ""

    def do_top(self, *_words: str) -> str:
        old = "8 nginx: worker process is shutting down\n" * self.busy
        self.busy = max(0, self.busy - 1)
        return f"PID COMMAND\n1 nginx: master process\n{len(self.loaded) + 10} nginx: worker process\n{old}"

    def do_exec(self, *words: str) -> str | ReleaseError:
        if words[-1].endswith("question.conf"):
            asked = (self.folder / "nginx" / "question.conf").read_text()
            missing = [host for host in ("web-blue", "web-green", "admin-blue") if f" {host}:" in asked and host not in self.hosts]
            return ReleaseError("docker_failed", f'host not found in upstream "{missing[0]}:3000" in /run/platform/question.conf:4') if missing else ""
        if words[-1] == "-q" and self.refuses:
            return ReleaseError("docker_failed", self.refuses)
        if words[-1] == "reload":
            self.loaded.append("".join(path.read_text() for path in sorted((self.folder / "nginx" / "upstream").glob("*.conf"))))
        return ""

    def do_image(self, verb: str, *words: str) -> str:
        if verb == "rm":
            self.here.discard(words[-1])
        if "--digests" in words:
            return "".join(f"{image}\n" for image in self.here)
        return "sha256:1\n" if verb == "ls" and words[-1] in self.here else ""

    def do_pull(self, *words: str) -> str | ReleaseError:
        if words[-1] not in self.images:
            return ReleaseError("docker_failed", "docker pull failed: manifest unknown")
        self.here.add(words[-1])
        return ""

    def do_create(self, *words: str) -> str:
        self.created = words[-2]
        return "id\n"

    def do_cp(self, source: str, target: str) -> str:
        assert source == f"{CONTAINER}:/app/.next/static/."
        for name, text in self.images[self.created].items():
            (Path(target) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(target) / name).write_text(text)
        return "" if self.images[self.created] else "Error response from daemon: Could not find the file /app/.next/static in container x"

    def do_rm(self, *_words: str) -> str:
        self.created = ""
        return ""

    def reloads(self) -> int:
        return len(self.loaded)

    def clock(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += seconds
        self.waits()

    def now(self) -> str:
        return ""


@pytest.fixture(name="engine")
def _engine(tmp_path: Path) -> Engine:
    for name in ("in", "out", "nginx/upstream", "static"):
        (tmp_path / name).mkdir(parents=True)
    return Engine(tmp_path)


def node(engine: Engine) -> Node:
    folder = engine.folder
    settings = Settings(folder / "in", folder / "out", folder / "nginx", folder / "static", folder)
    return Node(settings, engine, engine)


def bring(engine: Engine, desired: Desired | str) -> None:
    """What the service does."""
    (engine.folder / "in" / "desired.json").write_text(desired if isinstance(desired, str) else desired.text())


def applied(engine: Engine, desired: Desired) -> bool:
    """What the service's health check looks at."""
    path = engine.folder / "out" / "applied.json"
    return path.exists() and path.read_text() == desired.text()


def text(engine: Engine, name: str = "web") -> str:
    return (engine.folder / "nginx" / "upstream" / f"{name}.conf").read_text()


def converged(engine: Engine, desired: Desired) -> Observed:
    bring(engine, desired)
    return node(engine).converge()


def test_nothing_desired_changes_nothing(engine: Engine) -> None:
    assert node(engine).converge() == Observed()
    assert engine.calls == []


def test_a_second_run_changes_nothing(engine: Engine) -> None:
    first = converged(engine, BLUE)
    assert (first.ok, first.serving, first.generation, first.digest) == (True, True, BLUE.generation, sha256(BLUE.text().encode()).hexdigest())
    assert applied(engine, BLUE)
    assert (engine.folder / "nginx" / "ready").exists()
    assert text(engine) == "server web-blue:3000 resolve max_fails=0;\n"
    files = {path: path.stat().st_mtime_ns for path in engine.folder.rglob("*") if path.is_file()}
    assert converged(engine, BLUE) == first
    assert engine.reloads() == 1
    (engine.folder / "in" / "desired.json").touch()
    assert {path for path, at in files.items() if path.stat().st_mtime_ns != at} == {engine.folder / "in" / "desired.json"}


def test_the_next_colour_is_known_before_it_is_led_to(engine: Engine) -> None:
    """nginx has no addresses of a new name just after a reload; the first one makes it known and the second leads to it."""
    converged(engine, BLUE)
    before = engine.time
    assert converged(engine, GREEN).ok
    assert engine.loaded[1:] == [
        "server web-blue:3000 resolve max_fails=0;\nserver web-green:3000 resolve down;\n",
        "server web-green:3000 resolve max_fails=0;\n",
    ]
    assert engine.time - before >= 2, "the addresses have had no time to arrive"


def test_a_colour_without_a_container_is_not_led_to(engine: Engine) -> None:
    converged(engine, BLUE)
    engine.hosts.discard("web-green")
    observed = converged(engine, GREEN)
    assert (observed.ok, observed.code) == (False, "no_address")
    assert "web-green:3000: no container" in observed.problem
    assert text(engine) == "server web-blue:3000 resolve max_fails=0;\n"
    assert not (engine.folder / "out" / "applied.json").exists()
    assert json.loads((engine.folder / "out" / "observed.json").read_text())["problem"] == observed.problem
    engine.hosts.add("web-green")
    assert converged(engine, GREEN).ok


def test_what_nginx_refuses_is_taken_back(engine: Engine) -> None:
    converged(engine, BLUE)
    engine.refuses = "nginx: [emerg] unknown directive"
    observed = converged(engine, GREEN)
    assert (observed.code, engine.reloads()) == ("nginx_refused", 1)
    assert "unknown directive" in observed.problem
    assert text(engine) == "server web-blue:3000 resolve max_fails=0;\n"
    engine.refuses = ""
    assert converged(engine, GREEN).ok


def test_an_nginx_that_does_not_run_reads_the_files_later(engine: Engine) -> None:
    container, engine.nginx = engine.nginx, ""
    observed = converged(engine, BLUE)
    assert (observed.ok, observed.serving, engine.reloads()) == (True, False, 0)
    assert applied(engine, BLUE)
    assert text(engine) == "server web-blue:3000 resolve max_fails=0;\n"
    assert not (engine.folder / "nginx" / "ready").exists(), "the balancer would send visitors"
    engine.nginx = container
    assert converged(engine, BLUE).serving
    assert (engine.folder / "nginx" / "ready").exists()


def test_another_nginx_is_reloaded_once(engine: Engine) -> None:
    converged(engine, BLUE)
    engine.nginx = "another"
    converged(engine, BLUE)
    converged(engine, BLUE)
    assert engine.reloads() == 2


def test_a_service_that_is_gone_loses_its_file(engine: Engine) -> None:
    engine.hosts.add("admin-blue")
    converged(engine, BLUE.leading("admin", "blue", 3000))
    converged(engine, BLUE)
    assert [path.name for path in (engine.folder / "nginx" / "upstream").iterdir()] == ["web.conf"]
    converged(engine, Desired())
    assert not (engine.folder / "nginx" / "ready").exists()


def keeping(*images: str) -> Desired:
    return BLUE.keeping(images, "/app/.next/static", "/_next/static")


def test_static_files_of_kept_images_are_here(engine: Engine) -> None:
    """An image that is not kept any more goes with its files."""
    engine.images = {NEW: {"chunks/new.js": "n", "same.js": "s"}, OLD: {"old.js": "o", "same.js": "s"}}
    engine.here = {NEW}
    kept = engine.folder / "static" / "files" / "_next" / "static"
    assert converged(engine, keeping(NEW, OLD)).ok
    assert sorted(str(path.relative_to(kept)) for path in kept.rglob("*.js")) == ["chunks/new.js", "old.js", "same.js"]
    assert (engine.here, engine.created) == ({NEW, OLD}, "")
    calls = len(engine.calls)
    assert converged(engine, keeping(NEW, OLD)).ok
    assert not {"pull", "create", "cp"} & {words[0] for words in engine.calls[calls:]}
    assert converged(engine, keeping(NEW)).ok
    assert sorted(path.name for path in kept.rglob("*.js")) == ["new.js", "same.js"]
    assert engine.here == {NEW}
    engine.here.add(OLD)
    assert converged(engine, keeping(NEW)).ok
    assert engine.here == {NEW, OLD}, "a release that has just begun has fetched it"


def test_newest_static_files_are_required(engine: Engine) -> None:
    """The newest image's have to be here before it serves; an older one may be gone from its registry."""
    engine.images = {OLD: {}}
    observed = converged(engine, keeping(NEW, OLD))
    assert (observed.code, engine.reloads()) == ("static_failed", 0)
    assert "manifest unknown" in observed.problem
    engine.images = {NEW: {}}
    observed = converged(engine, keeping(NEW, OLD))
    assert (observed.ok, len(observed.warnings)) == (True, 1)
    assert OLD in observed.warnings[0]
    assert "pull" not in {words[0] for words in engine.calls[-3:]}


def changed(**parts: Any) -> str:
    """A state that is strange in one part, with the right sum."""
    rest = {**json.loads(keeping(NEW).text()), **parts}
    rest.pop("generation")
    plain = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return json.dumps({"generation": sha256(plain.encode()).hexdigest(), **rest})


STRANGE: dict[str, str] = {
    "no JSON": "{",
    "a list": "[]",
    "nothing": "",
    "number": "1",
    "too deep": "[" * 100_000,
    "not a number": changed(version=float("nan")),
    "long": " " * 500_000 + "{}",
    "a name twice": BLUE.text().replace('"version":1', '"version":1,"version":1'),
    "another sum": BLUE.text().replace("blue", "green"),
    "unknown key": changed(more=1),
    "version 2": changed(version=2),
    "version true": changed(version=True),
    "upstreams a list": changed(upstreams=[]),
    "name with a slash": changed(upstreams={"../web": {"colour": "blue", "port": 1}}),
    "name with a line": changed(upstreams={"web\n": {"colour": "blue", "port": 1}}),
    "upper case": changed(upstreams={"Web": {"colour": "blue", "port": 1}}),
    "red": changed(upstreams={"web": {"colour": "red", "port": 1}}),
    "colour a list": changed(upstreams={"web": {"colour": ["blue"], "port": 1}}),
    "port 0": changed(upstreams={"web": {"colour": "blue", "port": 0}}),
    "port true": changed(upstreams={"web": {"colour": "blue", "port": True}}),
    "port text": changed(upstreams={"web": {"colour": "blue", "port": "3000"}}),
    "no port": changed(upstreams={"web": {"colour": "blue"}}),
    "image by tag": changed(static={"images": ["registry.example.com/web:1"], "path": "/a", "prefix": "/b"}),
    "image an option": changed(static={"images": [f"--all@sha256:{'0' * 64}"], "path": "/a", "prefix": "/b"}),
    "image by tag and digest": changed(static={"images": [NEW.replace("@", ":1@")], "path": "/a", "prefix": "/b"}),
    "image twice": changed(static={"images": [NEW, NEW], "path": "/a", "prefix": "/b"}),
    "path upwards": changed(static={"images": [NEW], "path": "/a/../b", "prefix": "/b"}),
    "prefix upwards": changed(static={"images": [NEW], "path": "/a", "prefix": "/.."}),
    "relative path": changed(static={"images": [NEW], "path": "a", "prefix": "/b"}),
    "path without prefix": changed(static={"images": [NEW], "path": "/a", "prefix": ""}),
    "path a number": changed(static={"images": [NEW], "path": 0, "prefix": "/b"}),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_state_is_refused(engine: Engine, name: str) -> None:
    converged(engine, BLUE)
    calls, files = len(engine.calls), text(engine)
    bring(engine, STRANGE[name])
    observed = node(engine).converge()
    assert (observed.ok, observed.code) == (False, "refused"), observed
    assert observed.digest == sha256(STRANGE[name].encode()[:400_001]).hexdigest()
    assert (len(engine.calls), text(engine)) == (calls, files)
    assert not (engine.folder / "out" / "applied.json").exists()


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/passwd"), Path.mkdir, os.mkfifo], ids=["link", "folder", "pipe"])
def test_only_a_plain_file_is_read(engine: Engine, make: Callable[[Path], None]) -> None:
    make(engine.folder / "in" / "desired.json")
    assert node(engine).converge().code == "system"
    assert program.follow(node(engine)).code == "system"
    assert program.status(node(engine)).code == "system"


def test_what_is_desired_reads_as_written() -> None:
    desired = keeping(NEW, OLD).leading("admin", "green", 80)
    assert Desired.parse(desired.text()) == desired
    assert desired.leading("admin", None, 80) == keeping(NEW, OLD)
    with pytest.raises(Refused):
        Desired.parse(Desired().leading("Web", "blue", 1).text())


def test_a_kill_at_any_command_is_made_good(engine: Engine) -> None:
    """After it nginx leads to one of both colours, never to none, and the next run finishes; nginx never leads to a name that it did not know before."""
    engine.images = {NEW: {"new.js": "n"}, OLD: {"old.js": "o"}}
    target, at, killed = keeping(NEW, OLD).leading("web", "green", 3000), 0, True
    while killed:
        at, killed = at + 1, False
        converged(engine, keeping(OLD))
        engine.calls, engine.loaded, engine.at = [], [], at
        bring(engine, target)
        try:
            node(engine).converge()
        except Killed:
            killed = True
            assert upstreams.serving(text(engine)) in ("web-blue:3000", "web-green:3000")
        engine.at = 0
        assert node(engine).converge().ok, at
        assert applied(engine, target), at
        assert engine.loaded[-1] == "server web-green:3000 resolve max_fails=0;\n"
        known = ""
        for loaded in engine.loaded:
            assert "web-blue" in loaded or "web-green" in known, f"kill at {at}: {engine.loaded}"
            known = loaded
        assert (engine.folder / "static" / "files" / "_next" / "static" / "new.js").exists()
    assert at > 15, "so many commands a switch has"


# --- the command line ----------------------------------------------------------------------------


def test_follow_goes_on_until_old_workers_are_gone(engine: Engine) -> None:
    """And while it waits, a newer state is followed."""
    bring(engine, BLUE)
    engine.busy = 5
    reported: list[int] = []
    watched = node(engine)

    def watch() -> None:
        reported.append(json.loads(watched.observed_file.read_text())["draining"] if watched.observed_file.exists() else -1)
        if len(reported) == 2:
            bring(engine, GREEN)

    engine.waits = watch
    observed = program.follow(watched)
    assert (observed.ok, observed.draining, observed.generation) == (True, 0, GREEN.generation)
    assert reported[:2] == sorted(reported[:2], reverse=True)
    assert applied(engine, GREEN)


def test_follow_tries_again_while_nginx_starts(engine: Engine) -> None:
    bring(engine, BLUE)
    watched = node(engine)
    engine.refuses = 'open() "/run/nginx.pid" failed'

    def start() -> None:
        engine.refuses = ""

    engine.waits = start
    assert program.follow(watched).ok
    engine.refuses, engine.waits = "it stays broken", lambda: None
    bring(engine, GREEN)
    assert program.follow(watched).code == "nginx_refused"


@pytest.fixture(name="installed")
def _installed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    folder = engine.folder
    names = {"inbox": "in", "outbox": "out", "nginx": "nginx", "static": "static", "stack": "."}
    (folder / "node.json").write_text(json.dumps({key: str(folder / name) for key, name in names.items()} | {"settle_seconds": 0, "resolve_seconds": 0}))
    monkeypatch.setattr(program, "Docker", lambda _config: engine)
    return engine


def run(engine: Engine, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = program.main(["--settings", str(engine.folder / "node.json"), *words])
    return code, capsys.readouterr().out.strip()


def test_words_and_codes(installed: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(installed, capsys, "status") == (0, "Nothing is desired of this server yet.")
    bring(installed, BLUE)
    code, said = run(installed, capsys, "status")
    assert (code, "not in effect yet" in said) == (1, True)
    assert run(installed, capsys, "apply") == (0, f"{BLUE.generation[:12]} is in effect: nginx leads to it.")
    code, said = run(installed, capsys, "--json", "status")
    assert (code, json.loads(said)["generation"]) == (0, BLUE.generation)
    bring(installed, GREEN)
    assert run(installed, capsys, "--json", "status")[0] == 1
    bring(installed, "{")
    code, said = run(installed, capsys, "apply")
    assert (code, said.endswith("What was before goes on.")) == (4, True)
    assert run(installed, capsys, "status")[0] == 4


def test_only_one_is_at_work(installed: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    bring(installed, BLUE)
    with program.alone(installed.folder / "out" / "lock") as free:
        assert free
        assert run(installed, capsys, "apply")[0] == 3
        assert installed.calls == []
    assert run(installed, capsys, "apply")[0] == 0


def test_what_is_installed_is_enough(tmp_path: Path) -> None:
    """The role copies some modules of the release program; the program starts with them alone."""
    role = Path(__file__).resolve().parents[3] / "roles" / "pool_node"
    given = yaml.safe_load((role / "vars" / "main.yml").read_text())
    for package, folder, names in (
        ("quetrex_node", role / "files", given["__pool_node_modules"]),
        ("quetrex_release", role.parent / "app_release" / "files", given["__pool_node_shared"]),
    ):
        (tmp_path / package).mkdir()
        for name in names:
            shutil.copy(folder / package / f"{name}.py", tmp_path / package)
    assert {path.stem for path in (role / "files" / "quetrex_node").glob("*.py")} == set(given["__pool_node_modules"])
    environment = {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-m", "quetrex_node", "--help"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
