# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared by all tests: the collection is importable from any checkout, and an exchange that breaks a contract fails the test that caused it."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from gates import unchanged
from gates.unchanged import PINS

from lab.compiled import controller_kept

ROOT = Path(__file__).resolve().parents[1]


def _tree() -> Path:
    """The folder that holds ansible_collections/quetrex/platform: a copy's own, or a link beside the checkout's caches."""
    if ROOT.parent.parent.name == "ansible_collections":
        return ROOT.parents[2]
    tree = ROOT / ".cache" / "tree"
    link = tree / "ansible_collections" / "quetrex" / "platform"
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(ROOT)
    return tree


def _install_loader() -> None:
    """ansible-test brings its own collection loader; nothing is done then."""
    if "ansible_collections" in sys.modules or "ANSIBLE_CONTROLLER_MIN_PYTHON_VERSION" in os.environ:
        return
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader([str(_tree())])


def _keep_what_ansible_makes() -> None:
    """Of modules and templates, in the playbook runs that tests start and in this process; see lab/compiled. The gates run without."""
    folder = ROOT / "tests" / "lab" / "compiled"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    os.environ.setdefault("LAB_COMPILED", str(ROOT / ".cache" / "compiled"))
    controller_kept.install()


class FastLoader(yaml.CSafeLoader):
    """The parser in C, which Ansible takes as well: the one in Python needs ten times as long for the same."""

    def __init__(self, stream: Any) -> None:
        # it takes no text of a class of its own, as Ansible's tagged text is
        super().__init__(str.__str__(stream) if isinstance(stream, str) else stream)


yaml.SafeLoader = FastLoader  # type: ignore[misc, assignment]
_keep_what_ansible_makes()
_install_loader()


@pytest.fixture(scope="session")
def collection_tree() -> Path:
    """For ANSIBLE_COLLECTIONS_PATH of a program that a test starts."""
    return _tree()


class Violations:
    """New lines in the contract-violations.jsonl of the labs, and of the local APIs that this process serves, since this run began."""

    def __init__(self, labs: Path) -> None:
        self.labs = labs
        self.seen = {path: path.stat().st_size for path in self._files()}

    def _files(self) -> list[Path]:
        # not imported: most tests need none of it
        kit = sys.modules.get("lab.api.kit")
        served = kit.violations_files() if kit else []
        return sorted({*self.labs.glob("*/contract-violations.jsonl"), *(path for path in served if path.exists())})

    def new(self) -> list[str]:
        lines: list[str] = []
        for path in self._files():
            size = path.stat().st_size
            start = self.seen.get(path, 0)
            if size > start or size < start:
                with path.open("rb") as file:
                    file.seek(start if size > start else 0)
                    lines += [f"{path.parent.name}: {line}" for line in file.read().decode(errors="replace").splitlines() if line]
            self.seen[path] = size
        return lines


_VIOLATIONS = Violations(ROOT / ".lab")


NEEDS = {"postgres": {"clusters", "cluster"}, "play": {"playbook", "player"}, "lab": {"world"}}
"""What a test needs, by the fixtures it uses, directly or through others."""

STARTED = {
    **dict.fromkeys(("ansible", "ansible-doc", "ansible-galaxy", "ansible-inventory", "ansible-playbook"), "play"),
    **dict.fromkeys(("initdb", "postgres", "pgbouncer"), "postgres"),
    **dict.fromkeys(("nginx", "redis-server", "restic"), "service"),
    **dict.fromkeys(("chromium", "chromium-headless-shell"), "browser"),
}
"""The mark of a test that starts a program; `make check` finds those that lack it."""

PLAYED = ("plugins", "roles", "playbooks", "inventories", "examples", "tests/lab", "tests/conftest.py", "ansible.cfg", *PINS)
"""What a playbook run of a unit test can see beside the test."""

ORDER = (
    "mortal",
    "main",
    "tests/integration/",
    "tests/molecule/",
    "tests/gates/test_gates.py::test_sanity",
    "tests/gates/test_gates.py::test_source[ansible_lint]",
    "tests/gates/test_second_leg.py",
    "tests/gates/",
    "tests/unit/lab/edge/",
    "tests/unit/roles/",
    "tests/unit/plugins/modules/test_supabase",
    "tests/unit/",
)
"""What begins first, because it lasts longest: beginnings of groups' names."""


@functools.cache
def platform_of(file: str) -> str | None:
    """Which of the platforms that integration tests share a file of them uses, by the fixtures its tests ask for."""
    text = (ROOT / file).read_text()
    if re.search(r"^def platform\(new_lab\b", text, re.MULTILINE):
        return None
    if re.search(r"\bmortal(_lab)?: Mortal\b", text):
        return "mortal"
    return "main" if re.search(r"^def test_\w+\([^)]*\b(platform|built): Platform\b", text, re.MULTILINE) else None


