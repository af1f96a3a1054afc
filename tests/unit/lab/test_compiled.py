# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of compiled modules and of Ansible's own work is what would be made again: by content, with the right path, and never a reason to fail."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path

import pytest
import yaml

from lab import base
from lab.compiled import controller_kept

SOURCE = "def where() -> str:\n    return where.__code__.co_filename + ' {0}'\n"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Where this test's processes keep what they compile."""
    return tmp_path / "kept"


def said(kept: Path, archive: Path, text: str) -> str:
    """What a module in an archive says of itself."""
    archive.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("module.py", SOURCE.format(text))
    environment = {**os.environ, "PYTHONPATH": str(base.COMPILED), "LAB_COMPILED": str(kept)}
    program = f"import sys; sys.path.insert(0, {str(archive)!r}); import module; print(module.where())"
    return subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True).stdout.strip()


def test_same_source_is_compiled_once(kept: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "x.zip", tmp_path / "b" / "y.zip"
    assert said(kept, first, "one") == f"{first}/module.py one"
    (only,) = kept.iterdir()
    written = only.stat().st_mtime_ns
    assert said(kept, second, "one") == f"{second}/module.py one", "the archive's own path, for tracebacks"
    assert [path.stat().st_mtime_ns for path in kept.iterdir()] == [written]


def test_other_source_of_the_same_name(kept: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a" / "x.zip"
    assert [said(kept, archive, text).rpartition(" ")[2] for text in ("one", "two", "one")] == ["one", "two", "one"]
    assert len(list(kept.iterdir())) == 2


def test_what_cannot_be_kept_or_read(kept: Path, tmp_path: Path) -> None:
    """A file that is damaged is compiled again, a folder that cannot be made is done without."""
    archive = tmp_path / "a" / "x.zip"
    said(kept, archive, "one")
    (only,) = kept.iterdir()
    whole = only.read_bytes()
    only.write_bytes(whole[: len(whole) // 2])
    assert said(kept, archive, "one").endswith("one")
    assert only.read_bytes() == whole
    blocked = tmp_path / "file"
    blocked.touch()
    assert said(blocked, archive, "one").endswith("one")


def test_parsed_once(kept: Path) -> None:
    """What cannot be kept as it is, like a date, is parsed each time; so is what is damaged."""
    store = controller_kept.Kept(kept)
    asked: list[bytes] = []

    def parse(text: bytes) -> object:
        asked.append(text)
        return yaml.safe_load(text)

    assert [store.parsed(parse, "a", b"[1, two]") for _ in range(2)] == [[1, "two"]] * 2
    assert asked == [b"[1, two]"]
    (only,) = kept.iterdir()
    only.write_bytes(only.read_bytes()[:-3])
    assert store.parsed(parse, "a", b"[1, two]") == [1, "two"]
    assert store.parsed(parse, "b", b"[1, two]") == [1, "two"]
    assert [store.parsed(parse, "a", b"2026-11-30") for _ in range(2)] == [date(2026, 11, 30)] * 2
    assert len(asked) == 5
    kept.joinpath("file").touch()
    assert controller_kept.Kept(kept / "file" / "below").parsed(parse, "a", b"{}") == {}


UTILITY = "def word() -> str:\n    return {!r}\n"
MODULE = """#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.quetrex.platform.plugins.module_utils.words import word
AnsibleModule({}).exit_json(msg=word())
"""
FILTER = """from jinja2 import pass_context
def plain(value): return "plain " + value
@pass_context
def asks(context, value): return "asks " + value
class FilterModule:
    def filters(self): return {{"shown": {}}}
"""
PLAY = """- hosts: localhost
  gather_facts: false
  tasks:
    - quetrex.platform.say:
      register: said
    - ansible.builtin.debug: {msg: "{{ said.msg | quetrex.platform.shown }}"}
      when: said.msg | quetrex.platform.shown != ""
"""


@pytest.mark.play
def test_changed_files_count(kept: Path, tmp_path: Path) -> None:
    """A module's utilities and the way in which a filter is called are looked at again in each run; the third run uses what the first has made."""
    plugins = tmp_path / "ansible_collections" / "quetrex" / "platform" / "plugins"
    files = {"module_utils/words.py": UTILITY.format("one"), "modules/say.py": MODULE, "filter/shown.py": FILTER.format("plain"), "../../../../play.yml": PLAY}
    for name, content in files.items():
        (plugins / name).parent.mkdir(parents=True, exist_ok=True)
        (plugins / name).write_text(content)
    kept_in = {"LAB_COMPILED": str(kept), "PYTHONPATH": str(base.COMPILED)}
    environment = {**os.environ, **kept_in, "ANSIBLE_COLLECTIONS_PATH": str(tmp_path), "ANSIBLE_HOME": str(tmp_path / "home")}
    words = [sys.executable, str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", "play.yml"]

    def shown() -> str:
        python = ["-e", f"ansible_python_interpreter={sys.executable}"]
        done = subprocess.run([*words, *python], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        return done.stdout

    assert '"plain one"' in shown()
    made = set((kept / "controller").iterdir())
    (plugins / "module_utils" / "words.py").write_text(UTILITY.format("two"))
    (plugins / "filter" / "shown.py").write_text(FILTER.format("asks"))
    assert '"asks two"' in shown()
    assert set((kept / "controller").iterdir()) > made
    made = set((kept / "controller").iterdir())
    (plugins / "module_utils" / "words.py").write_text(UTILITY.format("one"))
    (plugins / "filter" / "shown.py").write_text(FILTER.format("plain"))
    assert '"plain one"' in shown()
    assert set((kept / "controller").iterdir()) == made
