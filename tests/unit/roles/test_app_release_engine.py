# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""However a release ends: what serves, what is on record and published, and the exit code that says so."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.released import answer

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))

from quetrex_release import __main__ as program
from quetrex_release import host as host_module
from quetrex_release.colours import Colours
from quetrex_release.docker import Docker
from quetrex_release.files import listed
from quetrex_release.host import Host
from quetrex_release.leftovers import Leftovers
from quetrex_release.nginx import Nginx
from quetrex_release.outcome import Outcome, ReleaseError
from quetrex_release.plan import Container
from quetrex_release.record import COLOURS, Record
from quetrex_release.server import Server
from quetrex_release.settings import Settings
from quetrex_release.stack import Stack
from quetrex_release.state import State
from quetrex_release.store import Store, StoreError

WEB, RUNNER = "registry.example.com/app/web", "registry.example.com/app/runner"


def image(number: int, name: str = WEB) -> str:
    return f"{name}@sha256:{number:064x}"


class Rows(Store):
    """The row of the database; `away` is why it cannot be had."""

    def __init__(self, row: object = None) -> None:
        self.row, self.away = row if row is not None else {}, ""

    def fetch(self) -> object:
        if self.away:
            raise StoreError(self.away)
        return self.row

    def keep(self, record: Any) -> None:
        if self.away:
            raise StoreError(self.away)
        self.row = json.loads(json.dumps(record))


class Once(dict[str, Exception]):
    """Each fails the first time alone: the way back works."""

    def __getitem__(self, key: str) -> Exception:
        return self.pop(key)


class Parts(Docker, Host):
    """The engine, the clock and the disks of a server. `did` is what was done, `fails` names what raises which exception."""

    def __init__(self) -> None:
        self.containers: dict[str, Container] = {}
        self.fails: dict[str, Exception] = {}
        self.did: list[str] = []
        self.time, self.runs = 0.0, image(1, RUNNER)

    def do(self, what: str) -> None:
        self.did.append(what)
        if what.split(maxsplit=1)[0] in self.fails:
            raise self.fails[what.split(maxsplit=1)[0]]

    def run(self, *words: str, env: object = None, check: bool = True, timeout: float = 600) -> str:
        self.do(" ".join(words))
        if words[0] == "start" and (colour := words[1].removeprefix("platform-web-")) in self.containers:
            self.containers[colour] = replace(self.containers[colour], running=True, healthy=True)
        return ""

    def pull(self, image: str) -> None:
        self.do(f"pull {image}")

    def image(self, name: str) -> str:
        return self.runs

    def images_of(self, repositories: Collection[str]) -> list[str]:
        return []

    def forget(self, image: str) -> None:
        self.do(f"forget {image}")

    def logs(self, name: str) -> str:
        return f"last lines of {name.rpartition('-')[2]}"

    def health(self, name: str) -> str:
        return "healthy"

    def restarts(self, name: str) -> int:
        return 0

    def memory_mb(self) -> int:
        return 10_000

    def disk_mb(self) -> int:
        return 10_000

    def free_mb(self, folder: Path) -> int:
        return 10_000

    def used_mb(self, process: int) -> int:
        return 0

    def wait(self, seconds: float) -> None:
        self.time += seconds

    def clock(self) -> float:
        return self.time


class Kept(State):
    """The state files, and the database's row."""

    def __init__(self, folder: Path, parts: Parts) -> None:
        super().__init__(folder / "stack", folder / "state")
        self.parts, self.rows = parts, Rows()

    @property
    def store(self) -> Store | None:
        return self.rows

    def save_record(self, record: Record) -> None:
        self.parts.do("save")
        super().save_record(record)