def group_of(nodeid: str) -> str:
    """What runs in one process, one test after the other: all that shares a platform, a gate alone, a file."""
    file = nodeid.partition("::")[0]
    if file.startswith("tests/integration/"):
        return platform_of(file) or file
    return nodeid if file.startswith(("tests/gates/", "tests/molecule/")) else file


def place(nodeid: str) -> int:
    """When its group begins."""
    group = group_of(nodeid)
    return next((number for number, beginning in enumerate(ORDER) if group.startswith(beginning)), len(ORDER))


WEIGHT, FIRST = 400, 1024
"""Of the processors, for the tests of one process: those with servers are the longest chains, and have guards that go off when they are slow."""

_WEIGHED = pytest.StashKey[int]()


def _weight(nodeid: str) -> int:
    return FIRST if nodeid.startswith(("tests/integration/", "tests/molecule/")) else WEIGHT


def _control_group() -> str | None:
    """This test process's, where several run side by side as root."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    return f"quetrex-tests-{os.getpid()}" if worker and os.geteuid() == 0 else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """A run lasts as long as its longest chain, so the processes of that come first."""
    name, weight = _control_group(), _weight(item.nodeid)
    if name and item.config.stash.get(_WEIGHED, 0) != weight:
        from lab import process

        process.weigh(name, weight)
        item.config.stash[_WEIGHED] = weight
    return (yield)


@pytest.hookimpl
def pytest_sessionfinish(session: pytest.Session) -> None:
    if (name := _control_group()) and _WEIGHED in session.config.stash:
        from lab import process

        process.unweigh(name)


# xdist's own groups (`--dist loadgroup`) are written into a test's id in a way that pytest 9.2 does not see.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Groups of tests as they are here, in the order in which they were collected."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Groups(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says of every test what it needs, and puts the longest groups first."""
    for item in items:
        file, fixtures = item.nodeid.partition("::")[0], set(getattr(item, "fixturenames", ()))
        for name, asked in NEEDS.items():
            if fixtures & asked:
                item.add_marker(name)
        if file.startswith(("tests/integration/", "tests/molecule/")):
            item.add_marker("lab")
        if file.startswith("tests/unit/") and item.get_closest_marker("play") and not item.get_closest_marker("inputs"):
            item.add_marker(pytest.mark.inputs(*PLAYED, file))
    items.sort(key=lambda item: place(item.nodeid))


_DIGEST = pytest.StashKey[str]()


_MEMORY = unchanged.Memory(ROOT / ".cache" / "passed")


def _name(item: pytest.Item) -> str:
    return f"{item.path.relative_to(ROOT)}::{item.name}"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test with `inputs` is skipped when these are as they were the last time it passed; never in continuous integration."""
    marker = item.get_closest_marker("inputs")
    if marker is None:
        return
    # before it runs: what is edited meanwhile was not looked at
    item.stash[_DIGEST] = unchanged.digest(ROOT, marker.args)
    if not unchanged.cold() and _MEMORY.passed_with(_name(item), item.stash[_DIGEST]):
        pytest.skip("nothing it looks at has changed since it passed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" and _DIGEST in item.stash:
        _MEMORY.note(_name(item), item.stash[_DIGEST], passed=report.passed)
    return report


_UMASK = os.umask(0o022)
os.umask(_UMASK)


@pytest.fixture(autouse=True)
def same_umask() -> Iterator[None]:
    """What a test makes of the process's umask would decide about the files of all later ones."""
    yield
    assert os.umask(_UMASK) == _UMASK, "the test changed the umask of its process"


_SEEN_STARTING = set[str]()


def _watch(event: str, details: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen":
        words = details[1] if isinstance(details[1], (list, tuple)) else [details[1]]
        _SEEN_STARTING.update(Path(os.fsdecode(word)).name for word in words if isinstance(word, (str, bytes, os.PathLike)))


if os.environ.get("TEST_QUICK"):
    sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def marked_by_what_it_starts(request: pytest.FixtureRequest) -> Iterator[None]:
    """What starts a program that takes seconds is marked, so that `make check` leaves it out."""
    yield
    # also by fixtures of the file, which came before this one
    marks = {STARTED[name] for name in _SEEN_STARTING & STARTED.keys()}
    _SEEN_STARTING.clear()
    assert [mark for mark in sorted(marks) if not request.node.get_closest_marker(mark)] == [], "mark the test, or its file (docs/testing.md)"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Looks before the fixtures are torn down: a lab that goes takes its log with it."""
    found = _VIOLATIONS.new()
    yield
    if found:
        pytest.fail("exchanges with a local API broke a contract (docs/contracts.md):\n" + "\n".join(found[:20]), pytrace=False)