class Chosen(Stack):
    """The services that are exchanged in place, of which one image is chosen."""

    def __init__(self, folder: Path, settings: Settings, parts: Parts) -> None:
        super().__init__(folder, settings.exchanges, parts)
        self.parts, self.chosen = parts, ""
        parts.up = lambda service, env=None: self.up(service)  # type: ignore[method-assign]

    def choice(self, name: str) -> str:
        return self.chosen

    def choose(self, name: str, image: str) -> None:
        self.chosen = image

    def pull(self, name: str) -> None:
        self.parts.do(f"pull-service {name}")

    def up(self, name: str) -> None:
        self.parts.runs = self.chosen or image(1, RUNNER)
        self.parts.do(f"up {name}")

    def learn(self, name: str) -> None:
        self.parts.do(f"learn {name}")

    def good_is_current(self) -> bool:
        self.parts.do("remember")
        return True


class Web(Colours):
    """The application, whose containers are a table."""

    def __init__(self, fake: Fake) -> None:
        super().__init__(fake.settings, fake.parts, fake.nginx, fake.state, fake.parts)
        self.fake, self.do, self.containers = fake, fake.parts.do, fake.parts.containers

    def config(self) -> str:
        return "c"

    def container(self, colour: str) -> Container | None:
        return self.containers.get(colour)

    def start(self, colour: str, image: str, config: str) -> None:
        self.containers[colour] = Container(image, config, running=True, healthy=True)
        self.do(f"start {colour}")

    def stop(self, colour: str) -> None:
        self.do(f"stop {colour}")
        if colour in self.containers:
            self.containers[colour] = replace(self.containers[colour], running=False, healthy=False)

    def remove(self, colour: str) -> None:
        self.do(f"remove {colour}")
        self.containers.pop(colour, None)

    def reload(self) -> None:
        self.do("reload")

    def direct(self, colour: str) -> tuple[int, str]:
        self.do("gate")
        return 200, "1"

    def preview(self, colour: str) -> tuple[int, str]:
        self.do("preview")
        return 200, "1"

    def through_nginx(self) -> tuple[int, str, str]:
        self.do("verify")
        return 200, "1", f"{self.settings.addresses[self.serving() or 'blue']}:3000"

    def point(self, colour: str | None) -> None:
        self.do(f"point {colour}")
        super().point(colour)

    def draining(self) -> int:
        self.do("drain")
        return 0

    def keep_static(self, colour: str, image: str) -> None:
        self.do("keep")

    def prune_static(self, kept: list[str]) -> None:
        self.do("prune")

    def tidy(self) -> None:
        pass


class Fake(Server):
    """A server of files and a few containers."""

    def __init__(self, folder: Path) -> None:
        for name in ("stack/nginx", "state"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        super().__init__(
            Settings(
                project_dir=folder / "stack",
                state_dir=folder / "state",
                addresses={"blue": "172.30.0.11", "green": "172.30.0.12"},
                port=3000,
                health_path="/",
                server_name="x.test",
                drain_seconds=5,
                repositories=(WEB,),
                runner_repositories=(RUNNER,),
            )
        )
        self.parts = Parts()
        self.docker = self.host = self.parts
        self.nginx = Nginx(folder / "stack", self.parts, self.parts)
        self.state: Kept = Kept(folder, self.parts)
        self.stack = Chosen(folder / "stack", self.settings, self.parts)
        self.leftovers = Leftovers(self.settings, self.parts)
        self.web = Web(self)
        self.containers, self.did = self.parts.containers, self.parts.did

    def service(self, name: str) -> Web:
        return self.web


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """A server on which image 1 was released and serves, by blue."""
    made = Fake(tmp_path)
    monkeypatch.setattr(host_module, "FSTAB", tmp_path / "fstab")
    monkeypatch.setattr(host_module, "MOUNTS", tmp_path / "mounts")
    assert run(made, "deploy", image(1), "--runner", image(1, RUNNER))[0] == 0
    made.did.clear()
    return made


def run(fake: Fake, *words: str) -> tuple[int, dict[str, Any]]:
    return answer(program, fake, *words)


def truth(fake: Fake) -> tuple[str | None, str, str | None]:
    """The colour that visitors get, its image, and the image on record."""
    colour = fake.web.serving()
    current = fake.state.record().web.current
    return colour, fake.containers[colour or "blue"].image, current.image if current else None


BEFORE = ["pull", "start", "gate", "preview", "keep", "point", "reload", "verify", "save"]
KINDS = [ReleaseError("docker_failed", "no"), OSError(28, "No space left on device"), KeyError("Health")]


@pytest.mark.parametrize("problem", KINDS, ids=["program", "system", "defect"])
@pytest.mark.parametrize("step", BEFORE)
def test_a_failure_before_the_record_leaves_the_old_one(fake: Fake, step: str, problem: Exception) -> None:
    fake.parts.fails = Once({step: problem})
    code, result = run(fake, "deploy", image(2))
    assert (code, result["outcome"], result["failed"]) == (1, "failed", True), result
    assert truth(fake) == ("blue", image(1), image(1))
    assert "green" not in fake.containers
    assert result["current"]["image"] == image(1)
    assert "what served before serves" in result["msg"]
    assert result["failure"]["logs"] == ("" if step == "pull" else "last lines of green")
    assert not fake.parts.fails


@pytest.mark.parametrize("step", ["drain", "stop", "prune"])
def test_failure_after_record(fake: Fake, step: str) -> None:
    """A failure after the record leaves the new one and says so."""
    fake.parts.fails = {step: OSError("broken")}
    code, result = run(fake, "deploy", image(2))
    assert (code, result["outcome"]) == (5, "unclean"), result
    assert truth(fake) == ("green", image(2), image(2))
    assert result["current"]["image"] == image(2)
    assert Record.parse(fake.state.rows.row).web.image == image(2), "what serves is published however it ends"
    assert f"{step}: " in result["msg"]
    fake.parts.fails = {}
    assert run(fake, "deploy", image(2))[0] == 0
    assert truth(fake) == ("green", image(2), image(2))


def test_a_record_that_cannot_be_written_gives_visitors_back(fake: Fake) -> None:
    """The record says the old one, so the old one serves: a reboot changes nothing."""
    fake.parts.fails = {"save": OSError(28, "No space left on device")}
    code, result = run(fake, "deploy", image(2))
    assert (code, result["outcome"]) == (1, "failed"), result
    assert truth(fake) == ("blue", image(1), image(1))
    fake.parts.fails = {}
    assert run(fake, "ensure")[1]["changed"] is False


def test_record_restored_after_failure(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that was written before its step failed is put back."""

    def interrupted(record: Record) -> None:
        State.save_record(fake.state, record)
        monkeypatch.undo()
        raise ReleaseError("interrupted", "asked to stop")

    monkeypatch.setattr(fake.state, "save_record", interrupted)
    code, _result = run(fake, "deploy", image(2))
    assert (code, truth(fake)) == (1, ("blue", image(1), image(1)))


def test_a_way_back_that_fails_is_no_old_release(fake: Fake) -> None:
    fake.parts.fails = {"verify": ReleaseError("broken_through_nginx", "HTTP 500"), "stop": ReleaseError("docker_failed", "the engine is away")}
    code, result = run(fake, "deploy", image(2))
    assert (code, result["outcome"], result["failure"]["code"]) == (7, "unknown", "broken_through_nginx")
    assert "the engine is away" in result["msg"]


def test_a_request_to_stop_does_not_interrupt_the_way_back(fake: Fake) -> None:
    handlers: dict[int, Any] = {}

    def signals(number: int, handler: Any) -> Any:
        former, handlers[number] = handlers.get(number, "default"), handler
        return former

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program.signal, "signal", signals)
        with program.shielded():
            assert [handlers[number] for number in program.STOPS] == [program.signal.SIG_IGN] * 2
        assert [handlers[number] for number in program.STOPS] == ["default"] * 2


def test_web_released_and_runner_failed_is_both_published(fake: Fake) -> None:
    fake.parts.fails = Once({"learn": ReleaseError("exited", "platform-runner ends instead of serving.")})
    code, result = run(fake, "deploy", image(2), "--runner", image(2, RUNNER))
    assert (code, result["outcome"], result["failure"]["code"]) == (6, "partly", "exited"), result
    assert truth(fake) == ("green", image(2), image(2))
    assert (fake.parts.runs, fake.state.record().runner.image) == (image(1, RUNNER), image(1, RUNNER))
    assert (result["current"]["image"], result["kept_off_server"]) == (image(2), True)
    assert Record.parse(fake.state.rows.row).web.image == image(2)


def test_a_runner_whose_record_cannot_be_written_gives_way(fake: Fake) -> None:
    fake.parts.fails = {"save": OSError(28, "No space left on device")}
    code, result = run(fake, "deploy", "--runner", image(2, RUNNER))
    assert (code, result["outcome"]) == (1, "failed")
    assert (fake.parts.runs, fake.state.record().runner.image) == (image(1, RUNNER), image(1, RUNNER))


@pytest.mark.parametrize("runner", [False, True])
def test_what_is_refused_touches_nothing(fake: Fake, runner: bool) -> None:
    foreign = image(7, "evil.example.com/web")
    for words in (["web:latest"], [foreign], [image(2), "--runner", foreign]):
        code, result = run(fake, "deploy", *(["--runner", *words] if runner and len(words) == 1 else words))
        assert (code, result["outcome"]) == (4, "refused"), result
        assert "Nothing was changed" in result["msg"]
    assert [line for line in fake.did if not line.startswith("save")] == []
    assert truth(fake) == ("blue", image(1), image(1))


def test_a_volume_that_is_away_is_refused_and_nothing_is_written(fake: Fake, tmp_path: Path) -> None:
    state = fake.settings.state_dir
    for path in sorted(state.rglob("*"), reverse=True):
        path.unlink()
    host_module.FSTAB.write_text(f"# {state} not\nUUID=1 {state} ext4 defaults,nofail 0 2\n")
    host_module.MOUNTS.write_text(f"22 1 0:21 / / rw - ext4 /dev/sda rw\n23 22 8:16 /state {state}-other rw - ext4 /dev/sdb rw\n")
    for words in (["deploy", image(2)], ["deploy", "--check", image(2)], ["rollback"], ["ensure"], ["services"]):
        code, result = run(fake, *words)
        assert (code, result["outcome"], result["failure"]["code"]) == (4, "refused", "not_mounted"), words
    assert list(state.iterdir()) == []
    state.rmdir()
    host_module.FSTAB.write_text("")
    assert run(fake, "deploy", image(2))[1]["failure"]["code"] == "no_state"
    assert not state.exists(), "the program never makes the folder"


def test_a_mounted_volume_is_found_also_with_a_blank_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mounts"
    table.write_text("23 22 8:16 / /srv/plat\\040form rw - ext4 /dev/sdb rw\n")
    assert listed(table, 4, Path("/srv/plat form"))
    assert not listed(table, 4, Path("/srv/plat"))
    assert not listed(tmp_path / "none", 4, Path("/srv"))


def test_a_reboot_that_undoes_a_release_says_so(fake: Fake) -> None:
    fake.web.start("green", image(2), "c")
    Colours.point(fake.web, "green")  # killed between switch and record
    assert run(fake, "ensure")[1] == {"changed": True, "colour": "blue"}
    assert truth(fake) == ("blue", image(1), image(1))
    assert "undone_at_boot" in fake.state.audit_file.read_text()


def test_a_reboot_starts_no_image_that_a_deploy_would_refuse(fake: Fake) -> None:
    record = fake.state.record()
    assert record.web.current
    foreign = replace(record.web.current, image=image(7, "evil.example.com/web"))
    State.save_record(fake.state, record.having(record.web.add(foreign), "web"))
    fake.containers.clear()
    fake.did.clear()
    code, result = run(fake, "ensure")
    assert (code, result["failure"]["code"]) == (4, "unknown_repository")
    assert not fake.did


@pytest.mark.parametrize("sick", [False, True])
def test_interrupted_release_goes_back(fake: Fake, sick: bool) -> None:
    """An interrupted release that cannot be finished goes back."""
    fake.web.start("green", image(2), "c")
    Colours.point(fake.web, "green")
    if sick:
        fake.web.stop("blue")
    fake.parts.fails = {"verify": ReleaseError("broken_through_nginx", "HTTP 500")}
    code, result = run(fake, "deploy", image(2))
    assert (code, result["outcome"]) == ((7, "unknown") if sick else (1, "failed"))
    assert fake.web.serving() == ("green" if sick else "blue")
    assert fake.state.record().web.image == image(1)


def test_no_tag_makes_another_image(fake: Fake) -> None:
    tagged = image(1).replace("@", ":1.0.0@")
    code, result = run(fake, "deploy", tagged)
    assert (code, result["changed"], result["reason"]) == (0, False, "this release serves")
    code, _result = run(fake, "deploy", tagged.replace(f"{1:064x}", f"{2:064x}"))
    assert (code, truth(fake)[1:]) == (0, (image(2), image(2)))


def test_what_an_inventory_resumes_is_what_served(fake: Fake) -> None:
    raised = image(9)
    assert run(fake, "deploy", "--inventory", "--resume", raised)[1]["kept"]
    assert truth(fake) == ("blue", image(1), image(1))
    assert run(fake, "deploy", "--inventory", raised)[1]["kept"] is None
    assert truth(fake) == ("green", raised, raised)


# The record in the database: whoever has the application's connection can have written it.


def released(*numbers: int, name: str = WEB, serial: int | None = None, runner: tuple[int, ...] = (1,)) -> dict[str, Any]:
    """A record of these images."""

    def track(images: list[str], colours: tuple[str, ...]) -> dict[str, Any]:
        lines = [
            {"colour": colours[number % len(colours)], "image": one, "config": "c", "version": "1", "at": f"2026-01-{number + 1:02}T00:00:00Z"}
            for number, one in enumerate(images)
        ]
        return {"current": lines[-1], "previous": lines[-2] if len(lines) > 1 else None, "history": lines}

    web = track([image(number, name) for number in numbers], COLOURS)
    made = web | {"runner": track([image(number, RUNNER) for number in runner], ("",))}
    return made | ({"serial": serial} if serial is not None else {})


HOSTILE: dict[str, Any] = {
    "no image": {"current": {"at": "9999"}},
    "a list": [1, 2],
    "a text": "nothing",
    "a number": 7,
    "current alone": {"current": released(8)["current"]},
    "another repository": released(8, name="evil.example.com/web", serial=10**6),
    "a repository that begins alike": released(8, name=f"{WEB}-evil", serial=10**6),
    "a time in the future that is none": {**released(8), "current": {**released(8)["current"], "at": "9999"}},
    "a foreign runner": released(8) | {"runner": released(8, name="evil.example.com/r")["runner"] | {"current": None}},
    "a colour of its own": json.loads(json.dumps(released(8)).replace('"blue"', '"../x"')),
    "a digest that is an option": json.loads(json.dumps(released(8)).replace(WEB, "--privileged")),
    "a serial that is a text": released(8) | {"serial": "99"},
    "a serial that is too large": released(8) | {"serial": 2**80},
    "a history that is none": released(8) | {"history": {"0": 1}},
    "an empty history": released(8) | {"history": []},
    "a runner that is none": released(8) | {"runner": "x"},
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("new", [False, True], ids=["its own record", "no record"])
def test_a_hostile_record_changes_nothing(fake: Fake, tmp_path: Path, name: str, new: bool) -> None:
    fake.state.rows.row = HOSTILE[name]
    if new:
        fake = Fake(tmp_path / "new")
        fake.state.rows.row = HOSTILE[name]
    code, result = run(fake, "deploy", "--inventory", image(2))
    assert (code, result["changed"]) == (0, True), result
    assert truth(fake)[1:] == (image(2), image(2))
    assert Record.parse(fake.state.rows.row).web.image == image(2), "the row is put right"
    rolled = run(fake, "rollback")
    if new:
        assert (rolled[0], rolled[1]["failure"]["code"]) == (4, "nothing_to_roll_back_to")
    else:
        assert (rolled[0], truth(fake)[1]) == (0, image(1))


def test_a_record_of_known_images_never_beats_the_servers_own(fake: Fake) -> None:
    assert run(fake, "deploy", image(2))[0] == 0
    own = fake.state.record()
    fake.state.rows.row = released(1, 2, 8, 9, serial=10**6)
    assert run(fake, "rollback")[0] == 0
    assert truth(fake)[1] == image(1), "what the server released before, not what the row says"
    assert fake.state.record().web.history[: len(own.web.history)] == own.web.history


def test_a_new_server_goes_on_with_the_record_of_the_one_before(fake: Fake, tmp_path: Path) -> None:
    assert run(fake, "deploy", image(2))[0] == 0
    new = Fake(tmp_path / "new")
    new.state.rows = fake.state.rows
    code, result = run(new, "deploy", "--inventory", image(1))
    assert (code, result["kept"]) == (0, "a later release is kept; the inventory's image is older")
    assert truth(new)[1:] == (image(2), image(2))
    assert run(new, "rollback")[0] == 0
    assert truth(new)[1] == image(1)


@pytest.mark.parametrize("row", ["later", "shorter", "of others"])
def test_volume_of_older_copy(fake: Fake, row: str) -> None:
    """A volume of an older copy takes only what goes on from it."""
    older = fake.state.record_file.read_text()
    assert run(fake, "deploy", image(2))[0] == 0
    fake.state.record_file.write_text(older)
    if row == "shorter":
        fake.state.rows.row = released(8, serial=10**6)
    elif row == "of others":
        fake.state.rows.row = released(7, 8, 9, serial=10**6)
    fake.did.clear()
    engine = program.Engine(fake, lambda line: None)
    engine.adopt()
    assert fake.state.record().web.image == (image(2) if row == "later" else image(1))


def test_a_clock_says_nothing_about_which_record_is_later(fake: Fake) -> None:
    fake.state.serial_file.unlink()
    future = json.loads(json.dumps(fake.state.record().plain()).replace("2026", "9999").replace("2027", "9999"))
    fake.state.rows.row = future
    program.Engine(fake, lambda line: None).adopt()
    assert future["current"]["at"] != fake.state.record().plain()["current"]["at"]


def test_releases_of_another_registry_are_no_way_back(fake: Fake, tmp_path: Path) -> None:
    moved = released(1, 2, serial=5)
    old = json.loads(json.dumps(moved["history"][0]).replace(WEB, "old.example.com/web"))
    new = Fake(tmp_path / "new")
    new.state.rows.row = moved | {"history": [old, moved["history"][1]], "previous": old}
    assert run(new, "deploy", "--inventory", image(2))[0] == 0
    assert run(new, "rollback")[1]["failure"]["code"] == "nothing_to_roll_back_to"


def test_a_damaged_record_on_the_volume_bricks_nothing(fake: Fake) -> None:
    fake.state.record_file.write_text('{"current": {"at": "9999"}}')
    code, result = run(fake, "deploy", image(2))
    assert (code, result["current"]["image"]) == (0, image(2)), result
    assert truth(fake)[1:] == (image(2), image(2))


def test_every_outcome_has_a_code_of_its_own() -> None:
    codes = {outcome.name: outcome.code for outcome in Outcome}
    assert codes == {"done": 0, "failed": 1, "locked": 3, "refused": 4, "unclean": 5, "partly": 6, "unknown": 7, "job_failed": 8}
